"""
Which clauses are so plain that nothing in them but the verb in front does anything.

Law: where a clause may have a verb of its own within ("make it stop", "the tests Ben wrote", "the script to deploy"),
it is not plain: what stands behind it may belong to that verb.
"""

from collections.abc import Sequence
from typing import Final

from concordiad.core.courtesy import PREPOSITIONS
from concordiad.core.openers import ARTICLES, WORKING
from concordiad.core.spelled import DETERMINERS, listed
from concordiad.core.words import LETTER, SIGNS

TAKING: Final = listed("add apply create extract find generate open read redo remove rename save sort split wrap")
"""Orders that take a thing, besides those that work on one."""
LETTING: Final = listed("continue help let look make speed")
"""Orders behind which somebody or something else may be at work."""
TELLING: Final = listed("""
    audit benchmark check describe diagnose document explain find inspect investigate measure read review start stop
    test validate verify
    """)
"""Behind these a thing and one more word may be a sentence: "check the tests pass"."""
PLAIN: Final = (WORKING | TAKING) - LETTING
POINTED: Final = listed("everything it that them these this those")
SHORT: Final = 2
"""Words of an article and its thing."""


def is_plain_order(meant: Sequence[str]) -> bool:
    """Tell whether a clause is one verb and at most one thing, a pronoun, a word, or an article and one or two."""
    if not meant or meant[0] not in PLAIN:
        return False
    thing = meant[1:]
    if len(thing) < SHORT:
        return True
    is_short = len(thing) == SHORT or (len(thing) == SHORT + 1 and meant[0] not in TELLING)
    if not is_short or thing[0] not in ARTICLES or (thing[0] in POINTED and thing[0] not in DETERMINERS):
        return False
    return thing[0] != "me" and all(_is_of_a_thing(word) for word in thing[1:])


def _is_of_a_thing(word: str) -> bool:
    return word not in SIGNS and word not in PREPOSITIONS and (word.startswith(LETTER) or word not in ARTICLES)
