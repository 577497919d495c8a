import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from ctl.harmless import LiveText, first_line, harmless, harmless_json


def test_escapes_become_signs() -> None:
    """An escape sequence is seen and does nothing."""
    assert harmless("\x1b[31mred\x1b]0;title\x07") == "␛[31mred␛]0;title␇"


def test_c1_controls_become_signs() -> None:
    """The one-character form of the escapes is seen too."""
    assert harmless("\x9b31m") == "<9B>31m"


def test_newlines_and_tabs_stay() -> None:
    """What makes text readable is kept; a DOS line end is one line end."""
    assert harmless("a\tb\r\nc\nd\re") == "a\tb\nc\nd␍e"


def test_bidirectional_overrides_become_signs() -> None:
    """Code cannot be made to read backwards."""
    assert harmless("a\u202eb\u2066c") == "a<U+202E>b<U+2066>c"


def test_a_first_line_tells_that_there_is_more() -> None:
    """A list shows one line of a text of many."""
    assert first_line("\n  one\ttwo \nthree\n") == "one two …"


@given(st.text())
def test_harmless_text_has_no_control_characters(text: str) -> None:
    """Nothing that moves the cursor comes through."""
    assert not [c for c in harmless(text) if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0]


@given(st.text(st.characters()))
def test_harmless_json_means_the_same(text: str) -> None:
    """The escapes in JSON are only another way of writing the same."""
    written = harmless_json(json.dumps(text, ensure_ascii=False))
    assert text == json.loads(written)
    assert "\x9b" not in written


@given(st.text(st.sampled_from("ab\r\n\x1bü\U0001f600")), st.lists(st.integers(0, 20)))
def test_live_text_gives_every_character_once(text: str, cuts: list[int]) -> None:
    """However the pieces were cut, the whole is what the whole block would have been."""
    live = LiveText()
    given_out = ""
    borders = sorted({min(cut, len(text)) for cut in cuts} | {0})
    for start, end in itertools.pairwise(borders):
        given_out += live.delta(start, text[start:end])
    assert harmless(text) == given_out + live.whole(text)


def test_a_piece_that_does_not_join_is_dropped() -> None:
    """A gap is not papered over; the whole block fills it."""
    live = LiveText()
    assert [live.delta(0, "ab"), live.delta(4, "ef"), live.whole("abcdef")] == ["ab", "", "cdef"]
