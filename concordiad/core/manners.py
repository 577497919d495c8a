"""
Which words of a sentence only make it polite.

Laws: courtesy is taken off the ends of a sentence, and only where what is left is an order or a question that lacks
nothing; where words may be what is worked on ("set the label to Go, thanks"), they are kept.
"""

import re
from collections.abc import Sequence
from typing import Final

from concordiad.core.courtesy import (
    ADDING,
    ADDRESSED,
    FAVORS,
    FOR_ME,
    GREETINGS,
    INNER_PLEASE,
    PLEASE,
    PREPOSITIONS,
    REQUESTED,
    SUBORDINATE,
    THANKS,
    WHOLE,
    WILLING,
    WISHES,
    Phrases,
)
from concordiad.core.openers import ARTICLES, BARE, FOREIGN, GERMAN, OPENING, PLACING, QUESTIONS, WORKING
from concordiad.core.spelled import NOUNS, PREDICATES, listed
from concordiad.core.words import LETTER, PAUSE, SIGNS, Word

ROUNDS: Final = 6
"""Greetings, thanks and pleases that a sentence may have; more is no courtesy."""
SMILES: Final = frozenset(LETTER + sign for sign in ("🙏", "🙂", "😊", ":)", ":-)"))
FEWEST_GREETED: Final = 2
"""Words behind a greeting; "hello, world" is none."""
FEWEST_BEFORE_ME: Final = 2
"""Words before "for me" and "to me"; "check for me" may look for something."""
MOST_FOR_ME: Final = 3
"""Words of a thing with its article that a "for me" cannot belong to: "run the tests I wrote for me"."""
FOR_ANYBODY: Final = listed("it that these this those")
SHARED: Final = NOUNS | listed("cache diff log query test")
"""What a "for me" does not belong to either; "the invite for me" and "the link sent to me" are others than all."""
MOST_PLACED: Final = 6
"""Words of an order to set or to add a thing that is named in passing; behind more, the courtesy may be what is set."""
CALLED: Final = listed("how what where which who why")
LISTING: Final = frozenset({"and", "or", "e", "et", "o", "oder", "ou", "sowie", "und", "y"})
"""Where one of these stands behind an article, a name before a comma may be the first of several."""
UNSPACED: Final = re.compile(r"[㐀-鿿぀-ヿ가-힣]")
UNSPACED_LIST: Final = re.compile(r"[和与跟及、と]|하고|와$")
UNSPACED_TEXT: Final = re.compile(
    r"[写寫言書书文标標题題名叫字显顯示设設改成贴貼표글]|ラベル|[说說説](?!明)|[为為](?!什|甚)"
)
"""In a clause with one of these, what follows may be what is to be written."""
UNSPACED_ORDER: Final = re.compile(r"^[^是はが]*[^\u3040-\u30ff\uac00-\ud7a3是はが]$|[てでいかせろ]$|[해줘아어까요]$")
"""How Chinese, Japanese and Korean orders and questions end; "the button is OK" is none."""
ADVERBS: Final = frozenset({"again", "twice", "locally", "too", "today", "tomorrow", "together", "up"})
POINTING: Final = ARTICLES | {"them", "everything"}
NOUNLIKE: Final = PREDICATES | listed("and are e et falta fehlt her him ist manque me or them und us wait y")
"""Behind one of these a please is no courtesy, but spoken of."""
ADDRESSED_AS: Final = frozenset({"du", "ihr", "mir", "sie", "uns"})
BEHIND_BITTE: Final = listed("""
    alle alles das dein deine dem den der des die dies diese diesen dieses ein eine einen es ihn kurz mal mir noch
    nochmal nur sie uns unser unsere
    """)
"""Before one of these, behind what opens a German order, a "bitte" is no word that is worked on."""
SETTING: Final = frozenset({"as", "to"})
"""Behind one of these, a single word may be what something is changed to, and so may what follows it."""
REPLIES: Final = listed("""
    bye cheers go goodbye hello hi no nope ok okay please sure thanks yeah yep yes
    bitte danke hallo ja nein doch au bonjour merci non oui si gracias hola no sí adiós ciao grazie sì não sim obrigado
    да нет спасибо
    """)
"""Behind one of these, a thanks or a please belongs to it: it stands on a button, or in a text."""
YES: Final = frozenset({("yes", "please"), ("yes", PAUSE, "please")})


FIRST: Final = frozenset({"claude", f"{LETTER}Claude", *GREETINGS.by_first, *PLEASE.by_first})
LAST: Final = SMILES.union(PLEASE.by_last, THANKS.by_last, (phrase[-1] for phrase in FOR_ME))
WITHIN: Final = INNER_PLEASE | {"bitte"}
"""The words that courtesy begins with at the beginning of a sentence, ends with at its end, and is within it."""


def uncourteous(words: list[Word], is_quoting: bool) -> tuple[list[Word], bool]:
    """
    Strip greetings, thanks and please from both ends of a sentence; tell whether there was a please.

    Args:
        is_quoting: the prompt is about words, so that only a please at the beginning is surely none of them.
    """
    was_begged = False
    if is_quoting:
        count = _pleading([word.meant for word in words])
        return words[count:], bool(count)
    if tuple(word.meant for word in words) in YES:
        return words[:1], False
    # Most sentences neither begin nor end in any such way.
    rounds = ROUNDS if words and (words[0].meant in FIRST or words[-1].meant in LAST) else 0
    for _ in range(rounds):
        meant = [word.meant for word in words]
        if count := _greeting(meant):
            words = words[count:]
        elif count := _pleading(meant):
            words, was_begged = words[count:], True
        elif count := _ends(meant, PLEASE):
            words, was_begged = words[:-count], True
        elif count := _ends(meant, THANKS) or _for_me(meant) or _smile(meant):
            words = words[:-count]
        else:
            break
    return _without_inner_please(words, was_begged)


def is_complete(meant: Sequence[str]) -> bool:
    """Tell whether a clause is an order or a question of which no words behind it can be a part."""
    first, *others = [clause for clause in _clauses(meant) if clause] or [[]]
    return _lacks_nothing(first) and all(len(clause) > 1 and _lacks_nothing(clause) for clause in others)


def _clauses(meant: Sequence[str]) -> list[Sequence[str]]:
    clauses: list[Sequence[str]] = []
    begun = 0
    for at, word in enumerate(meant):
        if word == PAUSE:
            clauses.append(meant[begun:at])
            begun = at + 1
    return [*clauses, meant[begun:]]


def _lacks_nothing(meant: Sequence[str]) -> bool:
    while len(meant) > 1 and meant[0] in ADDING:
        meant = meant[1:]
    for phrases in (WISHES, PLEASE):
        meant = meant[begins(meant, phrases) :]
    if list(meant[:2]) == ["do", "not"]:
        meant = meant[2:]
    if len(meant) > 2 and meant[0] in WILLING and meant[1] == "you":
        meant = meant[3:] if meant[2] == "please" else meant[2:]
    if not meant or not SIGNS.isdisjoint(meant):
        return False
    if UNSPACED.search(meant[0]) is not None:
        clause = "".join(meant)
        return UNSPACED_TEXT.search(clause) is None and UNSPACED_ORDER.search(clause) is not None
    if meant[0] in WORKING:
        is_bare = len(meant) == 2 and meant[0] not in BARE and not _is_pointed(meant[1])
        is_set = len(meant) > 2 and meant[-2] in SETTING and not _is_pointed(meant[-1])
        return not (is_bare or is_set or _names_some(meant))  # "remove hello, thanks" may remove both
    if meant[0] in QUESTIONS and len(meant) > 1:
        return True
    if meant[0] not in PLACING or len(meant) > MOST_PLACED:
        return False
    is_measured = meant[-1].startswith(LETTER) and any(sign.isdigit() for sign in meant[-1])
    is_thing = len(meant) > 1 and (meant[1] in ARTICLES or meant[1] == "me") and PREPOSITIONS.isdisjoint(meant)
    return is_measured or is_thing


def _is_pointed(word: str) -> bool:
    return word.startswith(LETTER) or word in POINTING


def _names_some(meant: Sequence[str]) -> bool:
    """Tell whether a clause may end in the first of several names: "remove the tags wip, thanks"."""
    is_plural = len(meant) > 2 and meant[-2].endswith("s") and len(meant[-2]) > 3 and meant[-2] not in OPENING
    return is_plural and meant[-1] not in OPENING and meant[-1] not in ADVERBS


def _opens(meant: Sequence[str]) -> bool:
    """Tell whether words go on as an order, a question or a report, and do not list what stood before them."""
    if not meant or not meant[0]:
        return False
    if UNSPACED.search(meant[0]) is not None:
        return UNSPACED_LIST.search(meant[0]) is None
    if begins(meant, PLEASE):
        return _opens(meant[begins(meant, PLEASE) :])
    is_list = meant[0] in ("and", "or", "both") or begins(meant, THANKS) or begins(meant, GREETINGS)
    is_list = is_list or (meant[0] in ARTICLES and not LISTING.isdisjoint(meant))
    return meant[0] in OPENING and not is_list


def _pleading(meant: Sequence[str]) -> int:
    """Count the words of a please at the beginning, with its comma; "please and thanks" is none."""
    count = begins(meant, PLEASE)
    if not count:
        return 0
    rest = meant[count + _is_pause(meant[count:]) :]
    is_noun = not rest or rest[0] in SIGNS or rest[0] in NOUNLIKE
    if _is_pause(meant[count:]) and not _opens(rest):
        return 0
    if not _is_pause(meant[count:]) and _may_be_verb(meant[0], rest):
        return 0
    return 0 if is_noun and rest else count + _is_pause(meant[count:])


def _may_be_verb(please: str, rest: Sequence[str]) -> bool:
    """Tell whether a please without a comma may be no courtesy: "please the users", "kindly asked users left"."""
    return bool(rest) and (rest[0] in ARTICLES if please != "kindly" else rest[0] not in OPENING)


def _greeting(meant: list[str]) -> int:
    """Count the words of a greeting at the beginning; without a comma, only what cannot be anything else is one."""
    meant = [word.removeprefix(LETTER).lower() if word == f"{LETTER}Claude" else word for word in meant[:4]] + meant[4:]
    if meant[:2] == ["claude", PAUSE] and _opens(meant[2:]):
        return 2
    count = begins(meant, GREETINGS)
    if not count:
        return 0
    if FEWEST_GREETED >= len(meant) - count > 0 and _is_pause(meant[count:]):
        return 0
    addressed, following = "".join(meant[count : count + 1]), meant[count + 1 :]
    if addressed == "claude" or (addressed in ADDRESSED and (not following or _is_pause(following))):
        count += 1
    elif len(meant) > count and not _is_pause(meant[count:]):
        is_call = meant[0] == "hey" and _is_called(meant[count:])
        return count if is_call or begins(meant[count:], PLEASE) else 0
    count += _is_pause(meant[count:])
    return count if count == len(meant) or _opens(meant[count:]) else 0


def _is_called(meant: Sequence[str]) -> bool:
    """Tell whether what stands behind a "hey" is an order or a question: in "hey run fails" a hey run does."""
    first, second = [*meant[:2], "", ""][:2]
    is_question = second == "you" if first in WILLING else first in CALLED
    return is_question or (first in WORKING and second in ARTICLES)


def _for_me(meant: list[str]) -> int:
    """Count the words of a "for me" at the end of an order; "it works for me" is none, and more than "it works"."""
    for_whom = tuple(meant[-2:])
    if for_whom not in FOR_ME or len(meant) < 2 + FEWEST_BEFORE_ME or SUBORDINATE.intersection(meant):
        return 0
    meant = meant[2 if meant[0] in WILLING and meant[1] == "you" else 0 : -2]
    verb, *thing = (meant[1:] if meant[:1] and meant[0] in INNER_PLEASE else meant) or [""]
    is_pronoun = len(thing) == 1 and thing[0] in FOR_ANYBODY
    is_thing = is_pronoun or (
        1 < len(thing) <= MOST_FOR_ME
        and thing[0] in ARTICLES
        and (thing[-1] in SHARED or thing[-1].removesuffix("s") in SHARED)
    )
    is_favor = verb in REQUESTED if for_whom == ("to", "me") else verb in FAVORS
    return 2 if is_thing and is_favor else 0


def _is_pause(meant: Sequence[str]) -> bool:
    return bool(meant) and meant[0] == PAUSE


def begins(meant: Sequence[str], phrases: Phrases) -> int:
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
            return len(phrase) + 1 if is_complete(meant[: before - 1]) and meant[before - 2] not in REPLIES else 0
        return len(phrase) if phrases is PLEASE and _is_whole(meant[:before]) else 0
    return 0


def _is_whole(meant: list[str]) -> bool:
    """Tell whether words are an order that lacks nothing, so that a please behind them is no part of it."""
    is_request = len(meant) > 2 and meant[0] in WILLING and meant[1] == "you"
    verb, *object_ = meant[2:] if is_request else meant
    if verb not in WHOLE and verb not in FOREIGN and not is_request:
        return False
    if not SIGNS.isdisjoint(object_):
        return False
    is_name = len(object_) == 1 and object_[0].startswith(LETTER) and not object_[0][1:].isalpha()
    is_pronoun = len(object_) == 1 and object_[0] in ("it", "that", "this")
    if not object_ or object_[-1] in REPLIES or (len(object_) > 1 and object_[-1] in ("and", "or")):
        return False
    return is_name or is_pronoun or (len(object_) > 1 and object_[0] in ARTICLES)


def _smile(meant: list[str]) -> int:
    """Count a smile at the end, if it stands alone, behind a comma, or behind thanks that do."""
    if not SMILES.intersection(meant[-1:]):
        return 0
    before = meant[:-1]
    if before and before[-1] == PAUSE:
        return 2 if is_complete(before[:-1]) and before[-2:-1] != [] and before[-2] not in REPLIES else 0
    return int(not before or _ends(before, THANKS) > 0 or _ends(before, PLEASE) > 0)


def _without_inner_please(words: list[Word], was_begged: bool) -> tuple[list[Word], bool]:
    """Leave out a please behind "and", "then" and "could you", and within German orders; the last word is none."""
    meant = ["", *(word.meant for word in words)]
    if WITHIN.isdisjoint(meant):
        return words, was_begged
    kept = []
    for before, word, following in zip(meant[:-1], words, [*meant[2:], ""], strict=True):
        if word is words[-1]:
            kept.append(word)
            continue
        is_placed = before == meant[1] or (before in meant[2:3] and before in ADDRESSED_AS)
        is_german = word.meant == "bitte" and meant[1] in GERMAN and is_placed and following in BEHIND_BITTE
        if is_german or (word.meant in INNER_PLEASE and before == "you" and meant[2] == "you"):
            was_begged = True
        elif word.meant not in INNER_PLEASE or before not in ("and", "then"):
            kept.append(word)
    return kept, was_begged
