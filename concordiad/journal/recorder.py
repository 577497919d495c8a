"""
The one task that writes the journal, and the one beside it that keeps the write-ahead log short.

Laws: what was asked for as durable is fsynced before it is answered (`synchronous=FULL`); what was only to be recorded
is committed (`NORMAL`: a power cut may take it, a crash cannot); transactions are committed in the order of the inbox,
all that wait together as one. While the file cannot be written (`journal/faults.py`), what may be refused is refused at
once, everything else waits and is tried again, and whoever wants to know is told. What cannot be mended by waiting ends
the journal, and the daemon with it.

The write-ahead log is copied back in small portions on a second connection, so that commits do not wait for it; the
commit after the log was found long (schema.LOG_PAGES) copies the little that is left, so that the log begins anew.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import structlog
import trio

from concordiad.errors import JournalError, JournalStalled
from concordiad.journal.changes import Transaction
from concordiad.journal.faults import RETRY_S, Health, Kind, describe, kind_of, remedy
from concordiad.journal.moving import STRAY, UNSYNCED
from concordiad.journal.store import Store
from concordiad.ops.threads import in_thread

_log = structlog.get_logger("concordiad.journal")

INBOX: Final = 256
"""Transactions that may wait for the next commit: each sender has one at a time, so this is a bound on senders."""
CHECKPOINT_BYTES: Final = 512 * 1024
"""Growth of the log after which it is copied back: half a millisecond's work, so that no commit beside it feels it."""
COMMIT_BYTES: Final = 16 * 1024
"""What a commit adds to the log besides its events: it writes whole pages, four of them on average."""
WHY: Final = {
    UNSYNCED: "a sync of the old file has failed",
    STRAY: "its files were moved, removed or replaced; all that was recorded is in a new one",
}
"""What is said of a file that was given up, by the reason."""
LAST_TRIES: Final = 4
"""How often more it is tried once nobody can send any more: the daemon stops, and is to stop in bounded time."""


class Ask:
    """A transaction that waits for its commit; with an event and no channel, which would cost as much as the commit."""

    __slots__ = ("answered", "error", "transaction")

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.answered = trio.Event()
        self.error: JournalError | None = None

    def answer(self, error: JournalError | None) -> None:
        """Tell whoever asked; only the first answer counts."""
        if not self.answered.is_set():
            self.error = error
            self.answered.set()


async def run_journal(
    store: Store, asks: trio.MemoryReceiveChannel[Ask], full: trio.MemorySendChannel[None], health: Health
) -> None:
    """
    Commit what comes, all that waits together as one; while that cannot be, refuse what may be, and try again.

    Owns: the connections, and `health`. Ends when: nobody can send any more. Raises: JournalError, after it has told
    everybody who waits: the file is damaged, or nobody can send any more and the last tries have failed too.
    """
    with asks, full:
        await _Recorder(store, asks, full, health).run()


class _Recorder:
    """What `run_journal` does, and the asks that it has taken and not answered."""

    def __init__(
        self,
        store: Store,
        asks: trio.MemoryReceiveChannel[Ask],
        full: trio.MemorySendChannel[None],
        health: Health,
    ) -> None:
        self._store = store
        self._asks = asks
        self._full = full
        self._health = health
        self._taken: list[Ask] = []
        self._grown_bytes = 0
        self._tries_left = LAST_TRIES
        self._has_ended = False

    async def run(self) -> None:
        """Commit until nobody can send any more, and leave all of it where the next start finds it."""
        with self._leaving_nobody():
            async for ask in self._asks:
                self._taken += [ask, *_take_all(self._asks)]
                while not await self._try():
                    await self._wait()
                    if self._has_ended and not self._taken:
                        break
            await self._leave_in_place()

    async def _try(self) -> bool:
        """Commit what was taken, and answer it; if that fails, answer what may be refused."""
        group = self._taken
        transactions = [each.transaction for each in group]
        is_durable = not transactions or any(each.is_durable for each in transactions)
        try:
            # Not in the thread, which would let go of Python's lock for it, and wait to have it again. Nothing is read
            # from the disk: the kernel has the names of open files in memory.
            if is_durable:
                self._store.is_kept()
            if self._store.unfit is not None:
                await self._move()
            began_at, asked_at = time.perf_counter(), trio.current_time()
            grown_bytes = COMMIT_BYTES + sum(len(event.json) for each in transactions for event in each.events)
            is_to_be_copied = self._grown_bytes + grown_bytes > CHECKPOINT_BYTES
            if self._store.has_thread:
                await in_thread(partial(self._store.commit, transactions, is_before_copy=is_to_be_copied))
            else:
                await trio.lowlevel.checkpoint()
                self._store.commit(transactions)
        except (sqlite3.Error, OSError, MemoryError) as error:
            self._stall(error)
            return False
        self._health.commits.note(time.perf_counter() - began_at)
        if is_durable:
            self._health.synced_at = asked_at
        self._taken = []
        for each in group:
            each.answer(None)
        if self._health.become(None):
            _log.info("journal_recovered")
        self._grown_bytes += grown_bytes
        if is_to_be_copied:
            self._grown_bytes = 0
            _ask_once(self._full)
        return True

    def _stall(self, error: Exception) -> None:
        fault = f"the journal cannot record: {describe(error)}; {remedy(error)}"
        if kind_of(error) is Kind.LASTING:
            failure = JournalError(fault)
            for each in self._taken:
                each.answer(failure)
            raise failure from error
        if self._health.become(fault):
            _log.error("journal_failing", why=fault)
        self._keep(self._taken)
        if self._has_ended:
            self._tries_left -= 1
            if self._taken and self._tries_left <= 0:
                raise JournalError(f"{fault}; not recorded: {_account(self._taken)}") from error

    def _keep(self, asks: list[Ask]) -> None:
        """Keep what waits until it can be recorded; refuse the others."""
        for ask in asks:
            if ask.transaction.is_refusable:
                ask.answer(JournalStalled(self._health.fault))
        self._taken = [ask for ask in asks if not ask.transaction.is_refusable]

    async def _wait(self) -> None:
        """Take what comes until it is time to try again."""
        with trio.move_on_after(RETRY_S):
            async for ask in self._asks:
                self._keep([*self._taken, ask])
            self._has_ended = True
            if self._taken:
                await trio.sleep_forever()

    async def _move(self) -> None:
        """Give up a file for a new one; meanwhile nobody reads it and nobody copies its log back."""
        async with self._store.checkpointing:
            moved = await in_thread(self._store.move, limiter=self._store.limiter)
        if moved is not None:
            aside = "nothing" if moved.set_aside is None else str(moved.set_aside)
            _log.error("journal_moved", why=WHY[moved.reason], set_aside=aside)

    async def _leave_in_place(self) -> None:
        """
        At the end, give up files that have lost their names: what is in them would end with the process.

        Raises:
            JournalError: there is no place for others.
        """
        while self._store.has_thread:
            try:
                if await in_thread(self._store.is_kept):
                    return
                await self._move()
            except (sqlite3.Error, OSError, MemoryError) as error:
                self._tries_left -= 1
                if self._tries_left <= 0:
                    raise JournalError(
                        f"the journal's files are not where they were, and there is no place for others:"
                        f" {describe(error)}; what it has recorded is where those files are, or lost with them"
                    ) from error
                await trio.sleep(RETRY_S)

    @contextmanager
    def _leaving_nobody(self) -> Iterator[None]:
        """At the end, whoever waits or is in the inbox is told that there is no more."""
        try:
            yield
        finally:
            for ask in (*self._taken, *_take_all(self._asks)):
                ask.answer(JournalError("the journal has ended"))


def _take_all(asks: trio.MemoryReceiveChannel[Ask]) -> Iterator[Ask]:
    """Take what waits in the inbox."""
    while True:
        try:
            yield asks.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return


def _account(asks: list[Ask]) -> str:
    """Say how much is lost, by room."""
    events: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for ask in asks:
        events[ask.transaction.room] += len(ask.transaction.events)
        rows[ask.transaction.room] += len(ask.transaction.changes)
    return ", ".join(f"{events[room]} events and {rows[room]} other entries of room {room}" for room in sorted(events))


def _ask_once(full: trio.MemorySendChannel[None]) -> None:
    try:
        full.send_nowait(None)
    except trio.WouldBlock:
        return


async def run_checkpointer(store: Store, full: trio.MemoryReceiveChannel[None]) -> None:
    """
    Copy the write-ahead log back into the file whenever it has grown.

    Owns: a connection of its own, so that no commit waits for it. Ends when: the journal ends.
    """
    with full:
        async for _ in full:
            if store.has_thread:
                async with store.checkpointing:
                    await in_thread(store.checkpoint)
