"""Long work in short pieces, so that no other task of the daemon waits for it."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import trio

SLICE_S: Final = 0.001
"""Seconds of work at a stretch: with the step that ends it, well under the 5 ms that the loop is held at most."""


class Slices:
    """
    Tells a long piece of work when to let the others run.

    Args:
        clock: seconds of real time, also where the task's own time is virtual.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = clock()

    def is_over(self) -> bool:
        """Tell whether it is time for a checkpoint; if so, the next slice begins."""
        now = self._clock()
        if now - self._began < SLICE_S:
            return False
        self._began = now
        return True


async def any_of(answers: Iterator[bool]) -> bool:
    """Tell whether one of many answers is true, of which each is a short piece of work."""
    slices = Slices()
    for answer in answers:
        if answer:
            return True
        if slices.is_over():
            await trio.lowlevel.checkpoint()
    return False
