"""A model is believed where prompts mean the same, and never where they do not, whatever it says."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.purpose import at_odds, purpose_of
from concordiad.core.spelled import listed
from tests.core.believing import FILES, believed_wrongly, doubts, read_file, shares
from tests.core.pairs import DIFFERENT
from tests.pages import page

ODD: Final = sorted(
    listed("? , . why is red fails in the a_b test run, would you two ten erase führe aus schlägt fehl do not for me")
)


@pytest.mark.parametrize("head", FILES)
def test_a_model_that_groups_everything_is_never_believed(head: str) -> None:
    """Of the pairs that are labelled different not one is merged, with either text as the wording."""
    assert believed_wrongly(read_file(head)) == []


def test_a_third_of_other_words_is_believed() -> None:
    """Strict is not deaf: of pairs that say the same in other words, and of their like, so many are merged."""
    alike = [pair for pair in read_file("fifth") if pair.label != DIFFERENT]
    believed = sum(at_odds(purpose_of(pair.one), purpose_of(pair.other)) is None for pair in alike)
    assert believed / len(alike) > 0.33


def test_the_page_has_these_figures() -> None:
    """docs/merging.md tells what is believed, and why the rest is not."""
    text = page("docs/merging.md")
    assert "\n".join(shares()) in text
    pairs = [pair for head in FILES for pair in read_file(head)]
    assert "\n".join(doubts(pairs)) in text


@given(st.lists(st.sampled_from(ODD), max_size=8).map(" ".join), st.text(max_size=30))
def test_every_text_can_be_read(one: str, other: str) -> None:
    """However odd it is; and what two texts are to each other does not depend on who is asked first."""
    here, there = purpose_of(one), purpose_of(other)
    assert at_odds(here, here) is None
    assert at_odds(here, there) == at_odds(there, here)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("would you mind running the tests?", "run the tests"),
        ("explain how the cache works", "how does the cache work?"),
        ("what does it do?", "explain it"),
        ("the build is red, why?", "why does the build fail?"),
        ("test_login is flaky, why?", "why is test_login flaky?"),
        ("when it is merged, delete the branch", "delete the branch when it is merged"),
        ("retry 3 times", "retry three times"),
        ("RUN THE TESTS", "run the tests"),
        ("why does the test fail?", "warum schlägt der Test fehl?"),
        ("try again", "retry"),
        ("find the bug, would you?", "find the bug"),
    ],
)
def test_what_is_said_in_another_way_is_the_same(one: str, other: str) -> None:
    """Each of the few rewordings that are known."""
    assert at_odds(purpose_of(one), purpose_of(other)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the button is red", "the button fails"),
        ("after lunch, deploy and test", "deploy and test after lunch"),
        ("delete the docs", "delete the documentation"),
        ("rename repair to fix", "rename fix to repair"),
        ("remove the user from the group", "delete the user from the group"),
        ("would you mind the gap", "mind the gap"),
        ("DROP TABLE USERS", "drop table users"),
        ("move the test login", "move test_login"),
        ("fix the three bugs", "fix three bugs"),
    ],
)
def test_what_is_nearly_another_way_is_not(one: str, other: str) -> None:
    """Where the same words mean something else."""
    assert at_odds(purpose_of(one), purpose_of(other)) is not None
