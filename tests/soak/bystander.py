"""
Somebody whose rooms are well, who asks all the while: how long an answer takes while other rooms are not.

It asks two daemons in turn, of which only one has rooms that are not well. What both answer later is the machine's
doing, which has other programs to run at that time; what only that one answers later would be the daemon's.

It is a process of its own: in the test's own, it would wait for those who see to it that the others are not well.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from tests.support.control_client import ControlClient


class Waits(NamedTuple):
    """How long answers took, in milliseconds: the median, and what one in a hundred took at least."""

    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        """Say it in words."""
        return f"p50 {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms"


class Beside(NamedTuple):
    """How long answers took while the others were so or so: in a well room of their daemon, and of a daemon apart."""

    shared: Waits
    apart: Waits

    @property
    def harm_of_ours(self) -> float:
        """How many times as long the longest in a hundred took as in the daemon apart, where nothing is wrong."""
        return self.shared.p99_ms / self.apart.p99_ms

    def harm(self, quiet: "Beside") -> float:
        """How many times as long it took as in a quiet time."""
        return self.shared.p99_ms / quiet.shared.p99_ms

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.shared} (apart: {self.apart})"


class Bystander(ControlClient):
    """Asks the room `main` for one short turn after the other."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.call("events.subscribe", room="main", last=0)

    def ask(self) -> float:
        """Ask for a turn and wait for its end; returns the seconds that it took."""
        began_at = time.monotonic()
        prompt = self.submit("[[text:well]]", room="main")
        assert self.finished(prompt["id"])["answer"] == "well"
        self.forget()
        return time.monotonic() - began_at


@contextlib.contextmanager
def asking(shared: Path, apart: Path, least: int, most: float = math.inf) -> Iterator[list[Beside]]:
    """
    Ask the daemons of two sockets in turn until the block ends, though so often at least, and at most.

    Gives a list in which the outcome is once the block has ended.
    """
    spawning = get_context("spawn")
    is_over, (ours, theirs) = spawning.Event(), spawning.Pipe(duplex=False)
    process = spawning.Process(target=_ask_on, args=((shared, apart), least, most, is_over, theirs))
    process.start()
    theirs.close()
    found: list[Beside] = []
    try:
        yield found
        is_over.set()
        found.append(Beside(*map(waits, ours.recv())))
    finally:
        process.kill()
        process.join()


def waits(seconds: Sequence[float]) -> Waits:
    """Sum up how long some answers took."""
    cuts = quantiles(seconds, n=100)
    return Waits(1000 * cuts[49], 1000 * cuts[98])


def _ask_on(paths: Sequence[Path], least: int, most: float, is_over: Event, found: Connection) -> None:
    with contextlib.ExitStack() as stack:
        askers = [stack.enter_context(Bystander(path)) for path in paths]
        rounds: list[list[float]] = []
        while len(rounds) < least or (len(rounds) < most and not is_over.is_set()):
            rounds.append([asker.ask() for asker in askers])
    found.send([list(seconds) for seconds in zip(*rounds, strict=True)])
