"""
What guests are not told of what the transcript records.

That is the ids of invites, the keys of other people's prompts, and what Concordia itself says of the machine: numbers
of processes, paths, names of conversations.

Law: the journal and hosts have everything; whatever leaves for a guest, live or from the record, has been through here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from concordiad.core.model import Prompt
from concordiad.core.views import BEFORE_TYPE, prompt_view
from concordiad.errors import LocalProtocolError

_KEYS_NAME: Final = b',"key":'
_KEYS_VALUE: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|null')
_SHOWN_BYTES: Final = 200
UNSTARTED: Final = "it could not be started"
"""What guests are told of an agent that was never spawned: why names its program, its directory, or another process."""


def _hide_invite(event: dict[str, Any]) -> None:
    event["invite"] = None


def _hide_invites_id(event: dict[str, Any]) -> None:
    event["invite"]["id"] = None


def _hide_process(event: dict[str, Any]) -> None:
    event["pid"] = None


def _hide_want(event: dict[str, Any]) -> None:
    if event["incarnation"] is None:
        event["reason"] = UNSTARTED


def _hide_failure(event: dict[str, Any]) -> None:
    if event["state"] == "agent-failing":
        event["reason"] = None


_KEYED: Final = frozenset(
    (b"prompt.accepted", b"prompt.merged", b"prompt.split", b"prompt.cancelled", b"prompt.expired")
)
"""Events with a prompt's key. All guests get the same bytes, so a key is not in its author's either."""
_HIDING: Final[Mapping[bytes, Callable[[dict[str, Any]], None]]] = {
    b"guest.joined": _hide_invite,
    b"invite.created": _hide_invites_id,
    b"invite.revoked": _hide_invites_id,
    b"agent.started": _hide_process,
    b"agent.exited": _hide_want,
    b"room.changed": _hide_failure,
}
"""What takes out of another event what is not for guests."""
_FAMILY_BYTES: Final = 7
_FAMILIES: Final = frozenset(each[:_FAMILY_BYTES] for each in (*_KEYED, *_HIDING))
"""Beginnings of those types: most events are of others, and are looked at no further."""


def event_for_guests(event: bytes) -> bytes:
    """
    Take out of an event, or of the message or the line that tells of it, what guests are not told.

    Returns:
        The same object where that is nothing; else what has a line's end or has none.
    """
    start = event.find(BEFORE_TYPE) + len(BEFORE_TYPE)
    if event[start : start + _FAMILY_BYTES] not in _FAMILIES:
        return event
    event_type = event[start : event.find(b'"', start)]
    if event_type in _KEYED:
        return _without_key(event)
    hide = _HIDING.get(event_type)
    if hide is None:
        return event
    message = msgspec.json.decode(event)
    hide(message.get("params", message))
    return msgspec.json.encode(message)


def _without_key(event: bytes) -> bytes:
    """
    Take the key out of an event of a prompt, which may be long, without reading it as JSON.

    Within a string each quotation mark has a backslash before it, so one behind a comma begins a string, and a colon
    behind the next makes that a member's name.
    """
    start = event.find(_KEYS_NAME) + len(_KEYS_NAME)
    found = _KEYS_VALUE.match(event, start)
    if found is None:
        raise LocalProtocolError(f"an event of a prompt has no key where one belongs: {event[:_SHOWN_BYTES]!r}")
    if found.group() == b"null":
        return event
    # Through a view, so that what may be long is written once.
    view = memoryview(event)
    return b"".join((view[:start], b"null", view[found.end() :]))


def prompt_for(
    reader: str | None, prompt: Prompt, place: int | None = None, *, text_bytes: int | None = None
) -> dict[str, Any]:
    """Show a prompt to a guest by its id, or to a host, who is None: its key is its author's own."""
    return hide_key(reader, prompt, prompt_view(prompt, place, text_bytes=text_bytes))


def hide_key(reader: str | None, prompt: Prompt, view: dict[str, Any]) -> dict[str, Any]:
    """Take the key out of a view of a prompt, unless it is the reader's to see."""
    return view if reader in (None, prompt.author.id) else {**view, "key": None}
