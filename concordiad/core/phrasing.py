"""
What a prompt says, less how politely it was said.

Laws: words keep their order and their number; only what is named here is left out; a sentence that a rule does not know
keeps every word.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from concordiad.core.courtesy import (
    ADDRESSED,
    ASKABLE,
    ASKING,
    CERTAIN,
    CHANGING,
    DENIALS,
    DOABLE,
    FOR_ME,
    GREETINGS,
    INNER_PLEASE,
    INVERTED,
    JOINED,
    JOINING,
    LITERAL,
    NO_ORDER,
    PLEASE,
    QUOTING,
    RANKED,
    READING,
    REQUESTED,
    SUBORDINATE,
    TERSE,
    THANKS,
    WHOLE,
    WILLING,
    WISHES,
    Phrases,
)
from concordiad.core.layout import Kind, Part
from concordiad.core.spelled import DETERMINERS
from concordiad.core.spelling import respelled
from concordiad.core.words import ASK, LETTER, PAUSE, SIGNS, STOP, Word, is_legible, words_of

LONGEST_PHRASE: Final = 1000
"""Characters. Nobody words anything longer twice in nearly the same way, and reading it would hold the loop."""
ROUNDS: Final = 6
"""Greetings, thanks and pleases that a sentence may have; more is no courtesy."""
SMILES: Final = frozenset(LETTER + sign for sign in ("🙏", "🙂", "😊", ":)", ":-)"))
FEWEST_GREETED: Final = 2
"""Words behind a greeting; "hello, world" is none."""
FEWEST_BEFORE_ME: Final = 2
"""Words before "for me" and "to me"; "check for me" may look for something."""
ASKING_UNSPACED: Final = re.compile(r"^(?:为什么|為什麼|怎么|怎麼|なぜ|どうして)")
ASKING_LAST: Final = re.compile(r"(?:吗|嗎|[まで]すか|[まで]したか)$")
"""The same where no space is written."""


class Phrase(NamedTuple):
    """
    A prompt's words.

    Attributes:
        key: equal for prompts that say the same.
        spelled: the words as they were spelled, without what is left out.
    """

    key: str
    spelled: str


def phrase_of(text: str, parts: Sequence[Part]) -> Phrase | None:
    """Read a prompt's words; None for what has no prose, or something that cannot be seen."""
    if len(text) > LONGEST_PHRASE or not any(part.kind is Kind.PROSE for part in parts) or not is_legible(text):
        return None
    words = words_of(parts)
    is_repaired = _is_repaired(words)
    is_quoting = any(word.typed.lower() in QUOTING for word in words)
    if is_quoting or any(word.meant in LITERAL for word in words) or _has_two_spellings(words):
        words = words_of(parts, is_literal=True)
    elif not is_repaired:
        words = words_of(parts, is_repaired=False)
    said = [said for sentence in _sentences(words) if (said := _said(sentence, is_quoting))]
    if not said:
        said = list(_sentences(words))
    kept = [word for sentence in said for word in sentence]
    while kept and kept[-1].meant == STOP:
        kept.pop()
    return Phrase("\x1f".join(word.meant for word in kept), " ".join(word.spelled for word in kept))


def _is_repaired(words: Sequence[Word]) -> bool:
    """Tell whether slips are repaired: something is read, explained or told, and nothing is changed."""
    known = {respelled(word.typed.lower()) for word in words if word.typed.isascii()}
    begins_as_told = bool(words) and (words[0].meant in DETERMINERS or words[0].meant in INVERTED)
    return (begins_as_told or bool(READING & known)) and not CHANGING & known


def _has_two_spellings(words: Sequence[Word]) -> bool:
    """Tell whether something is spelled in two ways, which may be the very point: "change colour to color"."""
    if all(word.typed == word.meant for word in words if word.typed and not word.meant.startswith(LETTER)):
        return False
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
        if word.meant not in (STOP, ASK):
            sentence.append(word)
        elif sentence:
            yield [*sentence, word]
            sentence = []
    if sentence:
        yield [*sentence, Word("", STOP)]


def _said(sentence: list[Word], is_quoting: bool) -> list[Word]:
    """Leave out of a sentence what only makes it polite; empty if it was nothing else."""
    *words, end = sentence
    words, was_begged = _uncourteous(words, is_quoting)
    words, end = _ordered(words, end, was_begged)
    meant = [word.meant for word in words]
    if not words:
        return []
    if end.meant == ASK and _asks(meant):
        end = Word("", STOP)
    if (
        len(words) > 2
        and meant[0] in TERSE
        and meant[1] == "the"
        and meant[2] not in RANKED
        and len(meant[2]) > 1
        and meant[2] != PAUSE
    ):
        del words[1]
    if meant[:2] == ["show", "me"]:
        del words[1]
    if meant[0] in JOINED and not DENIALS.intersection(meant):
        follow = [*(word.meant for word in words[1:]), end.meant]
        words = [word for word, after in zip(words, follow, strict=True) if word.meant != PAUSE or after not in JOINING]
    return [*words, end]


def _asks(meant: list[str]) -> bool:
    """Tell whether a sentence is a question with and without its mark."""
    if len(meant) > 1 and PAUSE not in meant and (meant[0] in ASKING or meant[:2] == ["por", "qué"]):
        return True
    if len(meant) > 2 and PAUSE not in meant and meant[0] in ("when", "where") and meant[1] in INVERTED:
        return True
    return ASKING_UNSPACED.search(meant[0]) is not None or ASKING_LAST.search(meant[-1]) is not None


def _uncourteous(words: list[Word], is_quoting: bool) -> tuple[list[Word], bool]:
    """Strip greetings, thanks and please from both ends; tell whether there was a please."""
    was_begged = False
    if is_quoting:
        count = _begins([word.meant for word in words], PLEASE)
        return words[count:], bool(count)
    for _ in range(ROUNDS):
        meant = [word.meant for word in words]
        if count := _greeting(meant):
            words = words[count:]
        elif count := _begins(meant, PLEASE):
            words, was_begged = words[count + _is_pause(meant[count:]) :], True
        elif count := _ends(meant, PLEASE):
            words, was_begged = words[:-count], True
        elif count := _ends(meant, THANKS) or _for_me(meant) or _smile(meant):
            words = words[:-count]
        else:
            break
    return _without_inner_please(words, was_begged)


def _greeting(meant: list[str]) -> int:
    """Count the words of a greeting at the beginning; without a comma, only what cannot be anything else is one."""
    meant = [word.removeprefix(LETTER).lower() if word == f"{LETTER}Claude" else word for word in meant[:4]] + meant[4:]
    if meant[:2] == ["claude", PAUSE]:
        return 2
    count = _begins(meant, GREETINGS)
    if not count:
        return 0
    if FEWEST_GREETED >= len(meant) - count > 0 and _is_pause(meant[count:]):
        return 0
    addressed, following = "".join(meant[count : count + 1]), meant[count + 1 :]
    if addressed == "claude" or (addressed in ADDRESSED and (not following or _is_pause(following))):
        count += 1
    elif meant[0] != "hey" and len(meant) > count and not _is_pause(meant[count:]):
        return _begins(meant[count:], PLEASE) and count
    return count + _is_pause(meant[count:])


def _for_me(meant: list[str]) -> int:
    """Count the words of a "for me" at the end of an order; "it works for me" is none, and more than "it works"."""
    verb = meant[2] if len(meant) > 2 and meant[0] in WILLING and meant[1] == "you" else "".join(meant[:1])
    for_whom = tuple(meant[-2:])
    is_order = verb in REQUESTED if for_whom == ("to", "me") else verb in DOABLE or verb in REQUESTED
    return (
        2
        if for_whom in FOR_ME
        and is_order
        and len(meant) >= 2 + FEWEST_BEFORE_ME
        and not SUBORDINATE.intersection(meant)
        else 0
    )


def _is_pause(meant: list[str]) -> bool:
    return meant[:1] == [PAUSE]


def _begins(meant: list[str], phrases: Phrases) -> int:
    """Count the words of such a phrase at the beginning."""
    known = phrases.by_first.get(meant[0], ()) if meant else ()
    return next((len(phrase) for phrase in known if tuple(meant[: len(phrase)]) == phrase), 0)


def _ends(meant: list[str], phrases: Phrases) -> int:
    """Count the words of such a phrase at the end, if it is a clause of its own; with the comma before it."""
    for phrase in phrases.by_last.get(meant[-1], ()) if meant else ():
        before = len(meant) - len(phrase)
        if before < 0 or tuple(meant[before:]) != phrase:
            continue
        if before == 0:
            return len(phrase)
        if meant[before - 1] == PAUSE:
            return len(phrase) + 1
        return len(phrase) if phrases is PLEASE and _is_whole(meant[:before]) else 0
    return 0


def _is_whole(meant: list[str]) -> bool:
    """Tell whether words are an order that lacks nothing, so that a please behind them is no part of it."""
    verb, *object_ = meant[2:] if len(meant) > 2 and meant[0] in WILLING and meant[1] == "you" else meant
    is_pronoun = len(object_) == 1 and object_[0] in ("it", "that", "this")
    return verb in WHOLE and (is_pronoun or (len(object_) > 1 and object_[0] in DETERMINERS))


def _smile(meant: list[str]) -> int:
    """Count a smile at the end, if it stands alone, behind a comma, or behind thanks that do."""
    if not SMILES.intersection(meant[-1:]):
        return 0
    before = meant[:-1]
    if before and before[-1] == PAUSE:
        return 2
    return int(not before or _ends(before, THANKS) > 0 or _ends(before, PLEASE) > 0)


def _without_inner_please(words: list[Word], was_begged: bool) -> tuple[list[Word], bool]:
    """Leave out a please behind "and", "then" and "could you", and wherever German has it; the last word is none."""
    meant = ["", *(word.meant for word in words)]
    kept = []
    for before, word in zip(meant, words, strict=False):
        if word is words[-1]:
            kept.append(word)
            continue
        is_german = word.meant == "bitte" and before not in ("ich", "wir")
        if is_german or (word.meant in INNER_PLEASE and before == "you" and meant[2] == "you"):
            was_begged = True
        elif word.meant not in INNER_PLEASE or before not in ("and", "then"):
            kept.append(word)
    return kept, was_begged


def _ordered(words: list[Word], end: Word, was_begged: bool) -> tuple[list[Word], Word]:
    """Make an order of a request, where it can be nothing else."""
    meant = [word.meant for word in words]
    stop = Word("", STOP)
    if len(words) > 2 and meant[0] in WILLING and meant[1] == "you":
        verb, object_ = meant[2], "".join(meant[3:4])
        is_name = object_.startswith(LETTER) and not object_[1:].isalpha()
        is_certain = is_name or object_ in CERTAIN or (verb == "add" and object_ == "a")
        if was_begged or (meant[0] in ASKABLE and (verb in REQUESTED or (verb in DOABLE and is_certain))):
            return words[2:], stop
        if meant[0] in ASKABLE:
            return [Word(words[0].typed, "can"), *words[1:]], stop
    count = _begins(meant, WISHES)
    if count and len(words) > count and meant[count] not in NO_ORDER:
        return words[count:], end
    return words, end
