"""
Whether a journal is what was recorded: its structure by SQLite, its rows by their sums, its events by their numbers.

Law: nothing is written.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final

from concordiad.journal.schema import MIGRATIONS
from concordiad.journal.sums import EVENTS, META, TABLES, Damaged, Table

NAMED: Final = 20
"""Damaged rows that are named one by one; of more it is said that there are."""
LAST_EVENTS: Final = 500
"""Events of each room that a start looks at where it does not look at all: a client that comes back reads those."""

_UNSOUND: Final = """
    SELECT room, seq FROM events
    WHERE iif(json_valid(CAST(json AS TEXT)), json_extract(CAST(json AS TEXT), '$.seq') IS NOT seq, 1) LIMIT 5
"""


def find_problems(connection: sqlite3.Connection) -> list[str]:
    """
    Read all of a journal and find what is wrong with it; one of a newer format is judged by its structure alone.

    Raises:
        sqlite3.DatabaseError: it is so damaged that not even that can be found out.
    """
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    structure = _structure(connection)
    if number == len(MIGRATIONS):
        return structure + _name(_damaged_rows(connection, TABLES)) + list(_missing(connection))
    if structure or not 0 < number < len(MIGRATIONS):
        return structure
    found = [f"event {seq} of room {room} is not what was recorded" for room, seq in connection.execute(_UNSOUND)]
    return found + list(_missing(connection))


def find_problems_for_start(connection: sqlite3.Connection) -> list[str]:
    """
    Find what is wrong with all but the older events of a journal of the newest format.

    Raises:
        sqlite3.DatabaseError: it is so damaged that not even that can be found out.
    """
    small = [table for table in TABLES if table is not EVENTS]
    structure = [problem for table in small for problem in _structure(connection, table.name)]
    rooms = connection.execute("SELECT DISTINCT room FROM room_epochs").fetchall()
    last = (damaged for (room,) in rooms for damaged in _damaged_last(connection, room))
    return structure + _name(chain(_damaged_rows(connection, small), last))


def _structure(connection: sqlite3.Connection, table: str | None = None) -> list[str]:
    query = "PRAGMA integrity_check(5)" if table is None else f"PRAGMA integrity_check({table})"
    lines = [line for row in connection.execute(query) for line in row[0].splitlines()]
    return [line for line in lines if line != "ok" and not line.startswith("*** in database")]


def _damaged_rows(connection: sqlite3.Connection, tables: Iterable[Table]) -> Iterator[Damaged]:
    for table in tables:
        yield from _damaged_in(connection, table)


def _damaged_in(connection: sqlite3.Connection, table: Table) -> Iterator[Damaged]:
    is_whole, count = table.is_whole, 0
    try:
        for row in connection.execute(f"{table.select} NOT INDEXED"):
            count += 1
            if not is_whole(row):
                yield table.describe(row)
    except sqlite3.DatabaseError:
        # Where reading ends; what is wrong there is of the structure.
        yield Damaged(table.name, None, None)
    if table is META and not count:
        yield Damaged(table.name, None, None)


def _damaged_last(connection: sqlite3.Connection, room: str) -> Iterator[Damaged]:
    query = f"{EVENTS.select} WHERE room = ? ORDER BY seq DESC LIMIT ?"
    following: int | None = None
    for row in connection.execute(query, (room, LAST_EVENTS)):
        if not EVENTS.is_whole(row) or following not in (None, row[1] + 1):
            yield EVENTS.describe(row)
        following = row[1]


def _missing(connection: sqlite3.Connection) -> Iterator[str]:
    try:
        counted = connection.execute("SELECT room, count(*), min(seq), max(seq) FROM events GROUP BY room").fetchall()
    except sqlite3.DatabaseError:
        return
    for room, count, first, last in counted:
        # A bit of its kind may have made something else of a number.
        if not isinstance(first, int) or not isinstance(last, int) or count != last - first + 1:
            yield f"room {room} has {count} events from {first} to {last}"


def _name(rows: Iterator[Damaged]) -> list[str]:
    found = [f"{damaged} is not what was recorded" for damaged in islice(rows, NAMED + 1)]
    return found if len(found) <= NAMED else [*found[:NAMED], "and more rows of that kind"]


def read_slice(connection: sqlite3.Connection, after: int, limit: int) -> tuple[list[Damaged], int | None]:
    """
    Look at some events, in the order in which they were recorded.

    Args:
        connection: that reads.
        after: the rowid before the first one.
        limit: how many.

    Returns:
        What is damaged among them, and the last one's rowid; None at the end.
    """
    query = f"{EVENTS.select.replace('sum', 'sum, rowid')} NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ?"
    found: list[Damaged] = []
    last: int | None = None
    for row in connection.execute(query, (after, limit)):
        last = row[-1]
        if not EVENTS.is_whole(row[:-1]):
            found.append(EVENTS.describe(row))
    return found, last
