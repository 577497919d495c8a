"""
The journal's connections to its file, and what is done over them: plain synchronous functions, called in a thread.

Laws: what was asked for as durable is fsynced (`synchronous=FULL`); after a sync that failed, nothing more is written
into that file: it is given up for a new one (`journal/moving.py`) before anything else is committed.

No commit copies the log back by itself (`wal_autocheckpoint=0`): SQLite does not tell whoever commits that a sync has
failed while it did so.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
import trio

from concordiad.journal.changes import Transaction
from concordiad.journal.faults import Kind, describe, is_damage, kind_of
from concordiad.journal.moving import UNSYNCED, find_set_aside, finish, write_whole
from concordiad.journal.schema import LOG_PAGES, open_reader, open_writer
from concordiad.journal.starting import mark_suspect
from concordiad.journal.sums import Damaged
from concordiad.journal.writing import begin_epoch, touch, write

_log = structlog.get_logger("concordiad.journal")

DAMAGED_NAMED: Final = 100
"""Damaged rows that are kept in mind while the daemon runs: more are no other news."""


class Store:
    """
    The connections of one journal.

    Args:
        path: the file; None for a journal in memory.
        writer: the connection that writes.
        reader: the one that only reads.
        checkpointer: the one that copies the write-ahead log back, so that commits need not wait for that.

    Attributes:
        limiter: taken by whoever uses the reader in a thread.
        checkpointing: held by whoever uses the checkpointer.
        has_unsynced: whether a sync has failed, so that the file must be given up.
        damaged: what was found not to be what was recorded, as far as it was looked at; DAMAGED_NAMED of it at most.
    """

    def __init__(
        self,
        path: Path | None,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        checkpointer: sqlite3.Connection | None,
    ) -> None:
        self._path = path
        self._writer: sqlite3.Connection | None = writer
        self._reader: sqlite3.Connection | None = reader
        self._checkpointer = checkpointer
        self._is_full_sync = True
        self._is_log_long = False
        self.limiter = trio.CapacityLimiter(1)
        self.checkpointing = trio.Lock()
        self.has_unsynced = False
        self.damaged: dict[Damaged, None] = {}

    @property
    def has_thread(self) -> bool:
        """Whether its functions are to be called in a thread."""
        return self._path is not None

    @property
    def path(self) -> Path | None:
        """The file; None for a journal in memory."""
        return self._path

    @contextmanager
    def open_another(self) -> Iterator[sqlite3.Connection]:
        """Open one more connection that only reads. Raises sqlite3.Error, OSError: there is no file."""
        if self._path is None:
            raise OSError("a journal in memory has one connection")
        with closing(open_reader(self._path)) as connection:
            yield connection

    def note_damaged(self, found: Iterable[Damaged]) -> None:
        """Note what is damaged: it is told once, and the next start reads all of the file."""
        for damaged in found:
            if damaged not in self.damaged and len(self.damaged) < DAMAGED_NAMED:
                self.damaged[damaged] = None
                _log.error("journal_damaged", found=str(damaged), what_next="it is not served; restart to salvage")
                self._mark()

    def note_fault(self, error: Exception) -> None:
        """Note that the structure of the file is damaged, if that is what an error says."""
        if is_damage(error):
            self.note_damaged([Damaged(describe(error), None, None)])

    def _mark(self) -> None:
        if self._path is not None:
            with suppress(OSError):
                mark_suspect(self._path)

    @property
    def reader(self) -> sqlite3.Connection:
        """
        The connection that only reads.

        Raises:
            OSError: there is none at the moment, because the file is being replaced.
        """
        if self._reader is None:
            raise OSError("its file is being replaced")
        return self._reader

    def commit(self, transactions: Sequence[Transaction]) -> None:
        """
        Commit transactions as one, durable if any of them asks for it; with nothing to write, try whether that works.

        Raises:
            sqlite3.Error, OSError, MemoryError: nothing of it was committed.
        """
        is_durable = not transactions or any(each.is_durable for each in transactions)
        writer = self._open_writer()
        try:
            if is_durable != self._is_full_sync:
                writer.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
                self._is_full_sync = is_durable
            if any(each.events or each.changes for each in transactions):
                write(writer, transactions)
            else:
                touch(writer)
        except sqlite3.Error as error:
            self._note(error)
            if self.has_unsynced:
                self._overwrite_unsynced(writer)
            raise
        if self._is_log_long:
            self._is_log_long = False
            self._copy_back(writer)

    def _overwrite_unsynced(self, writer: sqlite3.Connection) -> None:
        """
        Overwrite a transaction whose sync has failed.

        All of it is in the log, so that the next start would find what somebody is told now was not recorded. Whatever
        is written in its place breaks the chain of checksums behind it.
        """
        with suppress(sqlite3.Error):
            writer.execute("PRAGMA synchronous = NORMAL")
            self._is_full_sync = False
            touch(writer)

    def checkpoint(self) -> None:
        """Copy the log back; what is in the way of it is left for the next time."""
        if self._checkpointer is not None and not self.has_unsynced:
            self._is_log_long = self._copy_back(self._checkpointer) > LOG_PAGES

    def _copy_back(self, connection: sqlite3.Connection) -> int:
        """Copy the log back without waiting for anybody; return how many pages it has."""
        try:
            row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError as error:
            # Busy, or the disk is full: the log keeps everything, the next commit that fails says so itself.
            self._note(error)
            return 0
        return int(row[1])

    def _note(self, error: sqlite3.Error) -> None:
        self.has_unsynced = self.has_unsynced or kind_of(error) is Kind.UNSYNCED
        self.note_fault(error)

    def begin_epoch(self) -> tuple[str, int]:
        """Raise the epoch, durably; return the journal's id and the new epoch. Raises sqlite3.Error."""
        return begin_epoch(self._open_writer())

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            raise OSError("its file is being replaced")
        return self._writer

    def move(self) -> list[str]:
        """
        Give the file up for a new one with everything that was committed; nobody else may use a connection meanwhile.

        Returns:
            The paths of all files that were given up so far, this one last.

        Raises:
            sqlite3.Error, OSError: it could not be done, the old file is still in its place; it may be tried again.
        """
        if self._path is None:
            raise OSError("a journal in memory cannot be moved")
        if self._reader is not None:
            write_whole(self._path, self._reader, UNSYNCED)
            self.close()
        finish(self._path)
        self._writer = open_writer(self._path)
        self._reader, self._checkpointer = open_reader(self._path), open_checkpointer(self._path)
        self._is_full_sync = True
        self._is_log_long = self.has_unsynced = False
        return find_set_aside(self._path)

    def close(self) -> None:
        """Close every connection; the last one copies the log back."""
        connections = (self._checkpointer, self._reader, self._writer)
        self._checkpointer = self._reader = self._writer = None
        for connection in connections:
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()


def open_checkpointer(path: Path) -> sqlite3.Connection:
    """Open a connection that copies the log back."""
    connection = open_reader(path)
    connection.execute("PRAGMA query_only = OFF")
    return connection
