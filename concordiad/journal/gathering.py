"""
What can be read of a damaged journal and is what was recorded, carried over into a new file; and what is lost.

Most tables are found twice in the file: by their rows, and by an index. Where one of the two is damaged the other one
tells what is missing, and which rows are old ones that a damaged page has led to. Law: only rows whose sums are right
are carried over, as they are.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from typing import Any, Final, NamedTuple

from concordiad.core.model import PromptState, TurnState
from concordiad.journal.losses import Losses
from concordiad.journal.schema import new_journal_id
from concordiad.journal.sums import EVENTS, INVITES, MEMBERS, META, PROMPTS, ROOM_EPOCHS, TABLES, TURNS, Table, Values

Row = tuple[Any, ...]


class _Index(NamedTuple):
    """An index of a table: its name, and the columns of it that are asked for, the room first."""

    name: str
    columns: str


_STATES: Final = {
    PROMPTS.name: (_Index("prompts_by_state", "room, state"), frozenset(PromptState)),
    TURNS.name: (_Index("turns_by_state", "room, state"), frozenset(TurnState)),
}
_IDS: Final = {PROMPTS.name: "sqlite_autoindex_prompts_1", TURNS.name: "sqlite_autoindex_turns_1"}
_PEOPLE: Final = {INVITES.name: "invites_by_room", MEMBERS.name: "members_by_room"}
_BY_NUMBER: Final = _Index("sqlite_autoindex_events_1", "room, seq")


class Gathered(NamedTuple):
    """How many rows were carried over, what is lost, and which events of each room."""

    rows: int
    losses: Losses
    lost_events: dict[str, list[int]]


def gather(source: sqlite3.Connection, draft: sqlite3.Connection) -> Gathered:
    """
    Carry over what can be read.

    Args:
        source: reads the damaged journal.
        draft: writes the new one, in a transaction.

    Raises:
        sqlite3.Error: the new one cannot be written.
    """
    gathering = _Gathering(source, draft)
    for table in TABLES:
        if table is EVENTS:
            gathering.take_events()
        elif table.has_rowid:
            gathering.take_with_states(table)
        else:
            gathering.take_small(table)
    gathering.doubt_all_of_a_mixture()
    return Gathered(gathering.rows, gathering.losses, gathering.lost_events)


class _Gathering:
    def __init__(self, source: sqlite3.Connection, draft: sqlite3.Connection) -> None:
        self._source = source
        self._draft = draft
        self._broken: set[str] = set()
        self._unsound = {table.name for table in TABLES if not self._is_sound(table)}
        self.rows = 0
        self.losses = Losses()
        self.lost_events: dict[str, list[int]] = {}

    def take_small(self, table: Table) -> None:
        """Carry over a table that is ordered by its key."""
        key = "room, epoch" if table is ROOM_EPOCHS else table.columns[0]
        down = ", ".join(f"{column} DESC" for column in key.split(", "))
        known: set[str] = set()
        is_sound = table.name not in self._unsound
        for order in (key,) if is_sound else (key, down):
            try:
                for row in self._source.execute(f"{table.select} ORDER BY {order}"):
                    self._take_one(table, row, known)
            except sqlite3.DatabaseError:
                self._broken.add(table.name)
        listed = set(self._read_index(_PEOPLE[table.name], table, "room, id")) if table.name in _PEOPLE else set()
        unlisted = known - {identity for _, identity in listed}
        for room, identity in sorted((each for each in listed if each[1] not in known), key=repr):
            # A name in which a bit has flipped, in the row or in the index, is not a second row.
            if not any(_is_a_bit_off(identity, other) for other in unlisted):
                self.losses.add(room, table.name)
        if table is META:
            self._name_anew()
        elif not is_sound and (not listed or {table.name, _PEOPLE[table.name]} <= self._broken):
            self.losses.doubt(table.name)

    def doubt_all_of_a_mixture(self) -> None:
        """Note that rows of any table may be lost where more than a page is damaged: perhaps files of two times met."""
        if len(self._unsound) > 1:
            for table in TABLES:
                self.losses.doubt(table.name)

    def _take_one(self, table: Table, row: Values, known: set[str]) -> None:
        # By what tells its rows apart, which is not always what they are named by.
        named = repr(row[:2]) if table is ROOM_EPOCHS else str(row[0])
        if table.is_whole(row):
            self._insert(table, row)
        elif named not in known:
            self.losses.add(table.describe(row).room, table.name)
        known.add(named)

    def _name_anew(self) -> None:
        if not self._draft.execute("SELECT count(*) FROM meta").fetchone()[0]:
            self._draft.execute(META.insert, META.sealed((1, new_journal_id(), 0)))
            self.losses.add(None, META.name)

    def _is_sound(self, table: Table) -> bool:
        try:
            return bool(self._source.execute(f"PRAGMA integrity_check({table.name})").fetchone()[0] == "ok")
        except sqlite3.DatabaseError:
            return False

    def _insert(self, table: Table, row: Values, rowid: int | None = None) -> None:
        columns = ", ".join((*table.columns, "sum", *(["rowid"] if rowid is not None else [])))
        values = row if rowid is None else (*row, rowid)
        query = f"INSERT OR IGNORE INTO {table.name} ({columns}) VALUES ({', '.join('?' * len(values))})"
        self.rows += self._draft.execute(query, values).rowcount

    def _read_index(self, index: str, table: Table, columns: str) -> Iterator[Row]:
        """Read an index from both its ends, as far as that goes."""
        for direction in ("", "DESC"):
            order = ", ".join(f"{column} {direction}" for column in columns.replace(", rowid", "").split(", "))
            query = f"SELECT {columns} FROM {table.name} INDEXED BY {index} ORDER BY {order}"
            try:
                yield from self._source.execute(query)
            except sqlite3.DatabaseError:
                self._broken.add(index)
                continue
            return

    def _read_rows(self, table: Table, index: str, columns: str) -> Iterator[Row]:
        """Read a table from both its ends, and what is between by what an index says is there; rowids come first."""
        select = table.select.replace("SELECT", "SELECT rowid,", 1)
        low, high = 0, 1 << 63
        with suppress(sqlite3.DatabaseError):
            for row in self._source.execute(f"{select} NOT INDEXED ORDER BY rowid"):
                low = row[0]
                yield row
            return
        self._broken.add(table.name)
        with suppress(sqlite3.DatabaseError):
            for row in self._source.execute(f"{select} NOT INDEXED WHERE rowid > ? ORDER BY rowid DESC", (low,)):
                high = row[0]
                yield row
        for rowid in sorted({each[-1] for each in self._read_index(index, table, f"{columns}, rowid")}):
            if low < rowid < high:
                with suppress(sqlite3.DatabaseError):
                    yield from self._source.execute(f"{select} NOT INDEXED WHERE rowid = ?", (rowid,)).fetchall()

    def take_with_states(self, table: Table) -> None:
        """Carry over prompts or turns."""
        index, states = _STATES[table.name]
        listed = {row[2]: row[:2] for row in self._read_index(index.name, table, f"{index.columns}, rowid")}
        named = dict(tuple(row[::-1]) for row in self._read_index(_IDS[table.name], table, "id, rowid"))
        place = table.columns.index("state") + 1
        taken: set[int] = set()
        # What only one of the two indexes has is that one's own damage.
        lost: dict[int, Row] = {rowid: said for rowid, said in listed.items() if rowid in named or not named} | {
            rowid: (None, "") for rowid in named if not listed
        }
        seen: set[int] = set()
        for row in self._read_rows(table, index.name, index.columns):
            rowid, said = row[0], listed.get(row[0])
            seen.add(rowid)
            if not table.is_whole(row[1:]):
                lost.setdefault(rowid, (table.describe(row[1:]).room, ""))
                continue
            # A damaged page may lead to one that was given up: its rows are right, and true no more.
            is_gone = bool(listed and named) and said is None and rowid not in named
            is_old = said is not None and said[0] == row[2] and said[1] != row[place] and said[1] in states
            if not is_gone and not is_old:
                self._insert(table, row[1:], rowid)
                taken.add(rowid)
        for rowid in sorted(lost.keys() - taken):
            room, state = lost[rowid]
            self.losses.add(room, table.name, state if state in states else "")
        found = {table.name: seen, index.name: listed.keys(), _IDS[table.name]: named.keys()}
        if not any(
            found[one] == found[other] and not {one, other} <= self._broken for one, other in combinations(found, 2)
        ):
            # Where one of the three is damaged the other two agree.
            self.losses.doubt(table.name)

    def take_events(self) -> None:
        """Carry over events, and find which are missing."""
        index = _BY_NUMBER
        firsts = self._first_numbers()
        whole: set[int] = set()
        for row in self._read_rows(EVENTS, index.name, index.columns):
            if not EVENTS.is_whole(row[1:]):
                self._broken.add(EVENTS.name)
            elif not isinstance(row[2], int) or row[2] >= (firsts or {}).get(row[1], 0) - 1:
                self._insert(EVENTS, row[1:], row[0])
                whole.add(row[0])
        lost: dict[str, set[int]] = {}
        rooms = {row[0] for row in self._draft.execute("SELECT DISTINCT room FROM room_epochs").fetchall()}
        rooms |= {row[0] for row in self._draft.execute("SELECT DISTINCT room FROM events").fetchall()}
        listed: set[int] = set()
        for room, seq, rowid in self._read_index(index.name, EVENTS, f"{index.columns}, rowid"):
            query = "SELECT 1 FROM events WHERE rowid = ? OR (room = ? AND seq = ?)"
            listed.add(rowid)
            if room not in rooms:
                self._broken.add(index.name)
            elif isinstance(seq, int) and not self._draft.execute(query, (rowid, room, seq)).fetchone():
                lost.setdefault(room, set()).add(seq)
        if firsts is None or not whole <= listed:
            self._broken.add(index.name)
        if {EVENTS.name, index.name} <= self._broken:
            # Neither tells what the other one has lost.
            self.losses.doubt(EVENTS.name)
        for room in rooms:
            lost[room] = self._missing(room, lost.get(room, set()))
        self.lost_events = {room: sorted(numbers) for room, numbers in lost.items() if numbers}
        for room, numbers in self.lost_events.items():
            self.losses.add_events(room, numbers)

    def _first_numbers(self) -> dict[str, int] | None:
        """Read which event of each room an index has first; None where it cannot be all that it was."""
        query = f"SELECT room, min(seq), max(seq), count(*) FROM events INDEXED BY {_BY_NUMBER.name} GROUP BY room"
        try:
            found = self._source.execute(query).fetchall()
        except sqlite3.DatabaseError:
            return None
        is_whole = all(isinstance(last, int) and last - first + 1 == count for _, first, last, count in found)
        return {room: first for room, first, *_ in found} if is_whole else None

    def _missing(self, room: str, listed: set[int]) -> set[int]:
        """Find which numbers are missing: those between what there is, and those that only the index has."""
        query = "SELECT seq FROM events WHERE room = ? ORDER BY seq"
        there = [row[0] for row in self._draft.execute(query, (room,))]
        # Of an index that is damaged too no number is believed that so few rows cannot have led to.
        most = (there[-1] if there else 0) + len(listed)
        known = sorted({*there, *(seq for seq in listed if 0 < seq <= most)})
        return set(range(known[0], known[-1] + 1)) - set(there) if known else set()


def _is_a_bit_off(one: object, other: str) -> bool:
    """Tell whether two names differ in one bit."""
    first, second = str(one).encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    if len(first) != len(second):
        return False
    return sum((left ^ right).bit_count() for left, right in zip(first, second, strict=True)) == 1
