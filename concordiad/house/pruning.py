"""What the rooms forget: by the hour what retention does not keep, and by command."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import structlog
import trio

from concordiad.config.tables import Config
from concordiad.core.checks import DAY_S
from concordiad.core.model import rfc3339
from concordiad.errors import JournalStalled, RoomError
from concordiad.house.commands import Pruned, PruneNow
from concordiad.journal import Journal
from concordiad.journal.changes import Prune, Transaction
from concordiad.journal.events import first_seq
from concordiad.journal.faults import RETRY_S
from concordiad.journal.pruning import find_prune_seq
from concordiad.journal.rooms import read_recorded_rooms
from concordiad.ops.clock import since_boot
from concordiad.room.handle import Room

PRUNE_EVERY_S: Final = 3600.0
PRUNE_STEP: Final = 2000
"""Events forgotten in one transaction: a few milliseconds of the journal's time."""

_log = structlog.get_logger("concordiad.house")


class Pruner:
    """
    What has the journal and the open rooms forget.

    Args:
        rooms: the open ones by name.
        find_config: finds the configuration in force.
    """

    def __init__(
        self, journal: Journal, rooms: Mapping[str, Room], now: Callable[[], float], find_config: Callable[[], Config]
    ) -> None:
        self._journal = journal
        self._rooms = rooms
        self._now = now
        self._find_config = find_config
        self._started_at = now() - since_boot()

    async def run(self) -> None:
        """
        Forget, now and every hour, what retention does not keep.

        Owns: nothing. Ends when: it is cancelled. Raises: JournalError.
        """
        while True:
            retention = self._find_config().retention
            before = self._ago(retention.days * DAY_S) if retention.days else -math.inf
            # The closed ones too: their records can be read as well.
            with suppress(JournalStalled):
                for name in await self._journal.read(read_recorded_rooms) if retention.days or retention.bytes else ():
                    await self._prune(name, before, retention.bytes or None)
            await trio.sleep(PRUNE_EVERY_S)

    async def prune(self, command: PruneNow) -> None:
        """Forget by command."""
        try:
            command.reply.answer(await self._prune_by(command))
        except RoomError as error:
            command.reply.answer(error)

    async def _prune_by(self, command: PruneNow) -> list[Pruned]:
        known = await self._journal.read(read_recorded_rooms)
        for name in command.rooms:
            if name not in known:
                raise RoomError.not_found(f"the journal has no room {name[:40]!r}")
        before = -math.inf if command.older_than_s is None else self._ago(command.older_than_s)
        try:
            return [await self._prune(name, before, command.keep_bytes) for name in command.rooms or known]
        except JournalStalled as error:
            raise RoomError.not_now(str(error), retry_after_s=RETRY_S) from error

    def _ago(self, age_s: float) -> float:
        """
        Tell before which time, in Unix seconds, what ended is older than that.

        A clock that was set forward by mistake is to cost nobody a record: what counts then is how long we have run.
        """
        return min(self._now(), self._started_at + since_boot()) - age_s

    async def _prune(self, name: str, before: float, keep_bytes: int | None) -> Pruned:
        at_before = rfc3339(before) if math.isfinite(before) else None
        target = await self._journal.read(find_prune_seq, name, at_before, keep_bytes)
        began = seq = await self._journal.read(first_seq, name)
        while True:
            # In steps, so that no commit of a prompt waits long behind a deletion.
            seq = min(seq + PRUNE_STEP, target)
            if name in self._rooms:
                self._rooms[name].transcript.forget_before(seq)
            await self._journal.record(Transaction(name, changes=[Prune(name, seq, before)], is_refusable=True))
            if seq >= target:
                break
        _log.info("pruned", room=name, first_seq=target)
        return Pruned(name, max(target - began, 0), max(target, began))
