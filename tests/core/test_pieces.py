"""Long work gives the same in pieces as at a stretch, and its pieces are short."""

import sys
import tracemalloc
from types import FrameType
from typing import Final

import msgspec
import pytest

from concordiad.core.checks import HEAD
from concordiad.core.codes import INVALID_PARAMS
from concordiad.core.layout import PARTS, STRIPPED, Kind, Part, parting, parts_of
from concordiad.core.params import PromptSubmit
from concordiad.core.pieces import Pieces, whole
from concordiad.core.portions import PART_CHARS
from concordiad.core.similarity import features, reading
from concordiad.core.views import WRITTEN, members, writing, writing_members, writing_rows
from concordiad.core.wire import BadRequest, decode_request, decoding

LONG: Final = "word " * 2000
BLOCK: Final = "line\n" * 50_000
DONE: Final = object()
COSTLY: Final = [
    "¿ ",
    "¡a ",
    "A. ",
    "a ",
    "ABC ,",
    "ä‘ ",
    "’ ! ¡\n",
    "change can the color colour ‘a’ “a”\n",
    "a? I\n",
    "漢字 ¡ 1.2\n",
    "‘a’ ",
    "please ",
    "it's thanks ",
    "a\n\n",
    "  x = 1\n",
    "the color colour don't ",
]
MOST_CALLS: Final = 10_000
"""On a machine where a million of them take half a second, 5 ms."""
QUOTES: Final = "`a` \"b\" 'c' " * 300


def count(pieces: Pieces[object]) -> int:
    """Count how often work lets go."""
    return sum(1 for _ in pieces)


def most_calls(pieces: Pieces[object]) -> int:
    """Count the calls of functions in the piece of the work that has most of them: no clock is as steady."""
    most = calls = 0

    def hear(frame: FrameType, kind: str, _: object) -> None:
        nonlocal calls
        calls += kind in ("call", "c_call")

    while True:
        calls = 0
        sys.setprofile(hear)
        try:
            is_over = next(pieces, DONE) is DONE
        finally:
            sys.setprofile(None)
        most = max(most, calls)
        if is_over:
            return most


def submission(text: str) -> bytes:
    """Write a request."""
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "id": 1, "method": "prompt.submit", "params": {"text": text, "key": "k"}}
    )


@pytest.mark.parametrize("length", [250, 1000, 4000])
@pytest.mark.parametrize("unit", COSTLY)
def test_no_piece_of_reading_is_long(unit: str, length: int) -> None:
    """Each is at most some milliseconds of work, whatever rule a text is made to cost."""
    features(unit)  # what reads is imported with the first prompt
    assert most_calls(reading((unit * length)[:length])) < MOST_CALLS


def test_long_texts_that_differ_at_their_end_are_not_the_same() -> None:
    """What is hashed in portions is hashed to its end."""
    long = "word " * PART_CHARS
    assert features(long + "one").same == features(long + "one").same != features(long + "two").same


def test_what_came_of_the_pieces_is_told() -> None:
    """However often the work lets go."""

    def counted() -> Pieces[int]:
        yield
        yield
        return 3

    assert whole(counted()) == 3


@pytest.mark.parametrize("blanks", [1, STRIPPED - 1, STRIPPED, STRIPPED + 1, 3 * STRIPPED])
def test_blanks_at_the_ends_of_a_long_text_count_for_nothing(blanks: int) -> None:
    """Empty lines at both, blanks at its end, wherever the pieces part them; blanks before the first word count."""
    text = LONG.rstrip()
    assert parts_of("\n" * blanks + text + " \t\n" * blanks) == [Part(Kind.EXACT, text)]
    assert parts_of("\n" * blanks + " " * blanks + text) == [Part(Kind.EXACT, " " * blanks + text)]
    assert parts_of("\n" * blanks) == []


def test_a_costly_text_is_read_in_short_pieces() -> None:
    """What is made of many parts lets go after some of them; what is all blanks, after some of those."""
    assert count(parting(QUOTES)) >= len(parts_of(QUOTES)) // PARTS
    assert count(parting("\n" * 10 * STRIPPED + "ok")) >= 9
    assert whole(reading(QUOTES)) == features(QUOTES)


@pytest.mark.parametrize("before", [0, WRITTEN - 2, WRITTEN - 1, WRITTEN, 2 * WRITTEN])
def test_a_long_text_is_written_alike_in_pieces(before: int) -> None:
    """Whatever stands where the pieces meet: an escape, a letter of several bytes."""
    text = "x" * before + '😀é"\\\n\x01漢' * 3
    assert members(text=whole(writing(text)), place=1) == members(text=text, place=1)


def taken_at_once(pieces: Pieces[object]) -> list[int]:
    """Count the bytes of new memory that each piece of a work needs at the most."""
    taken = []
    tracemalloc.start()
    try:
        is_done = False
        while not is_done:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            is_done = next(pieces, DONE) is DONE
            taken.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return taken


def test_no_piece_writes_a_long_text_twice() -> None:
    """An event's body: the kernel may be slow to give memory, so each writing of all of it is a piece of its own."""

    def body() -> Pieces[bytes]:
        return (yield from writing_members(text=(yield from writing(BLOCK))))

    # The encoder asks for half as much again, and gives it back unused.
    assert max(taken_at_once(body())) < 1.6 * len(BLOCK)


@pytest.mark.parametrize("text", [BLOCK, "\x01" * 60 * HEAD + "ok"], ids=["text", "blanks"])
def test_a_long_request_is_copied_once(text: str) -> None:
    """As the text that it hands in; nothing that checks it makes another one."""
    message = submission(text).decode()
    # What reads params is made when it is needed first.
    decode_request(message)
    taken = taken_at_once(decoding(message))
    assert [size >= len(text) / 2 for size in taken].count(True) == 1


def test_a_long_text_is_hashed_by_the_part() -> None:
    """It is one part in the comparison, and written anew as a whole but once: with what tells so before it."""
    text = BLOCK + "end"
    whole(reading(text))
    assert [size >= len(text) / 2 for size in taken_at_once(reading(text))].count(True) == 1


@pytest.mark.parametrize("text", ["ok", BLOCK, '"' * 3 * WRITTEN])
def test_rows_are_written_alike_in_pieces(text: str) -> None:
    """Each lets go, so that a page of them is no longer a step than one."""
    rows: list[dict[str, object]] = [{"id": "1", "text": text, "place": 1}, {"id": "2", "text": "", "place": None}]
    assert msgspec.json.encode(whole(writing_rows(rows))) == msgspec.json.encode(rows)
    assert count(writing_rows(rows)) >= 2


def test_a_short_text_is_written_with_the_rest() -> None:
    """It is not worth a piece of its own."""
    assert whole(writing("ok")) == "ok"


def test_a_long_request_is_read_in_pieces() -> None:
    """Its envelope, what it has, and each of that; one that nobody would wait for, at a stretch."""
    assert count(decoding(submission("run the tests"))) == 0
    assert count(decoding(submission("\n" * 250_000 + "ok"))) >= 4
    request = decode_request(submission("\n" * 250_000 + "ok"))
    assert request.params == PromptSubmit("\n" * 250_000 + "ok", key="k")


@pytest.mark.parametrize("blank", [" ", "\x01 ", "\xad\xa0", "\u200b"])
def test_a_long_text_of_nothing_that_can_be_seen_is_refused(blank: str) -> None:
    """One letter at its end and it is taken, whatever else there is."""
    with pytest.raises(BadRequest, match="blank") as refused:
        decode_request(submission(blank * HEAD))
    assert refused.value.code is INVALID_PARAMS
    for letter in ("a", "é"):
        text = blank * HEAD + letter
        assert decode_request(submission(text)).params == PromptSubmit(text, key="k")
