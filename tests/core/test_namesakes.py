"""Names of guests alone: whose a name is, and what somebody is called whose name is another's."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.namesakes import Namesakes


def looks(name: str) -> str:
    """Say what people take a name for, whatever the case and the width of its letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def come(names: Namesakes, wanted: list[str]) -> list[str]:
    """Have guests come who want to be called so; say what each is called."""
    called = []
    for number, name in enumerate(wanted):
        called.append(names.choose(name))
        names.keep(called[-1], f"guest {number}")
    return called


def test_name_of_a_host_is_nobodys() -> None:
    """Who is no guest keeps the name, however a guest writes it."""
    assert come(Namesakes(["Alice"]), ["ALICE", "alice"]) == ["ALICE (2)", "alice (3)"]


def test_guest_is_found_by_its_name() -> None:
    """In whatever case it is asked for, as long as it is a guest."""
    names = Namesakes(())
    come(names, ["Ada"])
    assert names.find("ADA") == "guest 0"
    names.forget("ada")
    assert names.find("Ada") is None


def test_name_is_written_in_one_way() -> None:
    """Blanks at its ends, and all but one between words, are nobody's name."""
    assert Namesakes(()).choose("  Ada \t Lovelace ") == "Ada Lovelace"


@given(st.lists(st.sampled_from(("ada", "ADA", "ada (2)", "Ada (2)", "ada (3)", "ben", "stra\u00dfe", "STRASSE"))))
def test_no_two_look_the_same(wanted: list[str]) -> None:
    """Whatever guests want to be called, in whatever order they come, each is told from the others."""
    called = come(Namesakes(["Ben"]), wanted)
    assert len({looks(name) for name in [*called, "Ben"]}) == len(called) + 1
