"""What has to survive being said in other words."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.details import contradiction, details_of


def exact(text: str) -> list[tuple[str, str]]:
    """List a text's details."""
    return [(detail.kind, detail.text) for detail in details_of(text).exact]


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("set it to 30s", [("number", "30s")]),
        ("wait 30 seconds in 3 files", [("number", "30seconds"), ("number", "3")]),
        ("-5 to 3.5%, at 12:30", [("number", "-5"), ("number", "3.5%"), ("number", "12:30")]),
        ("on 2024-01-02", [("number", "2024-01-02")]),
        ("pay $5 or €5", [("number", "$5"), ("number", "€5")]),
        ("١٢ files", [("number", "12")]),
        ("two tests", [("number", "2")]),
        ("open src/app.py, please", [("place", "src/app.py")]),
        ("in C:\\x\\y and ~/z", [("place", "C:\\x\\y"), ("place", "~/z")]),
        ("see https://a.example/b?c=1&d=2.", [("place", "https://a.example/b?c=1&d=2")]),
        ("run it with --no-cache -v", [("name", "--no-cache"), ("name", "-v")]),
        ("why does test_login fail?", [("name", "test_login")]),
        ("call fooBar() of HttpServer", [("name", "fooBar()"), ("name", "HttpServer")]),
        ("std::vector, app.py and v1.2.3", [("name", "std::vector"), ("name", "app.py"), ("name", "v1.2.3")]),
        ("utf8, ABC-123, @tom, $HOME", [("name", name) for name in ("utf8", "ABC-123", "@tom", "$HOME")]),
        ("if x != y && z >= 1", [("name", "!="), ("name", "&&"), ("name", ">="), ("number", "1")]),
        ('say "good bye" loudly', [("quote", "good bye")]),
        ("say „auf Wiedersehen“", [("quote", "auf Wiedersehen")]),
        ("`test_login` and 'app.py'", [("name", "test_login"), ("name", "app.py")]),
        ("the word 'delete'", [("quote", "delete")]),
        ("it's Vera's, e.g. the other one", []),
        ("1. this\n2) that\n- and this", []),
        ("```\nrm it\n```", [("quote", "rm it")]),
    ],
)
def test_details(text: str, details: list[tuple[str, str]]) -> None:
    """What is more than an ordinary word is found, in its order, the same with quotes and without."""
    assert exact(text) == details


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("delete it", 0),
        ("do not delete it", 1),
        ("don't delete it, and don’t move it", 2),
        ("Lösch das nicht ohne Sicherung", 2),
        ("ne supprime pas", 2),
        ("no borres nada", 2),
        ("не удаляй", 1),
        ("不要删除", 1),
        ("消さないで", 1),
    ],
)
def test_denials_are_counted(text: str, count: int) -> None:
    """In several languages."""
    assert details_of(text).negations == count


CONTRADICTIONS = [
    ("set the timeout to 30s", "set the timeout to 60s"),
    ("show the first 5 failures", "show the failures"),
    ("delete the cache", "do not delete the cache"),
    ("why does test_login fail", "why does test_logout fail"),
    ("look at src/a.py", "look at src/b.py"),
    ('print "yes please"', 'print "no thanks"'),
    ("enable the cache", "disable the cache"),
    ("start the server", "stop the server"),
    ("aktiviere den Zwischenspeicher", "deaktiviere den Zwischenspeicher"),
    ("ouvre la fenêtre", "ferme la fenêtre"),
    ("rename foo_a to foo_b", "rename foo_b to foo_a"),
    ("is x > 5", "is x < 5"),
]


@pytest.mark.parametrize(("one", "other"), CONTRADICTIONS)
def test_contradictions_are_seen(one: str, other: str) -> None:
    """What differs in a number, a name, a place, a quote, a denial, an opposite or an order cannot mean the same."""
    assert contradiction(details_of(one), details_of(other)) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("why does the login test fail", "the login test is red, what is wrong"),
        ("why does test_login fail?", "what is wrong with the login test"),
        ("run the tests in src/", "please run all of the tests in src/"),
        ("warum schlägt der Test fehl", "why does the test fail"),
        ("two tests fail", "2 tests fail, why"),
    ],
)
def test_other_words_are_no_contradiction(one: str, other: str) -> None:
    """What leaves out a name, or says it in other words or another language, may mean the same."""
    assert contradiction(details_of(one), details_of(other)) is None


TEXTS = st.lists(
    st.sampled_from(
        [
            *("not", "no", "5", "30s", "foo_bar", "src/a.py", '"x y"', "`z`", "enable", "disable", "the", "test", "-v"),
            *("!=", "不要", "two", "'q'", "don't", "(", "/", ".", ",", "\n"),
        ]
    )
    | st.text(max_size=4),
    max_size=12,
).map(" ".join)


@given(TEXTS, TEXTS)
def test_contradictions_are_mutual(one: str, other: str) -> None:
    """It does not matter who is compared with whom, and nobody contradicts himself."""
    a, b = details_of(one), details_of(other)
    assert (contradiction(a, b) is None) == (contradiction(b, a) is None)
    assert contradiction(a, a) is None


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    """And a second reading finds the same."""
    assert details_of(text) == details_of(text)


@pytest.mark.parametrize(
    "piece",
    [
        "`",
        '"',
        "'",
        "“",
        "„",
        "/",
        "\\",
        "-",
        "_",
        "a",
        "1,",
        "a.",
        "a::",
        "a+",
        "x://",
        "不",
        "$",
        "<",
        "``",
        "a'",
        "1:",
    ],
)
def test_no_text_takes_more_than_its_length(piece: str) -> None:
    """The longest text of one kind takes a fraction of a second; with work in proportion to its square, a minute."""
    text = piece * (60_000 // len(piece))
    began = time.process_time()
    details_of(text)
    assert time.process_time() - began < 5
