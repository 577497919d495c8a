"""
The journal: the durable record, behind one task that owns the one connection that writes.

Laws: what was asked for as durable is fsynced before it is answered (`synchronous=FULL`); what was only to be recorded
is committed (`NORMAL`: a power cut may take it, a crash cannot); transactions are committed in the order of the inbox,
all that wait together as one. After a failed commit nothing more is recorded: the journal ends, and the daemon with it.

The write-ahead log is copied back in small portions on a second connection, so that commits do not wait for it; the
commit that finds the log long (schema.LOG_PAGES) copies the little that is left, so that the log begins anew.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio
from attrs import frozen

from concordiad.errors import JournalError
from concordiad.journal.rows import Transaction, begin_epoch, write
from concordiad.journal.schema import open_memory, open_reader, open_writer, remedy

T = TypeVar("T")

INBOX: Final = 256
"""Transactions that may wait for the next commit: each sender has one at a time, so this is a bound on senders."""
CHECKPOINT_BYTES: Final = 512 * 1024
"""Growth of the log after which it is copied back: half a millisecond's work, so that no commit beside it feels it."""
COMMIT_BYTES: Final = 16 * 1024
"""What a commit adds to the log besides its events: it writes whole pages, four of them on average."""


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


@frozen
class Journal:
    """
    What everybody else has of the journal.

    Attributes:
        id: names the journal and the file that it is in.
        epoch: the number of this run of the daemon.
    """

    id: str
    epoch: int
    _inbox: trio.MemorySendChannel[_Ask]
    _read: "Reader"

    async def record(self, transaction: Transaction) -> None:
        """
        Commit a transaction; durable when it asks for it.

        Raises:
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

    async def read(self, query: Callable[..., T], *args: object) -> T:
        """
        Run a query over a connection that only reads and sees everything that was committed.

        Raises:
            JournalError: the file could not be read.
        """
        return await self._read(query, *args)


class Reader:
    """Run queries one after the other on one connection."""

    def __init__(self, connection: sqlite3.Connection, *, has_thread: bool) -> None:
        self._connection = connection
        self._limiter = trio.CapacityLimiter(1)
        self._has_thread = has_thread

    async def __call__(self, query: Callable[..., T], *args: object) -> T:
        """Run one query."""
        try:
            if not self._has_thread:
                await trio.lowlevel.checkpoint()
                return query(self._connection, *args)
            return await trio.to_thread.run_sync(query, self._connection, *args, limiter=self._limiter)
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}; {remedy(error)}") from error


@asynccontextmanager
async def open_journal(path: Path) -> AsyncIterator[Journal]:
    """
    Open the journal of a state directory and run its tasks; on leaving, what was sent is still committed.

    Raises:
        JournalError: it cannot be opened, or (in the group of the nursery) it failed while it ran.
    """
    writer = await trio.to_thread.run_sync(open_writer, path)
    reader = await trio.to_thread.run_sync(open_reader, path)
    checkpointer = await trio.to_thread.run_sync(open_reader, path)
    checkpointer.execute("PRAGMA query_only = OFF")
    try:
        # A copy of the directory, started beside the original, must not take the original's agents for its own.
        status = await trio.Path(path).stat()
        place = f"{status.st_dev:x}-{status.st_ino:x}"
        async with _serve(writer, Reader(reader, has_thread=True), checkpointer, place) as journal:
            yield journal
    finally:
        for connection in (checkpointer, reader, writer):
            connection.close()


@asynccontextmanager
async def open_memory_journal() -> AsyncIterator[Journal]:
    """Open a journal in memory that uses no thread, for tests in virtual time."""
    connection = open_memory()
    try:
        async with _serve(connection, Reader(connection, has_thread=False), None) as journal:
            yield journal
    finally:
        connection.close()


@asynccontextmanager
async def _serve(
    writer: sqlite3.Connection, reader: Reader, checkpointer: sqlite3.Connection | None, place: str = "memory"
) -> AsyncIterator[Journal]:
    try:
        journal_id, epoch = begin_epoch(writer)
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be written: {error}; {remedy(error)}") from error
    send_ask, asks = trio.open_memory_channel[_Ask](INBOX)
    # No slot: what is asked for while a checkpoint runs is dropped, and asked for again when the log has grown further.
    # Checkpoints back to back would keep the commits from ever finishing one, and the log from beginning anew.
    send_full, full = trio.open_memory_channel[None](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run_journal, has_thread=checkpointer is not None), writer, asks, send_full)
        nursery.start_soon(run_checkpointer, checkpointer, full)
        with send_ask:
            yield Journal(f"{journal_id}-{place}", epoch, send_ask, reader)


async def run_journal(
    connection: sqlite3.Connection,
    asks: trio.MemoryReceiveChannel[_Ask],
    full: trio.MemorySendChannel[None],
    *,
    has_thread: bool,
) -> None:
    """
    Commit what comes, all that waits together as one.

    Owns: the connection that writes. Ends when: nobody can send any more. Raises: JournalError, after it has told
    everybody who waits.
    """
    is_full_sync = True
    grown_bytes = 0
    with asks, full, _leaving_nobody(asks) as group:
        async for ask in asks:
            group[:] = [ask, *_take_all(asks)]
            is_durable = any(each.transaction.is_durable for each in group)
            transactions = [each.transaction for each in group]
            try:
                if has_thread:
                    await trio.to_thread.run_sync(_commit, connection, transactions, is_durable, is_full_sync)
                else:
                    await trio.lowlevel.checkpoint()
                    write(connection, transactions)
            except sqlite3.Error as error:
                failure = JournalError(f"the journal cannot record: {error}; {remedy(error)}")
                for each in group:
                    each.answer(failure)
                raise failure from error
            is_full_sync = is_durable
            for each in group:
                each.answer(None)
            grown_bytes += COMMIT_BYTES + sum(len(event.json) for each in transactions for event in each.events)
            if grown_bytes > CHECKPOINT_BYTES:
                grown_bytes = 0
                _ask_once(full)


@contextmanager
def _leaving_nobody(asks: trio.MemoryReceiveChannel[_Ask]) -> Iterator[list[_Ask]]:
    """Give a list for the group at work; at the end, whoever is in it or in the inbox is told that there is no more."""
    group: list[_Ask] = []
    try:
        yield group
    finally:
        for ask in (*group, *_take_all(asks)):
            ask.answer(JournalError("the journal has ended"))


def _take_all(asks: trio.MemoryReceiveChannel[_Ask]) -> Iterator[_Ask]:
    """Take what waits in the inbox."""
    while True:
        try:
            yield asks.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return


def _commit(
    connection: sqlite3.Connection, transactions: list[Transaction], is_durable: bool, was_durable: bool
) -> None:
    if is_durable != was_durable:
        connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
    write(connection, transactions)


def _ask_once(full: trio.MemorySendChannel[None]) -> None:
    try:
        full.send_nowait(None)
    except trio.WouldBlock:
        return


async def run_checkpointer(connection: sqlite3.Connection | None, full: trio.MemoryReceiveChannel[None]) -> None:
    """
    Copy the write-ahead log back into the file whenever it has grown.

    Owns: a connection of its own, so that no commit waits for it. Ends when: the journal ends.
    """
    with full:
        async for _ in full:
            if connection is not None:
                # PASSIVE never waits for a reader or a writer; what it leaves is for the next time.
                await trio.to_thread.run_sync(_checkpoint, connection)


def _checkpoint(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.OperationalError:
        # Busy, or the disk is full: the log keeps everything, the next commit that fails says so itself.
        return
