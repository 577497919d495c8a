"""
The journal: the durable record, as everybody else has it, opened and closed.

Laws: whoever records is answered once it is committed, and synced where that was asked for, or is told that nothing of
it was recorded; whoever reads sees everything that was committed, and no commit waits for that; what is opened was made
sound before (`journal/starting.py`), and what was sent is committed before it is closed. Who commits is in
`journal/recorder.py`.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio
from msgspec import Struct, field

from concordiad.core.model import OnDamage
from concordiad.errors import ConfigError, JournalError, JournalStalled
from concordiad.journal.changes import Transaction
from concordiad.journal.faults import RETRY_S, Health, describe, is_full, remedy
from concordiad.journal.moving import FOUND, find_set_aside, finish
from concordiad.journal.patrol import run_patrol
from concordiad.journal.recorder import INBOX, Ask, run_checkpointer, run_journal
from concordiad.journal.schema import open_memory, open_reader, open_writer
from concordiad.journal.starting import make_sound
from concordiad.journal.store import Store, open_checkpointer
from concordiad.journal.sums import Damaged, Ledger
from concordiad.journal.watch import run_watch
from concordiad.ops.threads import in_thread

_log = structlog.get_logger("concordiad.journal")

T = TypeVar("T")


class Journal(Struct, frozen=True):
    """
    What everybody else has of the journal.

    Attributes:
        id: names the journal and the directory that it is in.
        epoch: the number of this run of the daemon.
        health: whether it records at the moment.
        place: names the directory.
    """

    id: str
    epoch: int
    _inbox: trio.MemorySendChannel[Ask]
    _read: "Reader"
    health: Health = field(default_factory=Health)
    place: str = ""

    async def record(self, transaction: Transaction) -> None:
        """
        Commit a transaction; durable when it asks for it.

        Raises:
            JournalStalled: it may be refused, and the journal cannot record for now.
            JournalError: nothing of it was recorded.
        """
        ask = Ask(transaction)
        try:
            try:
                # Without waiting where it can be: what is waited for is the answer.
                self._inbox.send_nowait(ask)
            except trio.WouldBlock:
                await self._inbox.send(ask)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            raise JournalError("the journal has ended") from gone
        await ask.answered.wait()
        if ask.error is not None:
            raise ask.error

    async def prove(self, fresh_s: float) -> None:
        """
        Show that it records: by a durable commit of the last `fresh_s` seconds, or by one that is made for this.

        Raises:
            JournalError: it does not, and why.
        """
        await trio.lowlevel.checkpoint()
        if self.health.fault is not None:
            raise JournalStalled(self.health.fault)
        if trio.current_time() - self.health.synced_at >= fresh_s:
            await self.record(Transaction("", is_durable=True, is_refusable=True))

    def leave(self, transaction: Transaction) -> None:
        """
        Leave a transaction behind, without waiting for what becomes of it: the journal says so if it is lost.

        Raises:
            JournalError: there is no place for it.
        """
        try:
            self._inbox.send_nowait(Ask(transaction))
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError) as full:
            raise JournalError(f"the journal has no place for what room {transaction.room} still had to say") from full

    async def read(self, query: Callable[..., T], *args: object) -> T:
        """
        Run a query over a connection that only reads and sees everything that was committed.

        Raises:
            JournalError: the file could not be read.
        """
        return await self._read(query, *args)

    @property
    def damaged(self) -> list[str]:
        """What was found damaged since the start, and is not served."""
        return list(map(str, self._read.damaged))

    def find_set_aside(self) -> list[str]:
        """List the files that were given up for another one that nobody asked for, by path."""
        return self._read.find_set_aside()


class Reader:
    """Run queries one after the other on the connection that only reads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._set_aside: list[str] = []
        self.find_set_aside()

    @property
    def damaged(self) -> Iterable[Damaged]:
        """What was found damaged."""
        return self._store.damaged

    def find_set_aside(self) -> list[str]:
        """List the files that lie beside the journal because they were given up for it, as far as can be seen now."""
        if self._store.path is not None:
            # Who asks how the daemon is must be told, also while there is no descriptor left to look with.
            with suppress(OSError):
                self._set_aside = find_set_aside(self._store.path, FOUND)
        return self._set_aside

    async def __call__(self, query: Callable[..., T], *args: object) -> T:
        """Run one query."""
        try:
            if not self._store.has_thread:
                await trio.lowlevel.checkpoint()
                return self._query(query, *args)
            return await in_thread(self._query, query, *args, limiter=self._store.limiter)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"the journal cannot be read: {describe(error)}; {remedy(error)}") from error

    def _query(self, query: Callable[..., T], *args: object) -> T:
        connection = self._store.reader
        try:
            return query(connection, *args)
        except sqlite3.Error as error:
            self._store.note_fault(error)
            raise
        finally:
            if isinstance(connection, Ledger) and connection.damaged:
                found, connection.damaged = connection.damaged, []
                self._store.note_damaged(found)


@asynccontextmanager
async def open_journal(
    path: Path,
    on_damage: OnDamage = OnDamage.SALVAGE,
    patience_s: float = 0.0,
    tell: Callable[[str], None] | None = None,
    rooms: Collection[str] = (),
) -> AsyncIterator[Journal]:
    """
    Open the journal of a state directory and run its tasks; on leaving, what was sent is still committed.

    Args:
        path: the file.
        on_damage: what is to become of one that is damaged.
        patience_s: how long space is waited for where there is none.
        tell: is told once, in words, that it is waited for.
        rooms: those that are told of damage even if nothing of theirs can be read.

    Raises:
        ConfigError: its name is that of a link to a file that is not there.
        JournalError: it cannot be opened, or (in the group of the nursery) it failed while it ran.
    """
    until = trio.current_time() + patience_s
    store = await _when_there_is_space(partial(_open, path, on_damage, rooms), until, tell)
    try:
        # A copy of the directory, started beside the original, must not take the original's agents for its own.
        status = await trio.Path(path.parent).stat()
        place = f"{status.st_dev:x}-{status.st_ino:x}"
        begun = await _when_there_is_space(partial(_begin, store), until, tell)
        async with _serve(store, Health(), place, begun) as journal:
            yield journal
    finally:
        store.close()


async def _when_there_is_space(work: Callable[[], T], until: float, tell: Callable[[str], None] | None) -> T:
    is_told = False
    while True:
        try:
            return await trio.to_thread.run_sync(work)
        except JournalError as error:
            if not is_full(error.__cause__) or trio.current_time() >= until:
                raise
            if not is_told:
                _log.error("journal_failing", why=str(error))
                if tell is not None:
                    tell(f"waits for space: {error}")
                is_told = True
        await trio.sleep(RETRY_S)


def _begin(store: Store) -> tuple[str, int]:
    try:
        return store.begin_epoch()
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"the journal cannot be written: {describe(error)}; {remedy(error)}") from error


def _open(path: Path, on_damage: OnDamage, rooms: Collection[str]) -> Store:
    try:
        aside = finish(path)
        _refuse_dead_link(path)
        salvaged = make_sound(path, on_damage, rooms)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be opened: {describe(error)}; {remedy(error)}") from error
    if aside is not None:
        _log.warning("journal_moved", set_aside=str(aside) if os.path.lexists(aside) else "nothing")
    if salvaged is not None:
        of_no_room, missing = salvaged.of_no_room or "nothing", salvaged.missing or "nothing"
        _log.error(
            "journal_salvaged",
            set_aside=str(salvaged.set_aside),
            found=salvaged.found,
            missing=missing,
            of_no_room=of_no_room,
        )
    return Store(path, open_writer(path), open_reader(path), open_checkpointer(path))


def _refuse_dead_link(path: Path) -> None:
    # A new journal behind it would hide the one that is missing there: its disk may only not be mounted.
    if path.is_symlink() and not path.exists():
        raise ConfigError(
            f"the journal {path} is a link to {os.readlink(path)}, and there is no such file: put it there, or mount"
            " its disk; or remove the link to begin with an empty journal"
        )


@asynccontextmanager
async def open_memory_journal() -> AsyncIterator[Journal]:
    """Open a journal in memory that uses no thread, for tests in virtual time."""
    connection = open_memory()
    try:
        store = Store(None, connection, connection, None)
        async with _serve(store, Health(), "memory", _begin(store)) as journal:
            yield journal
    finally:
        connection.close()


@asynccontextmanager
async def _serve(store: Store, health: Health, place: str, begun: tuple[str, int]) -> AsyncIterator[Journal]:
    journal_id, epoch = begun
    send_ask, asks = trio.open_memory_channel[Ask](INBOX)
    # No slot: what is asked for while a checkpoint runs is dropped, and asked for again when the log has grown further.
    # Checkpoints back to back would keep the commits from ever finishing one, and the log from beginning anew.
    send_full, full = trio.open_memory_channel[None](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_journal, store, asks, send_full, health)
        nursery.start_soon(run_checkpointer, store, full)
        journal = Journal(f"{journal_id}-{place}", epoch, send_ask, Reader(store), health, place)
        looking = trio.CancelScope()
        nursery.start_soon(_look_within, looking, journal, store)
        with send_ask, _cancelling(looking):
            yield journal


@contextmanager
def _cancelling(scope: trio.CancelScope) -> Iterator[None]:
    """Cancel on leaving."""
    try:
        yield
    finally:
        scope.cancel()


async def _look_within(scope: trio.CancelScope, journal: Journal, store: Store) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_patrol, store)
            nursery.start_soon(run_watch, store, journal.health, partial(journal.prove, 0.0))
