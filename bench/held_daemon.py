"""
The daemon, and an instrument that measures for how long each step of a task holds its loop.

`python -m bench.held_daemon CONFIG STATE RUNTIME` says on standard output that it listens, and for each line on its
input, as JSON, what steps there were since the last one. A step is what a task does between two of its checkpoints;
nobody else's task runs meanwhile. It is measured in processor time of the loop's own thread: what else the machine does
at that moment holds no loop of ours. The collector of garbage runs within steps, so it counts. Calls that send are
timed besides: what the kernel does in them is the machine's, as `bench.plain_loop` shows.
"""

from bench.timed_sends import SENDS  # before Trio is imported

# isort: split
import gc
import json
import os
import resource
import sys
import time
from bisect import bisect_left
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from concordiad.config import read_config
from concordiad.config.places import Directories
from concordiad.daemon import Setup, prepare, run_daemon
from concordiad.house.handle import House
from concordiad.ops.log import Log
from concordiad.ops.memory import keep_freed_memory, spare_what_stays

EDGES_S: Final = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005)
LONGEST: Final = 8
"""Steps that are told of one by one."""
LOOK_S: Final = 0.01
"""How old the last look at what the hypervisor took may be when a step begins."""
TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
"""In these the kernel tells it (proc(5), /proc/stat)."""


class HeldLoop(trio.abc.Instrument):
    """
    For how long the loop was held.

    Attributes:
        counts: steps by their length: up to each of EDGES_S, and longer ones.
        longest: the longest of them, with their tasks' names, and of each how long the collector of garbage worked in
            it, how many pages of memory the kernel had to give it, how long it was in calls that send, and how long the
            hypervisor had taken processors away since LOOK_S before it at most, if it is over the last edge.
        own_longest_s: the longest of them without the time in calls that send.
        own_over: steps that are longer than the last edge without that time.
        collected_s: the longest collection.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._pages = 0
        self._within_s = 0.0
        self._stat = os.open("/proc/stat", os.O_RDONLY)
        self._looked_at, self._stolen_s = 0.0, 0.0
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.counts = [0] * (len(EDGES_S) + 1)
        self.longest: list[tuple[float, str, float, int, float, float]] = []
        self._collecting_s = self.collected_s = self.own_longest_s = 0.0
        self.own_over = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Begin to count."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_S:
            self._looked_at, self._stolen_s = now, self._stolen()
        self._within_s = SENDS.within_s = 0.0
        self._pages = _pages()
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        held_s = time.thread_time() - self._began
        self.counts[bisect_left(EDGES_S, held_s)] += 1
        if len(self.longest) < LONGEST or held_s > self.longest[-1][0]:
            stolen_s = self._stolen() - self._stolen_s if held_s > EDGES_S[-1] else 0.0
            step = (held_s, _name(task), self._within_s, _pages() - self._pages, SENDS.within_s, stolen_s)
            self.longest = sorted([*self.longest, step], reverse=True)[:LONGEST]
        own_s = held_s - SENDS.within_s
        self.own_longest_s = max(self.own_longest_s, own_s)
        self.own_over += own_s > EDGES_S[-1]

    def _stolen(self) -> float:
        """Tell how long the hypervisor has had other work for processors that were to work for this machine."""
        first = os.pread(self._stat, 512, 0).split(b"\n", 1)[0]
        return int(first.split()[8]) * TICK_S

    def collected(self, phase: str, _: dict[str, int]) -> None:
        """Hear of the collector of garbage."""
        if phase == "start":
            self._collecting_s = time.thread_time()
        else:
            took_s = time.thread_time() - self._collecting_s
            self._within_s += took_s
            self.collected_s = max(self.collected_s, took_s)

    def report(self) -> dict[str, Any]:
        """Tell of the steps since the last time."""
        told = {
            "edges_s": EDGES_S,
            "counts": self.counts,
            "longest": self.longest,
            "own_longest_s": self.own_longest_s,
            "own_over": self.own_over,
            "collected_s": self.collected_s,
        }
        self.reset()
        return told


def _pages() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


def _name(task: trio.lowlevel.Task) -> str:
    return task.name.rpartition("concordiad.")[2]


async def _run(setup: Setup) -> None:
    send, receive = trio.open_memory_channel[House](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_daemon, setup, lambda _, house: send.send_nowait(house))
        await receive.receive()
        held = HeldLoop()
        gc.callbacks.append(held.collected)
        trio.lowlevel.add_instrument(held)
        _tell(is_ready=True)
        while await trio.to_thread.run_sync(sys.stdin.readline):
            _tell(**held.report())
        nursery.cancel_scope.cancel()


def _tell(**said: Any) -> None:
    print(json.dumps(said), flush=True)


def main() -> None:
    """Start as the daemon's own command does."""
    config, state, runtime = map(Path, sys.argv[1:])
    log = Log()
    log.configure()
    keep_freed_memory()
    setup = prepare(partial(read_config, config), Directories(state, runtime), os.environ, log, is_try=False)
    spare_what_stays()
    trio.run(_run, setup)


if __name__ == "__main__":
    main()
