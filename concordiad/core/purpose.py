"""
What a text asks for, as far as two texts have to agree in it so that a model may be believed that they mean the same.

Laws: what is found depends on the text alone; whatever the local stages look at counts (words, signs, capitals, line
ends, order), less the few ways to say the same that are named here; so on doubt two texts ask for different things.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from concordiad.core.asking import INVERTED, WHY
from concordiad.core.courtesy import CHANGING, READING
from concordiad.core.details import WORD
from concordiad.core.layout import parts_of
from concordiad.core.openers import ARTICLES, PLACING, WORKING
from concordiad.core.orders import is_plain_order
from concordiad.core.phrasing import is_terse, phrase_of
from concordiad.core.spelled import DETERMINERS
from concordiad.core.vocabulary import FAILING, NOUNS, NUMERALS, PREAMBLES, RED, REWORDED, TRANSLATIONS, VERBS, WHOLLY
from concordiad.core.words import ASK, LETTER, MARKS, PAUSE, SIGNS, STOP

HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a word begins in a name such as `testLogin`."""
FAIL: Final = "fail"
PRESENT: Final = frozenset({"is", "are", "do", "does"})
LEAST_OF_WHY: Final = 4
"""Words of a why that has a thing and what it does."""


class Purpose(Struct, frozen=True):
    """
    What a text asks for.

    Attributes:
        said: its words and signs, each way to say the same as one; what is not read in words is one word.
    """

    said: tuple[str, ...]


def purpose_of(text: str) -> Purpose:
    """Read a text; the work is in proportion to its length."""
    phrase = phrase_of(text, parts_of(text))
    if phrase is None:
        return Purpose((LETTER + text,))
    said: list[str] = phrase.key.split("\x1f")
    # Where words are what is worked on, each may be the very one that is meant.
    changes: Sequence[Callable[[list[str]], list[str]]] = (_unasked,) if phrase.is_literal else CHANGES
    for change in changes:
        said = change(said)
    return Purpose(tuple(said))


def at_odds(one: Purpose, other: Purpose) -> str | None:
    """Tell in what two texts ask for different things; None if in nothing that can be seen."""
    if one.said == other.said or _named(one.said, other.said) == other.said or one.said == _named(other.said, one.said):
        return None
    if _plain(one.said) == _plain(other.said):
        return "they differ in a capital or a mark"
    if sorted(one.said) == sorted(other.said):
        return "they have the same words in another order"
    return "one has a word that the other has not"


def _plain(said: tuple[str, ...]) -> list[str]:
    return [word.removeprefix(LETTER).lower().strip(MARKS) for word in said if word not in SIGNS]


def _translated(said: list[str]) -> list[str]:
    """Write a text in English that has no words but those of one table."""
    one = said
    if ("führe" in said[:1] and said[-1] == "aus") or ("schlägt" in said[1:2] and said[-1] == "fehl"):
        one = [word for word in said if word not in ("aus", "schlägt")]  # both ends of a verb
    for table in TRANSLATIONS:
        if all(word in table for word in one):
            return [each for word in one for each in table[word].split("+")]
    return said


def _unasked(said: list[str]) -> list[str]:
    """Leave out what makes a request of an order: "would you mind running" and the like."""
    if (
        said[-1] == ASK
        and tuple(said[-4:-1]) in ((PAUSE, "will", "you"), (PAUSE, "would", "you"))
        and said[0] in ORDERS
    ):
        return said[:-4]
    for preamble in PREAMBLES:
        if tuple(said[: len(preamble)]) == preamble:
            verb, *rest = said[len(preamble) :] or [""]
            order = GERUNDS.get(verb, "") if preamble[-1] == "mind" else verb
            if order in ORDERS:
                return [order, *(word for word in rest if word != ASK)]
    return said


def _phrased(said: list[str]) -> list[str]:
    """Write a sentence of which two forms are known in one of them."""
    words = said[:-1] if said[-1] == ASK else said
    if tuple(words) in WHOLLY:
        return [*WHOLLY[tuple(words)]]
    for begins, ends, instead in REWORDED:
        middle = words[len(begins) : len(words) - len(ends)]
        fits = tuple(words[: len(begins)]) == begins and tuple(words[len(words) - len(ends) :]) == ends
        if middle and fits and PAUSE not in middle and middle[0] not in ("a", "not"):
            return [*instead[0], *middle, *instead[1]]
    return said


def _failing(said: list[str]) -> list[str]:
    """Write "why is it broken", "why does it fail" and "it fails, why?" in one way, and so "it is broken"."""
    words = [word for word in said if word != ASK]
    if words[-2:] == [PAUSE, "why"] and len(words) > LEAST_OF_WHY:
        told = _failing(words[:-2])
        at = next((at for at, word in enumerate(told) if word in ("is", "are")), 0)
        asked = ["why", told[at], *told[:at], *told[at + 1 :]] if at else said
        return ["why", *told] if told[-1] == FAIL else asked
    if words[0] == "why" and len(words) >= LEAST_OF_WHY and words[1] in PRESENT and _fails(words[:-1], words[-1]):
        return ["why", *words[2:-1], FAIL]
    if len(said) > 2 and words == said and words[-2] in ("is", "are") and _fails(words[:-2], words[-1]):
        return [*words[:-2], FAIL]
    return [*words[:-1], FAIL] if words == said and words[-1] == "fails" else said


def _fails(thing: Sequence[str], word: str) -> bool:
    return word in FAILING or (word == "red" and thing[-1:] != [] and thing[-1] in RED)


def _ordered(said: list[str]) -> list[str]:
    """Put what a sentence begins with behind a comma's order or question: "when it is merged, delete the branch"."""
    if said[0] not in LEADING or said.count(PAUSE) != 1 or not LINKS.isdisjoint(said):
        return said
    at = said.index(PAUSE)
    if at < LEAST_LED:
        return said
    rest = said[at + 1 :]
    if not is_plain_order(rest) and not _is_plain_question(rest):
        return said
    end = [] if rest[-1] != ASK or rest[0] in ("how", "what", "why") else [ASK]
    return [*(word for word in rest if word != ASK), *said[:at], *end]


def _is_plain_question(said: Sequence[str]) -> bool:
    """Tell whether a question has one verb and one subject, so that a clause can belong to nothing else in it."""
    words = [word for word in said if word != ASK]
    if words and words[0] in WHY:
        words = words[1:]
    elif not words or words[0] not in INVERTED:
        return False
    words = words[1:] if words and words[0] in INVERTED else words
    words = words[1:] if words and words[0] in ARTICLES else words
    return 0 < len(words) <= MOST_ASKED


def _by_word(said: list[str]) -> list[str]:
    quiet = [word[1:].lower() for word in said]
    if not DETERMINERS.isdisjoint(quiet) and all(word[1:].isalpha() and word.isupper() for word in said):
        said = quiet  # RUN THE TESTS; what has no article may be SQL
    is_read = not READING.isdisjoint(said) and CHANGING.isdisjoint(said)
    written = []
    for before, word, after in zip([STOP, *said], said, [*said[1:], STOP], strict=False):
        if before in (STOP, "and", "then"):
            known = VERBS if after in ARTICLES and _is_certain(word, said) else {}
        elif word == "if":
            known = {"if": "whether"} if before in ("check", "verify") else {}
        else:
            known = NOUNS if is_read or before not in DETERMINERS else {}  # "open the docs" may name a directory
        written.append(known.get(word, word))
    if is_terse(written):
        del written[1]
    return [NUMERALS.get(word, word) for word in written] if len(written) > 1 else written


def _is_certain(verb: str, said: Sequence[str]) -> bool:
    """Tell whether a verb has no other sense: who removes a user from a group deletes none and an error is raised."""
    return "from" not in said and (verb not in ("raise", "reduce") or "to" in said or "by" in said)


LEADING: Final = frozenset({"after", "before", "in", "on", "when"})
LEAST_LED: Final = 3
"""Words of a clause: "before, run it" has none."""
MOST_ASKED: Final = 2
"""Words of a subject and what it does: in more, one may do something with another."""
LINKS: Final = frozenset({"and", "but", "or", "then"})
ORDERS: Final = WORKING | PLACING
GERUNDS: Final = {
    form: verb
    for verb in ORDERS
    for form in (f"{verb}ing", f"{verb[:-1]}ing" if verb.endswith("e") else f"{verb}{verb[-1]}ing")
}


CHANGES: Final[Sequence[Callable[[list[str]], list[str]]]] = (
    _translated,
    _unasked,
    _phrased,
    _failing,
    _ordered,
    _by_word,
)


def _named(said: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Write a thing by the name that the other text has for it: "the login test" as `test_login`."""
    if not CHANGING.isdisjoint(said):
        return said
    for name in (word for word in other if word.startswith(LETTER) and word not in said):
        parts = [part.casefold() for found in WORD.finditer(HUMP.sub(" ", name)) for part in found[0].split()]
        spoken = [parts, [*parts[1:], "test"]] if parts[:1] == ["test"] else [parts]
        for at, word in enumerate(said):
            is_name = len(parts) > 1 and list(said[at + 1 : at + 1 + len(parts)]) in spoken
            if word == "the" and is_name and not any(sign.isdigit() for sign in name):
                said = (*said[:at], name, *said[at + 1 + len(parts) :])
                break
    return said
