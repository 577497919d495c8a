"""Somebody whose room is well, who asks all the while: how long an answer takes while other rooms are not."""

import contextlib
import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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


class Bystander(ControlClient):
    """Asks the room `main` for one short turn after the other."""

    def ask(self) -> float:
        """Ask for a turn and wait for its end; returns the seconds that it took."""
        began_at = time.monotonic()
        prompt = self.submit("[[text:well]]", room="main")
        assert self.finished(prompt["id"])["answer"] == "well"
        self.forget()
        return time.monotonic() - began_at

    @contextlib.contextmanager
    def asking(self, most: float = math.inf) -> Iterator[list[float]]:
        """Ask, in a thread, until the block ends or so often; gives the list that grows by what each turn took."""
        seconds: list[float] = []
        is_over = threading.Event()

        def ask_on() -> None:
            while not is_over.is_set() and len(seconds) < most:
                seconds.append(self.ask())

        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask_on)
            try:
                yield seconds
            finally:
                is_over.set()
            asking.result()


def waits(seconds: Sequence[float]) -> Waits:
    """Sum up how long some answers took."""
    cuts = quantiles(seconds, n=100)
    return Waits(1000 * cuts[49], 1000 * cuts[98])
