"""Lines that are read together: the same comes of them as one by one, but pieces of a text become one."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from concordiad.core.agents import Fact, Said, Unreadable
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.agents.claude_lines import LONG_BYTES
from tests.core.agents.listening import codec_in_turn, feed, members, new_codec
from tests.core.agents.speech import EVERY_KIND, OPENING, PLAIN_TURN, Line, assistant, block_start, delta, text, write
from tests.core.steadily import steadily


def together(codec: ClaudeCode, *lines: Line | bytes) -> list[Fact]:
    """Let a codec read lines in one piece."""
    return codec.decode(b"\n".join(line if isinstance(line, bytes) else write(line) for line in lines))


def joined(facts: list[Fact]) -> list[Any]:
    """Return facts with the pieces that stand together joined."""
    found: list[Any] = []
    for fact in facts:
        if not isinstance(fact, Said) or fact.event_type != "agent.delta":
            found.append(fact)
            continue
        piece = members(fact)
        last = found[-1] if found and isinstance(found[-1], dict) else {}
        if [last.get(name) for name in ("turn", "block", "kind")] == [
            piece[name] for name in ("turn", "block", "kind")
        ]:
            assert piece["offset"] == last["offset"] + len(last["text"])
            last["text"] += piece["text"]
        else:
            found.append(piece)
    return found


def test_pieces_that_are_read_together_are_one() -> None:
    """A burst costs everybody behind the codec one event; a piece of another kind begins another."""
    codec = codec_in_turn()
    feed(codec, [block_start()])
    facts = together(codec, delta("hé"), delta("l"), delta("lo"), delta("hm", "thinking"), delta("!"))
    assert [(members(each)["text"], members(each)["offset"]) for each in facts] == [("héllo", 0), ("hm", 5), ("!", 7)]


@pytest.mark.parametrize(
    "bad",
    [b"no line", b'{"type":', b'{"type":5}', b'{"type":"stream_event"}', b'{"type":"stream_event","event":7}', b"\xff"],
)
def test_a_bad_line_among_others_is_one_bad_line(bad: bytes) -> None:
    """Those before it and behind it are read all the same."""
    codec = codec_in_turn()
    feed(codec, [block_start()])
    facts = together(codec, delta("a"), bad, delta("b"))
    assert [type(fact) for fact in facts] == [Said, Unreadable, Said]


def test_an_empty_line_among_others_is_nothing() -> None:
    """As it is alone."""
    codec = codec_in_turn()
    feed(codec, [block_start()])
    assert len(joined(together(codec, delta("a"), b"", b"", delta("b")))) == 1


def test_lines_of_a_subagent_among_others_are_left_out() -> None:
    """What it streams is not the turn's text, and is left out alone too."""
    codec = codec_in_turn()
    feed(codec, [block_start()])
    stranger = {**delta("x"), "parent_tool_use_id": "toolu_1"}
    [said] = together(codec, delta("a"), stranger, delta("b"))
    assert members(said)["text"] == "ab"
    assert feed(codec, [stranger]) == []


def test_a_text_that_speaks_of_surrogates_is_passed_on_as_it_is() -> None:
    """Only half of a pair is mended, not the words for it."""
    codec = codec_in_turn()
    [said] = codec.decode(write(assistant(text("\\ud83d"))))
    assert isinstance(said, Said) and said.body.endswith(b'"text":"\\\\ud83d"')


@pytest.mark.parametrize("letter", ["x", "ä", "\U0001f600"])
def test_a_long_line_is_read_like_a_short_one(letter: str) -> None:
    """Also where a letter lies across two of the pieces that it is checked in."""
    codec = codec_in_turn()
    words = "y" + letter * LONG_BYTES
    [said] = codec.decode(write(assistant(text(words))))
    assert members(said)["text"] == words


def test_a_long_line_with_a_bad_byte_is_mended() -> None:
    """In whichever piece it is, and though it be the last byte of a letter that is missing."""
    codec = codec_in_turn()
    line = write(assistant(text("ä" * LONG_BYTES + "!")))
    [said] = codec.decode(line.replace(b"\xa4!", b"!"))
    assert members(said)["text"] == "ä" * (LONG_BYTES - 1) + "\ufffd!"


@pytest.mark.parametrize("size", [1000, LONG_BYTES, 10 * LONG_BYTES])
def test_a_long_piece_is_read_like_a_short_one(size: int) -> None:
    """Alone and among others."""
    words = "é" * size
    for read in (feed, lambda codec, lines: together(codec, *lines)):
        codec = codec_in_turn()
        facts = read(codec, [block_start(), delta(words), assistant(text(words))])
        assert [members(fact)["text"] for fact in facts] == [words, words]


STREAMED = [block_start(), block_start("thinking"), delta("a"), delta("é\U0001f600"), delta(""), delta("b", "thinking")]
STREAMED += [delta("c3R1Yg==", "signature"), delta('{"a"', "input_json"), {**delta("x"), "parent_tool_use_id": "t"}]
BROKEN = [b"", b" ", b"hello", b"{}", b"5", b'{"type":"stream_event"}', b"\xff", b'{"type":"stream_event",']
BROKEN += [
    b'{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"%b"}}}' % value
    for value in (b"\xff", b"\\ud83d", b"\\ud83d\\ude00", b"C:\\\\udd")
]
LINES = st.sampled_from([*map(write, EVERY_KIND), *map(write, STREAMED)]) | st.sampled_from(BROKEN)


@settings(steadily, max_examples=500)
@given(st.lists(LINES, max_size=20), st.lists(st.integers(0, 20), max_size=3))
@example([write(line) for line in PLAIN_TURN], [])
def test_together_is_as_one_by_one(lines: list[bytes], cuts: list[int]) -> None:
    """
    Whatever the lines are, and however they are handed over: in one piece, in some, or singly.

    Left out are lines that hold two values: which of the lines beside them is told as unreadable is of no account.
    """
    lines = [*map(write, OPENING), *lines]
    places = sorted({0, len(lines), *(cut % len(lines) for cut in cuts)})
    pieces = [piece for first, last in pairwise(places) if (piece := b"\n".join(lines[first:last]))]
    alone, others = new_codec(), new_codec()
    expected = [fact for line in lines if line for fact in alone.decode(line)]
    assert joined([fact for piece in pieces for fact in others.decode(piece)]) == joined(expected)
