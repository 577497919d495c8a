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
    when you have a minute
    when you have a moment
    when you have time
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
    i'd like you to
    i need you to
    i would like you to
    go ahead and
    let's
    """
)
"""What an order may begin with and be no other order."""
SUBORDINATE: Final = frozenset(
    {"are", "how", "if", "is", "that", "was", "what", "when", "whether", "which", "who", "why"}
)
ADDRESSED: Final = frozenset({"all", "claude", "everybody", "everyone", "folks", "team", "there"})
NO_ORDER: Final = frozenset({"not", "assume", "believe", "know", "remember", "say", "see", "think", "understand"})
ASKABLE: Final = frozenset({"can", "could"})
WILLING: Final = frozenset({"can", "could", "will", "would"})
REQUESTED: Final = frozenset({"clarify", "describe", "elaborate", "explain", "remind", "summarize", "tell"})
"""Whoever asks whether these can be done wants them done."""
DOABLE: Final = listed("""
    add build change check create debug document explain fix implement improve investigate lint list make optimize
    rebuild refactor rerun retry review run show simplify split test update write
    """)
"""
The same, of one certain thing; of things in general it may ask what is possible. None of them destroys anything, nor
moves it to where it cannot be brought back from at once: whether a disk can be formatted is no order to do it.
"""
SPANS_OF_TIME: Final = frozenset({"always", "afterwards", "besides", "sometimes", "times"})
"""What is no number of things, though it ends like one."""
CERTAIN: Final = frozenset({"it", "my", "our", "that", "the", "these", "this", "those"})
TERSE: Final = listed("fix rebuild refactor rerun")
"""Behind these at the beginning, "the" says no more than its absence: they are no name, as "check list" is."""
TERSE_OF: Final = {
    "build": listed("docs"),
    "check": listed("logs"),
    "run": listed("benchmarks linter linters migrations tests"),
    "restart": listed("daemon server servers worker workers"),
    "update": listed("dependencies docs"),
}
"""So it is behind these before one of these: "run times" and "build errors" are names."""
RANKED: Final = listed("""
    all any few first following last latest many more most next one only other others previous rest same second some
    third two three four five six seven eight nine ten whole
    """)
"""Before one of these, "the" does say something."""
LITERAL: Final = listed("""
    call called calls find grep label labelled letter method misspelled misspelling name named rename renamed renames
    replace replaced replaces say says search spell spelled spelling string text title type typo typos use uses
    variable word words
    umbenennen benenne ersetze suche renomme remplace cherche renombra reemplaza busca renomeie substitua
    переименуй замени
    """)
"""Where one of these stands, a prompt may be about spelling itself: no capital and no slip is passed over."""
QUOTING: Final = listed("""
    -m answer answers append caption comment display echo emit emoji emojis greet greets greeting
    greetings icon log mail mean means meaning message messages output outputs phrase phrases print prints pronounce
    quote reaction reply replies respond send sends translate translates translation typed write antworte antworten
    drucke sage schreib schreibe übersetze bedeutet affiche dis écris traduis signifie di escribe imprime responde
    significa traduce traduz escreva переведи напиши скажи 翻译 翻譯
    """)
"""Where one of these stands, a thanks, a please or a smile may be what is to be said."""
MARKED: Final = listed("glob globs pattern prefix regex regexp suffix")
"""Where one of these stands, a mark at the end may be a part of what is matched."""
COMMITTING: Final = listed("commit commits")
"""The same, unless an article or a mark follows: "commit it, thanks"."""
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
    optimize rebase rebuild refactor refresh rerun restart retry review rewrite run simplify summarize test update
    """)
"""Behind one of these and a thing with its article, nothing is missing that a please could be."""
LINKING: Final = (SUBORDINATE - {"are", "is", "was"}) | listed("after as or oder once ou whenever where while")
"""What may reach up to a comma or beyond it."""
PREPOSITIONS: Final = listed("""
    against as at before by for from in inside into like offline on onto over remotely to under until using via with
    within without
    """)
"""What says how something is done, so that it may be asked whether it can."""
FAVORS: Final = listed("debug explain fix format investigate lint refactor rewrite run simplify")
"""Whoever does this "for me" does just this; "create an account for me" makes me the owner."""
ADDING: Final = listed("and also but first just next now only then")
"""What may stand before an order."""
RESTRICTING: Final = NEGATIONS | listed("""
    forget if ignore neither nobody none nor not nothing prevent refuse skip unless until when
    """)
"""What may reach beyond the end of a line."""
DENIALS: Final = RESTRICTING | listed("all any before disable each every except instead only rather some stop without")
"""What reaches as far as the clause does: where one of these stands, no comma is left out."""
