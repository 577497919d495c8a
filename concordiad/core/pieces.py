"""
Long work as a generator: it yields wherever it may be interrupted, and returns what came of it.

So what is pure stays pure, and whoever has it done decides whether anybody else gets a turn in between.
"""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Pieces = Generator[None, None, T]
"""Work that lets go between its pieces."""


def whole(pieces: Pieces[T]) -> T:
    """Do all of it at a stretch."""
    while True:
        try:
            next(pieces)
        except StopIteration as done:
            came: T = done.value
            return came
