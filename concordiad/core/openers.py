"""
The words that a prompt may open with, and what may be said of the rest where one of them does.

Laws: a word that is somebody's or something's name as often as it opens a prompt is not here (Go, Mark, May, Polish,
Rust, Will), so that its capital counts; on doubt a word is missing.
"""

from typing import Final

from concordiad.core.spelled import DETERMINERS, listed

FOREIGN: Final = listed("""
    aktualisiere baue behebe bereinige entferne erklär erkläre führe installiere kopiere korrigiere lösche prüfe
    räum räume repariere schließe starte stoppe teste untersuche verbessere verschiebe öffne überprüfe améliore
    arrête corrige démarre exécute explique ferme lance nettoie ouvre redémarre refactorise relance répare supprime
    vérifie abre actualiza arregla borra cierra ejecuta elimina explica limpia prueba reinicia repara revisa baja
    compila crea despliega mueve refactoriza sube aggiorna apri avvia cancella chiudi controlla correggi esegui
    riavvia spiega abra apague atualize corrija execute feche limpe reinicie rode verifique закрой запусти исправь
    объясни останови открой перезапусти почини проверь собери удали dodaj otwórz popraw sprawdź uruchom usuń
    wyjaśnij zamknij أضف احذف أصلح اشرح افتح شغل
    """)
BARE: Final = listed(
    "أضف أصلح اشرح شغل запусти исправь объясни останови перезапусти почини проверь собери popraw uruchom"
)
"""Of these, those of languages without articles that delete and open nothing."""
ENGLISH: Final = listed("""
    analyze archive audit benchmark bisect bootstrap build bump check clean close compile compress continue debug
    deduplicate delete deploy deprecate describe diagnose document download drain drop escape explain extend finish
    fix flush format implement improve inspect install instrument investigate lint look measure merge migrate minify
    modernize normalize optimize paginate patch port profile provision prune pull push rebase rebuild recompile
    redirect refactor reformat refresh reindex reinstall reload remove reorder reorganize repair rerun reset restart
    restore restructure retire retry revert review rewrite rotate run sanitize scan serialize shrink simplify speed
    squash start stop summarize sync test throttle tidy trace trim tune undo update upgrade upload validate verify
    """)
WORKING: Final = ENGLISH | FOREIGN
"""Orders that work on a thing, so that words behind a comma are none of it."""
GERMAN: Final = listed("""
    aktualisiere baue behebe bereinige entferne erklär erkläre führe füge installiere kannst können kopiere
    korrigiere lösche mach mache prüfe räum räume repariere schließe starte stoppe teste untersuche verbessere
    verschiebe warum wie wo zeig zeige ändere öffne überprüfe
    """)
"""What German orders and questions open with."""
PLACING: Final = listed("""
    add approve reject resolve allow append apply ask change configure convert copy create cut disable enable ensure
    extract find generate get give handle help hide ignore include increase decrease insert introduce keep leave let
    list load log make measure move name open order pass pause pin prepare print put raise read record redo reduce
    rename replace report return search select send separate set show skip sort split stash store switch tell throw
    translate try turn use wait warn wire wrap write ajoute añade agrega aggiungi adicione ändere fais füge mach
    mache mets montre mostra muestra mostre zeig zeige zrób добавь покажи pokaż
    """)
"""Orders of which words may be the object."""
QUESTIONS: Final = listed("""
    are can cannot could did do does had has have how is should was were what when where whether which who whose why
    would ist kann kannst könnte könntest können sind wann warum welche welcher welches wer weshalb wie wieso wo
    comment est-ce où peut peux-tu pourquoi pourrais-tu pouvez-vous pourriez-vous quand quel quelle quels quelles
    cuál cuándo cómo dónde por qué quién come dove perché quale quando como onde где как когда кто почему czemu
    dlaczego gdzie
    """)
"""What a question opens with."""
PARTICLES: Final = listed("""
    actually after again all almost also although and another any anything as at because before besides both but by
    each either every everything few finally thank thx vielen muchas s'il пожалуйста first for from he here i i'm
    i've i'd if im in instead it it's its just last later many maybe most much neither never next no nobody none not
    nothing now of off ok okay on once only or other our out perhaps please plz pls she since so some something
    somehow still sure thanks that's the then there there's they they're they've this to together unless until up
    usually very we we're we've what's whatever whenever wherever while with without yeah yes yet you you're your
    aber auch bitte das dann danke der die ein eine es ich nicht noch und wenn wir alle alors aussi avec ce ces
    cette dans et il je la le les mais merci ne pas pour puis si un une al con de del el en esta este gracias hay
    los las para pero por una uno y non ho lo per se não os o um uma в и на не нет по да это don't doesn't didn't
    isn't aren't can't couldn't won't wouldn't shouldn't wasn't weren't hasn't haven't hi hello hey hallo hola
    bonjour salut olá ciao привет here's let's how's where's who's when's why's
    """)
"""Small words that name nothing, and what courtesy begins with."""
OPENING: Final = WORKING | PLACING | QUESTIONS | PARTICLES | DETERMINERS
"""What loses its capital at the beginning of a sentence."""
ARTICLES: Final = DETERMINERS | listed("""
    all ce cette das dem den der des die each ein eine einen el every gli i il it its la las le les lo los ma me
    mein meine mes meu mi minha mon os um uma un una une
    """)
"""Behind any word, these show that it is an order: "Mark the tests", "Polish it"."""
COMMANDS: Final = listed("""
    alembic ansible apt apt-get awk bash brew bun cargo cat cd chmod chown cp curl df diff docker docker-compose
    dotnet du echo ffmpeg gh git grep gunzip gzip head helm java journalctl jq kubectl ln ls mkdir mv mysql nano
    node npm npx php pip pip3 pnpm poetry printf ps psql pwd pytest python python3 redis-cli rg rm rmdir rsync ruby
    rustc scp sed sh ssh sudo systemctl tail tar tee terraform tmux touch unzip uv vim wc wget xargs yarn zip zsh
    """)
"""What opens with one of these may be a command line, of which every sign counts."""
STARTING: Final = frozenset({"do", "execute", "run", "start", "try"})
"""What a command line may stand behind."""
