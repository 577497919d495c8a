from typing import Final

import pytest

from concordiad.core.similarity import Index, features
from tests.core.pairs import LOCAL, Pair, false_merges, read_pairs, share

PAIRS: Final = read_pairs("pairs.jsonl")
LATER: Final = read_pairs("later.jsonl")
"""Written when the rules were done, so that nobody had fitted a rule to it."""
HOSTILE: Final = read_pairs("hostile.jsonl")
"""Written to be merged wrongly: what the rules pass over is here what is asked about."""
ATTACKS: Final = read_pairs("attacks.jsonl")
"""Written round after round against the rules as they then were, and labelled before they were asked."""


def test_the_corpus_is_large_and_has_no_pair_twice() -> None:
    """A pair counts once, whichever of its prompts comes first; a label is one of three."""
    for pairs, least in ((PAIRS, 300), (LATER, 100), ([*PAIRS, *LATER], 400), (ATTACKS, 1000)):
        assert len({frozenset((pair.one, pair.other)) for pair in pairs}) == len(pairs) >= least
        assert {pair.label for pair in pairs} == {"same", "near", "different"}


def test_nothing_different_is_merged() -> None:
    """The law: however alike two prompts are, what asks for something else is never merged."""
    assert false_merges([*PAIRS, *LATER, *HOSTILE, *ATTACKS]) == []


def test_no_hostile_pair_is_meant_to_merge() -> None:
    """That file has only what is to be kept apart, each pair once."""
    assert {pair.label for pair in HOSTILE} == {"different"}
    assert len({frozenset((pair.one, pair.other)) for pair in HOSTILE}) == len(HOSTILE) > 120


@pytest.mark.parametrize("pairs", [PAIRS, LATER, ATTACKS], ids=["first", "later", "attacks"])
def test_nearly_all_that_is_the_same_is_found(pairs: list[Pair]) -> None:
    """White space and the ways to write one letter hide little."""
    assert share(pairs, "same") >= 0.9


@pytest.mark.parametrize("pairs", [PAIRS, LATER, ATTACKS], ids=["first", "later", "attacks"])
def test_most_of_what_is_near_is_found(pairs: list[Pair]) -> None:
    """Courtesy, punctuation and slips hide little; what is said in other words is for a language model."""
    assert share(pairs, "near") >= 0.6


def test_every_text_of_the_corpus_meets_every_other() -> None:
    """Labels speak of two texts side by side; of all others, only those merge that labels lead to."""
    pairs = [*PAIRS, *LATER, *HOSTILE, *ATTACKS]
    group = {text: text for pair in pairs for text in (pair.one, pair.other)}
    for pair in pairs:
        if pair.label != "different":
            joined = group[pair.other]
            group |= {text: group[pair.one] for text, name in group.items() if name == joined}
    index = Index()
    for text in group:
        index.add(text, features(text))
    merged = [(text, other) for text in group for other, _ in index.matches(features(text), LOCAL)]
    assert [(text, other) for text, other in merged if group[text] != group[other]] == []
