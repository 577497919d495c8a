"""
What a room has of its agent, as rows and back: its conversation and what it asks.

Of one that outlives the daemon also what is known of it.
"""

import sqlite3

from concordiad.core.model import AgentSession, Approval, ApprovalKind
from concordiad.journal.changes import Heard, Held
from concordiad.journal.sums import APPROVALS, HEARD, HELD, SESSIONS, RowDamaged


def read_session(connection: sqlite3.Connection, room: str) -> AgentSession | None:
    """Read the conversation that a room's next incarnation resumes."""
    for row in SESSIONS.read(connection, "WHERE room = ?", (room,)):
        return AgentSession(row[0], row[1], row[2], row[3], has_history=bool(row[4]))
    return None


def read_approvals(connection: sqlite3.Connection, room: str) -> list[Approval]:
    """Read a room's approvals that wait, oldest first."""
    rows = APPROVALS.read(connection, "WHERE room = ? ORDER BY id", (room,))
    return [
        Approval(
            id=row[0],
            room=row[1],
            request_id=row[2],
            turn=row[3],
            kind=ApprovalKind(row[4]),
            tool=row[5],
            input=row[6],
            description=row[7],
            requested_at=row[8],
            expires_at=row[9],
        )
        for row in rows
    ]


def read_heard(connection: sqlite3.Connection, room: str, incarnation: str) -> Heard | None:
    """Read how far the output of an incarnation was heard; None if that is damaged, and so not known."""
    try:
        row = HEARD.read_one(connection, "WHERE room = ? AND incarnation = ?", (room, incarnation))
    except RowDamaged:
        return None
    return Heard(room, incarnation) if row is None else Heard(*row)


def read_held(connection: sqlite3.Connection, room: str, incarnation: str) -> Held | None:
    """Read what the writer knew of an incarnation; None if it has said nothing."""
    for row in HELD.read(connection, "WHERE room = ? AND incarnation = ?", (room, incarnation)):
        return Held(*row)
    return None
