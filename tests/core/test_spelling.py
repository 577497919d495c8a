"""What a word with a slip is repaired to, against a comparison with every word that it could be."""

from collections.abc import Iterator
from typing import Final

import pytest

from concordiad.core.spelled import FAMOUS, OTHER_WORDS, VARIANTS, WORDS
from concordiad.core.spelling import is_slip, respelled

LETTERS: Final = "aeioudnst"


def slips_of(word: str) -> Iterator[str]:
    """Write a word with each slip there is, and with some that are none."""
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
        yield word[:at] + word[at] + word[at:]
        yield word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
        for letter in LETTERS:
            yield word[:at] + letter + word[at + 1 :]


@pytest.mark.parametrize("letter", sorted({word[0] for word in WORDS}))
def test_every_word_that_may_be_meant_is_found(letter: str) -> None:
    """Words are looked for by how they begin, how long they are and how they end: that loses none."""
    alike = [word for word in sorted(WORDS) if word[0] == letter]
    for typed in {slip for word in alike for slip in slips_of(word) if slip[:1] == letter}:
        if typed in FAMOUS or typed in VARIANTS or typed in WORDS or typed in OTHER_WORDS:
            continue
        meant = [word for word in alike if abs(len(word) - len(typed)) <= 1 and is_slip(typed, word)]
        assert respelled(typed) == (meant[0] if len(meant) == 1 else typed)
