"""How prompts that became one turn are told of, alone."""

import pytest

from ctl.merging import likeness


@pytest.mark.parametrize(
    ("stage", "similarity", "words"),
    [
        ("same", 1.0, "the same words"),
        ("near", 1.0, "nearly the same words, 100%"),
        ("near", 0.999, "nearly the same words, 99%"),
        ("near", 0.968, "nearly the same words, 97%"),
        ("meaning", None, "the same meaning"),
    ],
)
def test_likeness_is_told_as_it_was_measured(stage: str, similarity: float | None, words: str) -> None:
    """What differs is never rounded up to all."""
    assert likeness(stage, similarity) == words
