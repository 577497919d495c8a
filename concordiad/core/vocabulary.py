"""
Words by which two prompts are told apart, those that deny, are numbers or opposites; and the few that tell none apart.

They are of the languages that people write to a coding assistant in. A denial too many only keeps two
prompts apart that might be merged; a synonym too many would merge what must not be merged.
"""
# ruff: noqa: RUF001  # letters and signs of other scripts

import re
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NEGATIONS: Final = frozenset(
    _words("""
    no not never none nor neither nothing nobody nowhere without cannot except unless only stop avoid instead
    dont doesnt didnt cant couldnt wont wouldnt shouldnt isnt arent wasnt werent hasnt havent hadnt mustnt
    nein nicht nie niemals kein keine keinen keinem keiner keines nichts niemand ohne außer weder statt nur
    non ne pas jamais rien sans aucun aucune sauf ni nunca nada sin ningún ninguno ninguna excepto salvo solo sólo
    não nao nem sem nenhum nenhuma mai senza nessun nessuno nessuna niente tranne niet geen nooit zonder niets
    не нет ни никогда без кроме нельзя nie nigdy bez inte ingen inget aldrig utan ikke aldri uten hayır değil
    لا ليس لم لن بدون नहीं मत बिना 안 못
    """)
)
"""Words that deny or restrict."""
NEGATION_SIGNS: Final = re.compile("不|没|沒|别|別|未|无|無|勿|ない|ません|なし|ずに|않|없|마세요|지마")
"""The same where words are not parted by spaces, or carry it in their ending."""
NUMBER_WORDS: Final = {
    word: str(number)
    for number, words in enumerate(
        (
            _words("two twice both zwei beide beiden deux dos"),
            _words("three drei trois tres"),
            _words("four vier quatre cuatro"),
            _words("five fünf cinq cinco"),
            _words("six sechs seis"),
            _words("seven sieben sept siete"),
            _words("eight acht huit ocho"),
            _words("nine neun neuf nueve"),
            _words("ten zehn dix diez"),
            _words("eleven elf onze once"),
            _words("twelve zwölf douze doce"),
        ),
        2,
    )
    for word in words
}
"""Numbers as words. One is left out: it is an article or a pronoun more often than a number."""
OPPOSITES: Final = (
    (
        _words("enabl activat aktivier einschalt activ"),
        _words("disabl deactivat deaktivier ausschalt abschalt désactiv desactiv"),
    ),
    (
        _words("add insert append creat hinzu erstell ajout crée añad agreg crea"),
        _words("remov delet drop entfern lösch supprim elimin borr"),
    ),
    (
        _words("start begin launch starte démarr inici arranc"),
        _words("stop halt kill terminat abort beend arrêt deten"),
    ),
    (_words("open reopen öffn ouvr abr"), _words("clos shut schließ ferm cerr")),
    (_words("show unhide display zeig anzeig montr mostr"), _words("hid verberg versteck cach ocult")),
    (
        _words("allow permit accept approv grant erlaub autoris"),
        _words("deny denied forbid reject refus block revok verbiet interdi"),
    ),
    (_words("install"), _words("uninstall deinstall désinstall desinstall")),
    (
        _words("increas rais more larger bigger longer higher faster erhöh mehr größer länger augment más plus"),
        _words(
            "decreas reduc lower less fewer smaller shorter slower verringer senk weniger kleiner kürzer diminu menos"
        ),
    ),
    (_words("before vor avant antes"), _words("after nach après después")),
    (_words("first erste premi primer"), _words("last final letzte derni últim")),
    (_words("minim least"), _words("maxim most")),
    (_words("upgrad"), _words("downgrad")),
    (_words("commit keep behalt gard"), _words("revert undo discard rollback verwerf annul")),
    (_words("push upload export encod encrypt lock writ"), _words("pull download import decod decrypt unlock read")),
    (_words("true yes succe pass"), _words("false fail error")),
    (_words("left top above oben links"), _words("right bottom below unten rechts")),
    (_words("new neu nouve nuev"), _words("old alt ancien viej")),
    (_words("all every each alle tous todos"), _words("some einige certains algunos")),
    (_words("on an"), _words("off aus")),
    (_words("up"), _words("down")),
)
"""Beginnings of words that mean each other's opposite; those of up to three letters are whole words."""
PHRASING: Final = frozenset(
    _words("the this that it is are am be do does did please bitte me us der das le la les el los las schlägt")
)
"""Words that one of two prompts may have and the other may lack."""
QUESTION_WORDS: Final = {
    word: words[0]
    for words in (
        _words("why warum wieso weshalb pourquoi"),
        _words("how wie comment cómo"),
        _words("what was quoi qué"),
        _words("where wo où dónde"),
        _words("when wann quand cuándo"),
        _words("who wer qui quién"),
        _words("which welche welcher welches quel quelle cuál"),
    )
    for word in words
}
"""What a question is about, by its first word in any language."""
QUESTION_VERBS: Final = frozenset(
    _words("""
    is are am does did was were has have had can could should would will may might isn't aren't doesn't didn't
    ist sind hat kann könnte soll sollte wird est peut
    """)
)
"""What begins a question that is answered by yes or no."""
SYNONYMS: Final = {
    word: words[0]
    for words in (
        _words("fails fail failing failed red broken breaks fehl fehlschlägt kaputt échoue falla"),
        _words("fix repair mend repariere behebe corrige répare arregla"),
        _words("run execute"),
        _words("explain describe erkläre explique explica"),
        _words("show display zeige zeig"),
        _words("delete remove erase lösche entferne supprime elimina borra"),
        _words("slow sluggish langsam"),
        _words("directory folder verzeichnis ordner"),
        _words("directories folders"),
        _words("documentation docs"),
        _words("repository repo"),
        _words("configuration config"),
        _words("database db"),
    )
    for word in words
}
"""Words of which each may stand for the other; all others have to be the same in both prompts, with their endings."""
