"""Rooms and their epochs as rows and back."""

import sqlite3

from concordiad.core.backlog import EpochStart
from concordiad.core.model import AfterCrash, RoomRow
from concordiad.journal.sums import ROOM_EPOCHS, ROOMS


def read_rooms(connection: sqlite3.Connection) -> list[RoomRow]:
    """Read every room that the journal knows."""
    rows = ROOMS.read(connection, "ORDER BY name")
    return [
        RoomRow(
            name=row[0],
            workdir=row[1],
            agent=row[2],
            model=row[3],
            permission_mode=row[4],
            idle_s=row[5],
            is_created=bool(row[6]),
            is_paused=bool(row[7]),
            is_closed=bool(row[8]),
            after_crash=AfterCrash(row[9]),
        )
        for row in rows
    ]


def is_room_closed(connection: sqlite3.Connection, name: str) -> bool:
    """Tell whether the room that last had a name was closed."""
    return any(row[8] for row in ROOMS.read(connection, "WHERE name = ?", (name,)))


def read_room_epochs(connection: sqlite3.Connection, room: str) -> list[EpochStart]:
    """Read where each of a room's epochs began, oldest first."""
    rows = ROOM_EPOCHS.read(connection, "WHERE room = ? ORDER BY epoch", (room,))
    return [EpochStart(*row[1:]) for row in rows]


def read_recorded_rooms(connection: sqlite3.Connection) -> list[str]:
    """Read the names of all rooms that were ever opened."""
    return [row[0] for row in connection.execute("SELECT DISTINCT room FROM room_epochs ORDER BY room")]
