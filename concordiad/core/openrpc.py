"""
The wire's description for programs: an OpenRPC 1.3 document (https://spec.open-rpc.org), made from the classes.

Law: names, types, defaults and bounds of params are read from the classes that decode them, never written twice.
"""

import enum
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

import attrs

from concordiad.core.checks import Check
from concordiad.core.codes import CODES, INVALID_REQUEST, PARSE_ERROR, UNKNOWN_METHOD
from concordiad.core.event_shapes import event_schemas
from concordiad.core.model import Outcome
from concordiad.core.params import METHODS, ById, InRoom, Nothing
from concordiad.core.roles import RIGHTS
from concordiad.core.shapes import (
    BOOLEAN,
    COUNT,
    INTEGER,
    NUMBER,
    OBJECTS,
    SECONDS,
    STATISTICS,
    STRING,
    TIME,
    Fields,
    Schema,
    an_object,
    list_of,
    one_of,
    or_null,
    ref,
)

OPENRPC: Final = "1.3.2"
"""The version of the specification that the document follows."""

_PLAIN: Final[Mapping[object, Schema]] = {str: STRING, bool: BOOLEAN, int: INTEGER, float: NUMBER}
_SHARED: Final = (ById, InRoom, Nothing)
"""Classes of several methods, whose descriptions are about none of them."""
_BEFORE: Final = (PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD)
"""What a message is answered before it is known which method it calls."""

_PROMPT: Final[Fields] = {"prompt": ref("PROMPT")}
_PROMPT_AND_TURN: Final[Fields] = {**_PROMPT, "turn": or_null(ref("TURN"))}
_ROOM: Final[Fields] = {"room": ref("ROOM")}
_UNOPENED: Final = an_object(dict.fromkeys(("name", "workdir", "agent", "reason"), STRING))
_ROOMS: Final[Fields] = {"rooms": list_of(ref("ROOM")), "unopened": list_of(_UNOPENED)}
_INVITE: Final[Fields] = {"invite": ref("INVITE")}
_PLACE: Final[Fields] = {"cursor": ref("CURSOR"), "resync": BOOLEAN, "snapshot": or_null(ref("SNAPSHOT"))}
_NEXT: Final[Fields] = {"next": or_null(STRING)}
_COUNTS: Final = ("agent_restarts", "waiting", "approvals", "guests", "detached", "followers", "prompts", "merged")
_ROOM_FIGURES: Final = an_object(
    {
        "name": STRING,
        "state": STRING,
        "agent_up": BOOLEAN,
        "oldest_s": SECONDS,
        **dict.fromkeys((*_COUNTS, "input_tokens", "output_tokens", "api_retries"), COUNT),
        "outcomes": an_object({outcome.value: COUNT for outcome in Outcome}),
        **dict.fromkeys(("duration_p50_s", "duration_p95_s", "ttft_p50_s", "ttft_p95_s"), or_null(SECONDS)),
        "cost_usd": NUMBER,
    }
)

METHOD_TABLE: Final[Mapping[str, tuple[str, Fields]]] = {
    "prompt.submit": ("Hand in a prompt; answered once it is durable.", _PROMPT_AND_TURN),
    "prompt.retry": (
        "Ask again what came to nothing; answered once the new prompt is durable.",
        _PROMPT_AND_TURN,
    ),
    "prompt.cancel": ("Take a waiting prompt out of the queue.", _PROMPT),
    "prompt.split": ("Give a waiting prompt a turn for itself, and let it never be merged again.", _PROMPT),
    "prompt.get": (
        "Show one prompt, the turn that it is in, and with whom it will share one.",
        {**_PROMPT_AND_TURN, "merged": list_of(ref("MERGED"))},
    ),
    "prompt.list": ("Show a page of prompts.", {"prompts": list_of(ref("PROMPT")), **_NEXT}),
    "turn.interrupt": ("Stop the running turn.", {"turn": ref("TURN")}),
    "turn.get": (
        "Show one turn with the whole of its answer, and its prompts.",
        {"turn": ref("TURN"), "prompts": list_of(ref("PROMPT"))},
    ),
    "turn.list": ("Show a page of turns, newest first.", {"turns": list_of(ref("TURN.short")), **_NEXT}),
    "events.subscribe": ("Follow a room's transcript on this connection.", _PLACE),
    "events.list": (
        "Show a page of recorded events, oldest first.",
        {"events": list_of(ref("EVENT")), "next": or_null(COUNT), "cursor": ref("CURSOR")},
    ),
    "approval.list": ("Show what the agent waits for people to decide.", {"approvals": list_of(ref("APPROVAL"))}),
    "approval.answer": (
        "Approve or deny; the first answer wins.",
        {"approval": ref("APPROVAL"), "resolution": one_of("approved", "denied"), "by": ref("AUTHOR")},
    ),
    "room.list": ("Show every open room.", _ROOMS),
    "room.create": ("Open a new room.", {**_ROOM, "warnings": list_of(STRING)}),
    "room.close": ("Close a room.", {"room": STRING, "cancelled": COUNT}),
    "room.pause": ("Hold the waiting prompts back and refuse new ones.", _ROOM),
    "room.resume": ("Go on after room.pause.", _ROOM),
    "room.restart": ("End the agent and start it again.", _ROOM),
    "invite.create": ("Make an invite: a link that lets guests into one room.", _INVITE),
    "invite.list": ("Show the invites of a room.", {"invites": list_of(ref("INVITE"))}),
    "invite.revoke": ("End an invite, and put out whoever came by it.", {**_INVITE, "closed": COUNT}),
    "guest.list": (
        "Show who is here.",
        {"guests": list_of(ref("GUEST")), "hosts": list_of(ref("PERSON"))},
    ),
    "guest.kick": ("Remove a guest.", {"guest": ref("GUEST"), "closed": COUNT, **_INVITE}),
    "journal.prune": (
        "Forget what is old.",
        {"rooms": list_of(an_object({"room": STRING, "events": COUNT, "first_seq": COUNT}))},
    ),
    "stats.get": ("Show what the turns came to, by day and by person.", STATISTICS),
    "stats.link": (
        "Make the address of the page with the statistics.",
        {"url": STRING, "room": or_null(STRING), "expires_at": TIME},
    ),
    "log.tail": (
        "Show the latest entries of the daemon's log.",
        {
            "entries": list_of({"type": "object"}),
            "next": COUNT,
            "epoch": COUNT,
            "unit": or_null(an_object({"name": STRING, "of_user": BOOLEAN})),
        },
    ),
    "daemon.status": ("Show the daemon and every open room.", {"daemon": ref("DAEMON"), **_ROOMS}),
    "daemon.measure": (
        "Show what the daemon and its rooms have done since its start, in figures.",
        {
            "daemon": an_object(
                {
                    "version": STRING,
                    "uptime_s": SECONDS,
                    "loop_lag_s": SECONDS,
                    "journal_fault": or_null(STRING),
                    "commits": COUNT,
                    "commit_p50_s": or_null(SECONDS),
                    "commit_p99_s": or_null(SECONDS),
                }
            ),
            "rooms": list_of(_ROOM_FIGURES),
        },
    ),
    "rpc.discover": (
        "Show this document.",
        {
            "openrpc": STRING,
            "info": {"type": "object"},
            "methods": list_of({"type": "object"}),
            "components": {"type": "object"},
            "x-notifications": list_of({"type": "object"}),
        },
    ),
    "hello": (
        "Come in as a guest: over WebSocket only, as the first message of a connection.",
        {
            "member_token": or_null(STRING),
            "guest": ref("AUTHOR"),
            "role": one_of("driver", "viewer"),
            "room": STRING,
            "may_approve": BOOLEAN,
            "history": one_of("joining", "start"),
            "expires_at": or_null(TIME),
            **_PLACE,
        },
    ),
}
"""What each method does, in one sentence, and the fields of its result."""


def make_document(version: str) -> dict[str, Any]:
    """Make the whole document of a version of Concordia."""
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "Concordia",
            "version": version,
            "description": "JSON-RPC 2.0 over a Unix socket, one message a line, and over WebSocket, one message a"
            " text frame. docs/protocol.md says what each thing means.",
            "license": {"name": "MIT"},
        },
        "methods": [_describe(method, params) for method, params in METHODS.items()],
        "components": {
            "schemas": {**OBJECTS, **event_schemas()},
            "errors": {code.name: {"code": code.number, "message": code.meaning} for code in CODES},
        },
        "x-notifications": [
            {
                "name": "event",
                "summary": "Something happened in a room that this connection follows.",
                "schema": ref("EVENT"),
            }
        ],
    }


def _describe(method: str, params: type[Any]) -> dict[str, Any]:
    summary, result = METHOD_TABLE[method]
    about = " ".join((params.__doc__ or "").split())
    more = {} if params in _SHARED or about == summary else {"description": about}
    refusals = [code for code in CODES if code not in _BEFORE]
    return {
        "name": method,
        "summary": summary,
        **more,
        "paramStructure": "by-name",
        "params": [_describe_param(each) for each in attrs.fields(params)],
        "result": {"name": "result", "required": True, "schema": an_object(result)},
        "errors": [{"$ref": f"#/components/errors/{code.name}"} for code in refusals],
        "x-roles": {role.value: right.value for role, right in RIGHTS[method].items()},
    }


def _describe_param(attribute: "attrs.Attribute[Any]") -> dict[str, Any]:
    return {
        "name": attribute.name,
        "required": attribute.default is attrs.NOTHING,
        "schema": _schema_of(attribute),
    }


def _schema_of(attribute: "attrs.Attribute[Any]") -> Schema:
    """Describe a field: its type, what its validator allows, its default."""
    check = attribute.validator
    bounds = {name: _plain(bound) for name, bound in check.schema.items()} if isinstance(check, Check) else {}
    schema = _schema_of_type(attribute.type, bounds)
    if attribute.default is attrs.NOTHING:
        return schema
    factory = getattr(attribute.default, "factory", None)
    return {**schema, "default": _plain(attribute.default if factory is None else factory())}


def _schema_of_type(kind: Any, bounds: Schema) -> Schema:
    if isinstance(kind, types.UnionType):
        (inner,) = (each for each in typing.get_args(kind) if each is not types.NoneType)
        return or_null(_schema_of_type(inner, bounds))
    if attrs.has(kind):
        return _schema_of_class(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"type": "string", **one_of(*kind), **bounds}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return {**list_of(_schema_of_type(arguments[0], {})), **bounds}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema_of_type(arguments[1], {}), **bounds}
    return {**_PLAIN[kind], **bounds}


def _schema_of_class(kind: Any) -> Schema:
    fields = attrs.fields(kind)
    named = {each.name: _schema_of(each) for each in fields}
    required = [each.name for each in fields if each.default is attrs.NOTHING]
    return {"type": "object", "properties": named, "required": required, "additionalProperties": False}


def _plain(value: Any) -> Any:
    """Write a default or a bound as JSON has it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
