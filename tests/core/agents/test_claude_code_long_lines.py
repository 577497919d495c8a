"""Long lines: of those that tell a tool's result twice, the second time is left out and all else is as ever."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.agents import Fact, Said, Unreadable
from concordiad.core.agents.claude_lines import (
    LONG_BYTES,
    PIECE_BYTES,
    RESULT_BORDER,
    TAIL_BYTES,
    check_utf8,
    leave_out_result,
)
from tests.core.agents.listening import codec_in_turn, members
from tests.core.agents.speech import Line, assistant, text, tool_result, write
from tests.core.steadily import steadily

AGAIN = {"type": "text", "file": {"content": "again " * LONG_BYTES}}
BORDER = RESULT_BORDER.decode()


def twice(content: object, again: Any = AGAIN, **behind: Any) -> Line:
    """Return what a tool gave with the member that tells it again, and what may be behind that."""
    return {**tool_result(content), "timestamp": "2026-11-20T23:44:12.922Z", "tool_use_result": again, **behind}


def read(line: Line | bytes) -> list[Fact]:
    """Let a codec read one line."""
    return codec_in_turn().decode(line if isinstance(line, bytes) else write(line))


@pytest.mark.parametrize("content", ["short", "é" * LONG_BYTES, [{"type": "text", "text": "in a list"}], "", None])
def test_what_a_tool_gave_is_passed_on_once(content: object) -> None:
    """What is told again changes nothing, and is not even read."""
    line = write(twice(content, tool_result_meta=[{"id": "toolu_1"}]))
    assert leave_out_result(line) == write({**tool_result(content), "timestamp": "2026-11-20T23:44:12.922Z"})
    assert read(line) == read(tool_result(content))


@pytest.mark.parametrize("bad", [b"\xff", b"\\ud83d", b"\\x", b'"'])
def test_what_is_not_passed_on_need_not_be_good(bad: bytes) -> None:
    """A byte that is no UTF-8 in what is told again leaves the result as the agent wrote it."""
    line = write(twice("a/b")).replace(b"a/b", b"a\\/b").replace(b"again again", b"again" + bad, 1)
    [said] = read(line)
    assert isinstance(said, Said) and said.body.endswith(b'"content":"a\\/b"')


def test_what_is_passed_on_is_mended_before_it_is_cut() -> None:
    """What is published is good Unicode, whatever else the line holds."""
    [said] = read(write(twice("a!")).replace(b"a!", b"a\xff"))
    assert members(said)["content"] == "a\ufffd"


@pytest.mark.parametrize(
    "content",
    [
        f'a/text that holds {BORDER}{{"a":1}}',
        [{"type": "json", "value": {"a": "a/b", "tool_use_result": {"b": 2}, "c": 3}}],
        [{"type": "json", "value": "a/b", "tool_use_result": "x" * LONG_BYTES}],
    ],
)
def test_the_border_inside_of_a_result_is_none(content: object) -> None:
    """Words that look like it are in a text, and an inner object may have a member of that name."""
    for line in (twice(content), {**tool_result(content), "x": "y" * LONG_BYTES}):
        [said] = read(write(line).replace(b"a/", b"a\\/"))
        assert isinstance(said, Said) and b"a\\/" in said.body
        assert members(said)["content"] == content


@pytest.mark.parametrize("again", [AGAIN, "short"])
def test_a_long_line_that_is_replayed_is_nothing(again: object) -> None:
    """The mark of it may stand before what is told again, where it was recorded, or behind."""
    line = twice("x" * LONG_BYTES, again, isReplay=True)
    assert read(line) == []
    assert read({key: line[key] for key in ("type", "isReplay", "message", "tool_use_result")}) == []


def test_half_of_a_long_line_is_not_read() -> None:
    """Although what would be passed on was whole: it is told as unreadable."""
    line = write(twice("whole"))[: -TAIL_BYTES // 2]
    assert leave_out_result(line) is None
    assert [type(fact) for fact in read(line)] == [Unreadable]


def test_only_what_is_long_is_left_out() -> None:
    """A line whose end holds the member would gain nothing; in a line of another type the member is not known."""
    assert leave_out_result(write({**assistant(text("a")), "tool_use_result": AGAIN})) is None
    assert leave_out_result(write(twice("x" * LONG_BYTES, "short"))) is None
    assert leave_out_result(write(tool_result("x" * LONG_BYTES))) is None


BITS = st.sampled_from(["é", "☃", "\U0001f600", "x"]).map(str.encode) | st.sampled_from(
    [b"\x80", b"\xc3", b"\xe2\x98", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80"]
)


def is_utf8(check: Callable[[bytes], object], line: bytes) -> bool:
    """Tell what a check says of a line."""
    try:
        check(line)
    except UnicodeDecodeError:
        return False
    return True


@steadily
@given(st.lists(BITS, max_size=6), st.integers(0, 8), st.integers(0, 2), st.integers(0, PIECE_BYTES))
def test_utf8_is_what_python_says(bits: list[bytes], before: int, pieces: int, behind: int) -> None:
    """Wherever a character lies, or half of one: in a piece, across two of them, or at the end."""
    line = b"x" * max(pieces * PIECE_BYTES - before, 0) + b"".join(bits) + b"y" * behind
    assert is_utf8(check_utf8, line) == is_utf8(bytes.decode, line)
