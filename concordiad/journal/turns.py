"""Turns as rows and back."""

import json
import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from concordiad.core.model import Origin, Outcome, Turn, TurnState
from concordiad.journal.listing import Filter, conditions_of
from concordiad.journal.sums import LAZILY, TURNS

_WRITE_TURN: Final = (
    f"{TURNS.insert}"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, outcome = excluded.outcome, reason = excluded.reason,"
    " answer = excluded.answer, finished_at = excluded.finished_at, duration_s = excluded.duration_s,"
    " ttft_s = excluded.ttft_s, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,"
    " cost_usd = excluded.cost_usd, agent_turns = excluded.agent_turns, sum = excluded.sum"
)


def write_turn(connection: sqlite3.Connection, turn: Turn) -> None:
    """Write a turn as it is from now on."""
    row = (
        turn.id,
        turn.room,
        turn.origin,
        json.dumps(turn.prompts),
        turn.text,
        turn.started_at,
        turn.incarnation,
        turn.state,
        turn.outcome,
        turn.reason,
        turn.answer,
        turn.finished_at,
        turn.duration_s,
        turn.ttft_s,
        turn.input_tokens,
        turn.output_tokens,
        turn.cost_usd,
        turn.agent_turns,
    )
    connection.execute(_WRITE_TURN, TURNS.sealed(row))


def read_row_of_turn(row: Sequence[Any]) -> Turn:
    """Make a turn of its row."""
    return Turn(
        id=row[0],
        room=row[1],
        origin=Origin(row[2]),
        prompts=tuple(json.loads(row[3])),
        text=row[4],
        started_at=row[5],
        incarnation=row[6],
        state=TurnState(row[7]),
        outcome=None if row[8] is None else Outcome(row[8]),
        reason=row[9],
        answer=row[10],
        finished_at=row[11],
        duration_s=row[12],
        ttft_s=row[13],
        input_tokens=row[14],
        output_tokens=row[15],
        cost_usd=row[16],
        agent_turns=row[17],
    )


def read_turn(connection: sqlite3.Connection, turn_id: str) -> Turn | None:
    """Read one turn. Raises RowDamaged."""
    row = TURNS.read_one(connection, "WHERE id = ?", (turn_id,))
    return None if row is None else read_row_of_turn(row)


def read_running_turns(connection: sqlite3.Connection, room: str) -> list[Turn]:
    """Read a room's turns that have not ended."""
    condition = "WHERE room = ? AND state = ? ORDER BY ord"
    return [read_row_of_turn(row) for row in TURNS.read(connection, condition, (room, TurnState.RUNNING))]


def read_turn_page(
    connection: sqlite3.Connection, room: str, chosen: Filter, limit: int
) -> tuple[list[Turn], str | None]:
    """Read a page of a room's turns, newest first; also where the next page goes on, if there is one."""
    conditions, values = conditions_of("turns", room, chosen, "outcome", "started_at")
    if chosen.author is not None:
        conditions += (
            " AND EXISTS (SELECT 1 FROM prompts, json_each(turns.prompts)"
            " WHERE prompts.id = json_each.value AND ? IN (prompts.author_id, prompts.author_name))"
        )
        values.append(chosen.author)
    rows = TURNS.read(connection, f"WHERE {conditions} ORDER BY ord DESC {LAZILY}", values)
    found = [read_row_of_turn(row) for row in islice(rows, limit + 1)]
    return found[:limit], found[limit - 1].id if len(found) > limit else None
