"""
A damaged journal given up for a new one, with everything in it that can be read and is what was recorded.

Where that is nothing, the new one is empty. Laws: the damaged file and its log are only read, and kept under a name
that tells; what is not carried over is named, in the transcript of the room that it belonged to; the new file is the
journal from one rename on (journal/moving.py), so that whoever is killed before begins again, and whoever is killed
after finishes.
"""

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from concordiad.core.views import envelope, lost_event, members
from concordiad.errors import JournalError
from concordiad.journal.faults import describe
from concordiad.journal.gathering import Gathered, gather
from concordiad.journal.head import is_head_right, mend_head, renew_head
from concordiad.journal.inspect import find_damage, untouched
from concordiad.journal.losses import Losses
from concordiad.journal.moving import DAMAGED, finish, name_whole, remove, sync_directory, sync_file
from concordiad.journal.remains import WHOLE, Extent, Remains, log_of, look_at_files, make_one
from concordiad.journal.schema import FORMATS, MIGRATIONS, is_new, name_new, open_draft
from concordiad.journal.sums import EVENTS, MEMBERS, PROMPTS, ROOM_EPOCHS, TABLES, TURNS, Table
from concordiad.journal.wal import Flip, turn_back
from concordiad.journal.writing import begin_epoch

CHOOSING_S: Final = 20.0
"""How long it may take to choose among the places where a bit of the log may have flipped; there are 170 at most."""

UNREADABLE: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR))
"""What SQLite says of a file that is no database, or of none of its formats (sqlite.org/rescode)."""


class Salvaged(Struct, frozen=True):
    """
    What became of a damaged journal.

    Attributes:
        set_aside: the name under which it is kept.
        found: what was wrong with its files; if they were only damaged within, what was found first.
        missing: what is lost, in words, by room.
        of_no_room: what is lost of the journal itself, or of a room that cannot be told.
    """

    set_aside: Path
    found: str
    missing: Mapping[str, str]
    of_no_room: str


class _Nothing(Exception):
    """Nothing of it can be read, and why, where that is not what is wrong with its files."""


def salvage(path: Path, problem: str, rooms: Collection[str] = ()) -> Salvaged:
    """
    Put a new journal in the place of a damaged one.

    Args:
        path: the journal.
        problem: what is wrong with it, in words.
        rooms: those that are told of it even if nothing of theirs can be read.

    Raises:
        JournalError: it is of another format, or there is no space; it is as it was, and still the journal.
    """
    copy, draft = (path.with_name(f"{path.name}.{end}") for end in ("mend", "copy"))
    try:
        remains = look_at_files(path)
        for rest in (copy, draft):
            remove(rest)
        try:
            try:
                losses, found = _write(*_mend(path, copy, remains), draft, remains.problems, rooms), remains.problems
            except _Nothing as nothing:
                found = list(dict.fromkeys((*remains.problems, problem, *nothing.args)))
                losses = _begin_anew(draft, found, rooms)
            sync_file(draft)
            if remains.size is None:
                # A log that is set aside has a file beside it, by which it is found.
                path.touch(mode=0o600)
            draft.rename(name_whole(path, DAMAGED))
        finally:
            for rest in (copy, draft):
                remove(rest)
        sync_directory(path.parent)
        aside = finish(path)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"the damaged journal {path} cannot be salvaged: {describe(error)}") from error
    if aside is None:
        raise JournalError(f"the new file in the place of {path} is gone: something else works in that directory")
    return Salvaged(aside, "; ".join(found or [problem]), losses.by_room(), losses.of_no_room())


def _mend(path: Path, copy: Path, remains: Remains) -> tuple[Path, Extent]:
    """Find the file to read from: the journal, or a copy in which what hides all of it is made good."""
    flips = remains.found.flips
    is_readable = remains.is_readable and not flips
    if is_readable and _can_be_read(path):
        return path, Extent(remains.found.cut is not None, is_short=False)
    extent = make_one(path, copy, remains)
    if extent is None:
        raise _Nothing
    if flips and log_of(copy).exists():
        _mend_log(copy, flips)
    is_all_there = remains.is_readable or remains.is_log_short
    if is_all_there and not _can_be_read(copy) and not mend_head(copy):
        renew_head(copy)
        extent = extent._replace(is_short=True)
    return copy, extent


def _mend_log(copy: Path, flips: list[list[Flip]]) -> None:
    """Write a log with each bit turned back, at that of its places where all is right then, else at the first one."""
    damaged = bytearray(log_of(copy).read_bytes())
    until = time.monotonic() + CHOOSING_S
    for places in product(*flips):
        mended = damaged[:]
        turn_back(mended, list(places))
        log_of(copy).write_bytes(mended)
        if all(len(each) == 1 for each in flips) or time.monotonic() > until or not find_damage(copy):
            return


def _can_be_read(path: Path) -> bool:
    try:
        with untouched(path) as connection:
            return is_head_right(path, connection)
    except sqlite3.Error:
        return False


def _write(source: Path, extent: Extent, target: Path, problems: list[str], rooms: Collection[str]) -> Losses:
    target.touch(mode=0o600)
    with untouched(source) as connection, closing(open_draft(target)) as draft:
        _check_format(connection)
        draft.execute("BEGIN")
        gathered = gather(connection, draft)
        if not gathered.rows or (gathered.rows == 1 and is_new(draft)):
            raise _Nothing("no row of it is what was recorded")
        if extent.is_earlier or extent.is_short:
            # What stood in what is missing is not known, of whatever table it was.
            for table in TABLES:
                gathered.losses.doubt(table.name)
        _Mender(draft, gathered, extent, f"{_of(problems)}, and what of it could be read is in a new one", rooms).mend()
        draft.execute("COMMIT")
        found = [row[0] for row in draft.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(f"the new file is damaged itself: {found[0]}")
    return gathered.losses


def _of(problems: list[str]) -> str:
    return f" ({problems[0]})" if problems else ""


def _check_format(source: sqlite3.Connection) -> None:
    try:
        number = source.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in UNREADABLE:
            raise
        raise _Nothing(str(error)) from error
    if 0 < number < FORMATS and number != len(MIGRATIONS):
        raise sqlite3.DatabaseError(f"it is of format {number}, and this Concordia salvages format {len(MIGRATIONS)}")


def _begin_anew(target: Path, problems: list[str], rooms: Collection[str]) -> Losses:
    """Write an empty journal; every room that there is to be is told that it had another one."""
    remove(target)
    target.touch(mode=0o600)
    losses = Losses()
    for table in TABLES:
        losses.doubt(table.name)
    with closing(open_draft(target)) as draft:
        name_new(draft)
        draft.execute("BEGIN")
        message = f"{_of(problems)}, and nothing of it could be read: an empty one is in its place"
        _Mender(draft, Gathered(0, losses, {}), WHOLE, message, rooms).mend()
        draft.execute("COMMIT")
    return losses


class _Mender:
    """What is done to the rows that were carried over, so that they fit together without those that were not."""

    def __init__(
        self, draft: sqlite3.Connection, gathered: Gathered, extent: Extent, what: str, rooms: Collection[str]
    ) -> None:
        self._draft = draft
        self._what = what
        self._is_empty = not gathered.rows
        self._rooms = rooms
        self._extent = extent
        self._losses = gathered.losses
        self._lost_events = gathered.lost_events

    def mend(self) -> None:
        """Fill the gaps, end what cannot go on, begin an epoch, and tell every room that is concerned."""
        epoch = self._begin_epoch()
        self._end_what_ran()
        self._lead_anew()
        known = {row[0] for table in (EVENTS, ROOM_EPOCHS) for row in self._query(f"SELECT room FROM {table.name}")}
        rooms = known | set(self._rooms)
        self._losses.settle(rooms)
        for room in sorted(rooms | self._lost_events.keys()):
            self._fill(room, epoch)
            if self._extent != WHOLE:
                self._losses.end(room, self._last(room))
            if room in self._losses.by_room():
                self._tell(room, epoch)

    def _query(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._draft.execute(query.replace("SELECT", "SELECT DISTINCT", 1), values).fetchall()

    def _begin_epoch(self) -> int:
        """Go on with the epochs; a journal that has lost its own name has got another one."""
        self._draft.execute("COMMIT")
        epoch = begin_epoch(self._draft)[1]
        self._draft.execute("BEGIN")
        return epoch

    def _rewrite(self, table: Table, condition: str, changes: Mapping[str, object]) -> None:
        """Change columns of the rows that a condition chooses, and their sums."""
        for row in list(table.read(self._draft, condition)):
            values = [changes.get(name, value) for name, value in zip(table.columns, row, strict=True)]
            assigned = ", ".join(f"{name} = ?" for name in (*table.columns, "sum"))
            query = f"UPDATE {table.name} SET {assigned} WHERE {table.columns[0]} = ?"
            self._draft.execute(query, (*table.sealed(values), row[0]))

    def _end_what_ran(self) -> None:
        """
        A prompt whose turn is lost was with the agent, and nobody can know how that ended.

        Of an earlier state, what waited then was perhaps answered since.
        """
        if self._extent.is_earlier:
            self._rewrite(PROMPTS, "WHERE state = 'waiting'", {"state": "uncertain"})
        running = f"SELECT id FROM {TURNS.name} WHERE state = 'running'"
        self._rewrite(PROMPTS, f"WHERE state = 'running' AND turn NOT IN ({running})", {"state": "uncertain"})

    def _lead_anew(self) -> None:
        """A prompt whose group has lost its first prompt goes on alone."""
        alone = dict.fromkeys(("merged_into", "merge_stage", "similarity", "wording"))
        known = f"SELECT id FROM {PROMPTS.name}"
        self._rewrite(PROMPTS, f"WHERE state IN ('waiting', 'running') AND merged_into NOT IN ({known})", alone)

    def _fill(self, room: str, epoch: int) -> None:
        """Put a notice in the place of each event that is lost; who saw those numbers is not to go on from there."""
        lost = self._lost_events.get(room, ())
        for seq in lost:
            self._draft.execute(EVENTS.insert, EVENTS.sealed((room, seq, lost_event(room, epoch, seq))))
        last = self._last(room)
        is_known = self._query("SELECT room FROM room_epochs WHERE room = ?", (room,))
        if lost or not is_known or self._losses.has(room, ROOM_EPOCHS.name):
            self._draft.execute("DELETE FROM room_epochs WHERE room = ?", (room,))
            self._draft.execute(ROOM_EPOCHS.insert, ROOM_EPOCHS.sealed((room, epoch, last + 1)))
        for (identity,) in self._query("SELECT id FROM members WHERE room = ? AND from_seq > ?", (room, last)):
            # Else it would see nothing before the numbers come to where it joined.
            self._rewrite(MEMBERS, f"WHERE id = '{identity}'", {"from_seq": last})

    def _last(self, room: str) -> int:
        found = self._draft.execute("SELECT max(seq) FROM events WHERE room = ?", (room,)).fetchone()[0]
        return found or 0

    def _tell(self, room: str, epoch: int) -> None:
        seq, now = self._last(room) + 1, time.time()
        if (epoch,) not in self._query("SELECT epoch FROM room_epochs WHERE room = ?", (room,)):
            self._draft.execute(ROOM_EPOCHS.insert, ROOM_EPOCHS.sealed((room, epoch, seq)))
        missing = "" if self._is_empty else f"; missing are {self._losses.by_room()[room]}"
        message = f"the journal was damaged{self._what}{missing}; the damaged file is kept"
        body = members(code="journal_damaged", message=message, fault=None)
        json = envelope(room, epoch, seq, now, "notice", body)
        self._draft.execute(EVENTS.insert, EVENTS.sealed((room, seq, json)))
