"""A page of a listing: so many things, and no more of them together than a limit."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def first_portion(things: Iterable[T], most: int, limit: int, size_of: Callable[[T], int]) -> tuple[list[T], bool]:
    """
    Take the first of some things, no further than need be.

    Args:
        most: how many at the most.
        limit: the most of all their sizes together; the first thing may be larger.

    Returns:
        Them, and whether there are more.
    """
    portion: list[T] = []
    size = 0
    for thing in things:
        size += size_of(thing)
        if len(portion) == most or (portion and size > limit):
            return portion, True
        portion.append(thing)
    return portion, False
