"""Rows of the journal as objects and back: plain synchronous functions over a connection."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import astuple

from concordiad.core.backlog import EpochStart
from concordiad.core.model import (
    AfterCrash,
    AgentSession,
    Approval,
    ApprovalKind,
    Author,
    AuthorKind,
    History,
    Invite,
    Member,
    Merge,
    OrderKey,
    Origin,
    Outcome,
    Priority,
    Prompt,
    PromptState,
    RoomRow,
    Stage,
    Standing,
    Turn,
    TurnState,
    rfc3339,
)
from concordiad.core.portions import first_portion
from concordiad.core.roles import Role
from concordiad.core.views import lost_event
from concordiad.errors import JournalError
from concordiad.journal.sums import (
    APPROVALS,
    EVENTS,
    HEARD,
    HELD,
    INVITES,
    MEMBERS,
    META,
    PROMPTS,
    ROOM_EPOCHS,
    ROOMS,
    SESSIONS,
    TURNS,
    Damaged,
    RowDamaged,
    Table,
    note,
    sum_of,
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


class Heard(NamedTuple):
    """
    How far the output of an agent that outlives the daemon was heard.

    Attributes:
        place: bytes of its output that need not be heard again: up to the last whole line that was understood, or up to
            somewhere in a line over the limit.
        facts: how many facts those bytes stated.
        said: the number of the last fact that is in the transcript, or would be; it may be one after those bytes.
        memory: what the codec had learnt from those bytes.
        line: what is known of that line over the limit (`core/lines.py`); nothing where there is none.
    """

    room: str
    incarnation: str
    place: int = 0
    facts: int = 0
    said: int = 0
    memory: bytes = b""
    line: bytes = b""


class Held(NamedTuple):
    """
    What the writer knows of an agent that outlives the daemon.

    Attributes:
        facts: the number of the last fact that the writer has taken.
        holding: what it knows then (`room/holding.py`).
    """

    room: str
    incarnation: str
    facts: int
    holding: bytes


Change = (
    Prompt
    | Turn
    | AgentSession
    | RoomEpoch
    | RoomRow
    | Approval
    | ApprovalResolved
    | Invite
    | Member
    | Prune
    | Heard
    | Held
)
"""A row of the ledger as it is from now on."""


class Recorded(NamedTuple):
    """A numbered event on its way into the journal; `json` is the whole event as it is published."""

    seq: int
    json: bytes


class Transaction(Struct, frozen=True):
    """
    What one owner wants recorded together.

    Attributes:
        is_durable: it is fsynced before it is answered.
        is_refusable: it is refused at once while the journal cannot record; otherwise it waits until that can.
    """

    room: str
    events: Sequence[Recorded] = ()
    changes: Sequence[Change] = ()
    is_durable: bool = False
    is_refusable: bool = False


_WRITE_PROMPT: Final = (
    f"{PROMPTS.insert}"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, turn = excluded.turn, is_alone = excluded.is_alone,"
    " merged_into = excluded.merged_into, merge_stage = excluded.merge_stage, similarity = excluded.similarity,"
    " standing = excluded.standing, wording = excluded.wording, sum = excluded.sum"
)
_WRITE_TURN: Final = (
    f"{TURNS.insert}"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, outcome = excluded.outcome, reason = excluded.reason,"
    " answer = excluded.answer, finished_at = excluded.finished_at, duration_s = excluded.duration_s,"
    " ttft_s = excluded.ttft_s, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,"
    " cost_usd = excluded.cost_usd, agent_turns = excluded.agent_turns, sum = excluded.sum"
)
_WRITE_EVENT: Final = EVENTS.insert


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
            _WRITE_EVENT,
            [
                (each.room, event.seq, event.json, sum_of((each.room, event.seq, event.json)))
                for each in transactions
                for event in each.events
            ],
        )
        for transaction in transactions:
            for change in transaction.changes:
                _write_change(connection, change)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def touch(connection: sqlite3.Connection) -> None:
    """
    Commit a page that says what it said before, to see whether that works.

    Raises:
        sqlite3.Error: it does not.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Twice, because SQLite writes no page in which nothing has changed.
        for _ in range(2):
            connection.execute("UPDATE meta SET epoch = -1 - epoch")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write_change(connection: sqlite3.Connection, change: Change) -> None:
    match change:
        case Prompt():
            connection.execute(_WRITE_PROMPT, PROMPTS.sealed(_prompt_row(change)))
        case Turn():
            row: tuple[Any, ...] = (
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
            connection.execute(_WRITE_TURN, TURNS.sealed(row))
        case AgentSession():
            _replace(connection, SESSIONS, astuple(change))
        case RoomRow():
            _replace(connection, ROOMS, astuple(change))
        case Approval():
            connection.execute(APPROVALS.insert, APPROVALS.sealed(astuple(change)))
        case Invite():
            by = change.created_by
            row = (
                change.id,
                change.room,
                change.role,
                change.token_hash,
                change.created_at,
                by.id,
                by.name,
                by.kind,
                change.expires_at,
                change.uses,
                change.used,
                change.name_hint,
                change.may_approve,
                change.history,
                change.revoked_at,
            )
            _replace(connection, INVITES, row)
        case Member():
            _replace(connection, MEMBERS, astuple(change))
        case ApprovalResolved():
            connection.execute("DELETE FROM approvals WHERE id = ?", change)
        case Prune():
            _prune(connection, change)
        case Heard():
            _replace(connection, HEARD, change)
        case Held():
            _replace(connection, HELD, change)
        case RoomEpoch():
            _replace(connection, ROOM_EPOCHS, change)


def _replace(connection: sqlite3.Connection, table: Table, values: Sequence[Any]) -> None:
    connection.execute(table.insert.replace("INSERT", "INSERT OR REPLACE", 1), table.sealed(values))


def _prompt_row(prompt: Prompt) -> tuple[Any, ...]:
    author, merge, standing = prompt.author, prompt.merge, prompt.standing
    return (
        prompt.id,
        prompt.room,
        author.id,
        author.name,
        author.kind,
        prompt.text,
        prompt.submitted_at,
        prompt.state,
        prompt.priority,
        prompt.key,
        prompt.expires_at,
        prompt.turn,
        prompt.retry_of,
        prompt.is_raw,
        prompt.is_alone,
        None if merge is None else merge.leader,
        None if merge is None else merge.stage,
        None if merge is None else merge.similarity,
        None if standing is None else json.dumps(standing),
        merge.asked if merge is not None and merge.leader == prompt.id and merge.asked != prompt.text else None,
    )


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
    over = "SELECT id FROM invites WHERE room = ? AND coalesce(revoked_at, expires_at) < ?"
    # Who is still to be told of as gone stays until then.
    connection.execute(f"DELETE FROM members WHERE here_since IS NULL AND invite IN ({over})", (room, ended_before))
    connection.execute(
        f"DELETE FROM invites WHERE id IN ({over}) AND id NOT IN (SELECT invite FROM members)", (room, ended_before)
    )


def begin_epoch(connection: sqlite3.Connection) -> tuple[str, int]:
    """Raise the epoch; return the journal's id and the new epoch. Committed with the connection's synchronous mode."""
    # At least the time in milliseconds: a journal restored from a backup must not give an epoch that clients know.
    connection.execute("BEGIN IMMEDIATE")
    try:
        row = META.read_one(connection, "", ())
        if row is None:
            raise sqlite3.DatabaseError("its row of the whole journal is missing: the database is malformed")
        epoch = max(row[2] + 1, time.time_ns() // 1_000_000)
        _replace(connection, META, (1, row[1], epoch))
        connection.execute("COMMIT")
    except (sqlite3.Error, JournalError):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return row[1], epoch


def read_room_epochs(connection: sqlite3.Connection, room: str) -> list[EpochStart]:
    """Read where each of a room's epochs began, oldest first."""
    rows = ROOM_EPOCHS.read(connection, "WHERE room = ? ORDER BY epoch", (room,))
    return [EpochStart(*row[1:]) for row in rows]


def read_recorded_rooms(connection: sqlite3.Connection) -> list[str]:
    """Read the names of all rooms that were ever opened."""
    return [row[0] for row in connection.execute("SELECT DISTINCT room FROM room_epochs ORDER BY room")]


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
    query = f"{EVENTS.select} WHERE room = ? AND seq >= ? ORDER BY seq {_LAZILY}"
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


def _invite(row: Sequence[Any]) -> Invite:
    return Invite(
        id=row[0],
        room=row[1],
        role=Role(row[2]),
        token_hash=row[3],
        created_at=row[4],
        created_by=Author(row[5], row[6], AuthorKind(row[7])),
        expires_at=row[8],
        uses=row[9],
        used=row[10],
        name_hint=row[11],
        may_approve=bool(row[12]),
        history=History(row[13]),
        revoked_at=row[14],
    )


def read_guestbook(connection: sqlite3.Connection, room: str, now: float) -> tuple[list[Invite], list[Member]]:
    """Read the invites that let anybody in, or by which somebody is still here, and their members; oldest first."""
    condition = (
        "WHERE room = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?"
        " OR EXISTS (SELECT 1 FROM members WHERE invite = invites.id AND here_since IS NOT NULL)) ORDER BY id"
    )
    invites = [_invite(row) for row in INVITES.read(connection, condition, (room, now))]
    condition = "WHERE invite = ? AND removed_at IS NULL ORDER BY id"
    return invites, [Member(*row) for invite in invites for row in MEMBERS.read(connection, condition, (invite.id,))]


def read_askers(connection: sqlite3.Connection, room: str) -> list[str]:
    """Read the ids of those whose prompts have had a turn in a room: of up to two, for more than one is many."""
    query = "SELECT DISTINCT author_id FROM prompts WHERE room = ? AND turn IS NOT NULL LIMIT 2"
    return [row[0] for row in connection.execute(query, (room,))]


def read_local_names(connection: sqlite3.Connection, room: str) -> list[str]:
    """Read the names of this machine's users who have asked something in a room."""
    query = "SELECT DISTINCT author_name FROM prompts WHERE room = ? AND author_kind = 'local'"
    return [row[0] for row in connection.execute(query, (room,))]


def read_invites(connection: sqlite3.Connection, room: str, limit: int) -> list[Invite]:
    """Read a room's latest invites, also those that are over, oldest first."""
    rows = INVITES.read(connection, "WHERE room = ? ORDER BY id DESC LIMIT ?", (room, limit))
    return [_invite(row) for row in rows][::-1]


def read_members(connection: sqlite3.Connection, room: str, limit: int) -> list[tuple[Member, Invite]]:
    """Read a room's latest members, also those that are gone for good, with their invites; oldest first."""
    members = [
        Member(*row) for row in MEMBERS.read(connection, "WHERE room = ? ORDER BY id DESC LIMIT ?", (room, limit))
    ]
    wanted = dict.fromkeys(member.invite for member in members)
    invites = {
        identity: _invite(row) for identity in wanted for row in INVITES.read(connection, "WHERE id = ?", (identity,))
    }
    return [(member, invites[member.invite]) for member in members[::-1] if member.invite in invites]


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


def read_session(connection: sqlite3.Connection, room: str) -> AgentSession | None:
    """Read the conversation that a room's next incarnation resumes."""
    for row in SESSIONS.read(connection, "WHERE room = ?", (room,)):
        return AgentSession(row[0], row[1], row[2], row[3], has_history=bool(row[4]))
    return None


def _prompt(connection: sqlite3.Connection, row: Sequence[Any]) -> Prompt:
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
        merge=None if row[15] is None else _merge(connection, row),
        standing=None if row[18] is None else Standing(*(OrderKey(*key) for key in json.loads(row[18]))),
    )


def _merge(connection: sqlite3.Connection, row: Sequence[Any]) -> Merge:
    """What is asked for a merged prompt stands with the leader of its group. Raises RowDamaged."""
    leader = row if row[15] == row[0] else PROMPTS.read_one(connection, "WHERE id = ?", (row[15],))
    # A leader is forgotten before those whom it led, if it is older.
    asked = row[5] if leader is None else leader[19] or leader[5]
    return Merge(row[15], row[16] and Stage(row[16]), row[17], asked)


def _read_prompts(connection: sqlite3.Connection, condition: str, values: Sequence[object]) -> Iterator[Prompt]:
    """Read the prompts that are whole, and so is what is asked for them."""
    for row in PROMPTS.read(connection, condition, values):
        with suppress(RowDamaged):
            yield _prompt(connection, row)


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


def read_prompt(connection: sqlite3.Connection, prompt_id: str) -> Prompt | None:
    """Read one prompt. Raises RowDamaged."""
    row = PROMPTS.read_one(connection, "WHERE id = ?", (prompt_id,))
    return None if row is None else _prompt(connection, row)


def read_prompt_by_key(connection: sqlite3.Connection, room: str, author_id: str, key: str) -> Prompt | None:
    """Read the prompt that an author submitted under an idempotency key. Raises RowDamaged."""
    row = PROMPTS.read_one(connection, "WHERE room = ? AND author_id = ? AND key = ?", (room, author_id, key))
    return None if row is None else _prompt(connection, row)


def read_prompts_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[Prompt]:
    """Read prompts by id, in the order of the ids; what is damaged is left out."""
    return [prompt for identity in ids for prompt in _read_prompts(connection, "WHERE id = ?", (identity,))]


def read_prompts_in(connection: sqlite3.Connection, room: str, states: Sequence[PromptState]) -> list[Prompt]:
    """Read a room's prompts in some states, oldest first; what is damaged is left out."""
    condition = f"WHERE room = ? AND state IN ({', '.join('?' * len(states))}) ORDER BY ord"
    return list(_read_prompts(connection, condition, (room, *states)))


_BY_KIND: Final = {"prompt": PROMPTS, "turn": TURNS}
_LAZILY: Final = "LIMIT -1"
"""
Ends a query of which only the beginning is taken, because what is damaged does not count.

It is no limit, but SQLite plans for a short answer then, and does not sort all of it.
"""


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


def _conditions(table: str, room: str, chosen: Filter, state_column: str, time_column: str) -> tuple[str, list[Any]]:
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


def read_prompt_page(
    connection: sqlite3.Connection, room: str, chosen: Filter, limit: int, limit_chars: int
) -> tuple[list[Prompt], str | None]:
    """
    Read a page of a room's prompts, newest first; also where the next page goes on, if there is one.

    Args:
        limit_chars: of all texts together; a prompt with more is a page of its own.
    """
    conditions, values = _conditions("prompts", room, chosen, "state", "submitted_at")
    if chosen.author is not None:
        conditions += " AND ? IN (author_id, author_name)"
        values.append(chosen.author)
    rows = _read_prompts(connection, f"WHERE {conditions} ORDER BY ord DESC {_LAZILY}", values)
    prompts, has_more = first_portion(rows, limit, limit_chars, lambda prompt: len(prompt.text))
    return prompts, prompts[-1].id if has_more else None


def find_ids(
    connection: sqlite3.Connection, kind: str, room: str, prefix: str, seen_from: float | None = None
) -> list[str]:
    """Find up to three ids of a room's prompts or turns that begin like this and may be seen."""
    table = _BY_KIND[kind]
    seen, bounds = _seen(table.name, seen_from)
    condition = f"WHERE room = ? AND id >= ? AND id < ? AND {seen} ORDER BY id {_LAZILY}"
    return [row[0] for row in islice(table.read(connection, condition, (room, prefix, prefix + "g", *bounds)), 3)]


def find_latest_ids(connection: sqlite3.Connection, kind: str, room: str, limit: int) -> list[str]:
    """Find the ids of a room's latest prompts or turns, oldest first."""
    rows = _BY_KIND[kind].read(connection, "WHERE room = ? ORDER BY ord DESC LIMIT ?", (room, limit))
    return [row[0] for row in rows][::-1]


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
    conditions, values = _conditions("turns", room, chosen, "outcome", "started_at")
    if chosen.author is not None:
        conditions += (
            " AND EXISTS (SELECT 1 FROM prompts, json_each(turns.prompts)"
            " WHERE prompts.id = json_each.value AND ? IN (prompts.author_id, prompts.author_name))"
        )
        values.append(chosen.author)
    rows = TURNS.read(connection, f"WHERE {conditions} ORDER BY ord DESC {_LAZILY}", values)
    found = [read_row_of_turn(row) for row in islice(rows, limit + 1)]
    return found[:limit], found[limit - 1].id if len(found) > limit else None
