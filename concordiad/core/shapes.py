"""
What the wire's objects look like, as JSON Schema: the words of docs/protocol.md for programs.

Laws: what is absent is null, so every field is required, but for those that may be missing. Further fields are not
forbidden: clients pass over what they do not know.
"""

from collections.abc import Mapping
from typing import Any, Final

from concordiad.core.agents import Kind
from concordiad.core.codes import CODES
from concordiad.core.faults import Fault
from concordiad.core.model import (
    AfterCrash,
    ApprovalKind,
    AuthorKind,
    History,
    InviteState,
    Origin,
    Outcome,
    Priority,
    PromptState,
    Stage,
    TurnState,
)
from concordiad.core.roles import Role

Schema = dict[str, Any]
Fields = Mapping[str, Schema]

STRING: Final[Schema] = {"type": "string"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
INTEGER: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
AMOUNT: Final[Schema] = {"type": "number", "minimum": 0}
SECONDS: Final = AMOUNT
ID: Final[Schema] = {"type": "string", "format": "uuid"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
DATE: Final[Schema] = {"type": "string", "format": "date"}
NULL: Final[Schema] = {"type": "null"}
ANY: Final[Schema] = {}


def ref(name: str) -> Schema:
    """Name a schema among the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(*values: str) -> Schema:
    """Describe a string that is one of these."""
    return {"enum": [str(value) for value in values]}


def or_null(schema: Schema) -> Schema:
    """Describe what may be absent."""
    if "type" not in schema and "enum" not in schema:
        return {"anyOf": [schema, NULL]}
    kind = {"type": [schema["type"], "null"]} if "type" in schema else {}
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **kind, **values}


def list_of(schema: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": schema}


def an_object(fields: Fields, *, may_miss: Fields | None = None) -> Schema:
    """Describe an object whose fields are all there, but for some that may be missing."""
    return {"type": "object", "properties": {**fields, **(may_miss or {})}, "required": list(fields)}


SIMILARITY: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
STAGE: Final = one_of("first", *Stage)
"""Why a prompt shares a turn with the first one of its group, or that it is that one."""
AUTHOR: Final = an_object({"id": STRING, "name": STRING, "kind": one_of(*AuthorKind)})
CURSOR: Final = an_object({"epoch": COUNT, "seq": COUNT})
MERGE: Final = an_object(
    {
        "leader": ID,
        "stage": STAGE,
        "similarity": or_null(SIMILARITY),
        "asked": STRING,
        "asked_chars": or_null(COUNT),
        "verbatim": BOOLEAN,
    }
)
OTHER: Final = an_object({"id": ID, "author": ref("AUTHOR"), "text": STRING})
MERGED: Final = an_object(
    {
        "prompt": ID,
        "author": ref("AUTHOR"),
        "text": STRING,
        "stage": or_null(STAGE),
        "similarity": or_null(SIMILARITY),
    }
)
PROMPT: Final = an_object(
    {
        "id": ID,
        "room": STRING,
        "author": ref("AUTHOR"),
        "text": STRING,
        "text_chars": or_null(COUNT),
        "state": one_of(*PromptState),
        "priority": one_of(*Priority),
        "key": or_null(STRING),
        "expires_at": or_null(TIME),
        "submitted_at": TIME,
        "place": or_null({"type": "integer", "minimum": 1}),
        "turn": or_null(ID),
        "retry_of": or_null(ID),
        "raw": BOOLEAN,
        "alone": BOOLEAN,
        "merge": or_null(ref("MERGE")),
    }
)
_TURN: Final[Fields] = {
    "id": ID,
    "room": STRING,
    "origin": one_of(*Origin),
    "prompts": list_of(ID),
    "text": STRING,
    "state": one_of(*TurnState),
    "outcome": or_null(one_of(*Outcome)),
    "reason": or_null(STRING),
    "answer": or_null(STRING),
    "started_at": TIME,
    "finished_at": or_null(TIME),
    "duration_s": or_null(SECONDS),
    "ttft_s": or_null(SECONDS),
    "input_tokens": or_null(COUNT),
    "output_tokens": or_null(COUNT),
    "cost_usd": or_null(NUMBER),
    "agent_turns": or_null(COUNT),
    "merged": list_of(ref("MERGED")),
}
TURN: Final = an_object(_TURN)
_BEHIND: Final = an_object(
    {"id": ID, "prompts": list_of(ID), "started_at": TIME, "acknowledged": BOOLEAN, "stopping": or_null(STRING)}
)
TURN_SHORT: Final = an_object(
    {**_TURN, "authors": list_of(ref("AUTHOR")), "answer_bytes": or_null(COUNT)},
    may_miss={"silent_s": SECONDS, "stopping": or_null(STRING), "behind": or_null(_BEHIND)},
)
APPROVAL: Final = an_object(
    {
        "id": ID,
        "room": STRING,
        "turn": or_null(ID),
        "kind": one_of(*ApprovalKind),
        "tool": STRING,
        "input": ANY,
        "input_bytes": COUNT,
        "description": or_null(STRING),
        "requested_at": TIME,
        "expires_at": TIME,
        "may_answer": list_of(STRING),
    }
)
FAULT: Final = an_object({"fault": one_of(*Fault), "message": STRING, "at": TIME})
ROOM_AGENT: Final = an_object(
    {
        "name": STRING,
        "kind": one_of(*Kind),
        "rehearsal": BOOLEAN,
        "version": or_null(STRING),
        "model": or_null(STRING),
        "pid": or_null(INTEGER),
        "incarnation": or_null(ID),
        "session_id": or_null(STRING),
        "restarts": COUNT,
        "started_at": or_null(TIME),
        "fault": or_null(ref("FAULT")),
    }
)
ROOM_STATES: Final = (
    *("starting", "idle", "busy", "paused", "asleep"),
    *("agent-down", "agent-failing", "api-failing", "journal-failing", "draining"),
)
ROOM: Final = an_object(
    {
        "name": STRING,
        "workdir": or_null(STRING),
        "state": one_of(*ROOM_STATES),
        "paused": BOOLEAN,
        "reason": or_null(STRING),
        "after_crash": one_of(*AfterCrash),
        "agent": ref("ROOM.agent"),
        "turn": or_null(ref("TURN.short")),
        "queue": COUNT,
        "approvals": COUNT,
        "guests": COUNT,
        "followers": COUNT,
        "cursor": ref("CURSOR"),
        "merging": ref("MERGING"),
    }
)
STAGES: Final = an_object({stage.value: COUNT for stage in Stage})
MERGING: Final = an_object(
    {
        "prompts": COUNT,
        "turns": COUNT,
        "merged": ref("STAGES"),
        "window_wait_s": SECONDS,
        "meaning_wait_s": SECONDS,
        "tokens_saved_estimate": COUNT,
    }
)
SUMS: Final[Fields] = {
    "prompts": COUNT,
    "turns": COUNT,
    **dict.fromkeys(("duration_s", "input_tokens", "output_tokens", "cost_usd"), AMOUNT),
}
"""What turns came to; a person's share of a turn is no whole number."""
PERIOD: Final[Fields] = {
    **SUMS,
    "outcomes": an_object({outcome.value: COUNT for outcome in Outcome}),
    **{f"{what}_{which}_s": or_null(SECONDS) for what in ("duration", "ttft", "wait") for which in ("p50", "p95")},
}
STATISTICS: Final[Fields] = {
    "room": or_null(STRING),
    "since": TIME,
    "until": TIME,
    "utc_offset_s": INTEGER,
    "total": an_object(PERIOD),
    "days": list_of(an_object({"day": DATE, **PERIOD})),
    "people": list_of(an_object({"author": or_null(ref("AUTHOR")), **SUMS})),
    "shares": list_of(an_object({"day": DATE, "author_id": or_null(STRING), **SUMS})),
}
DAEMON: Final = an_object(
    {
        "version": STRING,
        "pid": INTEGER,
        "started_at": TIME,
        "uptime_s": SECONDS,
        "epoch": COUNT,
        "state_dir": STRING,
        "set_aside": list_of(STRING),
        "damaged": list_of(STRING),
    }
)
GUESTS_ROLE: Final = one_of(Role.DRIVER, Role.VIEWER)
INVITE: Final = an_object(
    {
        "id": or_null(ID),
        "room": STRING,
        "role": GUESTS_ROLE,
        "name_hint": or_null(STRING),
        "may_approve": BOOLEAN,
        "history": one_of(*History),
        "created_at": TIME,
        "created_by": ref("AUTHOR"),
        "expires_at": or_null(TIME),
        "uses": or_null(COUNT),
        "used": COUNT,
        "uses_left": or_null(COUNT),
        "revoked_at": or_null(TIME),
        "state": one_of(*InviteState),
        "url": or_null(STRING),
        "token": or_null(STRING),
    }
)
PERSON: Final = an_object(
    {
        "id": STRING,
        "name": STRING,
        "kind": one_of(AuthorKind.GUEST, AuthorKind.LOCAL),
        "role": one_of(*Role),
        "here_since": TIME,
    }
)
GUEST: Final = an_object(
    {
        "id": STRING,
        "name": STRING,
        "kind": {"const": "guest"},
        "role": GUESTS_ROLE,
        "room": STRING,
        "invite": or_null(ID),
        "may_approve": BOOLEAN,
        "joined_at": TIME,
        "here_since": or_null(TIME),
        "address": or_null(STRING),
        "connections": COUNT,
        "lag_events": or_null(COUNT),
        "lag_bytes": or_null(COUNT),
    }
)
SNAPSHOT: Final = an_object(
    {
        "room": ref("ROOM"),
        "queue": list_of(ref("PROMPT")),
        "turn": or_null(ref("TURN.short")),
        "approvals": list_of(ref("APPROVAL")),
        "people": list_of(ref("PERSON")),
        "events": list_of(ref("EVENT")),
    }
)
ERROR: Final = an_object(
    {
        "code": {"enum": [code.number for code in CODES]},
        "message": STRING,
        "data": an_object(
            {
                "name": one_of(*(code.name for code in CODES)),
                "field": or_null(STRING),
                "retry_after_s": or_null(SECONDS),
            }
        ),
    }
)

OBJECTS: Final[Mapping[str, Schema]] = {
    "AUTHOR": AUTHOR,
    "PROMPT": PROMPT,
    "MERGE": MERGE,
    "OTHER": OTHER,
    "MERGED": MERGED,
    "TURN": TURN,
    "TURN.short": TURN_SHORT,
    "APPROVAL": APPROVAL,
    "ROOM": ROOM,
    "ROOM.agent": ROOM_AGENT,
    "FAULT": FAULT,
    "MERGING": MERGING,
    "STAGES": STAGES,
    "DAEMON": DAEMON,
    "CURSOR": CURSOR,
    "SNAPSHOT": SNAPSHOT,
    "INVITE": INVITE,
    "PERSON": PERSON,
    "GUEST": GUEST,
    "ERROR": ERROR,
}
"""Every object by its name in the document."""
