"""Reading what turns came to, a slice at a time."""

import sqlite3
from typing import Final

from concordiad.core.model import Author, AuthorKind
from concordiad.core.statistics import Statistics, TurnFigures
from concordiad.journal.sums import PROMPTS, TURNS, note
from concordiad.journal.turns import read_row_of_turn

SLICE: Final = 500
"""Turns in one read: some milliseconds of the connection that everybody reads over."""

_SLICE: Final = f"""
{TURNS.select.replace("SELECT", "SELECT ord,", 1)}
WHERE ord > :after AND state = 'finished' AND started_at >= :since AND started_at < :until
    AND (:room IS NULL OR room = :room)
ORDER BY ord LIMIT :slice
"""
_ASKED: Final = "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY ord"


def add_turns(
    connection: sqlite3.Connection, found: Statistics, room: str | None, since: float, until: float, after: int
) -> int | None:
    """
    Count a slice of the turns that ended, of one room or of all.

    Args:
        found: where they are counted; the caller lends it, and does not touch it meanwhile.
        since: Unix seconds; turns that began then or later,
        until: and before that.
        after: what the slice before returned, 0 at first.

    Returns:
        Where to go on; None when all are counted.
    """
    given = {"after": after, "since": since, "until": until, "room": room, "slice": SLICE}
    number = 0
    for row in connection.execute(_SLICE, given).fetchall():
        number, after = number + 1, row[0]
        if not TURNS.is_whole(row[1:]):
            note(connection, TURNS.describe(row[1:]))
            continue
        turn = read_row_of_turn(row[1:])
        if turn.outcome is None:
            continue
        asked = list(PROMPTS.read(connection, _ASKED, (row[4],)))
        # A wall clock that was set back in between is no negative wait.
        waits_s = [max(turn.started_at - prompt[6], 0.0) for prompt in asked]
        authors = [Author(prompt[2], prompt[3], AuthorKind(prompt[4])) for prompt in asked]
        figures = (turn.duration_s, turn.ttft_s, turn.input_tokens, turn.output_tokens, turn.cost_usd)
        found.add(TurnFigures(turn.started_at, turn.outcome, *figures, authors, waits_s))
    return after if number == SLICE else None
