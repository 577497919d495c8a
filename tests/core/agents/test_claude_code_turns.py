"""What Claude Code's lines state: turns from their beginning to their end."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.agents import (
    ConversationLost,
    Ended,
    Retrying,
    Said,
    WentIdle,
)
from concordiad.core.api import ApiTrouble
from concordiad.core.model import Outcome
from tests.core.agents import speech
from tests.core.agents.listening import (
    BEGUN,
    DONE,
    ENDED,
    codec_in_turn,
    feed,
    live,
    new_codec,
    spoken,
    whole,
)
from tests.core.agents.speech import (
    COST,
    MODEL,
    OPENING,
    PLAIN_TURN,
    SECRET,
    SESSION,
    TURN,
    assistant,
    block_start,
    block_stop,
    delta,
    lifecycle,
    message_start,
    message_stop,
    result,
    state,
    text,
    thinking,
    tool_result,
    tool_use,
    user,
)
from tests.core.steadily import steadily


def test_plain_turn() -> None:
    """A turn is acknowledged, begins, is heard piece by piece and then whole, ends with its figures, and is done."""
    facts = feed(new_codec(), PLAIN_TURN)
    assert [fact for fact in facts if not isinstance(fact, Said)] == [*BEGUN, ENDED, *DONE]
    assert spoken(facts) == [
        live(0, 0, "one two "),
        live(0, 8, "three fo"),
        live(0, 16, "ur"),
        whole("agent.text", 0, text="one two three four"),
    ]
    assert facts[: len(BEGUN)] == BEGUN
    assert facts[-3:] == [ENDED, *DONE]


def test_thinking_and_text_are_two_blocks() -> None:
    """Thinking is told apart from text, live and finished; its signature is told to nobody."""
    lines = [
        block_start("thinking"),
        delta("hmm let ", "thinking"),
        delta("me see", "thinking"),
        delta("c3R1Yg==", "signature"),
        assistant(thinking("hmm let me see")),
        block_stop(),
        block_start("text", 1),
        delta("done", index=1),
        assistant(text("done")),
        block_stop(1),
        message_stop(),
    ]
    assert spoken(feed(new_codec(), [*OPENING, *lines])) == [
        live(0, 0, "hmm let ", "thinking"),
        live(0, 8, "me see", "thinking"),
        whole("agent.thinking", 0, text="hmm let me see"),
        live(1, 0, "done"),
        whole("agent.text", 1, text="done"),
    ]


def test_tool_use_and_its_result() -> None:
    """A tool's call is a block of its turn, its result names the call, and the turn's blocks go on counting."""
    lines = [
        block_start("tool"),
        delta('{"command": "ls"}', "input_json"),
        assistant(tool_use(command="ls")),
        block_stop(),
        message_stop(),
        tool_result("a\nb", is_error=False),
        message_start(),
        block_start(),
        assistant(text("two files")),
    ]
    assert spoken(feed(new_codec(), [*OPENING, *lines])) == [
        whole("agent.tool_use", 0, id="toolu_1", tool="Bash", input={"command": "ls"}),
        {
            "type": "agent.tool_result",
            "live": False,
            "turn": TURN,
            "id": "toolu_1",
            "is_error": False,
            "content": "a\nb",
        },
        whole("agent.text", 1, text="two files"),
    ]


@pytest.mark.parametrize("content", ["", "not today", [text("a"), text("b")], []])
@pytest.mark.parametrize(("more", "is_error"), [({"is_error": True}, True), ({"is_error": False}, False), ({}, False)])
def test_tool_result_is_text_or_blocks(content: object, more: dict[str, Any], is_error: bool) -> None:
    """What a tool gave is passed on in either form; it is an error only if it says so."""
    [said] = spoken(feed(new_codec(), [*OPENING, tool_result(content, **more)]))
    assert (said["content"], said["is_error"]) == (content, is_error)


def test_server_tools_are_tools() -> None:
    """The API's own tools are called and answer under types of their own."""
    call = {**tool_use("srv_1", "web_search", query="q"), "type": "server_tool_use"}
    answer = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
    said = spoken(feed(new_codec(), [*OPENING, assistant(call), user(answer)]))
    assert [(body["type"], body["id"]) for body in said] == [
        ("agent.tool_use", "srv_1"),
        ("agent.tool_result", "srv_1"),
    ]


@steadily
@given(st.text(min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=8))
def test_pieces_join_to_the_block(value: str, cuts: list[int]) -> None:
    """Wherever a text is cut, each piece's offset is the number of characters before it, and all make up the block."""
    places = sorted({0, len(value), *(cut % len(value) for cut in cuts)})
    pieces = [value[first:last] for first, last in pairwise(places)]
    lines = [block_start(), *map(delta, pieces), assistant(text(value))]
    *deltas, block = spoken(feed(new_codec(), [*OPENING, *lines]))
    joined = ""
    for piece in deltas:
        assert piece["offset"] == len(joined)
        joined += piece["text"]
    assert joined == block["text"] == value
    assert {body["block"] for body in (*deltas, block)} == {0}


def test_piece_outside_a_block_is_dropped() -> None:
    """A piece of which nobody knows the block cannot be joined by anybody."""
    lines = [delta("lost"), block_start(), assistant(text("found")), delta("late")]
    assert spoken(feed(new_codec(), [*OPENING, *lines])) == [whole("agent.text", 0, text="found")]


def test_broken_stream_withdraws_its_block() -> None:
    """What was shown of a block that will never be finished is withdrawn, and the next attempt is another block."""
    attempt = [message_start(), block_start(), delta("about to "), block_stop(), message_stop(abandoned_from=0)]
    again = [message_start(), block_start(), delta("about to "), assistant(text("about to do")), message_stop()]
    retry = speech.api_retry(1, error_status=None, error="unknown")
    facts = feed(new_codec(), [*OPENING, *attempt, retry, *again])
    assert spoken(facts) == [
        live(0, 0, "about to "),
        {"type": "agent.withdrawn", "live": False, "turn": TURN, "block": 0},
        {
            "type": "agent.api_retry",
            "live": False,
            "turn": TURN,
            "attempt": 1,
            "max_retries": 2,
            "delay_s": 0.528,
            "status": None,
            "error": "unknown",
        },
        live(1, 0, "about to "),
        whole("agent.text", 1, text="about to do"),
    ]


def test_stream_that_breaks_after_a_block_withdraws_nothing() -> None:
    """A block that was finished stays, and what the CLI tells the model then is not for people."""
    cut_off = user(text("Your response above was cut off mid-stream."), isSynthetic=True)
    lines = [block_start(), delta("begun"), assistant(text("begun")), block_stop(), message_stop(1), cut_off]
    again = [message_start(), block_start(), delta("begun"), assistant(text("begun")), message_stop()]
    said = spoken(feed(new_codec(), [*OPENING, *lines, *again]))
    assert said == [
        live(0, 0, "begun"),
        whole("agent.text", 0, text="begun"),
        live(1, 0, "begun"),
        whole("agent.text", 1, text="begun"),
    ]


OVERLOADED = "API Error: Repeated 529 Overloaded errors. The API is at capacity — try again in a moment."


def test_api_error_is_a_failed_turn() -> None:
    """A turn that the API failed says success; its error tells. The words are the turn's reason, not an answer."""
    lines = [
        speech.api_retry(1),
        speech.api_retry(2, retry_delay_ms=1017),
        assistant(text(OVERLOADED), is_api_error_message=True, error="server_error"),
        result(OVERLOADED, terminal_reason="api_error", is_error=True, api_error_status=529),
        lifecycle("cancelled"),
        state("idle"),
    ]
    reason = f"api_error 529: {OVERLOADED}"
    facts = feed(codec_in_turn(), lines)
    assert [(body["type"], body.get("attempt"), body.get("delay_s")) for body in spoken(facts)] == [
        ("agent.api_retry", 1, 0.528),
        ("agent.api_retry", 2, 1.017),
    ]
    assert [facts[1], *facts[3:]] == [
        Retrying(0.528),
        Retrying(1.017),
        ENDED._replace(outcome=Outcome.FAILED, reason=reason, answer=None, trouble=ApiTrouble.OVERLOADED),
        *DONE,
    ]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"terminal_reason": "max_turns", "subtype": "error_max_turns", "errors": ["limit 3"]}, "max_turns: limit 3"),
        ({"terminal_reason": "budget_exhausted", "errors": ["a", "b"]}, "budget_exhausted: a; b"),
        ({"terminal_reason": None, "subtype": "error_during_execution"}, "error_during_execution"),
        ({"terminal_reason": None, "subtype": ""}, "unknown"),
        ({"terminal_reason": "image_error", "api_error_status": 413}, "image_error 413"),
    ],
)
def test_failed_turn_says_why(more: dict[str, Any], reason: str) -> None:
    """A failed turn's reason has what the result says of it."""
    [ended] = feed(codec_in_turn(), [result(None, is_error=True, **more)])
    assert ended == ENDED._replace(outcome=Outcome.FAILED, reason=reason, answer=None)


@pytest.mark.parametrize(
    ("more", "figures"),
    [
        ({}, (331, 4, COST)),
        ({"model_usage_since_last_result": {MODEL: speech.SPENT, "small": speech.SPENT}}, (662, 8, 2 * COST)),
        ({"model_usage_since_last_result": {}}, (334, 5, 0.0)),
        ({"model_usage_since_last_result": None}, (334, 5, None)),
        ({"model_usage_since_last_result": None, "usage": None}, (None, None, None)),
    ],
)
def test_figures_are_those_of_the_turn(more: dict[str, Any], figures: tuple[object, ...]) -> None:
    """Tokens and cost are of this turn, over all models; where they are not known they are None, not nought."""
    [ended] = feed(codec_in_turn(), [result(**more)])
    assert isinstance(ended, Ended)
    assert (ended.input_tokens, ended.output_tokens, ended.cost_usd) == figures


def test_conversation_is_lost() -> None:
    """A session that cannot be resumed is told by the result that begins with its type, and is no turn's end."""
    assert feed(new_codec(), [speech.LOST_CONVERSATION]) == [ConversationLost(SESSION)]


def test_session_may_change() -> None:
    """A turn's end names the conversation that it belongs to, which may be another by then."""
    [ended] = feed(codec_in_turn(), [result(session_id="another")])
    assert ended == ENDED._replace(session_id="another")


def test_repeated_line_is_only_idle() -> None:
    """A uuid that the CLI has had already gets no lifecycle and no result: only a lone idle."""
    assert feed(new_codec(), [state("idle")]) == [WentIdle()]


def test_nothing_but_content_reaches_the_transcript() -> None:
    """Of lines that name paths of the machine, no event has any."""
    bodies = [fact.body for fact in feed(new_codec(), speech.EVERY_KIND) if isinstance(fact, Said)]
    assert len(bodies) > 10
    assert [body for body in bodies if SECRET.encode() in body] == []


def test_one_line_may_have_many_blocks() -> None:
    """Should the CLI ever put several blocks into one line, each is an event of its own."""
    said = spoken(
        feed(codec_in_turn(), [assistant(thinking("a"), text("b"), {"type": "redacted_thinking"}, text("c"))])
    )
    assert [(body["type"], body["text"]) for body in said] == [
        ("agent.thinking", "a"),
        ("agent.text", "b"),
        ("agent.text", "c"),
    ]
