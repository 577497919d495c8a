"""
What is forgotten.

Law: what has not ended is never forgotten, nor is a room's last event: its number is where the room goes on.
"""

import sqlite3
from typing import Final

from concordiad.core.model import rfc3339
from concordiad.journal.changes import Prune
from concordiad.journal.events import first_seq, last_seq


def prune(connection: sqlite3.Connection, wanted: Prune) -> None:
    """Forget it, within a transaction."""
    room, before_seq, ended_before = wanted
    connection.execute("DELETE FROM events WHERE room = ? AND seq < ?", (room, before_seq))
    # The last event stays in any case: its number is where the room goes on.
    connection.execute(
        "DELETE FROM turns WHERE room = ? AND state != 'running' AND coalesce(finished_at, started_at) < ?",
        (room, ended_before),
    )
    connection.execute(
        "DELETE FROM prompts WHERE room = ? AND state NOT IN ('waiting', 'running') AND submitted_at < ?"
        " AND (turn IS NULL OR turn NOT IN (SELECT id FROM turns))",
        (room, ended_before),
    )
    over = "SELECT id FROM invites WHERE room = ? AND coalesce(revoked_at, expires_at) < ?"
    # Who is still to be told of as gone stays until then.
    connection.execute(f"DELETE FROM members WHERE here_since IS NULL AND invite IN ({over})", (room, ended_before))
    connection.execute(
        f"DELETE FROM invites WHERE id IN ({over}) AND id NOT IN (SELECT invite FROM members)", (room, ended_before)
    )


def find_prune_seq(connection: sqlite3.Connection, room: str, at_before: str | None, keep_bytes: int | None) -> int:
    """
    Find the first event that retention keeps: none older than a time, no more bytes than that.

    What has not ended is never forgotten, nor is the last event: the number may be lower for it, and the bytes more.

    Args:
        room: whose events.
        at_before: RFC 3339, or None for no limit by age.
        keep_bytes: bytes of events that are kept, or None for no limit by size.

    Returns:
        A number; what is before it may be forgotten.
    """
    last = last_seq(connection, room)
    keep_from = first_seq(connection, room)
    if keep_bytes is not None:
        total = 0
        query = "SELECT seq, length(json) FROM events WHERE room = ? ORDER BY seq DESC"
        for seq, size in connection.execute(query, (room,)):
            total += size
            if total > keep_bytes:
                keep_from = max(keep_from, seq + 1)
                break
    if at_before is not None:
        keep_from = _first_since(connection, room, keep_from, at_before) or last
    unfinished = connection.execute(_UNFINISHED_SINCE, {"room": room}).fetchone()[0]
    if unfinished is not None:
        since = _first_since(connection, room, first_seq(connection, room), rfc3339(unfinished))
        keep_from = min(keep_from, since or last)
    return min(keep_from, last)


_UNFINISHED_SINCE: Final = (
    "SELECT min(since) FROM ("
    " SELECT min(submitted_at) AS since FROM prompts WHERE room = :room AND state IN ('waiting', 'running')"
    " UNION ALL SELECT min(started_at) FROM turns WHERE room = :room AND state = 'running'"
    " UNION ALL SELECT min(requested_at) FROM approvals WHERE room = :room)"
)
"""Since when there is something that has not ended; NULL if there is nothing."""


def _first_since(connection: sqlite3.Connection, room: str, seq: int, at: str) -> int | None:
    """Find the first event from a number on that is no older than a time."""
    query = (
        "SELECT seq FROM events WHERE room = ? AND seq >= ?"
        # What is damaged has no time; whoever reads it is told.
        " AND iif(json_valid(CAST(json AS TEXT)), json_extract(CAST(json AS TEXT), '$.at'), '') >= ?"
        " ORDER BY seq LIMIT 1"
    )
    row = connection.execute(query, (room, seq, at)).fetchone()
    return None if row is None else int(row[0])
