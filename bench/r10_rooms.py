"""
R10: ten rooms in one daemon, whose agents say a thousand lines a second each, for a minute (R10_SECONDS).

The agents, and a client for each room that checks all that it is told, are processes of their own, on the same
processors. The daemon has no instrument for its loop's lag: a client asks it something small every 10 ms and is
answered once the loop has come around to it, so the round trip less an idle daemon's is the lag, and the scheduler's.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.busy_agent import BLOCK_DELTAS, BLOCK_LINES
from bench.c1_control_round_trip import Asking
from bench.table import Row, milliseconds, percentile, spread
from tests.support.daemon import ROOT, Daemon, Site

ROOMS: Final = 10
LINES_PER_S: Final = 1000
SECONDS: Final = float(os.environ.get("R10_SECONDS", "60"))
PAUSE_S: Final = 0.01
IDLE_CALLS: Final = 300
LAG_S: Final = 0.05
"""What a person does not feel; no target was set."""
FAULTS: Final = ("gaps", "lost deltas", "wrong texts", "wrong numbers")
MIB: Final = 2**20


def measure_rooms() -> Sequence[Row]:
    """Run all rooms side by side."""
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        names = [f"room{number}" for number in range(ROOMS)]
        agent: dict[str, object] = {
            "kind": "claude-code",
            "command": [sys.executable, "-m", "bench.busy_agent", str(LINES_PER_S), str(SECONDS)],
            "env": {"PYTHONPATH": str(ROOT)},
        }
        tables: dict[str, dict[str, object]] = {"agents.busy": agent}
        for room in names:
            (root / room).mkdir()
            tables[f"rooms.{room}"] = {"agent": "busy", "workdir": str(root / room)}
        site = Site(root, tables)
        with site.running() as daemon:
            return _measure(site, daemon, names)


def _measure(site: Site, daemon: Daemon, names: Sequence[str]) -> list[Row]:
    asking = Asking(site.socket, "nowhere")
    readers = [_follow(site.socket, room) for room in names]
    client = daemon.connect()
    idle = [_ask_after_a_pause(asking) for _ in range(IDLE_CALLS)]
    before_bytes, before_s = daemon.memory_bytes(), _cpu_s(daemon)
    began = time.monotonic()
    for room in names:
        client.submit("Count.", room=room)
    busy: list[float] = []
    while time.monotonic() - began < SECONDS:
        busy.append(_ask_after_a_pause(asking))
    cpu_s = (_cpu_s(daemon) - before_s) / (time.monotonic() - began)
    after_bytes = daemon.memory_bytes()
    asking.close()
    told: list[dict[str, Any]] = [json.loads(reader.communicate()[0]) for reader in readers]
    numbers = int(LINES_PER_S * SECONDS / BLOCK_LINES) * BLOCK_DELTAS
    faults = sum(counts[fault] for counts in told for fault in FAULTS)
    missing = sum(numbers - counts["numbers"] for counts in told)
    total = {name: sum(counts.get(name, 0) for counts in told) for name in ("agent.delta", "agent.text")}
    lag_s = percentile(busy, 0.99) - median(idle)
    what = f"{ROOMS} rooms, {LINES_PER_S} lines/s each, {SECONDS:.0f} s"
    return [
        Row(
            "R10",
            f"{what}: lost or out of order",
            ours=f"{faults + missing} of {ROOMS * numbers:,}",
            peer="–",
            ratio=f"{total['agent.delta']:,} deltas, {total['agent.text']:,} texts",
            target="none",
            is_reached=faults + missing == 0,
            figures={**{f"{fault}_count": sum(counts[fault] for counts in told) for fault in FAULTS}, **total},
        ),
        Row(
            "R10",
            "the same: round trip, p99 : an idle daemon's",
            ours=milliseconds(percentile(busy, 0.99)),
            peer=milliseconds(percentile(idle, 0.99)),
            ratio=f"lag p99 {milliseconds(lag_s)}",
            target=f"≤ {milliseconds(LAG_S)}",
            is_reached=lag_s <= LAG_S,
            figures={**spread("busy", busy), **spread("idle", idle), "busy_p99_s": percentile(busy, 0.99)},
        ),
        Row(
            "R10",
            "the same: memory at its end : before it",
            ours=f"{after_bytes / MIB:.1f} MiB",
            peer=f"{before_bytes / MIB:.1f} MiB",
            ratio=f"{(after_bytes - before_bytes) / MIB:+.1f} MiB",
            figures={"before_bytes": before_bytes, "after_bytes": after_bytes},
        ),
        Row(
            "R10",
            "the same: the daemon's processor time a second : a line",
            ours=f"{cpu_s:.2f} s/s",
            peer="–",
            ratio=f"{cpu_s / ROOMS / LINES_PER_S * 1e6:.1f} µs a line",
            figures={"cpu_per_s": cpu_s},
        ),
    ]


def _follow(socket: Path, room: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.room_reader", str(socket), room]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    return reader


def _ask_after_a_pause(asking: Asking) -> float:
    time.sleep(PAUSE_S)
    return asking()


def _cpu_s(daemon: Daemon) -> float:
    """Read the processor time of all its threads."""
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
