"""
I1: a hundred guests who say nothing and are told nothing, but are asked every half minute whether they are there.

The real daemon, all its threads, over I1_SECONDS (90): processor time, and how often one of its threads goes to sleep
to be woken again. Every ping is answered. Then a thousand more come: what one costs in memory. What the daemon has
before a guest comes is compared with a Python that has only imported the libraries.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

from bench.guest_daemon import open_daemon
from bench.guest_server import Watched
from bench.table import Row

SECONDS: Final = float(os.environ.get("I1_SECONDS", "90"))
GUESTS: Final = 100
MORE: Final = 1000
ASKED_S: Final = 30
"""How often everybody is asked, by default."""
CPU_MS: Final = 0.5
WAKES: Final = 0.2
GUEST_BYTES: Final = 20_000
OF_IMPORTS: Final = 1.25
MIB: Final = 2**20


def measure_idle() -> Sequence[Row]:
    """Watch a daemon do nothing."""
    with open_daemon() as hosted:
        watched = hosted.watched
        alone = watched.memory_bytes()
        imports = _import_bytes()
        # Threads that start-up has used end by themselves.
        hosted.crowd.idle(12)
        base_s, base_wakes = _watch(watched, lambda: hosted.crowd.idle(SECONDS / 3), SECONDS / 3)
        hosted.crowd.join([hosted.token] * GUESTS)
        hosted.crowd.settle(1.0)
        some = watched.memory_bytes()
        cpu_s, wakes = _watch(watched, lambda: hosted.crowd.idle(SECONDS), SECONDS)
        hosted.crowd.join([hosted.token] * MORE)
        # What their coming takes in passing is given back when everybody is asked the next time.
        hosted.crowd.idle(ASKED_S + 5)
        guest_bytes = (watched.memory_bytes() - some) / MORE
    what = f"idle, {GUESTS} guests, asked every {ASKED_S} s"
    return [
        Row(
            "I1",
            f"{what}: processor time a second : no guests",
            ours=f"{cpu_s * 1000:.2f} ms",
            peer=f"{base_s * 1000:.2f} ms",
            ratio=f"{(cpu_s - base_s) * 1000:+.2f} ms",
            target=f"≤ {CPU_MS} ms",
            is_reached=cpu_s * 1000 <= CPU_MS,
            figures={"cpu_per_s": cpu_s, "base_cpu_per_s": base_s},
        ),
        Row(
            "I1",
            "the same: wake-ups a second : no guests",
            ours=f"{wakes:.2f}",
            peer=f"{base_wakes:.2f}",
            ratio=f"{wakes - base_wakes:+.2f}",
            target=f"≤ {WAKES}",
            is_reached=wakes <= WAKES,
        ),
        Row(
            "I1",
            f"memory a guest, {MORE} more",
            ours=f"{guest_bytes / 1000:.1f} KB",
            peer="–",
            ratio="–",
            target=f"≤ {GUEST_BYTES / 1000:.0f} KB",
            is_reached=guest_bytes <= GUEST_BYTES,
            figures={"guest_bytes": guest_bytes},
        ),
        Row(
            "I1",
            "the daemon's memory : import trio_websocket, cattrs",
            ours=f"{alone / MIB:.1f} MiB",
            peer=f"{imports / MIB:.1f} MiB",
            ratio=f"{alone / imports:.2f}×",
            target=f"≤ {OF_IMPORTS}×",
            is_reached=alone / imports <= OF_IMPORTS,
        ),
    ]


def _watch(watched: Watched, wait: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Return processor time a second and wake-ups a second."""
    cpu_s, sleeps = watched.cpu_s(), watched.sleeps()
    wait()
    return (watched.cpu_s() - cpu_s) / seconds, (watched.sleeps() - sleeps) / seconds


def _import_bytes() -> int:
    command = [sys.executable, "-c", "import trio_websocket, cattrs; print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        size = Watched(process.pid).memory_bytes()
        process.communicate(b"\n")
    return size
