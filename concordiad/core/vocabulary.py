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
FAILING: Final = frozenset(_words("fail failing fails broken breaks break"))
RED: Final = frozenset(_words("build builds check checks ci =CI job jobs pipeline suite test tests"))
"""What fails if it is red; a button may be red and work."""
VERBS: Final = {
    word: words[0]
    for words in (
        _words("fix repair"),
        _words("run execute"),
        _words("explain describe"),
        _words("show display"),
        _words("delete remove erase"),
        _words("start launch"),
        _words("increase raise"),
        _words("decrease reduce"),
        _words("check verify"),
        _words("behebe korrigiere repariere"),
        _words("lösche entferne"),
        _words("supprime efface"),
        _words("borra elimina"),
    )
    for word in words
}
"""What an order opens with, of which each may stand for the first."""
NOUNS: Final = {
    word: words[0]
    for words in (
        _words("directory folder"),
        _words("directories folders"),
        _words("docs documentation"),
        _words("repo repository"),
        _words("config configuration"),
        _words("db database"),
        _words("temp temporary tmp"),
        _words("annotations hints"),
        _words("=PostgreSQL =Postgres"),
        _words("slow sluggish"),
    )
    for word in words
}
"""The same of other words, but not of the thing that something is done to: `docs` may be a directory."""
NUMERALS: Final = {
    word: f"={number}"
    for number, word in enumerate(_words("two three four five six seven eight nine ten eleven twelve"), 2)
}
PREAMBLES: Final = tuple(
    tuple(line.split())
    for line in (
        "would you mind",
        "do you mind",
        "it would be great if you could",
        "it would be nice if you could",
        "could somebody",
        "can somebody",
        "could someone",
        "can someone",
        "could you help me",
        "help me",
    )
)
"""What makes a request of the order that follows."""
REWORDED: Final = tuple(
    (tuple(begins.split()), tuple(ends.split()), (tuple(begin.split()), tuple(end.split())))
    for begins, ends, begin, end in (
        ("what does", "do", "explain", ""),
        ("explain how", "works", "how does", "work"),
        ("explain how", "work", "how do", "work"),
        ("give me a summary of", "", "summarize", ""),
        ("make", "faster", "speed up", ""),
        ("make", "simpler", "simplify", ""),
        ("where can i find", "", "where is", ""),
        ("how can i", "", "how do i", ""),
        ("what is the problem with", "", "what is wrong with", ""),
        ("look over my", "", "review my", ""),
        ("look over the", "", "review the", ""),
        ("take a look at", "", "look at", ""),
        ("have a look at", "", "look at", ""),
        ("get rid of", "", "delete", ""),
        ("tidy up", "", "clean up", ""),
        ("tidy", "", "clean up", ""),
        ("make", "better", "improve", ""),
        ("who is the author of", "", "who wrote", ""),
        ("why does", "take so long", "why is", "slow"),
        ("change the name of", "", "rename", ""),
    )
)
"""How a sentence begins and ends that says the same with another beginning and end."""


WHOLLY: Final = {
    ("try", "again"): ("retry",),
    ("go", "on"): ("continue",),
    ("=Go", "on"): ("continue",),
    ("okay",): ("ok",),
}
"""Whole texts that say the same."""


def _table(text: str) -> dict[str, str]:
    """Read words and what they are in English, `=` before a noun that is written with a capital."""
    return dict(entry.split(":") for entry in text.split())


TRANSLATIONS: Final = (
    _table("""
    führe:run starte:start lösche:delete entferne:delete behebe:fix korrigiere:fix repariere:fix erkläre:explain
    erklär:explain prüfe:check öffne:open warum:why wieso:why weshalb:why die:the der:the das:the den:the fehl:fail
    =Test:test =Tests:tests =Cache:cache =Build:build =Server:server =Datei:file =Parser:parser =Dokumentation:docs
    """),
    _table("""
    lance:run exécute:run corrige:fix répare:fix supprime:delete efface:delete explique:explain démarre:start
    pourquoi:why le:the la:the les:the test:test tests:tests cache:cache build:build serveur:server fichier:file
    l'erreur:the+error erreur:error échoue:fail échouent:fail parseur:parser documentation:docs
    """),
    _table("""
    ejecuta:run arregla:fix corrige:fix repara:fix borra:delete elimina:delete explica:explain inicia:start el:the
    la:the los:the las:the prueba:test pruebas:tests caché:cache servidor:server archivo:file error:error falla:fail
    fallan:fail documentación:docs
    """),
)
"""Sentences of these words alone are read as English; a word of which there are two in English is not here."""
