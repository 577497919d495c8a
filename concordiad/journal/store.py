"""
The journal's connections to its file, and what is done over them: plain synchronous functions, called in a thread.

Laws: what was asked for as durable is fsynced (`synchronous=FULL`), into files that the next start finds
(`journal/place.py`); after a sync that failed, or where others are in their place, nothing more is written into them:
they are given up for a new one (`journal/moving.py`) before anything else is committed.

No commit copies the log back by itself (`wal_autocheckpoint=0`): SQLite does not tell whoever commits that a sync has
failed while it did so.
"""

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog
import trio

from concordiad.errors import JournalError
from concordiad.journal.changes import Transaction
from concordiad.journal.faults import Kind, describe, is_damage, kind_of
from concordiad.journal.moving import STRAY, UNSYNCED, finish, forget_whole, write_whole
from concordiad.journal.place import Identity, Place, leads_to
from concordiad.journal.schema import LOG_PAGES, open_reader, open_writer
from concordiad.journal.starting import mark_suspect
from concordiad.journal.sums import Damaged
from concordiad.journal.writing import begin_epoch, touch, write

_log = structlog.get_logger("concordiad.journal")

DAMAGED_NAMED: Final = 100
"""Damaged rows that are kept in mind while the daemon runs: more are no other news."""


class _Copied(NamedTuple):
    """A new file that is whole and not opened yet: which it is, why it was made, and what has made way for it."""

    identity: Identity
    reason: str
    aside: Path | None = None


class Moved(NamedTuple):
    """
    What became of a file that was given up.

    Attributes:
        reason: why, as in journal/moving.py.
        set_aside: the name under which what was in its place is kept; None where nothing was.
    """

    reason: str
    set_aside: Path | None


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
        unfit: why the file must be given up, as in journal/moving.py: UNSYNCED or STRAY; None while it need not.
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
        self._copies = 0
        self._counted_at: int | None = None
        self.limiter = trio.CapacityLimiter(1)
        self.checkpointing = trio.Lock()
        self._place: Place | None = None
        self._copied: _Copied | None = None
        self.unfit: str | None = None
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

    def commit(self, transactions: Sequence[Transaction], *, is_before_copy: bool = False) -> None:
        """
        Commit transactions as one, durable if any of them asks for it; with nothing to write, try whether that works.

        Args:
            transactions: what is committed.
            is_before_copy: whether the log is to be copied back next.

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
                self._write(writer, transactions, is_before_copy=is_before_copy or self._is_log_long)
            else:
                touch(writer)
        except sqlite3.Error as error:
            self._note(error)
            if self.unfit == UNSYNCED:
                self._overwrite_unsynced(writer)
            raise
        if self._is_log_long:
            self._is_log_long = False
            self._copy_back(writer)

    def _write(self, writer: sqlite3.Connection, transactions: Sequence[Transaction], *, is_before_copy: bool) -> None:
        """Commit, and count on before the log is copied back, after that, and meanwhile: it may have begun anew."""
        copies = self._copies
        is_copied = copies % 2 == 1 or copies != self._counted_at
        write(writer, transactions, counts_on=self._path is not None and (is_copied or is_before_copy))
        self._counted_at = copies

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
        if self._checkpointer is not None and self.unfit is None:
            self._is_log_long = self._copy_back(self._checkpointer) > LOG_PAGES

    def _copy_back(self, connection: sqlite3.Connection) -> int:
        """Copy the log back without waiting for anybody; return how many pages it has."""
        # Counted before and after, because commits go on meanwhile: the number is odd then.
        self._copies += 1
        try:
            row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError as error:
            # Busy, or the disk is full: the log keeps everything, the next commit that fails says so itself.
            self._note(error)
            return 0
        finally:
            self._copies += 1
        return int(row[1])

    def _note(self, error: sqlite3.Error) -> None:
        if kind_of(error) is Kind.UNSYNCED:
            self.unfit = UNSYNCED
        self.note_fault(error)

    def begin_epoch(self) -> tuple[str, int]:
        """
        Raise the epoch, durably; return the journal's id and the new epoch.

        Raises:
            sqlite3.Error, OSError: it could not be done, or the files have lost their names already.
        """
        begun = begin_epoch(self._open_writer())
        if self._path is not None:
            self._place = Place(self._path)
            self._settle(self._place)
        return begun

    def _settle(self, place: Place, expected: Identity | None = None) -> None:
        for connection in (self._reader, self._checkpointer):
            # A connection opens the log, by its name, when it reads for the first time: it is to be the one of now.
            if connection is not None:
                connection.execute("SELECT 1 FROM meta").fetchone()
        place.settle(expected)

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            raise OSError("its file is being replaced")
        return self._writer

    def is_kept(self) -> bool:
        """
        Tell whether the files are where the next start looks for them; where they are not, they must be given up.

        Raises:
            OSError: it cannot be seen.
        """
        if self._place is None or self._place.is_kept():
            return True
        self.unfit = self.unfit or STRAY
        return False

    def move(self) -> Moved | None:
        """
        Give the file up for a new one with everything that was committed; nobody else may use a connection meanwhile.

        What was committed is read from the files that are open, wherever they are by now.

        Returns:
            What became of the old one; None where it is fit again, because it was put back.

        Raises:
            sqlite3.Error, OSError: it could not be done, everything is in the old file; it may be tried again.
        """
        if self._path is None or self._place is None:
            raise OSError("a journal in memory cannot be moved")
        try:
            return self._move(self._path, self._place)
        except (sqlite3.Error, JournalError) as error:
            if isinstance(error, JournalError) or (kind_of(error) is Kind.LASTING and self.unfit == STRAY):
                # Whoever takes files away may do so again; what is open is not damaged by it.
                raise OSError(errno.EIO, "its new file was spoilt") from error
            raise

    def _move(self, path: Path, place: Place) -> Moved | None:
        if self._copied is None:
            is_kept = place.is_kept()
            if is_kept and self.unfit == STRAY:
                forget_whole(path)
                self.unfit = None
                return None
            place.make_ready()
            reason = UNSYNCED if is_kept else STRAY
            self._copied = _Copied(write_whole(path, self.reader, reason), reason)
        place.remove_own_log()
        copied = self._copied = self._copied._replace(aside=finish(path) or self._copied.aside)
        self._reopen(path, place, copied)
        is_there = copied.aside is not None and os.path.lexists(copied.aside)
        return Moved(copied.reason, copied.aside if is_there else None)

    def _reopen(self, path: Path, place: Place, copied: _Copied) -> None:
        """
        Open the new file, and close the old one once it is sure that this is what was opened.

        Raises:
            sqlite3.Error, OSError, JournalError: it is not; everything is read from the old one as before.
        """
        before = self._writer, self._reader, self._checkpointer
        try:
            self._writer = open_writer(path)
            self._reader, self._checkpointer = open_reader(path), open_checkpointer(path)
            self._settle(place, copied.identity)
        except (sqlite3.Error, OSError, JournalError):
            opened = self._writer, self._reader, self._checkpointer
            self._writer, self._reader, self._checkpointer = before
            _close(each for each in opened if each not in before)
            if not leads_to(path, copied.identity):
                self._copied = None
            raise
        self._is_full_sync, self._is_log_long, self.unfit, self._copied = True, False, None, None
        self._counted_at = None
        _close(before)

    def close(self) -> None:
        """Close every connection; the last one copies the log back, and has counted on before that."""
        if self._path is not None and self._writer is not None and self.unfit is None:
            with suppress(sqlite3.Error):
                write(self._writer, (), counts_on=True)
        connections = (self._checkpointer, self._reader, self._writer)
        self._checkpointer = self._reader = self._writer = None
        _close(connections)
        if self._place is not None:
            self._place.close()
            self._place = None


def _close(connections: Iterable[sqlite3.Connection | None]) -> None:
    for connection in connections:
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def open_checkpointer(path: Path) -> sqlite3.Connection:
    """Open a connection that copies the log back."""
    connection = open_reader(path)
    connection.execute("PRAGMA query_only = OFF")
    return connection
