"""What Claude Code's lines state: what it asks of people, and what it answers."""

import pytest

from concordiad.core.agents import (
    Answered,
    ApprovalAsked,
    ApprovalWithdrawn,
    Said,
    Unsupported,
)
from concordiad.core.model import ApprovalKind, Outcome
from tests.core.agents import speech
from tests.core.agents.listening import (
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
    QUESTIONS,
    TURN,
    assistant,
    block_start,
    block_stop,
    delta,
    lifecycle,
    message_stop,
    result,
    state,
    text,
    tool_result,
    user,
    write,
)


def test_permission_is_asked() -> None:
    """A request for permission has its turn and its input exactly as it came, before or after its message's end."""
    [asked] = feed(codec_in_turn(), [speech.permission()])
    tool_input = b'{"command":"touch x","description":"stub"}'
    assert asked == ApprovalAsked("r1", TURN, ApprovalKind.PERMISSION, "Bash", tool_input, "stub")


def test_question_is_asked() -> None:
    """A question is told by its need of a person, not by the name of its tool, and may have no description."""
    [asked] = feed(codec_in_turn(), [speech.question()])
    assert asked == ApprovalAsked("r2", TURN, ApprovalKind.QUESTION, "AskUserQuestion", write(QUESTIONS), None)


def test_interrupt_while_a_permission_is_pending() -> None:
    """The request is withdrawn, the interrupt answered, and the turn interrupted whatever its subtype says."""
    refused = tool_result("The user doesn't want to proceed with this tool use.", is_error=True)
    ended = result(None, terminal_reason="aborted_tools", is_error=True, subtype="error_during_execution", num_turns=3)
    lines = [
        {"type": "control_cancel_request", "request_id": "r1"},
        speech.success("c1", {"still_queued": []}),
        state("running"),
        refused,
        user(text("[Request interrupted by user for tool use]")),
        ended,
        lifecycle("cancelled"),
        state("idle"),
    ]
    facts = feed(codec_in_turn(), lines)
    assert [fact for fact in facts if not isinstance(fact, Said)] == [
        ApprovalWithdrawn("r1"),
        Answered("c1", None, None),
        ENDED._replace(outcome=Outcome.INTERRUPTED, reason="aborted_tools", answer=None, agent_turns=3),
        *DONE,
    ]
    assert [body["type"] for body in spoken(facts)] == ["agent.tool_result"]


def test_interrupt_in_the_middle_of_a_text() -> None:
    """What there was of the text is its block; the figures are those per model, because `usage` is nought then."""
    ended = result(
        None,
        terminal_reason="aborted_streaming",
        is_error=True,
        subtype="error_during_execution",
        usage={"input_tokens": 0, "output_tokens": 0},
    )
    lines = [
        block_start(),
        delta("about to "),
        speech.success("c1", {"still_queued": []}),
        assistant(text("about to hang "), aborted=True),
        user(text("[Request interrupted by user]")),
        block_stop(),
        message_stop(1),
        ended,
        lifecycle("cancelled"),
        state("idle"),
    ]
    facts = feed(codec_in_turn(), lines)
    assert spoken(facts) == [live(0, 0, "about to "), whole("agent.text", 0, text="about to hang ")]
    assert facts[-3:] == [
        ENDED._replace(outcome=Outcome.INTERRUPTED, reason="aborted_streaming", answer=None, partial="about to hang "),
        *DONE,
    ]


def test_preempted_turn_is_interrupted() -> None:
    """A turn that was pre-empted says success and no error; only its reason tells."""
    [ended] = feed(codec_in_turn(), [result("half", terminal_reason="aborted_streaming")])
    assert ended == ENDED._replace(outcome=Outcome.INTERRUPTED, reason="aborted_streaming", answer=None)


def test_cost_so_far_is_answered() -> None:
    """The answer to the question for the cost has it; an answer without one, and a refusal, have none."""
    usage = {"session": {"total_cost_usd": 0.25, "model_usage": {}}, "subscription_type": None}
    refused = {"subtype": "error", "request_id": "c3", "error": "Unsupported control request subtype: x"}
    lines = [
        speech.success("c1", usage),
        speech.success("c2", {"commands": [{"name": "loop"}], "account": {"tokenSource": "none"}, "pid": 1}),
        {"type": "control_response", "response": refused},
        {"type": "control_response", "response": {"subtype": "error", "request_id": "c4"}},
        {"type": "control_response", "response": {"subtype": "success", "request_id": "c5", "response": None}},
    ]
    assert feed(new_codec(), lines) == [
        Answered("c1", None, 0.25),
        Answered("c2", None, None),
        Answered("c3", "Unsupported control request subtype: x", None),
        Answered("c4", "unknown error", None),
        Answered("c5", None, None),
    ]


@pytest.mark.parametrize("subtype", ["hook_callback", "mcp_message", "elicitation", "tomorrow"])
def test_what_nobody_can_answer_is_told(subtype: str) -> None:
    """A request other than for permission is named, so that it can be refused instead of waiting for ever."""
    line = {"type": "control_request", "request_id": "r9", "request": {"subtype": subtype, "x": {}}}
    assert feed(new_codec(), [line]) == [Unsupported("r9", f"{subtype} is not supported by this client")]
