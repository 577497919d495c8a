"""What the CLI's own history says of a turn: lines as version 2.1.329 writes them, and what may be wrong with them."""

import json
from typing import Any

import pytest

from concordiad.core.agents.claude_history import finished_answer


def line(line_type: str, content: Any, stop_reason: str | None = None, **more: Any) -> bytes:
    """Write a line of a history."""
    message = {"role": line_type, "content": content, "stop_reason": stop_reason}
    return json.dumps({"type": line_type, "uuid": "x", "isSidechain": False, "message": message, **more}).encode()


def asked(turn: str, text: str = "Why?") -> bytes:
    """Write a prompt's line."""
    return line("user", text, uuid=turn)


def said(text: str, stop_reason: str | None = "end_turn", **more: Any) -> bytes:
    """Write an answer's line."""
    return line("assistant", [{"type": "text", "text": text}], stop_reason, **more)


CALLS = line("assistant", [{"type": "tool_use", "id": "c1", "name": "Bash", "input": {}}], "tool_use")
RESULT = line("user", [{"type": "tool_result", "tool_use_id": "c1", "content": "hi", "is_error": False}])
OTHER = b'{"type":"attachment","uuid":"a","attachment":{"type":"x"}}'


def test_finished_turn_has_its_last_words() -> None:
    """Those behind its last tool."""
    lines = [asked("t1"), OTHER, said("I look.", "tool_use"), CALLS, RESULT, said("Because."), OTHER]
    assert finished_answer(lines, "t1") == "Because."


def test_turns_are_told_apart() -> None:
    """By the ids of their prompts."""
    lines = [asked("t1"), said("one"), asked("t2"), said("two"), asked("t3")]
    assert [finished_answer(lines, turn) for turn in ("t1", "t2", "t3", "t4")] == ["one", "two", None, None]


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [CALLS],
        [CALLS, RESULT],
        [said("so far", None)],
        [said("so far", "max_tokens")],
        [said("Done?"), CALLS],
        [said("so far", isSidechain=True)],
        [said("API Error: 529", "stop_sequence", isApiErrorMessage=True)],
    ],
)
def test_unfinished_turn_has_none(rest: list[bytes]) -> None:
    """A tool that runs, a result without a word, a text that was cut, a subagent's words, an error of the API."""
    assert finished_answer([asked("t1"), *rest], "t1") is None


@pytest.mark.parametrize("junk", [b"", b"not JSON", b'{"type":"user","mess', b"[1]", b'{"message":7}', b"\xff\xfe"])
def test_what_cannot_be_read_is_passed_over(junk: bytes) -> None:
    """Above all the half line at the end."""
    assert finished_answer([junk, asked("t1"), junk, said("Because."), junk], "t1") == "Because."
