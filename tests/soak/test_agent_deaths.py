"""An agent may die in any way and as often as it likes: nothing of it stays, and nothing grows."""

import math
from pathlib import Path

from tests.soak.bystander import Beside, asking
from tests.soak.deaths import DEATHS, PACE, Mortuary, growth
from tests.support.daemon import Site

KIB = 1024
PAUSE_S = 2.0
"""From one death in a room to the next in the soak: with six rooms three a second, each with the start of a program."""
HARM = 3
"""
By so much longer than in a quiet time may one turn in a hundred take, in a room that is well, while the agents of six
others die at that pace.
"""
HARM_IN_RUSH = 5
"""The same, while they die as fast as they can: their starts take both processors of the machine then."""
HARM_OF_OURS = 2
"""
The same, at either pace, but longer than at that time in a daemon apart, which pays for those starts, too. Both move by
a third from run to run.
"""


def test_deaths_of_every_kind_leave_nothing(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """
    After 81 (soak: 1,242) deaths: no zombie, no orphan, no more descriptors, hardly more memory, nobody else is harmed.

    Each death is told in some ten events, which stay in memory until the backlog is full: in the soak it is full. The
    turns of those who are well stay there too, so that there are few of them where it is not.
    """
    rooms, rounds, rushes = (6, 19, 4) if is_soak else (3, 3, 0)
    mortuary = Mortuary(tmp_path, rooms, seed)
    elsewhere = tmp_path / "apart"
    elsewhere.mkdir()
    apart = Site(elsewhere, {"limits": PACE})
    sockets = mortuary.site.socket, apart.socket
    often, most = (1000, math.inf) if is_soak else (20, 20)
    in_rush: list[Beside] = []
    try:
        with mortuary.site.running() as daemon, apart.running():
            if is_soak:
                mortuary.fill_backlogs()
            with asking(*sockets, least=often, most=often) as quiet:
                pass
            with asking(*sockets, least=often, most=most) as at_pace:
                samples = list(mortuary.rounds(daemon, rounds, PAUSE_S if is_soak else 0))
            if rushes:
                with asking(*sockets, least=often, most=most) as in_rush:
                    samples += mortuary.rounds(daemon, rushes)
    finally:
        mortuary.site.clear()
        apart.clear()
    figures.append(f"{samples[-1].deaths} deaths: {growth(samples):.0f} bytes of memory each, {samples}")
    figures.append(f"a turn in a room that is well: {quiet[0]}; while agents die: {_told(at_pace[0], quiet[0])}")
    figures.extend(f"the same, as fast as they can: {_told(during, quiet[0])}" for during in in_rush)
    assert samples[-1].deaths == rooms * (rounds + rushes) * len(DEATHS)
    assert {sample.descriptors for sample in samples} == {samples[0].descriptors}
    assert growth(samples) < (6 if is_soak else 64) * KIB
    for during in in_rush:
        assert at_pace[0].harm(quiet[0]) < HARM, (quiet, at_pace)
        assert during.harm(quiet[0]) < HARM_IN_RUSH, (quiet, during)
        assert max(at_pace[0].harm_of_ours, during.harm_of_ours) < HARM_OF_OURS, (quiet, at_pace, during)


def _told(during: Beside, quiet: Beside) -> str:
    return f"{during}; p99 {during.harm(quiet):.1f}×, and {during.harm_of_ours:.2f}× that apart"
