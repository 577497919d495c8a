"""
What guests are not told of what the transcript records: the ids of invites, and the keys of other people's prompts.

Law: the journal and hosts have everything; whatever leaves for a guest, live or from the record, has been through here.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from concordiad.core.model import Prompt
from concordiad.core.views import prompt_view
from concordiad.errors import LocalProtocolError

_TYPE: Final = b'"type":"'
"""Stands in front of an event's type; the envelope's own comes first, and no room's name can hold a quote."""
_KEY: Final = ("prompt", "key")
_KEYS_NAME: Final = b',"key":'
_KEYS_VALUE: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|null')
_SHOWN_BYTES: Final = 200
_HIDDEN: Final[Mapping[bytes, tuple[str, ...]]] = {
    b"prompt.accepted": _KEY,
    b"prompt.merged": _KEY,
    b"prompt.split": _KEY,
    b"prompt.cancelled": _KEY,
    b"prompt.expired": _KEY,
    b"guest.joined": ("invite",),
    b"invite.created": ("invite", "id"),
    b"invite.revoked": ("invite", "id"),
}
"""Where in an event that is. All guests get the same bytes, so a key is not in its author's either."""
_FAMILIES: Final = frozenset(each[:6] for each in _HIDDEN)
"""Beginnings of those types: most events are of others, and are looked at no further."""


def event_for_guests(event: bytes) -> bytes:
    """Take out of an event, or of the message that tells of it, what guests are not told."""
    start = event.find(_TYPE) + len(_TYPE)
    if event[start : start + 6] not in _FAMILIES:
        return event
    hidden = _HIDDEN.get(event[start : event.find(b'"', start)])
    if hidden is None:
        return event
    if hidden == _KEY:
        return _without_key(event)
    message = msgspec.json.decode(event)
    _hide(message.get("params", message), hidden)
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
    return b"%bnull%b" % (event[:start], event[found.end() :])


def _hide(place: dict[str, Any], hidden: tuple[str, ...]) -> None:
    *path, last = hidden
    for name in path:
        place = place[name]
    place[last] = None


def prompt_for(
    reader: str | None, prompt: Prompt, place: int | None = None, *, text_bytes: int | None = None
) -> dict[str, Any]:
    """Show a prompt to a guest by its id, or to a host, who is None: its key is its author's own."""
    return hide_key(reader, prompt, prompt_view(prompt, place, text_bytes=text_bytes))


def hide_key(reader: str | None, prompt: Prompt, view: dict[str, Any]) -> dict[str, Any]:
    """Take the key out of a view of a prompt, unless it is the reader's to see."""
    return view if reader in (None, prompt.author.id) else {**view, "key": None}
