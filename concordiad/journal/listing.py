"""
Which prompts or turns a listing shows, in words of SQL, and how they are found by the beginning of an id.

Law: what may not be seen is treated like what does not exist.
"""

import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from concordiad.journal.sums import LAZILY, PROMPTS, TURNS

_BY_KIND: Final = {"prompt": PROMPTS, "turn": TURNS}


class Filter(NamedTuple):
    """
    What a listing shows.

    Attributes:
        states: states or outcomes; none: all.
        author: an author's id or name.
        since: Unix seconds.
        until: Unix seconds.
        after: only what comes after this one in the listing, which is the id of an earlier page's last row.
        seen_from: Unix seconds; only what was not over by then may be seen.
    """

    states: Sequence[str] = ()
    author: str | None = None
    since: float | None = None
    until: float | None = None
    after: str | None = None
    seen_from: float | None = None


_TURN_SEEN: Final = "(state = 'running' OR coalesce(finished_at, started_at) >= ?)"
_SEEN: Final = {
    "turns": _TURN_SEEN,
    "prompts": (
        "(state IN ('waiting', 'running') OR submitted_at >= ? OR (state = 'expired' AND expires_at >= ?)"
        f" OR EXISTS (SELECT 1 FROM turns WHERE turns.id = prompts.turn AND {_TURN_SEEN}))"
    ),
}
"""What was not over at a time: a turn that ran, a prompt that waited or ran or came later."""


def _seen(table: str, seen_from: float | None) -> tuple[str, list[Any]]:
    """Write the condition of a horizon, which is met by everything where there is none."""
    if seen_from is None:
        return "TRUE", []
    return _SEEN[table], [seen_from] * _SEEN[table].count("?")


def conditions_of(table: str, room: str, chosen: Filter, state_column: str, time_column: str) -> tuple[str, list[Any]]:
    """Write the condition of what a listing shows of a table, with its values."""
    seen, bounds = _seen(table, chosen.seen_from)
    conditions = ["room = ?", seen]
    values: list[Any] = [room, *bounds]
    if chosen.after is not None:
        # What may not be seen is no place to go on from, just as what does not exist.
        conditions.append(f"ord < coalesce((SELECT ord FROM {table} WHERE id = ? AND room = ? AND {seen}), 0)")
        values += [chosen.after, room, *bounds]
    if chosen.states:
        conditions.append(f"{state_column} IN ({', '.join('?' * len(chosen.states))})")
        values.extend(chosen.states)
    for comparison, bound in ((">=", chosen.since), ("<=", chosen.until)):
        if bound is not None:
            conditions.append(f"{time_column} {comparison} ?")
            values.append(bound)
    return " AND ".join(conditions), values


def find_ids(
    connection: sqlite3.Connection, kind: str, room: str, prefix: str, seen_from: float | None = None
) -> list[str]:
    """Find up to three ids of a room's prompts or turns that begin like this and may be seen."""
    table = _BY_KIND[kind]
    seen, bounds = _seen(table.name, seen_from)
    condition = f"WHERE room = ? AND id >= ? AND id < ? AND {seen} ORDER BY id {LAZILY}"
    return [row[0] for row in islice(table.read(connection, condition, (room, prefix, prefix + "g", *bounds)), 3)]


def find_latest_ids(connection: sqlite3.Connection, kind: str, room: str, limit: int) -> list[str]:
    """Find the ids of a room's latest prompts or turns, oldest first."""
    rows = _BY_KIND[kind].read(connection, "WHERE room = ? ORDER BY ord DESC LIMIT ?", (room, limit))
    return [row[0] for row in rows][::-1]
