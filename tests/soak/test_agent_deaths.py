"""An agent may die in any way and as often as it likes: nothing of it stays, and nothing grows."""

import math
from pathlib import Path

from tests.soak.bystander import Bystander, waits
from tests.soak.deaths import DEATHS, Mortuary, growth

KIB = 1024
HARM = 5
"""
By so much longer may one turn in a hundred take, in a room that is well, while the agents of six others die.

The next agents' starts take both processors of the machine, which alone makes it twice as long.
"""


def test_deaths_of_every_kind_leave_nothing(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """
    After 81 (soak: 1,026) deaths: no zombie, no orphan, no more descriptors, hardly more memory, nobody else is harmed.

    Each death is told in some ten events, which stay in memory until the backlog is full: in the soak it is full. The
    turns of those who are well stay there too, so that there are few of them where it is not.
    """
    rooms, rounds = (6, 19) if is_soak else (3, 3)
    mortuary = Mortuary(tmp_path, rooms, seed)
    try:
        with mortuary.site.running() as daemon, Bystander(mortuary.site.socket) as bystander:
            if is_soak:
                mortuary.fill_backlogs()
            bystander.call("events.subscribe", room="main", last=0)
            quiet = [bystander.ask() for _ in range(1000 if is_soak else 20)]
            with bystander.asking(math.inf if is_soak else 50) as beside:
                samples = list(mortuary.rounds(daemon, rounds))
    finally:
        mortuary.site.clear()
    before, during = waits(quiet), waits(beside)
    figures.append(f"{samples[-1].deaths} deaths: {growth(samples):.0f} bytes of memory each, {samples}")
    ratio = during.p99_ms / before.p99_ms
    figures.append(f"a turn in a room that is well: {before}; while agents die: {during}; p99 {ratio:.1f}×")
    assert samples[-1].deaths == rooms * rounds * len(DEATHS)
    assert {sample.descriptors for sample in samples} == {samples[0].descriptors}
    assert growth(samples) < (6 if is_soak else 64) * KIB
    if is_soak:
        assert ratio < HARM, (before, during)
