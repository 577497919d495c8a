"""docs/merging.md says what the code does: its examples, its figures, and what it quotes from rapidfuzz."""

import re
from typing import Final

import pytest
from rapidfuzz import fuzz

from concordiad.core.layout import LONGEST, MOST_LINES
from concordiad.core.model import Stage
from concordiad.core.phrasing import LONGEST_PHRASE, MOST_SENTENCES
from concordiad.core.similarity import HEAD_CHARS, NEAR, features, judge
from concordiad.core.spelled import WORDS
from concordiad.core.spelling import SHORTEST
from tests.core.pairs import LOCAL, Pair, false_merges, figures, read_pairs
from tests.pages import page

PAGE: Final = page("docs/merging.md")
ROW: Final = re.compile(
    r"^\| (?P<tick>`+)(.+?)(?P=tick) \| (?P<tock>`+)(.+?)(?P=tock) \| (same|near|–) \| .+ \|$", re.MULTILINE
)
SEEN: Final = str.maketrans({"␣": " ", "⏎": "\n"})
EXAMPLES: Final = [(found[2], found[4], found[5]) for found in ROW.finditer(PAGE)]


def as_typed(cell: str) -> str:
    """Undo what makes white space visible, and the space by which Markdown keeps backquotes apart."""
    return (cell[:-1] if cell.endswith("` ") else cell).translate(SEEN)


def test_every_example_is_read() -> None:
    """No row of a table with "found" in its head is passed over."""
    tables = [block for block in PAGE.split("\n\n") if block.startswith("| one prompt | another | found | why |")]
    assert len(EXAMPLES) == sum(block.strip().count("\n") - 1 for block in tables) > 60


@pytest.mark.parametrize(("one", "other", "found"), EXAMPLES)
def test_an_example_is_true(one: str, other: str, found: str) -> None:
    """What the page says of two prompts is what is found, from both sides."""
    here, there = features(as_typed(one)), features(as_typed(other))
    match = judge(here, there, LOCAL)
    assert match == judge(there, here, LOCAL)
    assert ("–" if match is None else match.stage.value) == found


@pytest.mark.parametrize(
    ("name", "head"),
    [("pairs.jsonl", "first"), ("later.jsonl", "second"), ("hostile.jsonl", "third"), ("attacks.jsonl", "fourth")],
)
def test_figures_are_those_of_the_corpus(name: str, head: str) -> None:
    """The table has a row a kind, as the stages do today."""
    table = PAGE.partition(f"| figures of the {head} file | same | near | different |\n")[2].partition("\n\n")[0]
    assert table.split("\n")[1:] == figures(read_pairs(name))


def test_limits_are_those_of_the_code() -> None:
    """Numbers in the text are constants."""
    text = " ".join(PAGE.split())
    assert f"more than {LONGEST:,} characters or {MOST_LINES} lines" in text
    assert f"longer than {LONGEST_PHRASE:,} characters or of more than {MOST_SENTENCES} sentences" in text
    assert f"below {NEAR:.0f} of 100" in text
    assert f"first {HEAD_CHARS} characters" in text
    assert SHORTEST == 6 == min(map(len, WORDS))
    assert 450 < len(WORDS) < 600


def test_scores_lie_as_the_page_says() -> None:
    """What rapidfuzz says of prompts that must not be merged."""
    assert round(fuzz.ratio("delete all files", "do not delete all files")) == 82
    assert fuzz.token_set_ratio("delete all files", "do not delete all files") == 100
    assert round(fuzz.ratio("set the timeout to 30s", "set the timeout to 60s")) == 95


def test_a_false_merge_would_be_seen() -> None:
    """The count that has to be nought counts."""
    pair = Pair("politeness", "different", "run the tests", "please run the tests")
    assert false_merges([pair]) == [pair]
    assert judge(features(pair.one), features(pair.other), [Stage.SAME]) is None
