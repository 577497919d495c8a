"""
The sum that every row carries, so that a row that has changed since it was written is never served.

Law: a row's sum is the CRC-32 (zlib) of the MessagePack array of its values, in the order of TABLES: whole numbers for
INTEGER, 64-bit floats for REAL, else text or bytes. It is computed from what is to be written, never from what is read.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from concordiad.errors import JournalError

_encode: Final = msgspec.msgpack.Encoder().encode

Values = tuple[Any, ...]
LAZILY: Final = "LIMIT -1"
"""
Ends a query of which only the beginning is taken, because what is damaged does not count.

It is no limit, but SQLite plans for a short answer then, and does not sort all of it.
"""


class Damaged(NamedTuple):
    """
    A row that is not what was recorded.

    Attributes:
        table: where it stands.
        room: whose it seems to be; None where that cannot be told.
        key: what it is found by, or seems to be; None where that cannot be told.
    """

    table: str
    room: str | None
    key: str | None

    def __str__(self) -> str:
        name = f"{self.table}: one row" if self.key is None else f"{self.table}: {self.key}"
        return name if self.room is None else f"{name} of room {self.room}"


class RowDamaged(JournalError):
    """What was asked for is damaged in the journal, and is not served."""

    def __init__(self, damaged: Damaged) -> None:
        super().__init__(
            f"damaged in the journal, so not served: {damaged}; `concordiactl journal check` says what else is"
        )
        self.damaged = damaged


class Ledger(sqlite3.Connection):
    """A connection that keeps what was found damaged by whoever reads over it; text that is no UTF-8 can be read."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.text_factory = _text
        self.damaged: list[Damaged] = []


def _text(raw: bytes) -> str:
    # What cannot be decoded cannot be encoded for its sum either.
    return raw.decode("utf-8", "surrogateescape")


class Table(Struct, frozen=True):
    """
    A table whose rows have sums.

    Attributes:
        name: its name.
        columns: all but the sum and the order of arrival.
        reals: the places of those that hold floats.
        room: the place of the room's name; None for a table of the whole journal.
        key: the place of what a person would call the row by.
        has_rowid: whether SQLite numbers its rows.
        select: begins a query for whole rows, their sum last.
        insert: writes a row, its sum last.
    """

    name: str
    columns: tuple[str, ...]
    reals: tuple[int, ...]
    room: int | None
    key: int
    has_rowid: bool
    select: str = ""
    insert: str = ""

    def __post_init__(self) -> None:
        columns = ", ".join((*self.columns, "sum"))
        marks = ", ".join("?" * (len(self.columns) + 1))
        # They stand in every statement of the kind.
        force_setattr(self, "select", f"SELECT {columns} FROM {self.name}")
        force_setattr(self, "insert", f"INSERT INTO {self.name} ({columns}) VALUES ({marks})")

    def sealed(self, values: Sequence[Any]) -> Values:
        """Give a row as it is written: with its sum, and every value as SQLite will give it back."""
        row = [int(value) if value is True or value is False else value for value in values]
        for place in self.reals:
            if row[place] is not None:
                # SQLite knows no negative zero.
                row[place] = float(row[place]) + 0.0
        return (*row, sum_of(row))

    def put(self, connection: sqlite3.Connection, values: Sequence[Any]) -> None:
        """Write a row in the place of that with its key, if there is one."""
        connection.execute(self.insert.replace("INSERT", "INSERT OR REPLACE", 1), self.sealed(values))

    def is_whole(self, row: Values) -> bool:
        """Tell whether a row, its sum last, is what was written."""
        try:
            return bool(sum_of(row[:-1]) == row[-1])
        except (UnicodeEncodeError, OverflowError):
            return False

    def describe(self, row: Sequence[Any]) -> Damaged:
        """Name a row that is not whole, as far as it can be."""
        room = None if self.room is None else row[self.room]
        key = row[self.key]
        is_said = isinstance(key, int) or (isinstance(key, str) and key.isprintable())
        return Damaged(self.name, room if isinstance(room, str) else None, str(key) if is_said else None)

    def read(self, connection: sqlite3.Connection, condition: str, values: Sequence[object] = ()) -> Iterator[Values]:
        """Read the rows that are whole, without their sums; the others are noted with the connection."""
        for row in connection.execute(f"{self.select} {condition}", values):
            if self.is_whole(row):
                yield row[:-1]
            else:
                note(connection, self.describe(row))

    def read_one(self, connection: sqlite3.Connection, condition: str, values: Sequence[object]) -> Values | None:
        """
        Read one row.

        Raises:
            RowDamaged: it is there, and not what was recorded.
        """
        row = connection.execute(f"{self.select} {condition}", values).fetchone()
        if row is None:
            return None
        if not self.is_whole(row):
            damaged = self.describe(row)
            note(connection, damaged)
            raise RowDamaged(damaged)
        return tuple(row[:-1])


def sum_of(values: Sequence[Any]) -> int:
    """Compute the sum of a row's values."""
    return zlib.crc32(_encode(values))


def note(connection: sqlite3.Connection, damaged: Damaged) -> None:
    """Note with the connection that something is damaged."""
    if isinstance(connection, Ledger):
        connection.damaged.append(damaged)


def _table(name: str, columns: str, *, room: str | None, key: str, has_rowid: bool = False) -> Table:
    """Describe a table; a column with a colon holds floats."""
    names = tuple(column.rstrip(":") for column in columns.split())
    reals = tuple(place for place, column in enumerate(columns.split()) if column.endswith(":"))
    return Table(name, names, reals, None if room is None else names.index(room), names.index(key), has_rowid)


META: Final = _table("meta", "only_row journal_id epoch", room=None, key="journal_id")
ROOM_EPOCHS: Final = _table("room_epochs", "room epoch first_seq", room="room", key="epoch")
SESSIONS: Final = _table("sessions", "room kind session_id incarnation has_history", room="room", key="session_id")
EVENTS: Final = _table("events", "room seq json", room="room", key="seq", has_rowid=True)
PROMPTS: Final = _table(
    "prompts",
    "id room author_id author_name author_kind text submitted_at: state priority key expires_at: turn retry_of is_raw"
    " is_alone merged_into merge_stage similarity: standing wording",
    room="room",
    key="id",
    has_rowid=True,
)
TURNS: Final = _table(
    "turns",
    "id room origin prompts text started_at: incarnation state outcome reason answer finished_at: duration_s: ttft_s:"
    " input_tokens output_tokens cost_usd: agent_turns",
    room="room",
    key="id",
    has_rowid=True,
)
APPROVALS: Final = _table(
    "approvals",
    "id room request_id turn kind tool input description requested_at: expires_at:",
    room="room",
    key="id",
)
ROOMS: Final = _table(
    "rooms",
    "name workdir agent model permission_mode idle_s: is_created is_paused is_closed after_crash",
    room="name",
    key="name",
)
INVITES: Final = _table(
    "invites",
    "id room role token_hash created_at: created_by_id created_by_name created_by_kind expires_at: uses used name_hint"
    " may_approve history revoked_at:",
    room="room",
    key="id",
)
MEMBERS: Final = _table(
    "members",
    "id room invite name token_hash key_hash joined_at: from_seq here_since: removed_at:",
    room="room",
    key="id",
)
HEARD: Final = _table("heard", "room incarnation place facts said memory line", room="room", key="incarnation")
HELD: Final = _table("held", "room incarnation facts holding", room="room", key="incarnation")
TABLES: Final = (META, ROOM_EPOCHS, SESSIONS, ROOMS, HEARD, HELD, APPROVALS, INVITES, MEMBERS, TURNS, PROMPTS, EVENTS)
"""The small ones first."""
