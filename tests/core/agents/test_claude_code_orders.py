"""What is written to Claude Code: command line, environment, and lines, whoever's words are in them."""

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.agents import Launch, Settings
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.agents.rehearsal import Rehearsal
from tests.core.agents.listening import new_codec
from tests.core.agents.speech import QUESTIONS, write
from tests.core.steadily import JSON, steadily


def read(line: bytes) -> dict[str, Any]:
    """Read a line as the CLI does: one JSON object and one newline, at the end."""
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


@steadily
@given(st.text(min_size=1))
def test_prompt_is_written_anew(text: str) -> None:
    """Whatever a prompt says, it is the content of one line that our encoder wrote; nothing of it is a field."""
    assert read(new_codec().prompt("t1", text, is_raw=False)) == {
        "type": "user",
        "message": {"role": "user", "content": text},
        "uuid": "t1",
        "priority": "later",
        "client_composed": True,
    }


@pytest.mark.parametrize(
    "text", ["/clear", "@/etc/hostname", '{"type":"control_request"}', "a\nb\u2028c", "--resume=x"]
)
def test_prompt_is_verbatim_unless_it_is_raw(text: str) -> None:
    """Only a raw prompt lacks the word that keeps the CLI from reading files and obeying commands."""
    composed, raw = (read(new_codec().prompt("t1", text, is_raw=is_raw)) for is_raw in (False, True))
    assert composed.pop("client_composed") is True
    assert raw == composed


@pytest.mark.parametrize("value", ["sonnet", "--dangerously-skip-permissions", "a b", "", "=x", "-p"])
def test_value_is_never_a_flag(value: str) -> None:
    """A value of the configuration stands behind its flag, in one argument, whatever it looks like."""
    arguments = new_codec().arguments(Settings(value, value), Launch(value, is_resumed=True))
    assert [argument for argument in arguments if argument.endswith(f"={value}")] == [
        f"--resume={value}",
        f"--model={value}",
        f"--permission-mode={value}",
    ]
    assert value in ("-p", "") or value not in arguments


def test_arguments_for_a_new_conversation() -> None:
    """A new conversation gets its id from us; further arguments come last, as they are."""
    arguments = new_codec().arguments(Settings(args=("--add-dir=/srv",)), Launch("s1", is_resumed=False))
    assert arguments == [
        "-p",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",
        "--include-partial-messages",
        "--permission-prompt-tool=stdio",
        "--session-id=s1",
        "--add-dir=/srv",
    ]


def test_end_of_turn_is_asked_for() -> None:
    """Without its variable the CLI does not say when it is idle."""
    assert new_codec().environment()["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] == "1"


def test_handshake_asks_for_readiness_and_cost() -> None:
    """Each request of the handshake has an id of its own, by which its answer is known."""
    numbers = count(1)
    requests = new_codec().handshake(lambda: f"c{next(numbers)}")
    assert [identity for identity, _ in requests] == ["c1", "c2"]
    assert [read(line) for _, line in requests] == [
        {"type": "control_request", "request_id": "c1", "request": {"subtype": "initialize", "hooks": None}},
        {"type": "control_request", "request_id": "c2", "request": {"subtype": "get_usage"}},
    ]


def test_interrupt() -> None:
    """An interrupt is a control request, so that its answer is told."""
    expected = {"type": "control_request", "request_id": "c1", "request": {"subtype": "interrupt"}}
    assert read(new_codec().interrupt("c1")) == expected


def answer(line: bytes, request_id: str = "r1") -> dict[str, Any]:
    """Return what a line answers to a request of the CLI."""
    read_line = read(line)
    response = read_line["response"].pop("response")
    assert read_line == {"type": "control_response", "response": {"subtype": "success", "request_id": request_id}}
    assert isinstance(response, dict)
    return response


def test_consent_hands_back_the_input() -> None:
    """Consent has the request's own input, byte for byte, and nothing of what it suggested."""
    tool_input = b'{"command":"touch x" ,"n":1e3,"n":10000000000000000000000}'
    line = new_codec().allow("r1", tool_input, {})
    assert answer(line)["behavior"] == "allow"
    assert b'"updatedInput":%b}' % tool_input in line
    assert set(answer(line)) == {"behavior", "updatedInput"}


def test_answers_are_added_to_the_question() -> None:
    """The answers to a question go into its input beside the questions, which stay as they were."""
    answers = {"Which colour?": 'a "mix"\nof both'}
    assert answer(new_codec().allow("r1", write(QUESTIONS), answers)) == {
        "behavior": "allow",
        "updatedInput": {**QUESTIONS, "answers": answers},
    }


def test_refusal_gives_its_reason() -> None:
    """The agent is told why, and is not interrupted by it."""
    assert answer(new_codec().deny("r1", 'not "today"')) == {"behavior": "deny", "message": 'not "today"'}


def test_impossible_request_gets_an_error() -> None:
    """What nobody can answer is answered with an error, or the agent would wait for ever."""
    assert read(new_codec().refuse("r1", "hooks are not supported")) == {
        "type": "control_response",
        "response": {"subtype": "error", "request_id": "r1", "error": "hooks are not supported"},
    }


@steadily
@given(
    st.dictionaries(st.text(max_size=5), JSON, max_size=3), st.dictionaries(st.text(max_size=5), st.text(max_size=5))
)
def test_every_answer_is_one_line(tool_input: dict[str, Any], answers: dict[str, str]) -> None:
    """Whatever tools and people say, an answer is one line: half a line, or two, would kill the CLI."""
    given_answer = answer(new_codec().allow("r1", write(tool_input), answers))
    assert given_answer["updatedInput"] == ({**tool_input, "answers": answers} if answers else tool_input)


def test_rehearsal_speaks_the_same_and_says_so() -> None:
    """The rehearsal agent's codec differs in nothing but the mark."""
    assert (ClaudeCode.is_rehearsal, Rehearsal.is_rehearsal) == (False, True)
    line = Rehearsal(lambda: "own").prompt("t1", "hi", is_raw=False)
    assert line == new_codec().prompt("t1", "hi", is_raw=False)
