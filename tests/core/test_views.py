"""What people see of prompts, turns, approvals and events."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from concordiad.core.model import InviteState, Merge, Outcome, PromptState, Stage, TurnState
from concordiad.core.params import Hello
from concordiad.core.views import (
    ANSWER_HEAD_BYTES,
    INPUT_HEAD_BYTES,
    approval_view,
    author_view,
    envelope,
    event_prompt_view,
    guest_view,
    head_of,
    invite_view,
    joined_members,
    live_envelope,
    members,
    prompt_view,
    room_view_for_guests,
    turn_event_view,
    turn_view,
)
from tests.core.steadily import JSON, steadily
from tests.core.things import ALICE, BOB, make_approval, make_invite, make_member, make_prompt, make_turn

AT = 1_700_000_000.5
AT_TEXT = "2023-11-14T22:13:20.500Z"


def seen(view: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return a view as it comes out of the wire."""
    value = json.loads(msgspec.json.encode(view(*args, **kwargs)))
    assert isinstance(value, dict)
    return value


def test_prompt_that_waits() -> None:
    """Everything that the interface promises of a prompt is there, and what is absent is null, never missing."""
    assert seen(prompt_view, make_prompt(), 1) == {
        "id": "p1",
        "room": "main",
        "author": {"id": "uid:1000", "name": "alice", "kind": "local"},
        "text": "what is new?",
        "text_chars": None,
        "state": "waiting",
        "priority": "normal",
        "key": None,
        "expires_at": None,
        "submitted_at": "2023-11-14T22:13:20.000Z",
        "place": 1,
        "turn": None,
        "retry_of": None,
        "raw": False,
        "alone": False,
        "merge": None,
    }


def test_prompt_with_everything() -> None:
    """What is known of a prompt is shown."""
    prompt = replace(
        make_prompt(), state=PromptState.ANSWERED, key="k", expires_at=AT, turn="t1", retry_of="p0", is_raw=True
    )
    view = seen(prompt_view, prompt)
    shown = {key: view[key] for key in ("state", "key", "expires_at", "place", "turn", "retry_of", "raw")}
    assert shown == {
        "state": "answered",
        "key": "k",
        "expires_at": AT_TEXT,
        "place": None,
        "turn": "t1",
        "retry_of": "p0",
        "raw": True,
    }


def test_a_text_that_was_told_before_is_only_begun() -> None:
    """With how many characters it has; the one that leads tells once what is asked in other words than its own."""
    text = "é" * 100_000
    merge = Merge("p0", Stage.SAME, 1.0, text)
    prompt = replace(make_prompt(), text=text, merge=merge)
    again = seen(event_prompt_view, prompt, 1, is_new=False)
    assert (again["text"], again["text_chars"]) == (text[:512], 100_000)
    assert again["merge"] == {
        "leader": "p0",
        "stage": "same",
        "similarity": 1.0,
        "asked": text[:512],
        "asked_chars": 100_000,
        "verbatim": True,
    }
    new = seen(event_prompt_view, prompt, 1, is_new=True)
    assert (new["text"], new["text_chars"], new["merge"]) == (text, None, again["merge"])
    whole = seen(prompt_view, prompt, asked_bytes=None)["merge"]
    assert (whole["asked"], whole["asked_chars"]) == (text, None)
    worded = replace(prompt, merge=Merge("p1", None, None, "why? " * 1000))
    assert seen(event_prompt_view, worded, 1, is_new=False)["merge"]["asked_chars"] is None


def test_a_merge_costs_no_more_where_the_prompts_are_long() -> None:
    """A hundred people hear of each other, and what is asked is not told to each of them again."""
    sizes = {}
    for text in ("x" * 2048, "x" * 256 * 1024):
        merge = Merge("p0", Stage.SAME, 1.0, text)
        prompts = [replace(make_prompt(), id=f"p{number}", text=text, merge=merge) for number in range(100)]
        view = event_prompt_view(prompts[-1], 1, is_new=False)
        sizes[len(text)] = len(members(prompt=view, **joined_members(prompts[-1], prompts[:-1])))
    shortest, longest = sizes.values()
    assert longest - shortest == 2 * len("262144") - 2 * len("2048")
    assert longest < 64 * 1024


def test_turn_that_runs() -> None:
    """Everything that the interface promises of a turn is there, and what is absent is null, never missing."""
    nothing_yet = (
        "outcome",
        "reason",
        "answer",
        "finished_at",
        "duration_s",
        "ttft_s",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "agent_turns",
    )
    assert seen(turn_view, make_turn(), [make_prompt()]) == {
        "id": "t1",
        "room": "main",
        "origin": "prompts",
        "prompts": ["p1"],
        "text": "what is new?",
        "state": "running",
        "started_at": "2023-11-14T22:13:20.000Z",
        "merged": [],
        **dict.fromkeys(nothing_yet),
    }


def test_turn_that_has_ended() -> None:
    """A turn's outcome and figures are shown as they are, nought as nought."""
    figures: dict[str, Any] = {
        "duration_s": 1.5,
        "ttft_s": 0.5,
        "input_tokens": 0,
        "output_tokens": 4,
        "cost_usd": 0.0,
        "agent_turns": 1,
    }
    turn = replace(
        make_turn(answer="a"), state=TurnState.FINISHED, outcome=Outcome.TIMED_OUT, finished_at=AT, **figures
    )
    view = seen(turn_view, turn, [])
    assert (view["state"], view["outcome"], view["finished_at"], view["answer"]) == (
        "finished",
        "timed_out",
        AT_TEXT,
        "a",
    )
    assert {key: view[key] for key in figures} == figures


def test_event_of_a_turn_names_its_authors() -> None:
    """A turn in an event has what a turn has, its authors, and the size of its answer."""
    prompts = [make_prompt("p1"), replace(make_prompt("p2"), author=BOB)]
    view = seen(turn_event_view, make_turn(answer="né"), prompts)
    assert [author["name"] for author in view.pop("authors")] == ["alice", "bob"]
    assert view.pop("answer_bytes") == 3
    assert view == seen(turn_view, make_turn(answer="né"), prompts)


def test_event_of_a_turn_has_the_answers_head() -> None:
    """A long answer or text is cut in an event, whole in its turn; its size is that of the whole."""
    answer = "é" * ANSWER_HEAD_BYTES
    turn = make_turn(text=answer, answer=answer)
    view = seen(turn_event_view, turn, [])
    assert view["answer"] == view["text"] == "é" * (ANSWER_HEAD_BYTES // 2)
    assert view["answer_bytes"] == 2 * ANSWER_HEAD_BYTES
    assert seen(turn_view, turn, [])["answer"] == answer


def test_event_of_a_turn_without_answer() -> None:
    """No answer is null, not an empty one of no bytes; an empty one is that."""
    assert [seen(turn_event_view, make_turn(), [])[key] for key in ("answer", "answer_bytes")] == [None, None]
    assert [seen(turn_event_view, make_turn(answer=""), [])[key] for key in ("answer", "answer_bytes")] == ["", 0]


@pytest.mark.parametrize(("size", "is_shown"), [(INPUT_HEAD_BYTES, True), (INPUT_HEAD_BYTES + 1, False)])
def test_approval_shows_an_input_of_good_size(size: int, is_shown: bool) -> None:
    """An input over the limit is null in an event, and whole where it is asked for; its size is told in both."""
    tool_input = b'"%b"' % (b"x" * (size - 2))
    event = seen(approval_view, make_approval(tool_input), whole=False)
    assert (event["input"], event["input_bytes"]) == (json.loads(tool_input) if is_shown else None, size)
    assert seen(approval_view, make_approval(tool_input), whole=True)["input"] == json.loads(tool_input)


def test_approval() -> None:
    """An approval has its tool's own input, and the times between which it can be answered."""
    assert seen(approval_view, make_approval(b'{"command": "ls"}'), whole=True) == {
        "id": "a1",
        "room": "main",
        "turn": "t1",
        "kind": "permission",
        "tool": "Bash",
        "input": {"command": "ls"},
        "input_bytes": 17,
        "description": None,
        "requested_at": "2023-11-14T22:13:20.000Z",
        "expires_at": "2023-11-14T22:23:20.000Z",
        "may_answer": ["host", "approver"],
    }


def test_invite() -> None:
    """An invite tells who made it and what it is worth; its link and its token only where they are given."""
    view = seen(invite_view, make_invite(uses=3, used=1), InviteState.OPEN)
    assert view == {
        "id": "i1",
        "room": "main",
        "role": "driver",
        "name_hint": None,
        "may_approve": False,
        "history": "joining",
        "created_at": "2023-11-14T22:13:20.000Z",
        "created_by": seen(author_view, ALICE),
        "expires_at": None,
        "uses": 3,
        "used": 1,
        "uses_left": 2,
        "revoked_at": None,
        "state": "open",
        "url": None,
        "token": None,
    }
    shown = seen(invite_view, make_invite(), InviteState.OPEN, "https://x/#main.t", "t")
    assert (shown["url"], shown["token"], shown["uses_left"]) == ("https://x/#main.t", "t", None)


class Slow:
    """A connection that is behind."""

    address = "192.0.2.7"

    def __init__(self, events: int, size_bytes: int) -> None:
        self._lag = events, size_bytes

    def lag(self) -> tuple[int, int]:
        """Tell how far it is behind."""
        return self._lag


def test_guest_for_a_host() -> None:
    """A host sees where a guest comes from, by which invite, and how far the slowest of its connections is behind."""
    view = seen(guest_view, make_member(here_since=AT), make_invite(), [Slow(3, 10), Slow(1, 9)], is_for_host=True)
    assert view == {
        "id": "guest:m1",
        "name": "bob",
        "kind": "guest",
        "role": "driver",
        "room": "main",
        "invite": "i1",
        "may_approve": False,
        "joined_at": "2023-11-14T22:13:20.000Z",
        "here_since": AT_TEXT,
        "address": "192.0.2.7",
        "connections": 2,
        "lag_events": 3,
        "lag_bytes": 19,
    }


def test_guest_for_others() -> None:
    """A guest sees of another one neither the address nor the invite nor the lag."""
    view = seen(guest_view, make_member(), make_invite(), [Slow(3, 10)], is_for_host=False)
    assert [view[key] for key in ("address", "invite", "lag_events", "lag_bytes", "here_since")] == [None] * 5
    assert (view["name"], view["connections"]) == ("bob", 1)


def test_room_for_guests() -> None:
    """A guest learns nothing of the machine: neither the directory nor the process nor its conversation's file."""
    agent = {"name": "claude", "pid": 7, "session_id": "s"}
    room = {"name": "main", "workdir": "/srv", "state": "agent-down", "reason": "no /srv", "agent": agent}
    shown = {"workdir": None, "reason": None, "agent": {"name": "claude", "pid": None, "session_id": None}}
    assert room_view_for_guests(room) == {**room, **shown}
    assert room_view_for_guests({**room, "state": "paused", "reason": "lunch"})["reason"] == "lunch"
    assert room["workdir"] == "/srv"


def test_secrets_stay_out_of_representations() -> None:
    """An answer or a tool's input is not in the text that a log or a traceback would make of its object."""
    assert "hush" not in repr(make_turn(answer="hush")) + repr(make_approval(b'"hush"'))
    assert "hush" not in repr(make_invite(token_hash=b"hush")) + repr(make_member(token_hash=b"hush", key_hash=b"hush"))
    assert "hush" not in repr(Hello("hush", key="hush hush hush hush"))


@steadily
@given(st.text(max_size=30), st.integers(0, 60))
def test_head_never_splits_a_character(text: str, limit_bytes: int) -> None:
    """A head is the longest beginning of a text that fits, in whole characters."""
    heads = [text[:count] for count in range(len(text) + 1)]
    fitting = [head for head in heads if len(head.encode()) <= limit_bytes]
    assert head_of(text, limit_bytes) == fitting[-1]


@steadily
@given(st.dictionaries(st.text(min_size=1, max_size=8), JSON, max_size=4))
def test_envelope_is_json_around_any_body(body: dict[str, Any]) -> None:
    """Whatever is in an event, also nothing, its envelope makes it one JSON object in one line."""
    body = {f"x{key}": value for key, value in body.items()}
    head = {"room": "main", "epoch": 3, "at": AT_TEXT, "type": "agent.text"}
    recorded = envelope("main", 3, 7, AT, "agent.text", members(**body))
    assert json.loads(recorded) == {**head, "seq": 7, **body}
    live = live_envelope("main", 3, AT, "agent.text", members(**body))
    assert json.loads(live) == {**head, **body}
    assert b"\n" not in recorded + live


def test_body_is_passed_on_byte_for_byte() -> None:
    """An envelope does not read what it is put around."""
    body = b'"text":"\\u00e9 \\/","n":1e3'
    assert envelope("main", 1, 2, AT, "agent.text", body).endswith(b'"type":"agent.text",%b}' % body)
    assert live_envelope("main", 1, AT, "agent.delta", body).endswith(b'"type":"agent.delta",%b}' % body)
