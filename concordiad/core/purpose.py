"""
What a text asks for, as far as two texts have to agree in it so that a model may be believed that they mean the same.

Laws: what is found depends on the text alone; every word counts but a few of mere phrasing, so on doubt two texts ask
for different things; that they do is as true of the one as of the other.
"""

import re
import unicodedata
from typing import Final

from attrs import frozen

from concordiad.core.details import WORD, Details
from concordiad.core.vocabulary import PHRASING, QUESTION_VERBS, QUESTION_WORDS, SYNONYMS

ASKED: Final = re.compile(r"[?\uff1f\u061f](?=[\s)\"']|\Z)")
"""A mark that ends a question, and not one in an address."""
HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a word begins in a name such as `testLogin`."""


@frozen
class Purpose:
    """
    What was found in a text.

    Attributes:
        is_question: whether it asks for an answer, and not for work.
        questions: what it asks about: `why`, `how`, …
        words: all other words but those of phrasing, synonyms as one of them, in the order of their first mention.
        names: names, places and quotes, with the words that each is made of.
        signs: emoji and other symbols, and exclamation marks.
    """

    is_question: bool
    questions: frozenset[str]
    words: tuple[str, ...]
    names: dict[str, frozenset[str]]
    signs: frozenset[str]


def purpose_of(text: str, details: Details) -> Purpose:
    """Read a text whose details are known; the work is in proportion to its length."""
    questions = frozenset(QUESTION_WORDS[word] for word in details.words if word in QUESTION_WORDS)
    begins = bool(details.words) and details.words[0] in QUESTION_VERBS
    kept = (word for word in details.words if word not in PHRASING and word not in QUESTION_WORDS)
    return Purpose(
        begins or bool(questions) or ASKED.search(text) is not None,
        questions,
        tuple(dict.fromkeys(SYNONYMS.get(word, word) for word in kept)),
        {each.text: _parts(each.text) for each in details.exact if each.kind != "number"},
        frozenset(sign for sign in text if sign == "!" or unicodedata.category(sign) in {"So", "Sk", "Sm", "Co", "Cn"}),
    )


def _parts(name: str) -> frozenset[str]:
    words = (part.casefold() for found in WORD.finditer(HUMP.sub(" ", name)) for part in found[0].split())
    return frozenset(SYNONYMS.get(word, word) for word in words)


def added(one: Purpose, other: Purpose) -> str | None:
    """Tell what one text asks for and the other does not; None if there is no such thing."""
    spelled = frozenset().union(*other.names.values())
    if set(one.words) - set(other.words) - spelled:
        return "one has a word that the other has not"
    # A name that the other writes as ordinary words, as `test_login` and "the login test".
    if any(not parts or not parts <= set(other.words) for name, parts in one.names.items() if name not in other.names):
        return "one has a name that the other has not"
    if one.signs - other.signs:
        return "one has a sign that the other has not"
    return None


def at_odds(one: Purpose, other: Purpose) -> str | None:
    """Tell in what two texts ask for different things; None if in nothing that can be seen."""
    if (one.is_question, one.questions) != (other.is_question, other.questions):
        return "one asks what the other does not ask"
    more = added(one, other) or added(other, one)
    if more is not None:
        return more
    if [each for each in one.words if each in other.words] != [each for each in other.words if each in one.words]:
        return "they have their words in another order"
    return None
