"""The words by which a request is made polite, and those beside which they are something else."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from concordiad.core.spelled import listed
from concordiad.core.vocabulary import NEGATIONS


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
LITERAL: Final = listed("""
    call called calls find grep label labelled letter method misspelled misspelling name named rename renamed renames
    replace replaced replaces say says search spell spelled spelling string text title type typo typos use uses
    variable word words
    umbenennen benenne ersetze suche renomme remplace cherche renombra reemplaza busca renomeie substitua
    переименуй замени
    """)
"""Where one of these stands, a prompt may be about spelling itself: no capital and no slip is passed over."""
QUOTING: Final = listed("""
    -m answer answers append caption commit commits comment display echo emit emoji emojis greet greets greeting
    greetings icon log mail mean means meaning message messages output outputs phrase print prints pronounce quote
    reaction reply replies respond send sends translate translates translation typed write antworte antworten drucke
    sage schreib schreibe übersetze bedeutet affiche dis écris traduis signifie di escribe imprime responde
    significa traduce traduz escreva переведи напиши скажи 翻译 翻譯
    """)
"""Where one of these stands, a thanks, a please or a smile may be what is to be said."""
CHANGING: Final = listed("""
    add alter archive branch checkout clear column commit copy create cut delete deploy destroy disable drop enable
    erase evict export format git grant import insert install kill load merge migrate move npm package pip pull
    purge push release remove rename replace reset restore revoke rm schema seed select set stop switch table
    terminate truncate uninstall unset upgrade upload use wipe yarn
    """)
"""Where one of these stands, a word that looks misspelled may be the name of what is changed."""
READING: Final = listed("""
    analyze check debug describe document explain fix generate how implement improve investigate optimize organize
    refactor rerun review run separate should simplify suggest summarize test understand validate verify what when
    where which why
    """)
"""What is asked by one of these does little harm to a thing of nearly that name; only there slips are repaired."""
WHOLE: Final = listed("""
    analyze bump check clean debug describe do document explain find fix format improve investigate lint merge open
    optimize rebase rebuild refactor rerun restart retry review run simplify summarize test update
    """)
"""Behind one of these and a thing with its article, nothing is missing that a please could be."""
JOINING: Final = frozenset({"because", "but", "then"})
"""Before one of these a comma may say nothing; before "and" it ends what is listed."""
JOINED: Final = frozenset({*TERSE, *DOABLE, "it"}) - {"stop"}
"""Only a sentence that begins so has such a comma."""
DENIALS: Final = NEGATIONS | listed("""
    all any before disable each every except forget if ignore instead neither nobody none nor not nothing only prevent
    rather refuse skip some stop unless until without
    """)
"""What reaches as far as the clause does: where one of these stands, no comma is left out."""
