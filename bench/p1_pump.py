"""
P1: what it takes to read the agent's output, 300 bytes a line and nearly all deltas, as fast as it can be written.

Four readers take the same file in turn from the pipe of a `cat` (bench.readers):
- ours: the daemon's pump, from the pipe to the events and facts in the room's channels, the type of every line known;
- client: claude-agent-sdk from the pipe to the typed messages out of its channel: the same work;
- transport: the part of it that reads the pipe and parses JSON, and does no more;
- wc: `wc -l`, which is what the pipe allows.

Compared is what comes through on the wall. The readers' own processor time stands beside it: on a machine that has
other work, reader and writer wait for each other's turn.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.cli_output import DELTAS, write_turns
from bench.readers import Reading, cpu_s, read_in_turn, wall_s
from bench.table import Row

LINES: Final = 400_000
ROUNDS: Final = 7
GAIN: Final = 5.5
OF_THE_LIMIT: Final = 0.10


def measure_pump() -> Sequence[Row]:
    """Take the readers in turn and compare the medians of their times."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        path = Path(name) / "lines"
        lines = write_turns(path, LINES)
        mean_bytes = path.stat().st_size / lines
        readings = read_in_turn(path, ROUNDS)
    for way in ("client", "transport"):
        assert all(reading.figures["messages"] == lines for reading in readings[way])
    walls = {way: wall_s(each) for way, each in readings.items()}
    cpus = {way: cpu_s(each) for way, each in readings.items()}
    _check_whole(readings["ours"])
    figures = {f"{way}_cpu_s": seconds for way, seconds in cpus.items()}
    figures |= {f"{way}_wall_s": seconds for way, seconds in walls.items()} | {"lines": lines, "mean_bytes": mean_bytes}
    what = f"lines of {mean_bytes:.0f} bytes read"

    def compare(peer: str, row: str, target: float | None, values: dict[str, float]) -> Row:
        gain = values[peer] / values["ours"]
        return Row(
            "P1",
            row,
            ours=_rate(lines / values["ours"]),
            peer=_rate(lines / values[peer]),
            ratio=f"{gain:.2f}×",
            target="–" if target is None else f"≥ {target:.2f}×",
            is_reached=None if target is None else gain >= target,
            figures=figures if values is walls and peer == "client" else {},
        )

    return [
        compare("client", f"{what} : the SDK, typed messages", GAIN, walls),
        compare("wc", f"{what} : wc -l", OF_THE_LIMIT, walls),
        compare("transport", f"{what} : the SDK's transport alone, parsed JSON", None, walls),
        compare("client", "the same by processor time : the SDK, typed messages", None, cpus),
        compare("transport", "the same by processor time : the SDK's transport alone", None, cpus),
    ]


def _check_whole(readings: Sequence[Reading]) -> None:
    """See that every reading gave the same events, and finished ones for all that was streamed."""
    events: dict[str, Any] = readings[0].figures["events"]
    turns = events["agent.tool_use"]
    assert (events["agent.text"], events["agent.tool_result"]) == (turns * DELTAS // 100, turns)
    for reading in readings:
        assert reading.figures["said"] == readings[0].figures["said"] == reading.figures["streamed"]


def _rate(per_s: float) -> str:
    return f"{per_s / 1000:,.0f} k/s"
