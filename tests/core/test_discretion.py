"""What guests are not told of the record: invites' ids, the keys of others, and what is of the machine."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from concordiad.core.discretion import UNSTARTED, event_for_guests, prompt_for
from concordiad.core.event_shapes import EVENTS
from concordiad.core.model import Author, AuthorKind, InviteState, Prompt
from concordiad.core.shapes import ref
from concordiad.core.views import envelope, invite_view, members, prompt_view
from concordiad.core.wire import encode_line
from tests.core.things import make_invite

ANN = Author("guest:1", "ann", AuthorKind.GUEST)
PROMPT = Prompt(id="1", room="main", author=ANN, text='"type":"guest.joined","key":"k"', submitted_at=0.0, key="k-1")


WANT = "the room's directory /home/ada/shop is not there: create it, or change workdir"
OF_THE_MACHINE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a process": ("agent.started", {"incarnation": "1", "pid": 4711}, {"pid": None}),
    "a directory": ("agent.exited", {"incarnation": None, "reason": WANT}, {"reason": UNSTARTED}),
    "a failure": ("room.changed", {"state": "agent-failing", "reason": WANT}, {"reason": None}),
    "what the agent said": ("agent.exited", {"incarnation": "1", "reason": "exit status 1: no key"}, {}),
    "an API": ("room.changed", {"state": "api-failing", "reason": "api_error 529: overloaded"}, {}),
}


def event(event_type: str, **fields: Any) -> bytes:
    """Write a recorded event."""
    return envelope("main", 1, 7, 0.0, event_type, members(**fields))


def with_secret(event_type: str) -> dict[str, Any]:
    """Make the fields of an event that has something to hide, as far as its type has any."""
    fields: dict[str, Any] = {}
    for name, schema in EVENTS[event_type]["properties"].items():
        if schema == ref("PROMPT"):
            fields[name] = prompt_view(PROMPT)
        elif schema == ref("INVITE"):
            fields[name] = invite_view(make_invite(), InviteState.OPEN)
        elif name == "invite":
            fields[name] = make_invite().id
    return fields


@pytest.mark.parametrize("event_type", sorted(EVENTS.keys() - {case[0] for case in OF_THE_MACHINE.values()}))
def test_no_event_tells_guests_a_key_or_an_invite(event_type: str) -> None:
    """Whatever type of event has a prompt or an invite in it, live or recorded; the rest of it stays as it is."""
    fields = with_secret(event_type)
    told = event(event_type, **fields)
    shown = msgspec.json.decode(event_for_guests(told))
    for name, value in fields.items():
        part = "key" if name == "prompt" else "id"
        assert shown[name] == ({**value, part: None} if isinstance(value, dict) else None)
    assert shown == {**msgspec.json.decode(told), **{name: shown[name] for name in fields}}
    live = msgspec.json.decode(event_for_guests(encode_line(told)[:-1]))
    assert live == {"jsonrpc": "2.0", "method": "event", "params": shown}


@pytest.mark.parametrize("case", OF_THE_MACHINE)
def test_no_event_tells_guests_of_the_machine(case: str) -> None:
    """Which process an agent is, and why none could be spawned, is for hosts; how one ended is for all."""
    event_type, fields, hidden = OF_THE_MACHINE[case]
    told = event(event_type, **fields)
    shown = {**msgspec.json.decode(told), **hidden}
    assert msgspec.json.decode(event_for_guests(told)) == shown
    live = msgspec.json.decode(event_for_guests(encode_line(told)[:-1]))
    assert live == {"jsonrpc": "2.0", "method": "event", "params": shown}


@pytest.mark.parametrize("key", [None, "k", 'a "quoted" \\', '\\","text":"', ',"key":', "schlüssel"])
@pytest.mark.parametrize("text", ["run", ',"key":"x"', '\\,"key":null', '","key":"'])
def test_nothing_but_the_key_is_taken_out(key: str | None, text: str) -> None:
    """Whatever it and the text are made of; the rest stays as it is, to the byte."""
    prompt = replace(PROMPT, key=key, text=text)
    told, hidden = (event("prompt.accepted", prompt=prompt_view(replace(prompt, key=each))) for each in (key, None))
    assert event_for_guests(told) == hidden == event_for_guests(hidden)


def test_what_hides_nothing_is_left_as_it_is() -> None:
    """To the byte: what an agent says may look like anything."""
    said = event("agent.text", turn=None, block=0, text='"type":"guest.joined"', invite="1")
    assert event_for_guests(said) is said


@pytest.mark.parametrize(("reader", "key"), [(None, "k-1"), (ANN.id, "k-1"), ("guest:2", None)])
def test_key_is_for_its_author_and_for_hosts(reader: str | None, key: str | None) -> None:
    """Nobody else is told it."""
    assert prompt_for(reader, PROMPT, 1) == {**prompt_view(PROMPT, 1), "key": key}
