"""An agent may die in any way and as often as it likes: nothing of it stays, and nothing grows."""

from pathlib import Path

from tests.soak.deaths import DEATHS, Mortuary, growth

KIB = 1024


def test_deaths_of_every_kind_leave_nothing(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """
    After 81 (soak: 1,026) deaths: no zombie, no orphan, not one descriptor more, and hardly more memory.

    Each death is told in some ten events, which stay in memory until the backlog is full: in the soak it is full.
    """
    rooms, rounds = (6, 19) if is_soak else (3, 3)
    mortuary = Mortuary(tmp_path, rooms, seed)
    try:
        with mortuary.site.running() as daemon:
            if is_soak:
                mortuary.fill_backlogs()
            samples = list(mortuary.rounds(daemon, rounds))
    finally:
        mortuary.site.clear()
    figures.append(f"{samples[-1].deaths} deaths: {growth(samples):.0f} bytes of memory each, {samples}")
    assert samples[-1].deaths == rooms * rounds * len(DEATHS)
    assert {sample.descriptors for sample in samples} == {samples[0].descriptors}
    assert growth(samples) < (24 if is_soak else 64) * KIB
