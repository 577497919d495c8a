"""Long work in short pieces, so that no other task of the daemon waits for it."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import trio

from concordiad.core.pieces import Pieces

T = TypeVar("T")

SLICE_S: Final = 0.0005
"""Seconds of work at a stretch: with the piece that ends it, well under the 5 ms that the loop is held at most."""


class Slices:
    """
    Tells a long piece of work when to let the others run.

    Args:
        clock: seconds of real time, also where the task's own time is virtual.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = clock()

    def begin(self) -> None:
        """Begin the next slice: the others had their turn."""
        self._began = self._clock()

    def is_over(self) -> bool:
        """Tell whether it is time for a checkpoint."""
        return self._clock() - self._began >= SLICE_S

    async def rest(self) -> None:
        """Let the others run if it is time."""
        if self.is_over():
            await trio.lowlevel.checkpoint()
            self.begin()


async def in_slices(pieces: Pieces[T], slices: Slices | None = None) -> T:
    """
    Do long work, and let the others run in between.

    Args:
        slices: of the work that this is a part of, if it is.
    """
    slices = slices or Slices()
    while True:
        try:
            next(pieces)
        except StopIteration as done:
            came: T = done.value
            return came
        await slices.rest()


async def any_of(answers: Iterator[bool]) -> bool:
    """Tell whether one of many answers is true, of which each is a short piece of work."""
    slices = Slices()
    for answer in answers:
        if answer:
            return True
        await slices.rest()
    return False
