"""Spans made of log entries: whose they are, what is in them, and what is remembered in between."""

from typing import Any
from uuid import UUID

import pytest

from concordiad.core.spans import BEGUN, SpanMaker, read_traceparent

FIRST = "01a1fc10-f200-7224-a9db-3e22a0097a53"
SECOND = "01a1fc10-f208-7224-a9db-3e22a0097a53"
TURN = "01a1fc10-f300-775e-b38f-cd8d6c32b470"
REQUEST = "01a1fc10-f1ff-775e-b38f-cd8d6c32b470"
TURN_NS = 0x01A1FC10F300 * 1_000_000
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def met(prompt: str, **more: Any) -> dict[str, Any]:
    """Make the entry of a prompt's submission, which took 4 ms."""
    made = {"event": "request_met", "method": "prompt.submit", "room": "main", "prompt": prompt, "request": REQUEST}
    return {**made, "took_s": 0.004, "timestamp": "2026-11-21T03:05:31.652Z", **more}


def finished(*prompts: str, **more: Any) -> dict[str, Any]:
    """Make the line of a turn that took 2 s, and said something after half a second."""
    told = {"event": "turn_finished", "room": "main", "turn": TURN, "origin": "prompts", "prompts": list(prompts)}
    figures = {"duration_s": 2.0, "ttft_s": 0.5, "input_tokens": 3, "output_tokens": 4, "cost_usd": 0.5}
    about = {"authors": 1, "incarnation": "i", "api_retries": 0, "outcome": "completed", "reason": None}
    return {**told, **figures, **about, "timestamp": "2026-11-21T03:05:40Z", **more}


def test_other_entries_are_of_no_trace() -> None:
    """Nor are requests that hand nothing in."""
    maker = SpanMaker()
    assert maker.spans_of({"event": "agent_started"}) == []
    assert maker.spans_of({**met(FIRST), "method": "prompt.cancel"}) == []


def test_a_shared_turn_is_told_in_each_trace_and_its_cost_once() -> None:
    """A prompt's trace has its own waiting; the others' turn leads to that of the first one."""
    spans = SpanMaker().spans_of(finished(FIRST, SECOND))
    assert [each.name for each in spans] == ["prompt", "wait", "turn", "first output", "answer"] * 2
    assert [each.place.trace for each in spans] == [UUID(FIRST).int] * 5 + [UUID(SECOND).int] * 5
    first, second = (each for each in spans if each.name == "turn")
    assert (first.link, second.link) == (None, first.place)
    assert first.attributes["concordia.cost_usd"] == 0.5 and "concordia.cost_usd" not in second.attributes
    waits = [each.ended_ns - each.began_ns for each in spans if each.name == "wait"]
    assert waits == [0x100 * 1_000_000, 0xF8 * 1_000_000]
    assert (first.began_ns, first.ended_ns) == (TURN_NS, TURN_NS + 2_000_000_000)
    assert len({each.place for each in spans}) == len(spans)


def test_what_two_daemons_tell_is_one_trace() -> None:
    """The second one knows nothing of the request, and names the same span as the parent of all."""
    before, after = SpanMaker(), SpanMaker()
    (submit,) = before.spans_of(met(FIRST))
    root = after.spans_of(finished(FIRST))[0]
    assert (submit.place.trace, submit.parent) == root.place
    known = before.spans_of(finished(FIRST))[0]
    assert (known.place, known.began_ns) == (root.place, submit.began_ns)


def test_a_callers_trace_goes_on() -> None:
    """Both what is told at once and what is told later."""
    maker = SpanMaker()
    (submit,) = maker.spans_of(met(FIRST, traceparent=PARENT))
    spans = maker.spans_of(finished(FIRST))
    assert {each.place.trace for each in (submit, *spans)} == {0x0AF7651916CD43DD8448EB211C80319C}
    assert spans[0].parent == 0xB7AD6B7169203331


@pytest.mark.parametrize(
    "text",
    ["", "x", PARENT.upper(), PARENT + "-", PARENT.replace("00-", "ff-", 1), f"00-{'0' * 32}-{PARENT[36:]}", "00--"],
)
def test_what_is_no_traceparent_is_passed_over(text: str) -> None:
    """The prompt then begins a trace of its own."""
    assert read_traceparent(text) is None
    (submit,) = SpanMaker().spans_of(met(FIRST, traceparent=text))
    assert submit.place.trace == UUID(FIRST).int


def test_a_turn_that_came_to_nothing_is_a_fault() -> None:
    """With the beginning of its reason; one that somebody has stopped is none; its end is as it was logged."""
    failed = finished(FIRST, outcome="failed", reason="x" * 1000, duration_s=None, ttft_s=None, cost_usd=None)
    prompt, wait, turn = SpanMaker().spans_of(failed)
    assert (prompt.fault, wait.fault, turn.fault) == ("x" * 200, None, "x" * 200)
    assert "concordia.cost_usd" not in turn.attributes
    stopped = SpanMaker().spans_of(finished(FIRST, outcome="interrupted", reason="interrupted by ada"))
    assert all(each.fault is None for each in stopped) and "ada" not in str(stopped)


def test_the_agents_own_turn_is_a_trace_of_its_own() -> None:
    """Nobody has asked for it."""
    turn, *parts = SpanMaker().spans_of(finished(origin="agent"))
    assert (turn.place.trace, turn.parent) == (UUID(TURN).int, None)
    assert {each.parent for each in parts} == {turn.place.span}


def test_prompts_that_never_have_a_turn_are_forgotten_some_day() -> None:
    """The oldest ones first."""
    maker = SpanMaker()
    ids = [str(UUID(int=UUID(FIRST).int + number)) for number in range(BEGUN + 1)]
    for each in ids:
        maker.spans_of(met(each, traceparent=PARENT))
    (first, *_), (last, *_) = (maker.spans_of(finished(each)) for each in (ids[0], ids[-1]))
    assert (first.parent, last.parent) == (None, 0xB7AD6B7169203331)
