"""The transcript for people, event by event."""

import io
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from ctl.screen import Screen
from ctl.settings import Settings
from ctl.transcript import Transcript
from tests.ctl.samples import (
    ADA,
    APPROVAL,
    AT,
    BOB,
    PROMPT,
    TURN,
    delta,
    event,
    finished_turn,
    merged,
    permission,
    prompt,
    running_turn,
    told,
)

TEXT = event("agent.text", turn=TURN, block=0, text="one\ntwo")


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the wall's clock be the wire's."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def shown(*events: dict[str, Any], is_live: bool = False) -> str:
    """Write events to a pipe."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    transcript = Transcript(Screen(stream), date(2026, 11, 21), Settings().command, is_live=is_live)
    for each in events:
        transcript.show(each)
    transcript.close()
    stream.seek(0)
    return stream.read()


def one(kind: str, /, **members: Any) -> str:
    """Write one event and take the time away."""
    written = shown(event(kind, **members))
    assert written.startswith("01:30:58  ")
    return written.removeprefix("01:30:58  ")


def test_a_prompt_has_its_time_and_author() -> None:
    """Lines after the first stand under it."""
    assert (
        shown(event("prompt.accepted", prompt=prompt(text="a\nb")))
        == "01:30:58  ada         a\n                      b\n"
    )


def test_a_prompt_that_has_to_wait_says_where() -> None:
    """And that it goes before others."""
    later = prompt(place=3, priority="high", text="x")
    assert one("prompt.accepted", prompt=later) == "ada         x  (place 3, priority high)\n"


@pytest.mark.parametrize(("by", "text"), [(ADA, "the prompt: x"), (BOB, "the prompt of ada: x")])
def test_a_cancel_names_who_did_it(by: dict[str, Any], text: str) -> None:
    """And whose prompt it was, if it was another's."""
    assert f"{by['name']}         ✗ cancelled {text}\n" == one("prompt.cancelled", prompt=prompt(text="x"), by=by)


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        (merged(), "one turn with ada’s (nearly the same words, 97%); asked is: what is the answer?"),
        (merged("same", similarity=1.0, asked="what's the answer?"), "one turn with ada’s (the same words)"),
        (
            merged("meaning", similarity=None, asked="sum up"),
            "one turn with ada’s (the same meaning); asked is: sum up",
        ),
        (
            merged("first", similarity=None, asked="what's the answer?"),
            "one turn with ada’s, this one first",
        ),
        (merged("first", similarity=None, asked="sum up"), "one turn with ada’s, this one first; asked is: sum up"),
    ],
)
def test_a_merge_says_with_whom_and_why(happened: dict[str, Any], said: str) -> None:
    """And what is asked, where that is not what the author wrote."""
    assert shown(happened) == f"01:30:58  bob         ⇉ {said}\n"


@pytest.mark.parametrize(
    ("by", "reason", "said"),
    [
        (BOB, None, "has a turn of its own again"),
        (ADA, None, "has a turn of its own again (by ada)"),
        (None, "the first one was cancelled", "has a turn of its own again: the first one was cancelled"),
    ],
)
def test_a_split_says_by_whom_or_why(by: dict[str, Any] | None, reason: str | None, said: str) -> None:
    """Its own author needs no naming."""
    alone = prompt(author=BOB)
    assert one("prompt.split", prompt=alone, by=by, reason=reason, **{"from": [PROMPT]}) == f"bob         ⇇ {said}\n"


def test_many_companions_are_counted() -> None:
    """A line names two of them at the most."""
    people: Any = [{"id": str(number), "author": {"name": f"p{number}"}, "text": "x"} for number in range(5)]
    assert "one turn with p0’s, p1’s and 3 more (" in shown(merged(**{"with": people}))


def test_a_long_name_is_cut() -> None:
    """The columns stay."""
    assert one("prompt.expired", prompt=prompt(author=ADA | {"name": "a" * 30}, text="x")).startswith("aaaaaaaaa…  ✗")


def test_a_turn_names_those_it_works_for() -> None:
    """Also where it has nobody to name."""
    alone = "agent       ▶ takes the prompt of ada: what is the answer?\n"
    assert alone == one("turn.started", turn=told(running_turn()))
    several = told(running_turn(prompts=["1", "2"]), authors=[ADA, BOB, ADA])
    assert (
        one("turn.started", turn=several) == "agent       ▶ takes 2 prompts of ada, bob as one: what is the answer?\n"
    )
    assert "by itself" in one("turn.started", turn=told(running_turn(origin="agent", prompts=[]), authors=[]))


def test_a_finished_turn_says_what_it_took() -> None:
    """Time, tokens, money; the answer stands above already."""
    expected = "agent       ✓ 3.2s · 1.2k in · 56 out · $0.0123\n"
    assert expected == one("turn.finished", turn=told(finished_turn()), by=None)


def test_an_answer_found_after_a_crash_is_shown() -> None:
    """No other event has it; the reason says where it is from, below, in the column of what is said."""
    unknown = {"duration_s": None, "input_tokens": None, "output_tokens": None, "cost_usd": None}
    found = told(finished_turn(reason="from_history: concordiad ended", **unknown))
    said = one("turn.finished", turn=found, by=None).splitlines()
    assert [line.strip() for line in said] == ["agent       forty-two", "✓  from_history: concordiad ended"]


def test_a_turn_that_failed_says_why() -> None:
    """What is not known is left out."""
    unknown = {"duration_s": None, "input_tokens": None, "output_tokens": None, "cost_usd": None}
    failed = told(finished_turn(outcome="failed", reason="API Error: 529", **unknown))
    assert one("turn.finished", turn=failed, by=None) == "agent       ✗ the turn failed: API Error: 529\n"


@pytest.mark.parametrize(
    ("kind", "members", "expected"),
    [
        ("agent.tool_use", {"tool": "Bash", "input": {"command": "ls\nrm"}}, "⚙ Bash  ls …"),
        ("agent.tool_use", {"tool": "mcp__x", "input": {"n": 1}}, 'mcp__x  {"n": 1}'),
        ("agent.tool_use", {"tool": "Bash", "input": None}, "⚙ Bash"),
        (
            "agent.tool_result",
            {"is_error": False, "content": "1\n2\n3\n4\n5\n"},
            "3\n                        … 2 more lines",
        ),
        (
            "agent.tool_result",
            {"is_error": True, "content": [{"type": "text", "text": "x"}, {"type": "image"}]},
            "(not text)",
        ),
        ("agent.thinking", {"block": 0, "text": "hm\n"}, "hm"),
        ("agent.oversize", {"bytes": 5, "kind": "text"}, "(text of 5 bytes: too large to be shown)"),
    ],
)
def test_what_the_agent_does_is_shown_in_short(kind: str, members: dict[str, Any], expected: str) -> None:
    """All of it is in the JSON."""
    assert one(kind, turn=TURN, id="t", **members).rstrip("\n").endswith(expected)


@pytest.mark.parametrize(
    ("kind", "members", "expected"),
    [
        (
            "agent.started",
            {"incarnation": "i", "pid": 1, "agent": "claude", "kind": "k", "version": "2", "session": "resumed"},
            "● claude 2 goes on with its conversation",
        ),
        (
            "agent.exited",
            {"incarnation": "i", "code": 1, "signal": None, "reason": None, "next_attempt_s": 2},
            "the agent ended: exit status 1; it is started again in 2.0s",
        ),
        (
            "agent.exited",
            {
                "status": "asleep",
                "code": 143,
                "signal": None,
                "reason": "asleep after 9 s without a prompt",
                "next_attempt_s": None,
            },
            "● the agent is asleep after 9 s without a prompt: the next prompt wakes it",
        ),
        (
            "agent.exited",
            {"status": "restarted", "code": 143, "signal": None, "reason": "exit status 143", "next_attempt_s": None},
            "● the agent was ended, another one follows",
        ),
        (
            "agent.exited",
            {"status": "closed", "code": 143, "signal": None, "reason": "exit status 143", "next_attempt_s": None},
            "● the agent was ended, the room stops",
        ),
        (
            "agent.exited",
            {"status": "stuck", "code": 143, "signal": None, "reason": "exit status 143", "next_attempt_s": 2},
            "● the agent was stuck and had to be ended: exit status 143; it is started again in 2.0s",
        ),
        (
            "agent.exited",
            {"status": "died", "code": 143, "signal": None, "reason": "exit status 143", "next_attempt_s": None},
            "● the agent ended: exit status 143",
        ),
        (
            "agent.api_retry",
            {"turn": TURN, "attempt": 1, "max_retries": 10, "delay_s": 0.6, "status": 529, "error": "overloaded"},
            "the API answers overloaded 529: attempt 1 of 10 in 0.6s",
        ),
        ("room.changed", {"state": "agent-down", "reason": "why"}, "the room is agent-down: why"),
        (
            "room.changed",
            {"state": "api-failing", "reason": "overloaded: 529", "next_attempt_s": 30.0, "wait_s": 30.0},
            "the room is api-failing: overloaded: 529; the next prompt tries in 30.0s",
        ),
        ("notice", {"code": "c", "message": "look"}, "look"),
        ("turn.returned", {"turn": running_turn(reason="why"), "by": None}, "back to the queue: why"),
        (
            "approval.resolved",
            {"approval": permission(), "resolution": "timed_out", "by": None, "reason": None},
            "timed out Bash  rm -r build",
        ),
        (
            "approval.resolved",
            {"approval": permission(), "resolution": "denied", "by": BOB, "reason": "no"},
            "denied Bash  rm -r build: no",
        ),
        ("guest.danced", {"guest": {"name": "eve"}}, 'guest.danced {"guest": {"name": "eve"}}'),
    ],
)
def test_everything_that_happens_has_a_line(kind: str, members: dict[str, Any], expected: str) -> None:
    """Also what only a newer daemon knows."""
    assert one(kind, **members).endswith(f"{expected}\n")


def test_an_approval_says_what_to_type() -> None:
    """Whoever watches can decide."""
    written = one("approval.requested", approval=permission())
    assert "the agent asks to use Bash" in written
    assert "$ rm -r build\n" in written
    assert f"concordiactl approve {APPROVAL}\n" in written


def test_a_rehearsal_signs_as_one() -> None:
    """Nobody takes it for a model."""
    assert shown(TEXT | {"rehearsal": True}).startswith("01:30:58  rehearsal   one\n")


def test_in_a_pipe_only_finished_blocks_are_written() -> None:
    """A log has no half lines."""
    assert shown(TEXT) == shown(delta(0, "one"), TEXT)


def test_live_text_is_written_once() -> None:
    """Piece by piece, what was missed at the end, indented like a whole block."""
    assert shown(TEXT) == shown(delta(0, "on"), delta(2, "e\nt"), TEXT, is_live=True)


def test_live_text_makes_room_for_other_events() -> None:
    """A prompt that comes in the middle has its own line, and the text goes on below."""
    written = shown(
        delta(0, "on"), event("prompt.accepted", prompt=prompt(text="x")), delta(2, "e\ntw"), TEXT, is_live=True
    )
    assert [line[10:] for line in written.splitlines()] == [
        "agent       on",
        "ada         x",
        "agent       e",
        "            two",
    ]


def test_each_block_has_its_own_line() -> None:
    """Also where the one before was never finished."""
    written = shown(delta(0, "first"), delta(0, "second", block=1), is_live=True)
    assert [line[22:] for line in written.splitlines()] == ["first", "second"]


def test_a_broken_off_text_does_not_join_the_next_turn() -> None:
    """A new turn's first block begins anew."""
    ended = event("turn.finished", turn=told(finished_turn(outcome="interrupted")), by=None)
    written = shown(delta(0, "half"), ended, delta(0, "new"), is_live=True)
    assert written.count("half") == written.count("new") == 1


def test_another_day_is_announced() -> None:
    """A time alone would lie."""
    yesterday = event("prompt.accepted", prompt=prompt(text="x")) | {"at": AT.replace("21T", "20T")}
    assert "── Friday, 20 November 2026 ──\n01:30:58  ada" in shown(yesterday)


def test_a_prompt_cannot_rewrite_the_screen() -> None:
    """Nor pretend to be another line of the transcript."""
    assert "␛[1A␍" in one("prompt.accepted", prompt=prompt(text="\x1b[1A\rx"))


WITHDRAWN = event("agent.withdrawn", None, turn=TURN, block=0)


def test_withdrawn_text_is_marked_where_it_stands() -> None:
    """What is on a screen cannot be taken back, and what comes instead begins on a line of its own."""
    again = event("agent.text", turn=TURN, block=1, text="forty-two")
    written = shown(delta(0, "thir"), WITHDRAWN, delta(0, "forty", block=1), again, is_live=True)
    assert written.splitlines() == [
        "01:30:58  agent       thir",
        "                      ✗ this text is withdrawn: the agent begins it anew",
        "01:30:58  agent       forty-two",
    ]


@pytest.mark.parametrize("is_live", [False, True])
def test_a_text_that_did_not_come_to_its_end_says_so(is_live: bool) -> None:
    """What there is of it stays, below what was shown of it live, and in a pipe."""
    whole = event("agent.text", turn=TURN, block=0, text="thirteen and", partial=True)
    assert shown(delta(0, "thir"), whole, is_live=is_live).splitlines() == [
        "01:30:58  agent       thirteen and",
        "                      … as far as it came",
    ]


def test_withdrawn_text_is_marked_below_what_came_between() -> None:
    """With its time, as its own line is no longer the last one."""
    between = event("notice", code="x", message="y")
    written = shown(delta(0, "thir"), between, WITHDRAWN, is_live=True)
    assert written.splitlines()[-1] == "01:30:58  agent       ✗ this text is withdrawn: the agent begins it anew"


@pytest.mark.parametrize("is_live", [False, True])
def test_what_was_not_shown_is_not_withdrawn(is_live: bool) -> None:
    """A pipe gets finished blocks only; thinking is not shown live."""
    thought = delta(0, "hmm") | {"kind": "thinking"}
    assert shown(thought, WITHDRAWN, is_live=is_live) == ""
    assert shown(delta(0, "thir"), WITHDRAWN) == ""


@pytest.mark.parametrize(
    ("state", "more", "text"),
    [
        ("paused", {}, "paused the room: nothing new begins"),
        ("resumed", {}, "let the room go on"),
        ("restarted", {"fresh": False}, "restarted the agent"),
        ("restarted", {"fresh": True}, "restarted the agent with a new conversation"),
        ("closed", {}, "closed the room"),
        ("moved", {}, "the room is moved"),
    ],
)
def test_who_changed_the_room_is_named(state: str, more: dict[str, Any], text: str) -> None:
    """As with everything that people do; what a newer daemon tells is told plainly."""
    who = "·  " if state == "moved" else "bob"
    assert f"{who}         {text}\n" == one("room.changed", state=state, reason=None, by=BOB, **more)


def test_a_room_that_fails_says_why() -> None:
    """Nobody did it."""
    said = one("room.changed", state="agent-failing", reason="exit status 1", by=None)
    assert said == "·           the room is agent-failing: exit status 1\n"
