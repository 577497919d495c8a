"""What Claude Code waits for while it says nothing, and how far a turn came that was broken off."""

import msgspec
import pytest

from concordiad.core.agents import (
    BackgroundRunning,
    BrokeOff,
    Ended,
    Fact,
    LineDone,
    Retrying,
    Said,
    ToolsRunning,
    WentIdle,
)
from tests.core.agents import speech
from tests.core.agents.listening import DONE, codec_in_turn, feed, new_codec
from tests.core.agents.speech import (
    CLOSING,
    EVERY_KIND,
    OTHER,
    TURN,
    Line,
    assistant,
    block_start,
    delta,
    init,
    lifecycle,
    message_start,
    message_stop,
    result,
    state,
    text,
    tool_result,
    tool_use,
)


def tools(facts: list[Fact]) -> list[int]:
    """Return the numbers of tools that run, as they change."""
    return [fact.tools for fact in facts if isinstance(fact, ToolsRunning)]


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [
        ([assistant(tool_use()), message_stop(), tool_result("so"), message_start()], [1, 0]),
        ([assistant(tool_use()), assistant(tool_use("c2")), message_stop(), tool_result("so")], [2, 1]),
        ([assistant(tool_use()), tool_result("so"), message_stop()], []),
        ([assistant(tool_use())], []),
        ([message_stop(), assistant(tool_use())], [1]),
        ([message_stop(), assistant(tool_use(), parent="toolu_0")], []),
        ([message_stop(), assistant({**tool_use(), "type": "server_tool_use"})], []),
        ([message_stop(), assistant(tool_use()), message_start()], [1, 0]),
        ([message_stop(), assistant(tool_use()), result(), *CLOSING], [1, 0]),
        ([message_stop(), assistant(tool_use()), init(OTHER)], [1, 0]),
    ],
    ids=["one", "two", "quick", "open", "unstreamed", "subagent", "server", "lost", "ended", "next"],
)
def test_tools_run_from_the_end_of_their_message_to_their_results(lines: list[Line], numbers: list[int]) -> None:
    """Or to whatever shows that they must be over; only those count that the turn itself waits for."""
    assert tools(feed(codec_in_turn(), lines)) == numbers


def test_no_tool_outlives_a_turn_of_every_kind_of_line() -> None:
    """Whatever else there is in it."""
    assert tools(feed(new_codec(), EVERY_KIND))[-1:] in ([], [0])


@pytest.mark.parametrize(("delay_ms", "delay_s"), [(528, 0.528), (None, 0.0), (-5, 0.0)])
def test_a_retry_tells_how_long_it_waits(delay_ms: float | None, delay_s: float) -> None:
    """As far as it is known."""
    facts = feed(codec_in_turn(), [speech.api_retry(1, retry_delay_ms=delay_ms)])
    assert [fact for fact in facts if isinstance(fact, Retrying)] == [Retrying(delay_s)]


def test_tasks_in_the_background_are_counted() -> None:
    """As the agent lists them; what it says of a single one changes no number."""
    tasks = [{"task_id": f"b{number}", "task_type": "local_bash", "description": "stub"} for number in range(2)]
    lines: list[Line] = [
        {"type": "system", "subtype": "background_tasks_changed", "tasks": tasks, "session_id": speech.SESSION},
        {"type": "system", "subtype": "task_started", **tasks[0], "tool_use_id": "toolu_1", "is_backgrounded": True},
        {"type": "system", "subtype": "background_tasks_changed", "tasks": [], "session_id": speech.SESSION},
    ]
    assert feed(new_codec(), lines) == [BackgroundRunning(2), BackgroundRunning(0)]


@pytest.mark.parametrize(
    ("lines", "partial", "open_block"),
    [
        ([], None, None),
        ([block_start(), delta("so "), delta("far")], "so far", 0),
        ([block_start(), delta("so "), assistant(text("so far"))], "so far", None),
        ([assistant(text("before")), block_start(), delta("so")], "so", 1),
        ([assistant(text("before")), block_start("thinking"), delta("hmm", "thinking")], "before", None),
        ([assistant(text("before")), assistant(text("sub"), parent="toolu_0")], "before", None),
        ([assistant(text("before")), block_start(), delta("wrong"), message_stop(0)], "before", None),
        ([{**assistant({"type": "text", "text": ["no text"]})}], None, None),
    ],
    ids=["nothing", "open", "whole", "second", "thinking", "subagent", "withdrawn", "malformed"],
)
def test_a_turn_that_is_broken_off_tells_how_far_it_came(
    lines: list[Line], partial: str | None, open_block: int | None
) -> None:
    """Both when it was stopped and when the output ended; a text of a finished turn is nobody's partial one."""
    codec = codec_in_turn()
    feed(codec, lines)
    facts = codec.end()
    assert [fact for fact in facts if not isinstance(fact, Said)] == (
        [] if partial is None else [BrokeOff(TURN, partial)]
    )
    said = [msgspec.json.decode(b"{%b}" % fact.body) for fact in facts if isinstance(fact, Said)]
    assert said == (
        [] if open_block is None else [{"turn": TURN, "block": open_block, "text": partial, "partial": True}]
    )
    aborted = result(None, terminal_reason="aborted_streaming", is_error=True)
    assert [fact.partial for fact in feed(codec, [aborted]) if isinstance(fact, Ended)] == [partial]
    assert codec.end() == []


@pytest.mark.parametrize(
    ("last", "told"),
    [(lifecycle("completed"), LineDone(TURN, "partial")), (state("idle"), WentIdle(TURN, "partial"))],
    ids=["done", "idle"],
)
def test_a_turn_that_is_left_without_a_result_tells_how_far_it_came(last: Line, told: Fact) -> None:
    """As soon as the agent is done with it."""
    assert feed(codec_in_turn(), [assistant(text("before")), assistant(text("partial")), last])[-1] == told


def test_a_turn_with_a_result_was_not_left() -> None:
    """That has told how far it came."""
    assert feed(codec_in_turn(), [assistant(text("all")), result("all"), *CLOSING])[-2:] == DONE


def test_a_completed_turn_is_not_partial() -> None:
    """Its answer is whole."""
    facts = feed(codec_in_turn(), [assistant(text("all")), result("all")])
    assert [fact.partial for fact in facts if isinstance(fact, Ended)] == [None]
