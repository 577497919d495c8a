"""
Which sentences ask something with and without a question mark.

Laws: a sentence that may as well tell something ("is broken", "what I want is speed") is a question only with its mark.
"""

import re
from collections.abc import Sequence
from typing import Final

from concordiad.core.courtesy import RANKED
from concordiad.core.openers import ARTICLES
from concordiad.core.spelled import DETERMINERS, PREDICATES, listed
from concordiad.core.words import LETTER, PAUSE

PERSONS: Final = listed("anybody anyone everybody everyone he i she somebody someone there they we you")
"""What only a question has behind "did"."""
POINTED: Final = listed("it that these this those")
BEING: Final = listed("are is was")
DOING: Final = listed("did does")
ASKING: Final = listed("""
    what which who whose why
    warum wieso weshalb welche welcher welches
    pourquoi
    cómo cuál cuándo dónde quién
    почему зачем
    لماذا كيف هل
    peux-tu pouvez-vous kannst können
    """)
INVERTED: Final = listed("are can could did do does is should was were would")
"""What stands before the subject of a question."""
VERBS: Final = {
    "was": listed("ist macht passiert sind tut"),
    "wie": listed("funktioniert geht ist kann macht"),
    "wo": listed("ist liegt sind war"),
    "wer": listed("hat ist kann war"),
    "wann": listed("ist kommt war"),
    "quel": listed("est"),
    "quelle": listed("est"),
    "quels": listed("sont"),
    "quelles": listed("sont"),
    "qué": listed("es falla hace pasa significa son"),
    "por": listed("qué"),
    "when": INVERTED,
    "where": INVERTED,
    "how": listed("are can come could did do does far is long many much often should to was were would"),
}
"""Of what is no question by itself ("wie besprochen", "how nice"), what makes it one."""
RELATIVE: Final = listed("what which who whose why")
"""Behind these, in English, a subject comes before the verb only where nothing is asked: "what the user wants"."""
EVER: Final = listed("auch ever")
"""Behind a "why", these make "for whatever reason" of it."""
SUPERLATIVE: Final = RANKED | listed("best cause least problem reason worst")
"""Behind "is the", these may tell of what was spoken of."""
FINITE: Final = PREDICATES | INVERTED | listed("es est está ist sind son sont")
GERMAN_SUBJECTS: Final = listed("das der die du er es ich ihr sie wir")
MODAL: Final = listed("""
    can could may might shall will would
    darf darfst dürfen kann kannst können könnt könnte könnten könntest mag magst möchtest willst wollen würde würden
    würdest
    est-ce peut peux peux-tu pourrais pourrais-tu pourrait pourriez pourriez-vous pouvez pouvez-vous pouvons veux-tu
    voudrais-tu voulez-vous
    podemos podrían podría podrías podéis puede pueden puedes quieres
    posso potete potrebbe potresti puoi può vuoi
    pode podem poderia poderiam podes podia
    можем можете можешь можно мог могла могли
    kan kun kunnen kunt zou można możesz mógłbyś mogłabyś يمكن يمكنك
    """)
"""Where one of these opens a sentence, it may be asked whether something can be done."""
WHY: Final = listed("""
    how what when where which who whose why
    wann warum was welche welcher welches wer weshalb wie wieso wo
    comment où pourquoi quand quel quelle quelles quels qui
    cuál cuándo cómo dónde por qué quién
    come dove perché quale quando como onde где как когда кто почему зачем
    """)
"""What is asked with one of these is asked with a please and without."""
SUBJECTS: Final = listed("what which who whose welche welcher welches was wer quién cuál")
"""What may ask for the subject, so that no word's place tells a question from "who breaks it fixes it"."""
LINKED: Final = listed("hat ist kann macht passiert sind tut war")
GERMAN_ARTICLES: Final = listed("das dein deine dem den der die diese dieser dieses ein eine")
BESIDE: Final = listed("different missing new next wrong")
"""Behind "what is", these ask and open no clause."""
GETTING: Final = listed("get gets got stay stays")
SHORT: Final = 4
"""Words; more may be a clause and what is said of it."""
OPENED: Final = 3
"""Words that a sentence opens with."""
FEWEST: Final = 3
"""Words of a question: two may be a command, or half a sentence."""
UNSPACED: Final = re.compile(r"^(?:为什么|為什麼|怎么|怎麼|なぜ|どうして)[^都也]*$")
UNSPACED_END: Final = re.compile(r"(?:吗|嗎|[まで]すか|[まで]したか)$")
"""The same where no space is written."""


def asks(meant: Sequence[str]) -> bool:
    """Tell whether a sentence is a question with and without its mark."""
    if UNSPACED.search(meant[0]) is not None or UNSPACED_END.search(meant[-1]) is not None:
        return True
    if len(meant) < FEWEST or PAUSE in meant:
        return False
    first, second = meant[0], meant[1]
    if second in VERBS.get(first, ()):
        return second not in LINKED or len(meant) <= SHORT or meant[2] in GERMAN_ARTICLES
    is_name = second.startswith(LETTER)
    if first in BEING:
        is_thing = second in DETERMINERS and len(meant) > FEWEST and meant[2] not in SUPERLATIVE
        return is_name or is_thing or second in PERSONS or second in POINTED
    if first in DOING:
        return second in PERSONS or (first == "does" and (is_name or second in POINTED))
    if first == "should":
        is_short = len(meant) == FEWEST or (len(meant) == FEWEST + 1 and meant[-1] in POINTED)
        return is_short and (is_name or second in PERSONS or second in POINTED or second in DETERMINERS)
    is_told = second in ("a", "an") or (first == "which" and second == "is") or _tells(meant)
    return first in ASKING and not is_told


def may_only_ask(meant: Sequence[str], is_marked: bool) -> bool:
    """Tell whether a sentence may ask what is or can be done, so that only its please makes a request of it."""
    first = [word.removeprefix(LETTER).lower() for word in meant[:OPENED]]
    if not MODAL.isdisjoint(first) or (first[0] in INVERTED and first[0] != "do"):
        return True
    return is_marked and first[0] not in WHY


def _tells(meant: Sequence[str]) -> bool:
    """Tell whether what looks like a question may be the subject of a sentence: "why it fails is unclear"."""
    first, second = meant[0], meant[1]
    if second in EVER:
        return True
    if first in ("warum", "wieso", "weshalb"):
        return second in GERMAN_SUBJECTS
    if first in ("почему", "зачем"):
        return len(meant) > FEWEST
    is_clause = second in PERSONS or second in POINTED or second in ARTICLES or second == f"{LETTER}I"
    if is_clause and first in RELATIVE:
        return True
    if first in SUBJECTS:
        return not _is_asked_short(meant)
    return second not in INVERTED and not FINITE.isdisjoint(meant[2 if is_clause else 3 :])


def _is_asked_short(meant: Sequence[str]) -> bool:
    """
    Tell whether what asks for its own subject is too short to be the subject of a sentence.

    "who broke the build" only asks; "who breaks the build fixes it" and "what compiles gets merged" tell something.
    """
    first, second, third = meant[0], meant[1], meant[2]
    if second in INVERTED:
        is_thing = third in DETERMINERS or third in PERSONS or third in POINTED or third.startswith(LETTER)
        is_short = len(meant) == FEWEST or (len(meant) == SHORT and not meant[3].endswith("s"))
        return is_thing or third in BESIDE or (is_short and FINITE.isdisjoint(meant[3:]))
    if first in ("which", "whose"):
        is_inverted = third in INVERTED and FINITE.isdisjoint(meant[3:]) and GETTING.isdisjoint(meant)
        return is_inverted or len(meant) == FEWEST or (len(meant) == SHORT and meant[3] in ARTICLES)
    if first in ("what", "who"):
        is_short = len(meant) == FEWEST and not third.endswith("s")
        return is_short or (len(meant) == SHORT and third in ARTICLES)
    return len(meant) == FEWEST
