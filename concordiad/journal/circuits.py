"""
Whether the API of a room's agent failed when the daemon ended: read from the transcript, which says so as it happens.

Law: it failed if that was said since the last answered prompt, and nobody has resumed or closed the room since.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from concordiad.core.api import API_ANSWERS, ApiFailing
from concordiad.core.checks import parse_time
from concordiad.core.model import Origin, Outcome
from concordiad.core.views import type_of
from concordiad.journal.sums import EVENTS, LAZILY, TURNS

LOOKED_AT: Final = 10_000
"""Events that are looked at, from the last one back: what failed before them is tried anew."""
_TELLING: Final = frozenset((b"room.changed", b"turn.finished"))
_ENDING: Final = frozenset(("resumed", "closed"))


def read_api_failing(connection: sqlite3.Connection, room: str) -> ApiFailing | None:
    """Find out how the agent's API failed when the daemon ended; None if it did not."""
    # Mostly the last turn was answered, and no event need be looked at.
    if not _has_failed_last(connection, room):
        return None
    for event in _read_back(connection, room):
        if event["type"] == "turn.finished":
            turn = event["turn"]
            if turn["origin"] == Origin.PROMPTS and turn["outcome"] == Outcome.COMPLETED:
                return None
        elif event["state"] == "api-failing":
            return _failing(event)
        elif event["state"] in _ENDING or event["reason"] == API_ANSWERS:
            return None
    return None


def _has_failed_last(connection: sqlite3.Connection, room: str) -> bool:
    """Tell whether the last turn of prompts of which it is known how it went has failed."""
    condition = f"WHERE room = ? AND origin = ? AND outcome IN (?, ?) ORDER BY ord DESC {LAZILY}"
    values = (room, Origin.PROMPTS, Outcome.COMPLETED, Outcome.FAILED)
    last = next(TURNS.read(connection, condition, values), None)
    return last is not None and last[TURNS.columns.index("outcome")] == Outcome.FAILED


def _read_back(connection: sqlite3.Connection, room: str) -> Iterator[dict[str, Any]]:
    """Read the events that may tell, the last one first; those that are damaged are passed over."""
    query = f"{EVENTS.select} WHERE room = ? ORDER BY seq DESC LIMIT ?"
    for row in connection.execute(query, (room, LOOKED_AT)):
        if type_of(row[2]) in _TELLING and EVENTS.is_whole(row):
            yield msgspec.json.decode(row[2])


def _failing(event: dict[str, Any]) -> ApiFailing:
    left_s: float = event["next_attempt_s"]
    # An earlier version did not tell both.
    wait_s: float = event.get("wait_s", left_s)
    return ApiFailing(event["reason"], wait_s, parse_time(event["at"]) + left_s)
