"""Words as they are spelled: those that a slip is repaired to, those that it is not, and those with two spellings."""

from typing import Final


def listed(text: str) -> frozenset[str]:
    """Read words with white space between them."""
    return frozenset(text.split())


WORDS: Final = listed("""
    accidentally actually adding additional algorithm algorithms already although always another anything
    application applications appropriate architecture arguments assistance asynchronous authenticate authenticated
    authentication available because before beginning behavior behaviors between branch branches broken button
    buttons change changed changes character characters cleanup collection column columns combination command
    commands comment commented comments commit commits compared comparing comparison compatibility compatible
    compile compiling complete completed completely component components condition conditional conditions
    configuration configurations configure configured connect connected connecting connection consistency
    consistently container containers context continue continued continues continuing control controller converted
    converting correct correctly coverage create created creates creating current currently customer customers
    database databases declaration decorator decorators default defaults definitely definition definitions delete
    deleted deletes deleting demonstrate dependencies dependency deployment deployments describe described describes
    describing description descriptions detailed details determine developer development dictionary difference
    differences different directories directory display displayed displays document documentation documented
    documents download downloaded downloads duplicate duplicated duplicates duplication dynamic efficiency efficient
    efficiently element elements endpoint endpoints enough environment environments evaluate everyone everything
    exactly example examples exception exceptions execute executed executing execution existing expected explain
    explained explaining explains explanation explanations expression expressions extension extensions external
    failing failure failures feature features filename fixing following formatting framework frameworks frequently
    function functions generate generated generates generating generation generator generic guarantee handle handler
    handlers handles happened happening history however identified identify ignore ignored ignoring immediately
    implement implementation implementations implemented implementing implements improve improved improvement
    improvements improving include included including incorrect incorrectly increase indentation independent
    information inheritance initialization initialize initialized initializes initializing install installation
    installed installing installs instance instances instead instruction instructions integrate integrated
    integration integrations interfaces internal introduce introduced investigate investigated investigates
    investigating investigation iteration keyboard language layout length libraries library maintenance maximum
    memory message messages method methods middleware migrate migration migrations missing modification
    modifications modified modify modifying monitor monitoring multiple necessary nothing notification notifications
    number numbers object objects occurred occurrence occurring occurs operation operations operator optimization
    optimize optimized optimizing option options organize organized original otherwise output outputs package
    packages parallel parameter parameters password passwords pattern patterns performance permission permissions
    pipelines please possible prefer prepare prevents previous primary priority private probably problem problems
    processing produce production program project projects properly properties property protocol provide provided
    provides public publish purpose quality queries question questions quickly readable reason receive received
    receiving recently recommend recommended recommends record records recursion recursive recursively refactor
    refactored refactoring reference referenced references register related release releases remember remove removed
    removing replace report repositories repository request requests required requirement requirements resources
    respond response responses result results return returned returns review reviews running scenarios schedule
    screen script scripts search section sections security select separate separated separately sequence service
    services session sessions setting settings several should similar simplified simplify simplifying situation
    software solution solutions someone something sometimes source special specific standard statement statements
    static storage strategy strings structure submit successful successfully suggest suggested suggestion
    suggestions suggests summarize summarized summarizing summary support supported supports synchronous syntax
    system systems technical template templates temporary terminal testing therefore thought through timeout
    timeouts together tomorrow traceback transaction transactions tutorial typescript understand understanding
    understands unexpected unique university unless unnecessary update updated updates updating username usually
    validate validated validates validating validation variable variables verification verified verifies verify
    verifying version versions visible warning warnings website whether within without workflow workflows working
    writing written
    """)
"""What is typed to a coding agent often, and long enough to be known with a slip in it; with its inflections."""
OTHER_WORDS: Final = listed("""
    alays anther aways bafore banches battons befre bittons borken bottons brach braches branchas bronches brunch
    brunches butons carrect carrent cerate cerated cerates changs commend commends commet commets commis commot
    commots compele compete competed compie complote contenue contenues continuas continuos continus crate crated
    crates crating crete croate crurent curent currant databuses delate delated delates delating deleing dependences
    descried descries diference diferences directoires eternal exceptons exemple exemples exiting fallowing fature
    fatures faxing fellowing filing foiling fonction fonctions foxing handel handels hander handers hondle hondles
    ignare inclue infirmation instal instals instill instillation instilled instilling instills langage libraires
    massage massages massing messing methos mirate mossing multipel mussing nimber nithing noting objet objets
    optino optons originel orignal otimize pacage pacages passible patern patten pattens patters pease pervious
    posible precessing previde projet projets propertius provate provede providas providos provvide pubic quereis
    queres querias reactor receie recors registar registre regster relace releasees remembre repart repositores
    repot ressources retorn retuned revies rinning sassions scrips servie servies similor simular sitting sittings
    solation solations sorage sorce sotting sottings soure spacial sparate stings storge strage strangs stricture
    strigs subit suction suctions sumarize summery sussions tasting tempate templete though timeous torminal
    transection transections trough tutoriel variabel versin versino versins versons visile waning wanings waring
    warking warnung wether whither witing witten woking
    """)
"""
The words, also of other languages, that are one slip from one of those: found by going through the large English and
the French, German, Italian, Portuguese and Spanish word lists of Debian.
"""
VARIANTS: Final = {
    **{f"{stem}our{end}": f"{stem}or{end}" for stem in ("behavi", "col", "fav") for end in ("", "s")},
    **{
        f"{stem}is{end}": f"{stem}iz{end}"
        for stem in ("custom", "initial", "normal", "optim", "organ", "serial", "summar", "synchron", "visual")
        for end in ("e", "es", "ed", "ing", "ation")
    },
    "favourite": "favorite",
    "analyse": "analyze",
    "analysing": "analyzing",
    "cancelled": "canceled",
    "cancelling": "canceling",
    "centre": "center",
    "grey": "gray",
    "labelled": "labeled",
}
"""British spellings, and the American ones they are told by."""
FAMOUS: Final = {
    "adn": "and",
    "agian": "again",
    "dependancies": "dependencies",
    "dependancy": "dependency",
    "formating": "formatting",
    "adress": "address",
    "chekc": "check",
    "erorr": "error",
    "eror": "error",
    "hte": "the",
    "occured": "occurred",
    "responce": "response",
    "shoud": "should",
    "sucessful": "successful",
    "taht": "that",
    "teh": "the",
    "thier": "their",
    "untill": "until",
    "wiht": "with",
    "wich": "which",
    "wht": "what",
    "wirte": "write",
}
"""Misspellings that everybody knows and that mean nothing else."""
DETERMINERS: Final = listed("a an my our that the these this those your")
"""Behind one of these stands a word of the language, or the name of a thing that the room has once."""
OPENERS: Final = listed("""
    analyze build change check clean convert could create debug describe document explain fix format how implement
    improve investigate lint optimize organize please refactor rerun review run separate should simplify suggest
    summarize test understand update validate verify visualize what when where which why write
    """)
"""What an order or a question begins with; a slip in it names nothing."""
NOTIONS: Final = listed("""
    algorithm architecture behavior complexity configuration dependencies description difference documentation
    efficiency error explanation implementation improvement indentation inheritance initialization maintenance
    optimization performance permissions problem purpose quality reason recursion response security situation solution
    structure syntax
    """)
"""What a thing has and what is no thing by itself: behind an article, a slip in one of these is hardly a name."""
NOUNS: Final = listed("""
    algorithm api architecture bug build class code config database docs error exception failure file function image job
    linter method module page parser pipeline regex server suite syntax traceback warning worker
    """)
"""What a room has that belongs to nobody, and after which no method is called: one that ends in "!" is a verb."""
BEHIND_NOTIONS: Final = listed("and at between for from in is of on or than that to was when where which with")
"""A notion before one of these is not the first part of a name."""
FUNCTION_WORDS: Final = listed("""
    actually already although always and another because before between enough exactly however immediately should
    sometimes that the their therefore through together unless until usually which whether with within without
    """)
"""Words that name nothing, if something follows."""
INTERJECTIONS: Final = listed("""
    bitte bonjour ciao claude danke folks gracias grazie hallo hello hey hi hola merci obrigada obrigado please pls plz
    salut team thanks there thx you привет пожалуйста спасибо
    """)
"""Behind one of these, "!" is a full stop."""
EXCLAIMED: Final = listed("again it now that them this")
"""So it is behind these: they name no method."""
BEFORE_I: Final = listed("am can could did do have must should would")
"""Behind one of these stands a person and no variable."""
SPELLED_OUT: Final = {
    **{
        f"{verb}{no}": (verb, "not")
        for verb in (
            *("are", "could", "did", "does", "do", "had", "has", "have", "is", "must", "need", "should", "was", "were"),
            "would",
        )
        for no in ("n't", "nt")
    },
    **{f"{who}'re": (who, "are") for who in ("they", "we", "what", "you")},
    **{f"{who}'ve": (who, "have") for who in ("i", "they", "we", "you")},
    **{f"{who}'ll": (who, "will") for who in ("he", "i", "it", "she", "that", "they", "we", "you")},
    "i'm": ("i", "am"),
    "im": ("i", "am"),
    "can't": ("can", "not"),
    "cant": ("can", "not"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "wont": ("will", "not"),
}
IS: Final = {
    **{f"{who}'s": who for who in ("here", "how", "it", "that", "there", "what", "when", "where", "who", "why")},
    **{f"{who}s": who for who in ("what", "that", "there", "where")},
}
BEHIND_IS: Final = listed("a an broken in my next not our slow the this wrong your")
"""Before one of these, "'s" is no "has"."""
PREDICATES: Final = listed("""
    can cannot crashes does fails has is leaks must needs raises returns should throws was will works
    """)
"""Before one of these stands a subject, and its capital counts: "Foo fails" is another bug than "foo fails"."""
PRONOUNS: Final = listed("He Everything How I It Nothing She Something That There This What When Where Which Who Why")
HYPHENED: Final = {
    "back-end": "backend",
    "e-mail": "email",
    "front-end": "frontend",
    "re-run": "rerun",
}
POLITE_FORMS: Final = {
    "könnten": "können",
    "könntest": "kannst",
    "peux-tu": "peux-tu",
    "pourrais-tu": "peux-tu",
    "pourriez-vous": "pouvez-vous",
    "pouvez-vous": "pouvez-vous",
}
"""What begins a request, and the plainer form that asks the same."""
