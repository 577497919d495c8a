"""Reading what turns came to, a slice at a time."""

import itertools
import sqlite3
from typing import Final

from concordiad.core.model import Author, AuthorKind, Outcome
from concordiad.core.statistics import Statistics, TurnFigures

SLICE: Final = 500
"""Turns in one read: some milliseconds of the connection that everybody reads over."""

_SLICE: Final = """
SELECT turn.*, prompt.author_id, prompt.author_name, prompt.author_kind, prompt.submitted_at
FROM (
    SELECT ord, started_at, outcome, duration_s, ttft_s, input_tokens, output_tokens, cost_usd, prompts FROM turns
    WHERE ord > :after AND state = 'finished' AND started_at >= :since AND started_at < :until
        AND (:room IS NULL OR room = :room)
    ORDER BY ord LIMIT :slice
) AS turn LEFT JOIN json_each(turn.prompts) AS each LEFT JOIN prompts AS prompt ON prompt.id = each.value
ORDER BY turn.ord, each.key
"""


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
    for turn, rows in itertools.groupby(connection.execute(_SLICE, given), key=lambda row: row[:8]):
        after, started_at, outcome, duration_s, ttft_s, read, written, cost_usd = turn
        known = [row[9:] for row in rows if row[9] is not None]
        authors = [Author(identity, name, AuthorKind(kind)) for identity, name, kind, _ in known]
        # A wall clock that was set back in between is no negative wait.
        waits_s = [max(started_at - submitted_at, 0.0) for *_, submitted_at in known]
        found.add(
            TurnFigures(started_at, Outcome(outcome), duration_s, ttft_s, read, written, cost_usd, authors, waits_s)
        )
        number += 1
    return after if number == SLICE else None
