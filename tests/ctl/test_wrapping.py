import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctl.wrapping import Wrapper


def wrapped(text: str, width: int | None = 24, margin: int = 2) -> str:
    """Wrap a whole text."""
    wrapper = Wrapper(width, margin)
    return wrapper.feed(text) + wrapper.end()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("one two three four five six", "one two three four\n  five six"),
        ("  code(a)\n  code(b)", "  code(a)\n    code(b)"),
        ("a\n\nb", "a\n  \n  b"),
        (f"see {'x' * 40} there", f"see\n  {'x' * 40}\n  there"),
        ("日本語 日本語 日本語 日本語", "日本語 日本語 日本語\n  日本語"),
        ("\x1b[31mone\x1b[0m \x1b[31mtwo\x1b[0m three four", "\x1b[31mone\x1b[0m \x1b[31mtwo\x1b[0m three four"),
    ],
)
def test_lines_are_broken_between_words(text: str, expected: str) -> None:
    """At 22 columns, behind a margin of 2; colours take no room and long words are left alone."""
    assert expected == wrapped(text)


def test_without_a_width_nothing_is_broken() -> None:
    """A pipe has no edge; the margin stays."""
    assert wrapped("x " * 100 + "\ny", width=None) == "x " * 99 + "x\n  y"


@given(st.text(st.sampled_from("ab \n\t日")), st.lists(st.integers(0, 80)))
def test_pieces_are_wrapped_like_the_whole(text: str, cuts: list[int]) -> None:
    """However they come."""
    wrapper = Wrapper(24, 2)
    borders = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [wrapper.feed(text[start:end]) for start, end in itertools.pairwise(borders)]
    assert wrapped(text) == "".join(pieces) + wrapper.end()
