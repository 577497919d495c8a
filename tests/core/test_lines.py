"""Bytes into lines: chunking never matters, and what is held has a limit."""

import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.lines import HEAD_BYTES, LineSplitter, Oversize
from tests.core.steadily import steadily

LIMIT = 8
SHORT = st.lists(st.sampled_from([b"\n", b"\n\n", b"a", b"bc", b"\r", b"\0", b"x" * LIMIT, b"\xff" * 9]), max_size=20)
LONG = st.lists(
    st.sampled_from([b"\n", b"a", b"x" * (HEAD_BYTES - 1), b"y" * HEAD_BYTES, b"z" * (HEAD_BYTES + 1)]), max_size=7
)


def cut_naively(stream: bytes, limit_bytes: int) -> tuple[list[bytes | Oversize], bytes]:
    """Do what a splitter does, with all of the stream at hand: the lines, and what is left without a newline."""
    *lines, rest = stream.split(b"\n")
    cut: list[bytes | Oversize] = [
        line if len(line) <= limit_bytes else Oversize(len(line), line[:HEAD_BYTES], line[-HEAD_BYTES:])
        for line in lines
        if line
    ]
    return cut, rest if len(rest) <= limit_bytes else rest[:HEAD_BYTES]


def split(chunks: Sequence[bytes], limit_bytes: int) -> tuple[list[bytes | Oversize], bytes]:
    """Let a splitter do it, chunk by chunk."""
    splitter = LineSplitter(limit_bytes)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines, splitter.end()


def chunks_of(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut a stream at these places."""
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[first:last] for first, last in pairwise(places)]


@steadily
@given(SHORT, st.lists(st.integers(0, 200), max_size=10))
def test_chunking_never_matters(parts: list[bytes], cuts: list[int]) -> None:
    """However a stream is cut into chunks, the lines, the oversize ones and the rest are the same."""
    stream = b"".join(parts)
    assert split(chunks_of(stream, cuts), LIMIT) == cut_naively(stream, LIMIT)


@steadily
@given(SHORT, st.lists(st.integers(0, 200), max_size=10), st.sampled_from([LIMIT, 1000]))
def test_blocks_hold_the_same_lines(parts: list[bytes], cuts: list[int], limit_bytes: int) -> None:
    """Lines that are handed on in one piece are the lines, and no piece is empty or longer than a line may be."""
    stream = b"".join(parts)
    splitter = LineSplitter(limit_bytes)
    blocks = [block for chunk in chunks_of(stream, cuts) for block in splitter.feed_blocks(chunk)]
    assert all(isinstance(block, Oversize) or 0 < len(block) <= limit_bytes for block in blocks)
    cut = [[block] if isinstance(block, Oversize) else block.split(b"\n") for block in blocks]
    assert [line for lines in cut for line in lines if line] == cut_naively(stream, limit_bytes)[0]


@steadily
@given(LONG, st.lists(st.integers(0, 8 * HEAD_BYTES), max_size=6), st.sampled_from([LIMIT, HEAD_BYTES, 3 * HEAD_BYTES]))
def test_chunking_never_matters_to_heads_and_tails(parts: list[bytes], cuts: list[int], limit_bytes: int) -> None:
    """The same is true of lines longer than what is kept of an oversize one."""
    stream = b"".join(parts)
    assert split(chunks_of(stream, cuts), limit_bytes) == cut_naively(stream, limit_bytes)


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("size", range(1, LIMIT + 3))
def test_limit_is_exact(length: int, size: int) -> None:
    """A line of the limit's length is whole and one byte more is not, whatever the size of the chunks."""
    line = bytes(range(65, 65 + length))
    expected = line if length <= LIMIT else Oversize(length, line, line)
    stream = line + b"\n"
    chunks = [stream[first : first + size] for first in range(0, len(stream), size)]
    assert split(chunks, LIMIT) == ([expected], b"")


def test_empty_lines_are_nothing() -> None:
    """Newlines alone give no line, in one chunk or in many."""
    assert split([b"\n\n", b"\n", b"", b"a\n\n", b"\n"], LIMIT) == ([b"a"], b"")


def test_part_of_a_line_is_told() -> None:
    """Whether a line was begun can be asked, also of one that is over the limit already."""
    splitter = LineSplitter(LIMIT)
    told = [splitter.has_part]
    for chunk in (b"ab", b"c\n", b"x" * 20, b"y", b"\n"):
        splitter.feed(chunk)
        told.append(splitter.has_part)
    assert told == [False, True, False, True, True, False]


def test_memory_is_bounded() -> None:
    """A line without an end costs no more than the limit, a chunk, and what is kept of its ends."""
    limit_bytes, chunk = 4 * HEAD_BYTES, b"x" * HEAD_BYTES
    splitter = LineSplitter(limit_bytes)
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert splitter.feed(chunk) == []
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The moment when a line turns out to be oversize, it is there in parts and as a whole.
    assert peak_bytes < 2 * limit_bytes + 4 * HEAD_BYTES
    [line] = splitter.feed(b"\n")
    assert isinstance(line, Oversize) and line.length == 1000 * HEAD_BYTES


@steadily
@given(SHORT, st.lists(st.integers(0, 200), max_size=10), st.integers(0, 10))
def test_another_splitter_goes_on_from_what_one_remembers(parts: list[bytes], cuts: list[int], number: int) -> None:
    """Anywhere, from its memory and no more bytes again than a line may have, it gives what the first one would."""
    stream = b"".join(parts)
    chunks = chunks_of(stream, cuts)
    number %= len(chunks) + 1
    first, second = LineSplitter(LIMIT), LineSplitter(LIMIT)
    lines = [line for chunk in chunks[:number] for line in first.feed(chunk)]
    place = sum(map(len, chunks[:number]))
    assert first.needed_bytes <= LIMIT
    second.recall(first.remember())
    lines += second.feed(stream[place - first.needed_bytes :])
    assert (lines, second.end()) == cut_naively(stream, LIMIT)
