"""
Events as rows and back: the transcripts.

Law: numbers have no gaps; in the place of an event that is damaged or lost stands one that says so.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice

from concordiad.core.views import lost_event
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.rooms import read_room_epochs
from concordiad.journal.sums import EVENTS, LAZILY, Damaged, RowDamaged, note, sum_of


def write_events(connection: sqlite3.Connection, transactions: Sequence[Transaction]) -> None:
    """Write the events of several transactions."""
    # One call for all of them: a call each costs as much as its event.
    connection.executemany(
        EVENTS.insert,
        [
            (each.room, event.seq, event.json, sum_of((each.room, event.seq, event.json)))
            for each in transactions
            for event in each.events
        ],
    )


def last_seq(connection: sqlite3.Connection, room: str) -> int:
    """Find the number of a room's last recorded event; 0 if it has none."""
    row = connection.execute("SELECT max(seq) FROM events WHERE room = ?", (room,)).fetchone()
    return row[0] or 0


def first_seq(connection: sqlite3.Connection, room: str) -> int:
    """Find the number of a room's first event that was not pruned; 1 if it has none."""
    row = connection.execute("SELECT min(seq) FROM events WHERE room = ?", (room,)).fetchone()
    return row[0] or 1


def read_events(connection: sqlite3.Connection, room: str, since: int, limit: int, limit_bytes: int) -> list[Recorded]:
    """
    Read a room's events from `since` on, until a limit is reached; at least one if there is any.

    In the place of one that is damaged or missing stands a `notice` that says so: numbers have no gaps.
    """
    events: list[Recorded] = []
    size = 0
    for event in islice(_read_without_gaps(connection, room, max(since, first_seq(connection, room))), limit):
        size += len(event.json)
        if events and size > limit_bytes:
            break
        events.append(event)
    return events


def _read_without_gaps(connection: sqlite3.Connection, room: str, since: int) -> Iterator[Recorded]:
    following = since
    query = f"{EVENTS.select} WHERE room = ? AND seq >= ? ORDER BY seq {LAZILY}"
    try:
        for row in connection.execute(query, (room, since)):
            is_whole = EVENTS.is_whole(row)
            # Of a row that is not whole its own number is not believed, unless it is the one that is due.
            if is_whole or row[1] == following:
                for seq in range(following, row[1]):
                    yield _stand_in(connection, room, seq)
                if row[1] >= following:
                    yield Recorded(row[1], row[2]) if is_whole else _stand_in(connection, room, row[1])
                    following = row[1] + 1
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        note(connection, Damaged(EVENTS.name, room, None))
        # What can be reached is served, one by one.
        for seq in range(following, last_seq(connection, room) + 1):
            yield _read_event(connection, room, seq) or _stand_in(connection, room, seq)


def _read_event(connection: sqlite3.Connection, room: str, seq: int) -> Recorded | None:
    try:
        row = EVENTS.read_one(connection, "WHERE room = ? AND seq = ?", (room, seq))
    except (RowDamaged, sqlite3.DatabaseError):
        return None
    return None if row is None else Recorded(row[1], row[2])


def _stand_in(connection: sqlite3.Connection, room: str, seq: int) -> Recorded:
    note(connection, Damaged(EVENTS.name, room, str(seq)))
    epochs = [start.epoch for start in read_room_epochs(connection, room) if start.first_seq <= seq]
    return Recorded(seq, lost_event(room, epochs[-1] if epochs else 0, seq))
