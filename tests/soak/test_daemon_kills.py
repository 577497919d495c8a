"""What the daemon acknowledged outlives its SIGKILL at any moment, and nothing is asked twice in silence."""

from pathlib import Path

from tests.soak.storm import blow_all


def test_kills_at_random_moments_under_load(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """After 200 (soak: 1,000) kills no acknowledged prompt is lost, doubled in silence, or misnumbered."""
    rounds = 1000 if is_soak else 200
    books = blow_all(tmp_path, seed, rounds)
    assert sum(len(each.acknowledged) for each in books) > rounds
    figures += [f"{rounds} kills in all: {each.summary()}" for each in books]
