"""The readers that P1 and P2 compare, each in a process of its own on the pipe of a `cat` that writes all it can."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.peers import peers_python

LIMIT_BYTES: Final = 64 * 1024 * 1024
"""The daemon's default for a line; the SDK's, of 1 MiB, would end P2 before it began."""
WC_TIMES: Final = 8
HERE: Final = Path(__file__).parent
WAYS: Final = ("ours", "client", "transport", "wc")


class Reading(NamedTuple):
    """Seconds on the wall and of the reader's processor time, and what else the reader says."""

    wall_s: float
    cpu_s: float
    figures: Mapping[str, Any]


def read_ours(path: Path, limit_bytes: int = LIMIT_BYTES) -> Reading:
    """Let the daemon's pump read a file's lines."""
    return _run([sys.executable, "-m", "bench.pump_reader", str(path), str(limit_bytes)])


def read_sdk(way: str, path: Path) -> Reading:
    """Let claude-agent-sdk read them: its `transport` alone, or all of its `client`."""
    program = path.with_name(path.name + ".sh")
    program.write_text(f"#!/bin/sh\nexec cat {path}\n")
    program.chmod(0o700)
    return _run([peers_python(), str(HERE / "sdk_reader.py"), way, str(program), str(LIMIT_BYTES)])


def read_wc(path: Path) -> Reading:
    """Let `wc -l` count them, so often over that it takes as long as the others: on a busy machine that counts."""
    began = time.perf_counter()
    with (
        subprocess.Popen(["cat", *[path] * WC_TIMES], stdout=subprocess.PIPE) as cat,
        subprocess.Popen(["wc", "-l"], stdin=cat.stdout, stdout=subprocess.DEVNULL) as wc,
    ):
        _, status, usage = os.wait4(wc.pid, 0)
        wc.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - began
    assert wc.returncode == 0
    return Reading(wall_s / WC_TIMES, (usage.ru_utime + usage.ru_stime) / WC_TIMES, {})


def read_in_turn(path: Path, rounds: int) -> dict[str, list[Reading]]:
    """Let all of them read the file, one after the other, so many times; the file is in memory then."""
    path.read_bytes()
    readings: dict[str, list[Reading]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        readings["ours"].append(read_ours(path))
        readings["client"].append(read_sdk("client", path))
        readings["transport"].append(read_sdk("transport", path))
        readings["wc"].append(read_wc(path))
    return readings


def wall_s(readings: list[Reading]) -> float:
    """Find the median time on the wall."""
    return median(reading.wall_s for reading in readings)


def cpu_s(readings: list[Reading]) -> float:
    """Find the median of the reader's processor time."""
    return median(reading.cpu_s for reading in readings)


def _run(command: list[str]) -> Reading:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout)
    return Reading(figures.pop("wall_s"), figures.pop("cpu_s"), figures)
