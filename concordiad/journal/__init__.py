"""
The journal: the durable record, behind one task that owns the one connection that writes.

Laws: what was asked for as durable is fsynced before it is answered (`synchronous=FULL`); what was only to be recorded
is committed (`NORMAL`: a power cut may take it, a crash cannot); transactions are committed in the order of the inbox,
all that wait together as one. While the file cannot be written (`journal/faults.py`), what may be refused is refused at
once, everything else waits and is tried again, and whoever wants to know is told. What cannot be mended by waiting ends
the journal, and the daemon with it.

The write-ahead log is copied back in small portions on a second connection, so that commits do not wait for it; the
commit after the log was found long (schema.LOG_PAGES) copies the little that is left, so that the log begins anew.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import structlog
import trio
from msgspec import Struct, field

from concordiad.core.model import OnDamage
from concordiad.errors import ConfigError, JournalError, JournalStalled
from concordiad.journal.changes import Transaction
from concordiad.journal.faults import Health, Kind, describe, kind_of, remedy
from concordiad.journal.moving import FOUND, STRAY, UNSYNCED, find_set_aside, finish
from concordiad.journal.patrol import run_patrol
from concordiad.journal.schema import open_memory, open_reader, open_writer
from concordiad.journal.starting import make_sound
from concordiad.journal.store import Store, open_checkpointer
from concordiad.journal.sums import Damaged, Ledger
from concordiad.journal.watch import run_watch
from concordiad.ops.threads import in_thread

_log = structlog.get_logger("concordiad.journal")

T = TypeVar("T")

INBOX: Final = 256
"""Transactions that may wait for the next commit: each sender has one at a time, so this is a bound on senders."""
CHECKPOINT_BYTES: Final = 512 * 1024
"""Growth of the log after which it is copied back: half a millisecond's work, so that no commit beside it feels it."""
COMMIT_BYTES: Final = 16 * 1024
"""What a commit adds to the log besides its events: it writes whole pages, four of them on average."""
RETRY_S: Final = 0.25
"""How soon a commit that failed is tried again: people are to wait less than a second for space that has come back."""
WHY: Final = {
    UNSYNCED: "a sync of the old file has failed",
    STRAY: "its files were moved, removed or replaced; all that was recorded is in a new one",
}
"""What is said of a file that was given up, by the reason."""
LAST_TRIES: Final = 4
"""How often more it is tried once nobody can send any more: the daemon stops, and is to stop in bounded time."""


class _Ask:
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


class Journal(Struct, frozen=True):
    """
    What everybody else has of the journal.

    Attributes:
        id: names the journal and the directory that it is in.
        epoch: the number of this run of the daemon.
        health: whether it records at the moment.
    """

    id: str
    epoch: int
    _inbox: trio.MemorySendChannel[_Ask]
    _read: "Reader"
    health: Health = field(default_factory=Health)

    async def record(self, transaction: Transaction) -> None:
        """
        Commit a transaction; durable when it asks for it.

        Raises:
            JournalStalled: it may be refused, and the journal cannot record for now.
            JournalError: nothing of it was recorded.
        """
        ask = _Ask(transaction)
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
            self._inbox.send_nowait(_Ask(transaction))
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
async def open_journal(path: Path, on_damage: OnDamage = OnDamage.SALVAGE) -> AsyncIterator[Journal]:
    """
    Open the journal of a state directory and run its tasks; on leaving, what was sent is still committed.

    Raises:
        ConfigError: its name is that of a link to a file that is not there.
        JournalError: it cannot be opened, or (in the group of the nursery) it failed while it ran.
    """
    store = await trio.to_thread.run_sync(_open, path, on_damage)
    try:
        # A copy of the directory, started beside the original, must not take the original's agents for its own.
        status = await trio.Path(path.parent).stat()
        place = f"{status.st_dev:x}-{status.st_ino:x}"
        async with _serve(store, Health(), place) as journal:
            yield journal
    finally:
        store.close()


def _open(path: Path, on_damage: OnDamage) -> Store:
    try:
        aside = finish(path)
        _refuse_dead_link(path)
        salvaged = make_sound(path, on_damage)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be opened: {describe(error)}; {remedy(error)}") from error
    if aside is not None:
        _log.warning("journal_moved", set_aside=str(aside) if os.path.lexists(aside) else "nothing")
    if salvaged is not None:
        of_no_room, missing = salvaged.of_no_room or "nothing", salvaged.missing or "nothing"
        _log.error("journal_salvaged", set_aside=str(salvaged.set_aside), missing=missing, of_no_room=of_no_room)
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
        async with _serve(Store(None, connection, connection, None), Health(), "memory") as journal:
            yield journal
    finally:
        connection.close()


@asynccontextmanager
async def _serve(store: Store, health: Health, place: str) -> AsyncIterator[Journal]:
    try:
        journal_id, epoch = store.begin_epoch()
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"the journal cannot be written: {describe(error)}; {remedy(error)}") from error
    send_ask, asks = trio.open_memory_channel[_Ask](INBOX)
    # No slot: what is asked for while a checkpoint runs is dropped, and asked for again when the log has grown further.
    # Checkpoints back to back would keep the commits from ever finishing one, and the log from beginning anew.
    send_full, full = trio.open_memory_channel[None](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_journal, store, asks, send_full, health)
        nursery.start_soon(run_checkpointer, store, full)
        journal = Journal(f"{journal_id}-{place}", epoch, send_ask, Reader(store), health)
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


async def run_journal(
    store: Store, asks: trio.MemoryReceiveChannel[_Ask], full: trio.MemorySendChannel[None], health: Health
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
        asks: trio.MemoryReceiveChannel[_Ask],
        full: trio.MemorySendChannel[None],
        health: Health,
    ) -> None:
        self._store = store
        self._asks = asks
        self._full = full
        self._health = health
        self._taken: list[_Ask] = []
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
            if self._store.has_thread:
                await in_thread(self._store.commit, transactions)
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
        self._grown_bytes += COMMIT_BYTES + sum(len(event.json) for each in transactions for event in each.events)
        if self._grown_bytes > CHECKPOINT_BYTES:
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

    def _keep(self, asks: list[_Ask]) -> None:
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


def _take_all(asks: trio.MemoryReceiveChannel[_Ask]) -> Iterator[_Ask]:
    """Take what waits in the inbox."""
    while True:
        try:
            yield asks.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return


def _account(asks: list[_Ask]) -> str:
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
