"""Rows of the journal as objects and back: plain synchronous functions over a connection."""

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from attrs import astuple, frozen

from concordiad.core.backlog import EpochStart
from concordiad.core.model import (
    AgentSession,
    Approval,
    ApprovalKind,
    Author,
    AuthorKind,
    Origin,
    Outcome,
    Priority,
    Prompt,
    PromptState,
    RoomRow,
    Turn,
    TurnState,
)


class RoomEpoch(NamedTuple):
    """Where a room's epoch begins: the number of the first event that it can give."""

    room: str
    epoch: int
    first_seq: int


class ApprovalResolved(NamedTuple):
    """An approval waits no more."""

    id: str


class Prune(NamedTuple):
    """Forget a room's events before a number, and what ended before a time (Unix seconds)."""

    room: str
    before_seq: int
    ended_before: float


Change = Prompt | Turn | AgentSession | RoomEpoch | RoomRow | Approval | ApprovalResolved | Prune
"""A row of the ledger as it is from now on."""


class Recorded(NamedTuple):
    """A numbered event on its way into the journal; `json` is the whole event as it is published."""

    seq: int
    json: bytes


@frozen
class Transaction:
    """What one owner wants recorded together; `is_durable` asks for an fsync before it is answered."""

    room: str
    events: Sequence[Recorded] = ()
    changes: Sequence[Change] = ()
    is_durable: bool = False


_PROMPT_COLUMNS: Final = (
    "id, room, author_id, author_name, author_kind, text, submitted_at, state, priority, key, expires_at, turn,"
    " retry_of, is_raw, is_alone"
)
_TURN_COLUMNS: Final = (
    "id, room, origin, prompts, text, started_at, incarnation, state, outcome, reason, answer, finished_at, duration_s,"
    " ttft_s, input_tokens, output_tokens, cost_usd, agent_turns"
)
_WRITE_PROMPT: Final = (
    f"INSERT INTO prompts ({_PROMPT_COLUMNS}) VALUES ({', '.join('?' * 15)})"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, turn = excluded.turn"
)
_WRITE_TURN: Final = (
    f"INSERT INTO turns ({_TURN_COLUMNS}) VALUES ({', '.join('?' * 18)})"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, outcome = excluded.outcome, reason = excluded.reason,"
    " answer = excluded.answer, finished_at = excluded.finished_at, duration_s = excluded.duration_s,"
    " ttft_s = excluded.ttft_s, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,"
    " cost_usd = excluded.cost_usd, agent_turns = excluded.agent_turns"
)


def write(connection: sqlite3.Connection, transactions: Sequence[Transaction]) -> None:
    """
    Commit several owners' transactions as one: all their events, then their changes in order.

    Raises:
        sqlite3.Error: nothing was committed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # One call for all of them: a call each costs as much as its event.
        connection.executemany(
            "INSERT INTO events (room, seq, json) VALUES (?, ?, ?)",
            [(each.room, event.seq, event.json) for each in transactions for event in each.events],
        )
        for transaction in transactions:
            for change in transaction.changes:
                _write_change(connection, change)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write_change(connection: sqlite3.Connection, change: Change) -> None:
    match change:
        case Prompt():
            author = change.author
            row: tuple[Any, ...] = (
                change.id,
                change.room,
                author.id,
                author.name,
                author.kind,
                change.text,
                change.submitted_at,
                change.state,
                change.priority,
                change.key,
                change.expires_at,
                change.turn,
                change.retry_of,
                change.is_raw,
                change.is_alone,
            )
            connection.execute(_WRITE_PROMPT, row)
        case Turn():
            row = (
                change.id,
                change.room,
                change.origin,
                json.dumps(change.prompts),
                change.text,
                change.started_at,
                change.incarnation,
                change.state,
                change.outcome,
                change.reason,
                change.answer,
                change.finished_at,
                change.duration_s,
                change.ttft_s,
                change.input_tokens,
                change.output_tokens,
                change.cost_usd,
                change.agent_turns,
            )
            connection.execute(_WRITE_TURN, row)
        case AgentSession():
            connection.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)", astuple(change))
        case RoomRow():
            connection.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(change))
        case Approval():
            connection.execute("INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(change))
        case ApprovalResolved():
            connection.execute("DELETE FROM approvals WHERE id = ?", change)
        case Prune():
            _prune(connection, change)
        case RoomEpoch():
            connection.execute("INSERT OR REPLACE INTO room_epochs VALUES (?, ?, ?)", change)


def _prune(connection: sqlite3.Connection, prune: Prune) -> None:
    room, before_seq, ended_before = prune
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


def begin_epoch(connection: sqlite3.Connection) -> tuple[str, int]:
    """Raise the epoch; return the journal's id and the new epoch. Committed with the connection's synchronous mode."""
    # At least the time in milliseconds: a journal restored from a backup must not give an epoch that clients know.
    query = "UPDATE meta SET epoch = max(epoch + 1, ?) RETURNING journal_id, epoch"
    row = connection.execute(query, (time.time_ns() // 1_000_000,)).fetchone()
    return row[0], row[1]


def read_room_epochs(connection: sqlite3.Connection, room: str) -> list[EpochStart]:
    """Read where each of a room's epochs began, oldest first."""
    rows = connection.execute("SELECT epoch, first_seq FROM room_epochs WHERE room = ? ORDER BY epoch", (room,))
    return [EpochStart(*row) for row in rows]


def last_seq(connection: sqlite3.Connection, room: str) -> int:
    """Find the number of a room's last recorded event; 0 if it has none."""
    row = connection.execute("SELECT max(seq) FROM events WHERE room = ?", (room,)).fetchone()
    return row[0] or 0


def first_seq(connection: sqlite3.Connection, room: str) -> int:
    """Find the number of a room's first event that was not pruned; 1 if it has none."""
    row = connection.execute("SELECT min(seq) FROM events WHERE room = ?", (room,)).fetchone()
    return row[0] or 1


def read_events(connection: sqlite3.Connection, room: str, since: int, limit: int, limit_bytes: int) -> list[Recorded]:
    """Read a room's events from `since` on, until a limit is reached; at least one if there is any."""
    rows = connection.execute(
        "SELECT seq, json FROM events WHERE room = ? AND seq >= ? ORDER BY seq LIMIT ?", (room, since, limit)
    )
    events: list[Recorded] = []
    size = 0
    for row in rows:
        size += len(row[1])
        if events and size > limit_bytes:
            break
        events.append(Recorded(*row))
    return events


def read_approvals(connection: sqlite3.Connection, room: str) -> list[Approval]:
    """Read a room's approvals that wait, oldest first."""
    rows = connection.execute("SELECT * FROM approvals WHERE room = ? ORDER BY id", (room,)).fetchall()
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


def read_rooms(connection: sqlite3.Connection) -> list[RoomRow]:
    """Read every room that the journal knows."""
    rows = connection.execute("SELECT * FROM rooms ORDER BY name").fetchall()
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
        )
        for row in rows
    ]


def find_prune_seq(connection: sqlite3.Connection, room: str, at_before: str | None, keep_bytes: int | None) -> int:
    """
    Find the first event that retention keeps: none older than a time, no more bytes than that; never the last one.

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
        query = (
            "SELECT seq FROM events WHERE room = ? AND seq >= ? AND json_extract(CAST(json AS TEXT), '$.at') >= ?"
            " ORDER BY seq LIMIT 1"
        )
        row = connection.execute(query, (room, keep_from, at_before)).fetchone()
        keep_from = row[0] if row is not None else last
    return min(keep_from, last)


def read_session(connection: sqlite3.Connection, room: str) -> AgentSession | None:
    """Read the conversation that a room's next incarnation resumes."""
    row = connection.execute("SELECT * FROM sessions WHERE room = ?", (room,)).fetchone()
    return None if row is None else AgentSession(row[0], row[1], row[2], row[3], has_history=bool(row[4]))


def _prompt(row: Sequence[Any]) -> Prompt:
    return Prompt(
        id=row[0],
        room=row[1],
        author=Author(row[2], row[3], AuthorKind(row[4])),
        text=row[5],
        submitted_at=row[6],
        state=PromptState(row[7]),
        priority=Priority(row[8]),
        key=row[9],
        expires_at=row[10],
        turn=row[11],
        retry_of=row[12],
        is_raw=bool(row[13]),
        is_alone=bool(row[14]),
    )


def _turn(row: Sequence[Any]) -> Turn:
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


def read_prompt(connection: sqlite3.Connection, prompt_id: str) -> Prompt | None:
    """Read one prompt."""
    row = connection.execute(f"SELECT {_PROMPT_COLUMNS} FROM prompts WHERE id = ?", (prompt_id,)).fetchone()
    return None if row is None else _prompt(row)


def read_prompt_by_key(connection: sqlite3.Connection, room: str, author_id: str, key: str) -> Prompt | None:
    """Read the prompt that an author submitted under an idempotency key."""
    query = f"SELECT {_PROMPT_COLUMNS} FROM prompts WHERE room = ? AND author_id = ? AND key = ?"
    row = connection.execute(query, (room, author_id, key)).fetchone()
    return None if row is None else _prompt(row)


def read_prompts_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[Prompt]:
    """Read prompts by id, in the order of the ids."""
    found = [read_prompt(connection, identity) for identity in ids]
    return [prompt for prompt in found if prompt is not None]


def read_prompts_in(connection: sqlite3.Connection, room: str, states: Sequence[PromptState]) -> list[Prompt]:
    """Read a room's prompts in some states, oldest first."""
    marks = ", ".join("?" * len(states))
    query = f"SELECT {_PROMPT_COLUMNS} FROM prompts WHERE room = ? AND state IN ({marks}) ORDER BY ord"
    return [_prompt(row) for row in connection.execute(query, (room, *states))]


class Filter(NamedTuple):
    """
    What a listing shows.

    Attributes:
        states: states or outcomes; none: all.
        author: an author's id or name.
        since: Unix seconds.
        until: Unix seconds.
        before: only rows before this number.
    """

    states: Sequence[str] = ()
    author: str | None = None
    since: float | None = None
    until: float | None = None
    before: int = 2**62


def _conditions(room: str, chosen: Filter, state_column: str, time_column: str) -> tuple[str, list[Any]]:
    conditions = ["room = ?", "ord < ?"]
    values: list[Any] = [room, chosen.before]
    if chosen.states:
        conditions.append(f"{state_column} IN ({', '.join('?' * len(chosen.states))})")
        values.extend(chosen.states)
    for comparison, bound in ((">=", chosen.since), ("<=", chosen.until)):
        if bound is not None:
            conditions.append(f"{time_column} {comparison} ?")
            values.append(bound)
    return " AND ".join(conditions), values


def read_prompt_page(
    connection: sqlite3.Connection, room: str, chosen: Filter, limit: int
) -> tuple[list[Prompt], int | None]:
    """Read a page of a room's prompts, newest first; also the row number for the next page."""
    conditions, values = _conditions(room, chosen, "state", "submitted_at")
    if chosen.author is not None:
        conditions += " AND ? IN (author_id, author_name)"
        values.append(chosen.author)
    query = f"SELECT {_PROMPT_COLUMNS}, ord FROM prompts WHERE {conditions} ORDER BY ord DESC LIMIT ?"
    rows = connection.execute(query, (*values, limit + 1)).fetchall()
    following = rows[limit - 1][-1] if len(rows) > limit else None
    return [_prompt(row) for row in rows[:limit]], following


def find_ids(connection: sqlite3.Connection, table: str, room: str, prefix: str) -> list[str]:
    """Find up to three ids of a room's prompts or turns that begin like this."""
    name = {"prompt": "prompts", "turn": "turns"}[table]
    query = f"SELECT id FROM {name} WHERE room = ? AND id >= ? AND id < ? ORDER BY id LIMIT 3"
    return [row[0] for row in connection.execute(query, (room, prefix, prefix + "g"))]


def read_turn(connection: sqlite3.Connection, turn_id: str) -> Turn | None:
    """Read one turn."""
    row = connection.execute(f"SELECT {_TURN_COLUMNS} FROM turns WHERE id = ?", (turn_id,)).fetchone()
    return None if row is None else _turn(row)


def read_running_turns(connection: sqlite3.Connection, room: str) -> list[Turn]:
    """Read a room's turns that have not ended."""
    query = f"SELECT {_TURN_COLUMNS} FROM turns WHERE room = ? AND state = ? ORDER BY ord"
    return [_turn(row) for row in connection.execute(query, (room, TurnState.RUNNING))]


def read_turn_page(
    connection: sqlite3.Connection, room: str, chosen: Filter, limit: int
) -> tuple[list[Turn], int | None]:
    """Read a page of a room's turns, newest first; also the row number for the next page."""
    conditions, values = _conditions(room, chosen, "outcome", "started_at")
    if chosen.author is not None:
        conditions += (
            " AND EXISTS (SELECT 1 FROM prompts, json_each(turns.prompts)"
            " WHERE prompts.id = json_each.value AND ? IN (prompts.author_id, prompts.author_name))"
        )
        values.append(chosen.author)
    query = f"SELECT {_TURN_COLUMNS}, ord FROM turns WHERE {conditions} ORDER BY ord DESC LIMIT ?"
    rows = connection.execute(query, (*values, limit + 1)).fetchall()
    following = rows[limit - 1][-1] if len(rows) > limit else None
    return [_turn(row) for row in rows[:limit]], following
