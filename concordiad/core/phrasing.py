"""
What a prompt says, less how politely it was said.

Laws: words keep their order and their number; only what is named here is left out; a sentence that a rule does not know
keeps every word.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from concordiad.core.asking import INVERTED, POINTED, asks, may_only_ask
from concordiad.core.courtesy import (
    ASKABLE,
    CERTAIN,
    CHANGING,
    COMMITTING,
    DENIALS,
    DOABLE,
    LINKING,
    LITERAL,
    MARKED,
    NO_ORDER,
    PREPOSITIONS,
    QUOTING,
    RANKED,
    READING,
    REQUESTED,
    SPANS_OF_TIME,
    TERSE,
    TERSE_OF,
    WILLING,
    WISHES,
)
from concordiad.core.layout import Kind, Part
from concordiad.core.manners import begins, is_complete, uncourteous
from concordiad.core.openers import ARTICLES, COMMANDS, PARTICLES, PLACING, QUESTIONS, STARTING, WORKING
from concordiad.core.orders import SHORT, is_plain_order
from concordiad.core.persons import is_own
from concordiad.core.pieces import Pieces, whole
from concordiad.core.spelled import DETERMINERS, NOUNS
from concordiad.core.spelling import respelled
from concordiad.core.words import ASK, ENDS, LETTER, LINE, PAUSE, SIGNS, STOP, Word, is_legible, words_of

LONGEST_PHRASE: Final = 1000
"""Characters. Nobody words anything longer twice in nearly the same way, and reading it would hold the loop."""
MOST_SENTENCES: Final = 60
"""The same in sentences."""
SHOWN: Final = ARTICLES | {"how", "what", "where", "which", "who", "why"}
ORDERS: Final = WORKING | PLACING
ASKED_FOR: Final = WORKING | DOABLE
FOLLOWING: Final = PARTICLES | QUESTIONS | DETERMINERS
"""What a thing ends before; "lint errors" and "a failing test" go on with what could be an order."""
UNJOINED: Final = DENIALS | LINKING
JOINING: Final = frozenset({"and", "but", "if", "nor", "or", "so", "then"})
"""What may begin another sentence: "or is it too late"."""
BEGGED: Final = Word("", "please")
"""Stands at the end of what would be a question without its please, wherever that was."""
FEWEST_TERSE: Final = 3
TELLABLE: Final = CERTAIN | {"how", "me", "us", "what", "when", "where", "whether", "which", "who", "why"}
"""What is told by whoever can; of anything else ("can you summarize videos?") it may be asked whether one can."""
APART: Final = frozenset({"apart", "automatically", "offline", "yourself"})
"""What says how, or how well: "can you tell these apart?"."""
NO_PLURALS: Final = ("ss", "wards", "ways", "doors", "ends", "nights", "days", "mornings", "evenings", "seas", "stairs")
"""How words end that end in "s" and are not several things."""
SIGNED: Final = re.compile(r"[\d./_#:]")
"""What the name of a thing has; a hyphen is in "dry-run" and "cross-platform", too."""
MENDED: Final = NOUNS | {"index", "login", "test"}
"""One of what is fixed, refactored or run again; other single things may be what a list or a version is called by."""
NAMING: Final = frozenset({"days", "lists", "notes", "packs", "scripts", "times", "versions", "weeks"})
"""What is called by what it is for: "fix versions"."""
LONGEST_LETTER: Final = 2
"""Letters of what may be the name of a variable."""


class Phrase(NamedTuple):
    """
    A prompt's words.

    Attributes:
        key: equal for prompts that say the same.
        spelled: the words as they were spelled, without what is left out.
        is_literal: whether words, and how they are spelled, may be what the prompt is about.
        is_own: whether the prompt speaks of its author.
    """

    key: str
    spelled: str
    is_literal: bool
    is_own: bool


def phrase_of(text: str, parts: Sequence[Part]) -> Phrase | None:
    """Read a prompt's words at a stretch, as `phrasing` does."""
    return whole(phrasing(text, parts))


def phrasing(text: str, parts: Sequence[Part]) -> Pieces[Phrase | None]:
    """Read a prompt's words; None for what has no prose, or something that cannot be seen."""
    if len(text) > LONGEST_PHRASE or not any(part.kind is Kind.PROSE for part in parts) or not is_legible(text):
        return None
    words = yield from words_of(parts)
    yield
    if _is_sign(words) or _is_command(words) or sum(word.meant in ENDS for word in words) > MOST_SENTENCES:
        return None
    is_as_typed = all(word.typed == word.meant for word in words if word.typed and not word.meant.startswith(LETTER))
    is_quoting = any(word.meant in LITERAL for word in words) or _is_quoting(words)
    is_literal = is_quoting or ("'" in text and "’" in text) or (not is_as_typed and _has_two_spellings(words))
    if is_literal:
        words = yield from words_of(parts, is_literal=True)
    elif not (is_as_typed or _is_repaired(words)):
        # Where nothing was repaired, nothing has to be read again without.
        words = yield from words_of(parts, is_repaired=False)
    yield
    said = yield from _all_said(list(_sentences(words)), is_quoting)
    yield
    kept = [word for sentence in said for word in sentence]
    while kept and kept[-1].meant in (STOP, LINE):
        kept.pop()
    if any(word.meant in MARKED for word in kept) and text.rstrip().endswith((".", "?", "!")):
        kept.append(Word("", ASK))
    meant = [word.meant for word in kept]
    return Phrase("\x1f".join(meant), " ".join(word.spelled for word in kept), is_literal, is_own(meant))


def _is_quoting(words: Sequence[Word]) -> bool:
    """Tell whether a thanks, a please or a smile may be what is to be said."""
    typed = [word.typed.lower() for word in words]
    follow = [*typed[1:], ""]
    return any(
        word in QUOTING or (word in COMMITTING and after and after not in ARTICLES)
        for word, after in zip(typed, follow, strict=True)
    )


def _is_sign(words: Sequence[Word]) -> bool:
    """Tell whether all there is is one letter or digit: a choice, a key, a variable, in which each mark may count."""
    return [len(word.typed) for word in words if word.typed] == [1]


def _is_command(words: Sequence[Word]) -> bool:
    """Tell whether this may be the line of a shell, be it behind "run"."""
    first, second = [*(word.typed for word in words[:2]), "", ""][:2]
    return first in COMMANDS or (first.lower() in STARTING and second in COMMANDS)


def _all_said(sentences: list[list[Word]], is_quoting: bool) -> Pieces[list[list[Word]]]:
    """Leave out what is mere courtesy, in each sentence, and such sentences at both ends; never everything."""
    said = []
    for sentence in sentences:
        yield
        said.append(_said(sentence, is_quoting))
    first = next((at for at, each in enumerate(said) if each), None)
    if first is None:
        return sentences
    last = max(at for at, each in enumerate(said) if each)
    if (
        last + 1 < len(said)
        and said[last][-1].meant == LINE
        and not is_complete([each.meant for each in said[last][:-1]])
    ):
        last = len(said) - 1
    return [
        each or sentence for each, sentence in zip(said[first : last + 1], sentences[first : last + 1], strict=True)
    ]


def _is_repaired(words: Sequence[Word]) -> bool:
    """Tell whether slips are repaired: something is read, explained or told, and nothing is changed."""
    known = {respelled(word.typed.lower()) for word in words if word.typed.isascii()}
    begins_as_told = bool(words) and (words[0].meant in DETERMINERS or words[0].meant in INVERTED)
    return (begins_as_told or bool(READING & known)) and not CHANGING & known


def _has_two_spellings(words: Sequence[Word]) -> bool:
    """Tell whether something is spelled in two ways, which may be the very point: "change colour to color"."""
    spellings: dict[tuple[str, ...], set[str]] = {}
    for word, following in zip(words, [*words[1:], Word("", STOP)], strict=True):
        if word.typed and (following.typed or following.meant in SIGNS):
            spellings.setdefault((word.meant,), set()).add(word.typed)
        if word.typed and following.meant not in SIGNS:
            together = (word.meant, following.meant)
            spellings.setdefault(together, set()).add(f"{word.typed} {following.typed}".rstrip())
    return any(len(typed) > 1 for typed in spellings.values())


def _sentences(words: Iterable[Word]) -> Iterable[list[Word]]:
    """Part words at the ends of sentences; each sentence has its sign, and none is empty."""
    sentence: list[Word] = []
    for word in words:
        if word.meant not in ENDS:
            sentence.append(word)
        elif sentence:
            yield [*sentence, word]
            sentence = []
    if sentence:
        yield [*sentence, Word("", STOP)]


def _said(sentence: list[Word], is_quoting: bool) -> list[Word]:
    """Leave out of a sentence what only makes it polite; empty if it was nothing else."""
    *words, end = sentence
    words, was_begged = uncourteous(words, is_quoting)
    words, end = _ordered(words, end, was_begged)
    meant = [word.meant for word in words]
    if not words:
        return []
    begged = [BEGGED] if was_begged and may_only_ask(meant, end.meant == ASK) else []
    if end.meant == ASK and asks(meant):
        end = Word("", STOP)
    if meant[0] in ORDERS and not is_quoting and not UNJOINED.intersection(meant):
        words = _joined(words)
        meant = [word.meant for word in words]
    if is_terse(meant):
        del words[1]
    if meant[:2] == ["show", "me"] and len(meant) > 2 and meant[2] in SHOWN:
        del words[1]
    return [*words, *begged, end]


def is_terse(meant: Sequence[str]) -> bool:
    """Tell whether the second word is a "the" that says no more than its absence."""
    if len(meant) < FEWEST_TERSE or meant[1] != "the" or meant[2] in RANKED or len(meant[2]) <= LONGEST_LETTER:
        return False
    thing = _head_of(meant[2:])
    is_things = thing.endswith("s") and not thing.endswith("ss") and thing not in NAMING
    return thing in TERSE_OF.get(meant[0], ()) or (meant[0] in TERSE and (is_things or thing in MENDED))


def _head_of(meant: Sequence[str]) -> str:
    """Find the word that a thing is called by: "tests" of "slow tests in the cache"."""
    last = ""
    for word in meant:
        if word in SIGNS or word in PREPOSITIONS or word in FOLLOWING:
            break
        last = word
    return last


def _joined(words: list[Word]) -> list[Word]:
    """Leave out a comma that says nothing: behind a plain order, before "then" or "and" and a further order."""
    meant = [word.meant for word in words]
    kept: list[Word] = []
    begun = 0
    for at, word in enumerate(words):
        if word.meant == PAUSE:
            if not is_plain_order(meant[begun:at]):
                return [*kept, *words[at:]]
            begun = at + 2 if meant[at + 1 : at + 2] == ["then"] else at + 1
            is_orders = meant.count("and") == meant.count(PAUSE) == 1 and meant[at + 1 : at + 2] == ["and"]
            is_orders = (
                is_orders and "".join(meant[at + 2 : at + 3]) in ORDERS and "".join(meant[at + 3 : at + 4]) in ARTICLES
            )
            if is_orders or (at + 2 < len(words) and meant[at + 1] == "then"):
                continue
        kept.append(word)
    return kept


def _ordered(words: list[Word], end: Word, was_begged: bool) -> tuple[list[Word], Word]:
    """Make an order of a request, where it can be nothing else."""
    meant = [word.meant for word in words]
    stop = Word("", STOP)
    if len(words) > 2 and meant[0] in WILLING and meant[1] == "you":
        verb, object_ = meant[2], "".join(meant[3:4])
        is_name = object_.startswith(LETTER) and not object_[1:].isalpha()
        is_certain = is_name or object_ in CERTAIN or (verb == "add" and object_ == "a")
        is_certain = is_certain and verb in DOABLE and _says_not_how(verb, meant[3:])
        is_tellable = object_ in ("me", "us") if verb == "tell" else object_ in TELLABLE or is_name
        is_told = verb in REQUESTED and is_tellable and meant[-1] not in APART
        if was_begged or (meant[0] in ASKABLE and (is_told or is_certain)):
            return words[2:], stop
        if meant[0] in ASKABLE and verb in ASKED_FOR:
            return [Word(words[0].typed, "can"), *words[1:]], stop
    count = begins(meant, WISHES)
    if count and len(words) > count + 1 and meant[count] not in NO_ORDER:
        return words[count:], end
    return words, end


def _says_not_how(verb: str, thing: Sequence[str]) -> bool:
    """
    Tell whether a request leaves open how it is done, so that nobody asks whether it can be done so.

    Only what is surely a thing is believed to be no "safely", "twice" or "yourself": what follows an article, or is the
    name of a thing or several things at the end.
    """
    beside = {"for", "to"} if verb == "add" else set()
    if not (PREPOSITIONS - beside).isdisjoint(thing) or not SIGNS.isdisjoint(thing) or not JOINING.isdisjoint(thing):
        return False
    last = thing[-1]
    if len(thing) == 1 or (len(thing) == SHORT and thing[0] in ARTICLES and thing[0] not in POINTED):
        return not last.endswith("ly")
    is_many = last.endswith("s") and not last.endswith(NO_PLURALS) and last not in SPANS_OF_TIME
    is_thing = is_many or last in NOUNS or (last.startswith(LETTER) and SIGNED.search(last) is not None)
    return is_thing and not any(word.endswith("ly") for word in thing)
