"""Many lines at once are the same as one after the other, but that neighbouring pieces of a block become one."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from concordiad.core.agents import Fact, Said
from tests.core.agents.listening import live, members, new_codec, spoken, whole
from tests.core.agents.speech import (
    EVERY_KIND,
    OPENING,
    PLAIN_TURN,
    Line,
    assistant,
    block_start,
    delta,
    text,
    thinking,
    write,
)
from tests.core.steadily import steadily

STREAMED = [block_start(), block_start("thinking"), *(delta(piece) for piece in ("a", "é\U0001f600", ""))]
STREAMED += [delta("b", "thinking"), delta("c3R1Yg==", "signature"), delta('{"a"', "input_json")]
BROKEN = [b"", b" ", b"hello", b"{}", b"5", b'{"type":"stream_event"}', b"\xff", b'{"type":"stream_event",']
BROKEN += [
    b'{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"%b"}}}' % value
    for value in (b"\xff", b"\\ud83d", b"\\ud83d\\ude00", b"C:\\\\udd")
]


def joined(facts: Iterable[Fact]) -> list[Fact | dict[str, Any]]:
    """Return facts with the neighbouring pieces of a block put together."""
    result: list[Fact | dict[str, Any]] = []
    for fact in facts:
        piece = members(fact) if isinstance(fact, Said) and fact.event_type == "agent.delta" else None
        last = result[-1] if result else None
        if piece is None:
            result.append(fact)
        elif isinstance(last, dict) and all(last[key] == piece[key] for key in ("turn", "block", "kind")):
            assert piece["offset"] == last["offset"] + len(last["text"])
            last["text"] += piece["text"]
        else:
            result.append(piece)
    return result


@settings(steadily, max_examples=500)
@given(
    st.lists(st.sampled_from([*map(write, EVERY_KIND), *map(write, STREAMED)]) | st.sampled_from(BROKEN), max_size=20),
    st.lists(st.integers(0, 20), max_size=3),
)
@example([write(line) for line in PLAIN_TURN], [])
def test_many_lines_at_once_are_the_same(lines: list[bytes], cuts: list[int]) -> None:
    """
    However lines are handed over, in one piece, in some, or singly, they state the same facts in the same order.

    Left out are lines that hold two values: which of the lines beside them is told as unreadable is of no account.
    """
    lines = [*map(write, OPENING), *lines]
    places = sorted({0, len(lines), *(cut % len(lines) for cut in cuts)})
    pieces = [b"\n".join(lines[first:last]) for first, last in itertools.pairwise(places)]
    one_by_one, at_once = new_codec(), new_codec()
    expected = [fact for line in lines if line for fact in one_by_one.decode(line)]
    assert joined(fact for piece in pieces if piece for fact in at_once.decode(piece)) == joined(expected)


def test_pieces_that_stand_together_become_one() -> None:
    """A chunk full of pieces is one event for each block, not one for each piece."""
    lines: list[Line] = [
        *OPENING,
        block_start("thinking"),
        *(delta(piece, "thinking") for piece in ("hm", "m")),
        assistant(thinking("hmm")),
        block_start(),
        *map(delta, ("one ", "two ", "three")),
    ]
    assert spoken(new_codec().decode(b"\n".join(map(write, lines)))) == [
        live(0, 0, "hmm", "thinking"),
        whole("agent.thinking", 0, text="hmm"),
        live(1, 0, "one two three"),
    ]


@pytest.mark.parametrize("size", [1000, 65_000, 70_000, 1_000_000])
def test_long_lines_are_like_short_ones(size: int) -> None:
    """A line's length changes nothing of what it states."""
    value = "é" * size
    lines: list[Line] = [*OPENING, block_start(), delta(value), assistant(text(value))]
    for facts in (
        new_codec().decode(b"\n".join(map(write, lines))),
        [fact for codec in [new_codec()] for line in lines for fact in codec.decode(write(line))],
    ):
        assert spoken(facts) == [live(0, 0, value), whole("agent.text", 0, text=value)]


def test_subagents_stream_is_no_piece_of_ours() -> None:
    """A stream event of a subagent, should there ever be one, is left out also between our own pieces."""
    stranger = {**delta("sub"), "parent_tool_use_id": "toolu_1"}
    lines = [*OPENING, block_start(), delta("a"), stranger, {**block_start(), "parent_tool_use_id": "t"}, delta("b")]
    for facts in (
        new_codec().decode(b"\n".join(map(write, lines))),
        [fact for codec in [new_codec()] for line in lines for fact in codec.decode(write(line))],
    ):
        assert joined(fact for fact in facts if isinstance(fact, Said)) == [live(0, 0, "ab")]
