"""The words by which a request is made polite, and those beside which they are something else."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from concordiad.core.spelled import listed


class Phrases(NamedTuple):
    """Phrases by their first and by their last word, the longest first, so that none is taken for a part of another."""

    by_first: Mapping[str, Sequence[tuple[str, ...]]]
    by_last: Mapping[str, Sequence[tuple[str, ...]]]


def phrases(text: str) -> Phrases:
    """Read phrases, one a line."""
    by_first: dict[str, list[tuple[str, ...]]] = {}
    by_last: dict[str, list[tuple[str, ...]]] = {}
    for phrase in sorted((tuple(line.split()) for line in text.strip().split("\n")), key=len, reverse=True):
        by_first.setdefault(phrase[0], []).append(phrase)
        by_last.setdefault(phrase[-1], []).append(phrase)
    return Phrases(by_first, by_last)


PLEASE: Final = phrases(
    """
    please
    pls
    plz
    kindly
    bitte
    svp
    s'il te plaît
    s'il vous plaît
    por favor
    porfa
    per favore
    пожалуйста
    من فضلك
    """
)
INNER_PLEASE: Final = frozenset({"please", "pls", "plz", "kindly"})
GREETINGS: Final = phrases(
    """
    hi
    hello
    hey
    hallo
    hola
    bonjour
    salut
    olá
    ciao
    привет
    你好
    """
)
THANKS: Final = phrases(
    """
    thanks
    thanks a lot
    thanks so much
    thanks in advance
    many thanks
    thank you
    thank you very much
    thank you so much
    thx
    danke
    vielen dank
    danke schön
    merci
    merci beaucoup
    merci d'avance
    gracias
    muchas gracias
    obrigado
    obrigada
    grazie
    спасибо
    شكرا
    谢谢
    ありがとう
    ありがとうございます
    감사합니다
    """
)
FOR_ME: Final = (("for", "me"), ("to", "me"))
WISHES: Final = phrases(
    """
    i want you to
    i need you to
    i would like you to
    go ahead and
    let us
    """
)
"""What an order may begin with and be no other order."""
SUBORDINATE: Final = frozenset(
    {"are", "how", "if", "is", "that", "was", "what", "when", "whether", "which", "who", "why"}
)
ADDRESSED: Final = frozenset({"all", "claude", "everybody", "everyone", "folks", "team", "there"})
DANGLING: Final = listed("""
    a add and as at by for from in into is no non nein not of on or print remove replace say saying says the to with
    write with display send show ohne de en et y o und oder
    """)
"""Behind one of these, thanks and please are what is talked about: "end the mail with thanks"."""
NO_ORDER: Final = frozenset({"not", "assume", "say", "see"})
ASKABLE: Final = frozenset({"can", "could"})
WILLING: Final = frozenset({"can", "could", "will", "would"})
REQUESTED: Final = frozenset({"clarify", "describe", "elaborate", "explain", "remind", "summarize", "tell"})
"""Whoever asks whether these can be done wants them done."""
DOABLE: Final = listed("""
    add build change check clean convert create debug document explain fix format implement improve investigate lint
    list make move optimize rebuild refactor rename rerun restart retry revert review rewrite run show simplify split
    test update write
    """)
"""The same, of one certain thing; of things in general it may ask what is possible. None of them destroys anything."""
CERTAIN: Final = frozenset({"it", "my", "our", "that", "the", "these", "this", "those"})
TERSE: Final = listed("""
    build check close continue debug fix format lint open rebuild refactor rerun restart retry revert run start stop
    test update
    """)
"""Behind these at the beginning, "the" says no more than its absence."""
RANKED: Final = frozenset(
    {"first", "last", "latest", "next", "only", "other", "previous", "rest", "same", "second", "whole"}
)
ASKING: Final = listed("""
    how what which who whose why
    are did does is should was were
    warum wieso weshalb welche welcher welches
    pourquoi quel quelle quels quelles
    qué cómo cuál cuándo dónde quién
    почему зачем
    لماذا كيف هل
    peux-tu pouvez-vous kannst können
    """)
"""A sentence that begins so is a question with and without its mark."""
INVERTED: Final = frozenset({"are", "can", "did", "do", "does", "is", "should", "was", "were"})
"""Behind "when" and "where", these make a question of what might be a clause."""
JOINING: Final = frozenset({"and", "because", "but", "then"})
BARRED: Final = listed("""
    not no never without nor neither only all any each every some none except unless if until nothing nobody
    """)
"""What reaches as far as the clause does: where one of these stands, no comma is left out."""
LITERAL: Final = listed("""
    call called calls find grep label labelled letter method misspelled misspelling name named rename renamed renames
    replace replaced replaces say says search spell spelled spelling string text title type typo typos use uses
    variable word words
    umbenennen benenne ersetze suche renomme remplace cherche renombra reemplaza busca renomeie substitua
    переименуй замени
    """)
"""Where one of these stands, a prompt may be about spelling itself: no capital and no slip is passed over."""
