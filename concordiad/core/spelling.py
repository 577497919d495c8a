"""
Which misspelled words are surely meant as another one, and which words have two spellings.

Laws: a word that exists is never taken for a misspelling, so nothing here is guessed from one letter: "test" is no
"text", "casual" no "causal", "exiting" no "existing". Only words of WORDS are repaired to, and only by the slips of
`is_slip`.
"""

from collections import defaultdict
from typing import Final

from rapidfuzz.distance import OSA

from concordiad.core.spelled import FAMOUS, OTHER_WORDS, VARIANTS, WORDS

SHORTEST: Final = 6
"""Letters of a word that is repaired to: below, too many words are one slip from another."""
VOWELS: Final = frozenset("aeiou")


def is_slip(typed: str, meant: str) -> bool:
    """
    Tell whether one word is another one with one slip of the fingers.

    That is two neighbours swapped, a letter left out, a letter struck twice, or one vowel for another: never in the
    first letter, and never one more or less at the end, where grammar is.
    """
    if typed[0] != meant[0] or OSA.distance(typed, meant, score_cutoff=1) != 1:
        return False
    if len(typed) < len(meant):
        return typed[-1] == meant[-1]
    at = next(place for place, letter in enumerate(typed) if meant[place : place + 1] != letter)
    if len(typed) > len(meant):
        return typed[-1] == meant[-1] and typed[at] == typed[at - 1] and at < len(meant)
    if typed[at] in VOWELS and meant[at] in VOWELS and typed[at + 1 :] == meant[at + 1 :]:
        return at < len(meant) - 1
    return sorted(typed) == sorted(meant)


def _by_look(words: frozenset[str]) -> dict[tuple[str, int, str], list[str]]:
    shelves: dict[tuple[str, int, str], list[str]] = defaultdict(list)
    for word in sorted(words):
        for length in (len(word) - 1, len(word) + 1):
            shelves[word[0], length, word[-1]].append(word)
        # Only where the last two letters are swapped is the last one another.
        for last in {word[-1], word[-2]}:
            shelves[word[0], len(word), last].append(word)
    return dict(shelves)


SHELVES: Final = _by_look(WORDS)
"""The words that one may be meant as, by its first letter, its length and its last letter."""


def respelled(word: str) -> str:
    """Write a lower-case word as it is told by: repaired if there is no doubt, American, or as it is."""
    if word in FAMOUS:
        return FAMOUS[word]
    if word in VARIANTS:
        return VARIANTS[word]
    if len(word) < SHORTEST - 1 or word in WORDS or word in OTHER_WORDS or not word.isascii():
        return word
    meant = [known for known in SHELVES.get((word[0], len(word), word[-1]), ()) if is_slip(word, known)]
    return meant[0] if len(meant) == 1 else word


def is_variant(word: str) -> bool:
    """Tell whether a word is no misspelling, but the British spelling of another."""
    return word in VARIANTS
