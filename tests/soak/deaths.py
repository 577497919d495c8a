"""
Agents that die in every way, in some rooms of one daemon, and what the daemon is like in between.

Each way ends a turn of its own with anything but `completed`; the next prompt is answered by a new incarnation.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from statistics import linear_regression
from typing import Final, NamedTuple

from concordiad.core.backlog import BACKLOG_EVENTS
from tests.support.control_client import ControlClient
from tests.support.daemon import REHEARSAL, Daemon, Site, Tables
from tests.support.patience import PATIENCE_S

STOPPED: Final = "[[hang]]"
DEATHS: Final = {
    "SIGKILL": "[[kill]]",
    "exit": "[[crash:3]]",
    "half a line": "[[half-line]]",
    "garbage": "[[garbage]][[crash]]",
    "a huge line": "[[line:6000000]][[kill]]",
    "orphans": "[[orphan:3600]][[orphan:3600]][[kill]]",
    "end of output without exit": "[[eof]]",
    "exit without end of output": "[[heir:3600]]",
    "SIGSTOP": STOPPED,
}
"""What is asked of an agent that is to die so; the last is stopped by the test."""
LOOK_S: Final = 0.02
TEXTS: Final = 800
"""In one prompt: so many of 300 characters are about as long as a prompt may be."""
PACE: Final = {"prompts_per_minute": 100_000}
"""Limits of a daemon whose one author asks as fast as it can."""


class Sample(NamedTuple):
    """
    What a daemon is like while nothing happens.

    Attributes:
        deaths: how many agents had died by then.
        descriptors: that it has open.
        memory_bytes: what it has of physical memory.
    """

    deaths: int
    descriptors: int
    memory_bytes: int


class Mortuary:
    """
    A daemon some of whose rooms lose their agents again and again.

    Args:
        rooms: how many; besides there is `main`, whose agent lives.
    """

    def __init__(self, root: Path, rooms: int, seed: str) -> None:
        self._names = [f"room-{number}" for number in range(rooms)]
        self._rng = random.Random(seed)
        self._deaths = 0
        self.site = Site(root, self._tables(root))

    def _tables(self, root: Path) -> Tables:
        tables = {name: root / name for name in self._names}
        for directory in tables.values():
            directory.mkdir()
        return {
            **{f"rooms.{name}": {"workdir": str(tables[name]), "agent": "rehearsal"} for name in self._names},
            "agents.rehearsal": REHEARSAL,
            "graces": {"interrupt_s": 0.3, "exit_s": 0.3, "kill_s": 0.3},
            "limits": {**PACE, "line_bytes": 1024 * 1024, "agent_failures": 0},
        }

    def rounds(self, daemon: Daemon, count: int, pause_s: float = 0.0) -> Iterator[Sample]:
        """
        Have the agent of each room die in every way, so many times; look at the daemon after each time.

        Args:
            pause_s: from the beginning of one death in a room to that of the next, at least; the rooms go by turns.
        """
        later_s = [pause_s * number / len(self._names) for number in range(len(self._names))]
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(self._names)) as pool:
            clients = [stack.enter_context(Mourner(self.site.socket, name)) for name in self._names]
            for _ in range(count):
                orders = [self._rng.sample(list(DEATHS), len(DEATHS)) for _ in clients]
                for died in list(pool.map(Mourner.mourn, clients, orders, later_s, repeat(pause_s))):
                    self._deaths += died
                yield self._look(daemon)

    def fill_backlogs(self) -> None:
        """Bring each room to the number of recent events that it keeps in memory, which is no leak."""
        texts = "[[text:" + "x" * 300 + "]]"
        for name in [*self._names, "main"]:
            with Mourner(self.site.socket, name) as client:
                for _ in range(-(-BACKLOG_EVENTS // TEXTS)):
                    client.finished(client.submit(texts * TEXTS, room=name)["id"])

    def _look(self, daemon: Daemon) -> Sample:
        """Wait until only the rooms' agents are left; AssertionError if more stays."""
        wait_until(lambda: len(self.site.leftovers()) == 1 + len(self._names), lambda: str(self.site.leftovers()))
        wait_until(lambda: zombies(daemon) == [], lambda: f"zombies: {zombies(daemon)}")
        descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
        return Sample(self._deaths, descriptors, daemon.memory_bytes())


class Mourner(ControlClient):
    """Follows one room and has its agent die."""

    def __init__(self, path: Path, room: str) -> None:
        super().__init__(path)
        self._room = room
        self.call("events.subscribe", room=room, last=0)

    def mourn(self, ways: Sequence[str], later_s: float, pause_s: float) -> int:
        """Have the agent die in each of some ways, and see that there is another one; returns how often it did."""
        began_at = time.monotonic() + later_s
        for number, way in enumerate(ways):
            time.sleep(max(began_at + number * pause_s - time.monotonic(), 0))
            prompt = self.submit(DEATHS[way], room=self._room)
            if way == "SIGSTOP":
                self._stop_agent()
            turn = self.finished(prompt["id"])
            assert turn["outcome"] != "completed", way
            assert self.finished(self.submit("[[text:alive]]", room=self._room)["id"])["answer"] == "alive", way
            self.forget()
        return len(ways)

    def _stop_agent(self) -> None:
        """Stop the process in the middle of its turn, then interrupt that."""
        turn = self.next("turn.started")["turn"]
        rooms = self.call("room.list")["rooms"]
        (pid,) = [room["agent"]["pid"] for room in rooms if room["name"] == self._room]
        os.kill(pid, signal.SIGSTOP)
        self.call("turn.interrupt", room=self._room, turn=turn["id"])


def zombies(daemon: Daemon) -> list[int]:
    """List the daemon's children that have ended and that it has not waited for."""
    found = []
    for task in Path("/proc", str(daemon.process.pid), "task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            with contextlib.suppress(OSError):
                state = Path("/proc", str(child), "stat").read_text().rpartition(")")[2].split()[0]
                found += [child] if state == "Z" else []
    return found


def wait_until(is_so: Callable[[], bool], what: Callable[[], str]) -> None:
    """Look again and again whether something is so; AssertionError if it does not become so."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, what()
        time.sleep(LOOK_S)


def growth(samples: Sequence[Sample]) -> float:
    """Return by how many bytes of memory each death has made the daemon grow: the slope of a regression."""
    return linear_regression([sample.deaths for sample in samples], [sample.memory_bytes for sample in samples]).slope
