"""
D1: find who asks the same, among 100 and among 1000 prompts, against rapidfuzz's table of all pairs.

Both run in one process of the peers' interpreter, in turn (bench.d1_contest), and are measured in processor time: the
prompts are made of the labelled corpus's sentences, and a part of them of the same ones in other words. Ours is
`core.similarity.Index`, asked for each prompt before it is added. The peer is `rapidfuzz.process.cdist` over the words
of all prompts, and then the same rules for each pair that scores. It is checked that both find the same pairs, by the
same stage and with the same similarity.
- *once read*: from what is compared (`features`) to the verdicts;
- *reading too*: from the texts to the verdicts. Both read every prompt.

An insert is all that one prompt takes: it is read, looked up, added. The batcher reads in pieces, and lets others run
where half a millisecond has gone by (`room.slices`): so a piece is what holds the loop.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from bench.peers import ROOT, peers_python
from bench.table import Row, milliseconds, spread

GAINS: Final = {100: 8.0, 1000: 45.0}
HELD_S: Final = 0.005
EDGES_S: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005)


def measure_near_duplicates() -> Sequence[Row]:
    """Let the contest run, and make rows of it."""
    command = [peers_python(), "-m", "bench.d1_contest"]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=600).stdout
    result = json.loads(out)
    rows = [row for count, gain in GAINS.items() for row in _compared(count, gain, result["compared"][str(count)])]
    return [*rows, *(_held(name, seconds) for name, seconds in result["held"].items())]


def _compared(count: int, gain: float, seconds: Mapping[str, Any]) -> Sequence[Row]:
    ours, reading = median(seconds["ours"]), median(seconds["reading"])
    rows = []
    for scorer in ("token_set_ratio", "ratio"):
        peer = median(seconds[scorer])
        for what, more in (("once read", 0.0), ("reading too", reading)):
            ratio = (peer + more) / (ours + more)
            is_goal = (scorer, more) == ("token_set_ratio", 0.0)
            rows.append(
                Row(
                    "D1",
                    f"{count} prompts, {what} : cdist, {scorer}",
                    ours=milliseconds(ours + more),
                    peer=milliseconds(peer + more),
                    ratio=f"{ratio:.1f}×",
                    target=f"≥ {gain:.0f}×" if is_goal else "–",
                    is_reached=ratio >= gain if is_goal else None,
                    figures={"ours_s": ours, "peer_s": peer, "reading_s": reading, "pairs": seconds["pairs"]},
                )
            )
    return rows


def _held(name: str, inserts: Sequence[Sequence[float]]) -> Row:
    """Say how long pieces take, and whole inserts: the far ends in the row, the whole in its figures."""
    pieces = [piece for insert in inserts for piece in insert]
    wholes = [sum(insert) for insert in inserts]
    most = max(pieces)
    below = {f"up_to_{edge * 1e6:.0f}_us": sum(each <= edge for each in pieces) for edge in EDGES_S}
    return Row(
        "D1",
        f"one insert, {name}: the longest of {len(pieces):,} pieces",
        ours=milliseconds(most),
        peer="–",
        ratio=f"{sum(each > HELD_S for each in pieces)} over 5 ms; whole p50 {milliseconds(median(wholes))}, "
        f"longest {milliseconds(max(wholes))}",
        target=f"≤ {milliseconds(HELD_S)}",
        is_reached=most <= HELD_S,
        figures={**spread("piece", pieces), **below, **spread("insert", wholes)},
    )
