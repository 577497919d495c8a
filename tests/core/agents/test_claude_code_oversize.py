"""A line that is too long to be handled whole still tells what it was, and a result still ends its turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.agents import ConversationLost, Ended, Fact, OwnTurnBegan
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.lines import HEAD_BYTES, LineSplitter, Oversize
from concordiad.core.model import Outcome
from tests.core.agents.listening import ENDED, codec_in_turn, feed, members, new_codec
from tests.core.agents.speech import (
    LOST_CONVERSATION,
    SESSION,
    TURN,
    assistant,
    block_start,
    delta,
    result,
    text,
    tool_result,
    tool_use,
    write,
)
from tests.core.steadily import steadily

LIMIT = 4096


def decode_as_oversize(codec: ClaudeCode, line: bytes, limit_bytes: int = LIMIT) -> list[Fact]:
    """Let a line come through a splitter that does not let it through whole."""
    [cut] = LineSplitter(limit_bytes).feed(line + b"\n")
    assert isinstance(cut, Oversize)
    return codec.decode(cut)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (assistant(text("x" * 200_000)), "assistant"),
        (assistant(tool_use(content="x" * 200_000)), "assistant"),
        (tool_result("x" * 200_000), "user"),
        ({"type": "tomorrow", "x": "x" * 200_000}, "tomorrow"),
        ({"x": "x" * 200_000}, "unknown"),
    ],
)
def test_oversize_line_is_told_by_its_kind(line: dict[str, object], kind: str) -> None:
    """An oversize line is an event of its turn, with its kind and its size."""
    written = write(line)
    [said] = decode_as_oversize(codec_in_turn(), written)
    expected = {"live": False, "turn": TURN, "block": None, "bytes": len(written), "kind": kind}
    assert members(said) == {"type": "agent.oversize", **expected}


def test_oversize_block_is_no_open_block_any_more() -> None:
    """The block that was streamed has come to its end, oversize; the next one is another."""
    codec = codec_in_turn()
    feed(codec, [block_start()])
    [ended] = decode_as_oversize(codec, write(assistant(text("x" * 200_000))))
    assert members(ended)["block"] == 0
    [said] = feed(codec, [assistant(text("next"))])
    assert members(said)["block"] == 1


def test_oversize_line_outside_a_turn_begins_one() -> None:
    """What the agent says of its own accord is of a turn, however long it is."""
    began, said = decode_as_oversize(new_codec(), write(assistant(text("x" * 200_000))))
    assert began == OwnTurnBegan("own-1", "")
    assert members(said)["turn"] == "own-1"


@pytest.mark.parametrize("limit_bytes", [LIMIT, HEAD_BYTES, 4 * HEAD_BYTES])
@pytest.mark.parametrize(
    "piece", ["x", '"', "\\", '\\"', '","', '\\","', "é", "\U0001f600", '{"type":"assistant"', "\n"]
)
def test_oversize_result_ends_its_turn(limit_bytes: int, piece: str) -> None:
    """Whatever the answer is made of, its turn ends with its outcome and every figure; only the answer is lost."""
    codec = codec_in_turn()
    written = write(result(piece * (5 * HEAD_BYTES // len(piece))))
    said, ended = decode_as_oversize(codec, written, limit_bytes)
    assert members(said)["kind"] == "result"
    assert ended == ENDED._replace(answer=None)
    assert feed(codec, [assistant(text("next"))])[0] == OwnTurnBegan("own-1", "")


PIECES = st.lists(st.sampled_from(["x", '"', "\\", ",", '","', '":"', "é", "}", '"result":"']), min_size=1, max_size=8)


@steadily
@given(PIECES, st.integers(-20, 20), st.sampled_from([HEAD_BYTES, 2 * HEAD_BYTES, 3 * HEAD_BYTES]))
def test_answer_may_be_cut_at_any_place(pieces: list[str], extra: int, length: int) -> None:
    """Wherever the ends of what is kept cut the answer, between a quote and its backslash too, no figure is lost."""
    answer = "".join(pieces)
    answer = (answer * (length // len(answer) + 1))[: length + extra]
    *_, ended = decode_as_oversize(codec_in_turn(), write(result(answer)))
    assert ended == ENDED._replace(answer=None)


def test_result_may_be_cut_before_its_answer() -> None:
    """Where a line is hardly longer than what is kept, its tail begins with any byte of what is before the answer."""
    before = write(result("ANSWER")).index(b"ANSWER")
    shortest = HEAD_BYTES - len(write(result("")))
    for place in range(before + 8):
        answer = "x" * (shortest + place)
        *_, ended = decode_as_oversize(codec_in_turn(), write(result(answer)))
        assert isinstance(ended, Ended) and ended.answer in (None, answer)
        assert ended._replace(answer=None) == ENDED._replace(answer=None), place


def test_oversize_result_of_an_interrupted_turn() -> None:
    """The outcome stands before the answer and is not lost with it."""
    line = result("x" * 200_000, terminal_reason="aborted_streaming", is_error=True)
    *_, ended = decode_as_oversize(codec_in_turn(), write(line))
    expected = ENDED._replace(outcome=Outcome.INTERRUPTED, reason="aborted_streaming", answer=None)
    assert ended == expected


def test_oversize_result_of_an_own_turn() -> None:
    """A result that names no line of ours ends a turn of the agent's own, not the one of ours that waits."""
    codec = codec_in_turn()
    _, began, ended = decode_as_oversize(codec, write(result("x" * 200_000, None)))
    assert began == OwnTurnBegan("own-1", "")
    assert ended == ENDED._replace(turn="own-1", is_ours=False, answer=None)


@pytest.mark.parametrize("size", [1000, HEAD_BYTES - 200, HEAD_BYTES, 3 * HEAD_BYTES])
@pytest.mark.parametrize("key", ["result", "content"])
def test_refused_tool_may_make_a_result_oversize(size: int, key: str) -> None:
    """A refused call is in the result with its whole input, before the answer: the figures after it are not lost."""
    denial = {"tool_name": "Write", "tool_input": {"a": "b", key: "y" * size, "file_path": "x", "mode": "w"}}
    *_, ended = decode_as_oversize(codec_in_turn(), write(result("x" * LIMIT, permission_denials=[denial])))
    assert isinstance(ended, Ended) and ended.answer in (None, "x" * LIMIT)
    assert ended._replace(answer=None) == ENDED._replace(answer=None)


def test_oversize_conversation_is_lost_all_the_same() -> None:
    """The result that begins with its type is read by its members too."""
    line = {**LOST_CONVERSATION, "permission_denials": ["x" * LIMIT]}
    assert decode_as_oversize(new_codec(), write(line))[1:] == [ConversationLost(SESSION)]


def test_oversize_line_of_a_subagent_disturbs_no_block() -> None:
    """A subagent's line, or a tool's result, is neither the block that is streamed nor the beginning of a turn."""
    codec = codec_in_turn()
    feed(codec, [block_start(), delta("one ")])
    for line in (assistant(text("x" * LIMIT), parent="toolu_1"), tool_result("x" * LIMIT)):
        decode_as_oversize(codec, write(line))
    assert [members(fact)["offset"] for fact in feed(codec, [delta("two")])] == [4]
    outside = new_codec()
    [said] = decode_as_oversize(outside, write(assistant(text("x" * LIMIT), parent="toolu_1")))
    assert members(said)["turn"] is None
