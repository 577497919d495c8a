"""An agent may die in any way and as often as it likes: nothing of it stays, and nothing grows."""

import math
from pathlib import Path

from tests.soak.bystander import asking
from tests.soak.deaths import DEATHS, PACE, Mortuary, growth
from tests.support.daemon import Site

KIB = 1024
HARM = 5
"""
By so much longer than in a quiet time may one turn in a hundred take, in a room that is well, while the agents of six
others die.
"""
HARM_OF_OURS = 2
"""
The same, but longer than at that time in a daemon apart: the next agents' starts take both processors of the machine,
which that one pays for, too. Both move by a third from run to run.
"""


def test_deaths_of_every_kind_leave_nothing(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """
    After 81 (soak: 1,026) deaths: no zombie, no orphan, no more descriptors, hardly more memory, nobody else is harmed.

    Each death is told in some ten events, which stay in memory until the backlog is full: in the soak it is full. The
    turns of those who are well stay there too, so that there are few of them where it is not.
    """
    rooms, rounds = (6, 19) if is_soak else (3, 3)
    mortuary = Mortuary(tmp_path, rooms, seed)
    elsewhere = tmp_path / "apart"
    elsewhere.mkdir()
    apart = Site(elsewhere, {"limits": PACE})
    sockets = mortuary.site.socket, apart.socket
    try:
        with mortuary.site.running() as daemon, apart.running():
            if is_soak:
                mortuary.fill_backlogs()
            often = 1000 if is_soak else 20
            with asking(*sockets, least=often, most=often) as quiet:
                pass
            with asking(*sockets, least=often, most=math.inf if is_soak else often) as beside:
                samples = list(mortuary.rounds(daemon, rounds))
    finally:
        mortuary.site.clear()
        apart.clear()
    (before,), (during,) = quiet, beside
    figures.append(f"{samples[-1].deaths} deaths: {growth(samples):.0f} bytes of memory each, {samples}")
    harm = during.shared.p99_ms / before.shared.p99_ms
    ours = during.shared.p99_ms / during.apart.p99_ms
    ratios = f"p99 {harm:.1f}×, and {ours:.2f}× that apart"
    figures.append(f"a turn in a room that is well: {before}; while agents die: {during}; {ratios}")
    assert samples[-1].deaths == rooms * rounds * len(DEATHS)
    assert {sample.descriptors for sample in samples} == {samples[0].descriptors}
    assert growth(samples) < (6 if is_soak else 64) * KIB
    if is_soak:
        assert harm < HARM, (before, during)
        assert ours < HARM_OF_OURS, (before, during)
