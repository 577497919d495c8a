"""What each type of event looks like, as JSON Schema; the laws are those of core/shapes.py."""

from collections.abc import Mapping
from typing import Final

from concordiad.core.agents import Kind
from concordiad.core.faults import Fault
from concordiad.core.shapes import (
    ANY,
    BOOLEAN,
    COUNT,
    GUESTS_ROLE,
    ID,
    INTEGER,
    NULL,
    SECONDS,
    SIMILARITY,
    STAGE,
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

_BLOCK: Final[Fields] = {"turn": or_null(ID), "block": COUNT}
_PARENT: Final[Fields] = {"parent": STRING}
EVENTS: Final[Mapping[str, Schema]] = {
    "prompt.accepted": an_object({"prompt": ref("PROMPT")}),
    "prompt.merged": an_object(
        {
            "prompt": ref("PROMPT"),
            "with": list_of(ref("OTHER")),
            "stage": STAGE,
            "similarity": or_null(SIMILARITY),
            "asked": STRING,
        }
    ),
    "prompt.split": an_object(
        {"prompt": ref("PROMPT"), "from": list_of(ID), "by": or_null(ref("AUTHOR")), "reason": or_null(STRING)}
    ),
    "prompt.cancelled": an_object({"prompt": ref("PROMPT"), "by": ref("AUTHOR")}),
    "prompt.expired": an_object({"prompt": ref("PROMPT")}),
    "turn.started": an_object({"turn": ref("TURN.short"), "by": NULL}),
    "turn.finished": an_object({"turn": ref("TURN.short"), "by": or_null(ref("AUTHOR"))}),
    "turn.returned": an_object({"turn": ref("TURN.short"), "by": NULL}),
    "agent.text": an_object({**_BLOCK, "text": STRING}, may_miss={**_PARENT, "partial": BOOLEAN}),
    "agent.thinking": an_object({**_BLOCK, "text": STRING}, may_miss=_PARENT),
    "agent.tool_use": an_object({**_BLOCK, "id": STRING, "tool": STRING, "input": ANY}, may_miss=_PARENT),
    "agent.tool_result": an_object(
        {"turn": or_null(ID), "id": STRING, "is_error": BOOLEAN, "content": {"type": ["string", "array"]}}
    ),
    "agent.oversize": an_object({"turn": or_null(ID), "block": or_null(COUNT), "bytes": COUNT, "kind": STRING}),
    "agent.delta": an_object(
        {"turn": ID, "block": COUNT, "kind": one_of("text", "thinking"), "offset": COUNT, "text": STRING}
    ),
    "agent.withdrawn": an_object({"turn": ID, "block": COUNT}),
    "agent.started": an_object(
        {
            "incarnation": ID,
            "pid": or_null(INTEGER),
            "agent": STRING,
            "kind": one_of(*Kind),
            "version": or_null(STRING),
            "session": one_of("fresh", "resumed"),
        }
    ),
    "agent.exited": an_object(
        {
            "incarnation": or_null(ID),
            "code": or_null(INTEGER),
            "signal": or_null(INTEGER),
            "status": one_of("asleep", "restarted", "closed", "stuck", "died"),
            "reason": STRING,
            "next_attempt_s": or_null(SECONDS),
        }
    ),
    "agent.api_retry": an_object(
        {
            "turn": or_null(ID),
            "attempt": or_null(COUNT),
            "max_retries": or_null(COUNT),
            "delay_s": or_null(SECONDS),
            "status": or_null(INTEGER),
            "error": or_null(STRING),
        }
    ),
    "approval.requested": an_object({"approval": ref("APPROVAL")}),
    "approval.resolved": an_object(
        {
            "approval": ref("APPROVAL"),
            "resolution": one_of("approved", "denied", "timed_out", "withdrawn"),
            "by": or_null(ref("AUTHOR")),
            "reason": or_null(STRING),
        }
    ),
    "guest.joined": an_object(
        {"guest": ref("AUTHOR"), "role": GUESTS_ROLE, "invite": or_null(ID), "may_approve": BOOLEAN}
    ),
    "guest.left": an_object({"guest": ref("AUTHOR"), "reason": one_of("left", "kicked", "revoked", "expired")}),
    "guest.kicked": an_object({"guest": ref("AUTHOR"), "by": ref("AUTHOR"), "reason": or_null(STRING)}),
    "hosts.here": an_object({"hosts": list_of(ref("PERSON"))}),
    "invite.created": an_object({"invite": ref("INVITE"), "by": ref("AUTHOR")}),
    "invite.revoked": an_object({"invite": ref("INVITE"), "by": ref("AUTHOR")}),
    "room.changed": an_object(
        {
            "state": one_of(
                "paused",
                "resumed",
                "restarted",
                "closed",
                "agent-failing",
                "api-failing",
                "recovered",
                "journal-failing",
                "journal-recovered",
            ),
            "reason": or_null(STRING),
            "by": or_null(ref("AUTHOR")),
        },
        may_miss={"fresh": BOOLEAN, "next_attempt_s": SECONDS, "wait_s": SECONDS},
    ),
    "notice": an_object({"code": STRING, "message": STRING, "fault": or_null(one_of(*Fault))}),
}
"""What each type of event has besides the fields that all have."""
UNRECORDED: Final = ("agent.delta", "hosts.here")
"""The events without a number."""
MAY_BE_LIVE: Final = ("room.changed",)
"""Those that have none where they tell of a journal that cannot record."""


def event_schema(event_type: str) -> Schema:
    """Describe a whole event of a type."""
    own = EVENTS[event_type]
    number: Fields = {} if event_type in UNRECORDED else {"seq": {"type": "integer", "minimum": 1}}
    sometimes, always = (number, {}) if event_type in MAY_BE_LIVE else ({}, number)
    envelope = {"room": STRING, "epoch": COUNT, **always, "at": TIME, "type": {"const": event_type}}
    required = {name: own["properties"][name] for name in own["required"]}
    missing = {name: each for name, each in own["properties"].items() if name not in required}
    return an_object({**envelope, **required}, may_miss={**sometimes, **missing, "rehearsal": {"const": True}})


def event_schemas() -> dict[str, Schema]:
    """Return every event by its name in the document, and what any of them is."""
    return {
        "EVENT": {"oneOf": [ref(f"EVENT.{event_type}") for event_type in EVENTS]},
        **{f"EVENT.{event_type}": event_schema(event_type) for event_type in EVENTS},
    }
