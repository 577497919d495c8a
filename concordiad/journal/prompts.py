"""
Prompts as rows and back.

Law: a prompt that is damaged, or of which what is asked for it is, is not given.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from concordiad.core.model import Author, AuthorKind, Merge, OrderKey, Priority, Prompt, PromptState, Stage, Standing
from concordiad.core.portions import first_portion
from concordiad.journal.listing import Filter, conditions_of
from concordiad.journal.sums import LAZILY, PROMPTS, RowDamaged

_WRITE_PROMPT: Final = (
    f"{PROMPTS.insert}"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, turn = excluded.turn, is_alone = excluded.is_alone,"
    " merged_into = excluded.merged_into, merge_stage = excluded.merge_stage, similarity = excluded.similarity,"
    " standing = excluded.standing, wording = excluded.wording, sum = excluded.sum"
)


def write_prompt(connection: sqlite3.Connection, prompt: Prompt) -> None:
    """Write a prompt as it is from now on."""
    connection.execute(_WRITE_PROMPT, PROMPTS.sealed(_row(prompt)))


def _row(prompt: Prompt) -> tuple[Any, ...]:
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


def read_prompt_page(
    connection: sqlite3.Connection, room: str, chosen: Filter, limit: int, limit_chars: int
) -> tuple[list[Prompt], str | None]:
    """
    Read a page of a room's prompts, newest first; also where the next page goes on, if there is one.

    Args:
        limit_chars: of all texts together; a prompt with more is a page of its own.
    """
    conditions, values = conditions_of("prompts", room, chosen, "state", "submitted_at")
    if chosen.author is not None:
        conditions += " AND ? IN (author_id, author_name)"
        values.append(chosen.author)
    rows = _read_prompts(connection, f"WHERE {conditions} ORDER BY ord DESC {LAZILY}", values)
    prompts, has_more = first_portion(rows, limit, limit_chars, lambda prompt: len(prompt.text))
    return prompts, prompts[-1].id if has_more else None


def read_askers(connection: sqlite3.Connection, room: str) -> list[str]:
    """Read the ids of those whose prompts have had a turn in a room: of up to two, for more than one is many."""
    query = "SELECT DISTINCT author_id FROM prompts WHERE room = ? AND turn IS NOT NULL LIMIT 2"
    return [row[0] for row in connection.execute(query, (room,))]


def read_local_names(connection: sqlite3.Connection, room: str) -> list[str]:
    """Read the names of this machine's users who have asked something in a room."""
    query = "SELECT DISTINCT author_name FROM prompts WHERE room = ? AND author_kind = 'local'"
    return [row[0] for row in connection.execute(query, (room,))]
