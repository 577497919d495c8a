"""
Whether a prompt speaks of who asks it, so that by the same words somebody else means something else.

Laws: "my branch" is another one from everybody; on doubt a word is the author's own, for that only costs a turn. Whom
the answer is told ("show me the logs") is no difference: everybody is told it.
"""

import re
from collections.abc import Sequence
from typing import Final

from concordiad.core.spelled import listed
from concordiad.core.words import LETTER, MARKS

OWN: Final = listed("""
    mine my myself
    mein meine meinem meinen meiner meines meins mich
    ma mes mien mienne miens moi mon je
    agrégame apúntame asígname avísame añádeme conmigo dame envíame hazme invítame mándame nómbrame ponme
    mi mis mí mía mías mío míos yo
    mia mie miei mio
    meu meus minha minhas
    ik mijn jag moi moich moja moje mojego moją mój
    мной меня мое моего моей моем моём моим моих мои мой мою моя моё я
    나의 내 내가 저의 제 제가
    """)
SPEAKING: Final = listed("i i'd i'll i'm i've ich")
TOLD: Final = listed("me mir мне")
PERSONS: Final = OWN | SPEAKING | TOLD
WRITTEN: Final = PERSONS.union(
    *({LETTER + each, LETTER + each.capitalize(), LETTER + each.upper()} for each in PERSONS)
)
"""The same as words are told by: a capital is taken to the letter."""
BLANKED: Final = str.maketrans(dict.fromkeys(MARKS, " "))
CLITIC: Final = re.compile(
    r"^[jm]['’]|(?:^|(?<![给給帮幫诉訴]))我(?![们們])|我的|私[のがはにを]|[僕俺]|わたし|ぼく|自分の"
)
"""The same as a part of a word; 给我 and 告诉我 are whom something is told."""
TELLING: Final = listed("""
    show tell erklär erkläre sag sage zeig zeige décris décrivez dis dites explique expliquez montre montrez résume
    résumez объясни покажи расскажи скажи
    """)
"""Behind one of these, it is whom something is told."""
LEARNED: Final = {
    ("let", "know"),
    ("let", "see"),
    ("walk", "through"),
    *(("help", verb) for verb in ("debug", "find", "fix", "understand")),
}
"""What stands on both sides of a "me" that is whom something is told."""
ASKED: Final = listed("how what when where which welche welchen wie wo")
MODAL: Final = listed("can could do must should would kann könnte muss soll sollte")
"""Behind both, "I" is anybody: "how do I run the tests"."""
THINKING: Final = listed("assume believe guess mean suppose suspect think wonder denke glaube")
LONGEST_END: Final = 2000
"""Characters at each end of a long prompt that are looked at: there is what was typed about what was pasted."""


def is_own(words: Sequence[str]) -> bool:
    """Tell whether a word is the author's own."""
    # Of nearly all prompts it is known by this that none is.
    if WRITTEN.isdisjoint(words) and not any(map(_has_clitic, words)):
        return False
    quiet = [word.removeprefix(LETTER).lower().replace("’", "'") for word in words]
    return any(_is_own(quiet, at) for at, word in enumerate(quiet) if word in PERSONS or _has_clitic(word))


def is_own_text(text: str) -> bool:
    """Tell the same of a text that is not read in words; there, an "i" is a variable."""
    if len(text) > 2 * LONGEST_END:
        text = f"{text[:LONGEST_END]} {text[-LONGEST_END:]}"
    words = text.translate(BLANKED).replace("’", "'").split()
    if not text.isascii() or "'" in text or "-moi" in text or not PERSONS.isdisjoint(map(str.lower, words)):
        return is_own([word.lower() for word in words if word != "i"])
    return False


def _is_own(quiet: Sequence[str], at: int) -> bool:
    word, before, after = quiet[at], "".join(quiet[at - 1 : at]), "".join(quiet[at + 1 : at + 2])
    if word in TOLD:
        return before not in TELLING and (before, after) not in LEARNED
    if word in ("i", "ich"):
        is_anybody = before in MODAL and not ASKED.isdisjoint(quiet[: at - 1])
        return not is_anybody and after not in THINKING
    return True


def _has_clitic(word: str) -> bool:
    if "-moi" in word:
        return word.removeprefix(LETTER).removesuffix("-moi").lower() not in TELLING
    return (not word.isascii() or "'" in word) and CLITIC.search(word) is not None
