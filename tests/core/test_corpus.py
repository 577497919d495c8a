from typing import Final

from tests.core.pairs import false_merges, read_pairs, share

PAIRS: Final = read_pairs("pairs.jsonl")


def test_the_corpus_is_large_and_has_no_pair_twice() -> None:
    """A pair counts once, whichever of its prompts comes first; a label is one of three."""
    assert len({frozenset((pair.one, pair.other)) for pair in PAIRS}) == len(PAIRS) >= 300
    assert {pair.label for pair in PAIRS} == {"same", "near", "different"}


def test_nothing_different_is_merged() -> None:
    """The law: however alike two prompts are, what asks for something else is never merged."""
    assert false_merges(PAIRS) == []


def test_nearly_all_that_is_the_same_is_found() -> None:
    """White space and the ways to write one letter hide little."""
    assert share(PAIRS, "same") >= 0.9


def test_most_of_what_is_near_is_found() -> None:
    """Courtesy, punctuation and slips hide little; what is said in other words is for a language model."""
    assert share(PAIRS, "near") >= 0.6
