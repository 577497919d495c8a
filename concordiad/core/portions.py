"""
What is long by the part: the first page of a listing, and a text.

A page is so many things, and no more of them together than a limit. What is done with a text by the part needs no
memory as large as the text, which the kernel would have to fetch.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")
PART_CHARS: Final = 16 * 1024
"""Characters of a part of a text: none takes more than 64 KiB."""


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


def text_parts(text: str) -> Iterator[str]:
    """Give a text by the part; one that is short is one part."""
    if len(text) <= PART_CHARS:
        yield text
        return
    for start in range(0, len(text), PART_CHARS):
        yield text[start : start + PART_CHARS]


def utf8_bytes(text: str) -> int:
    """
    Measure a text in UTF-8.

    Raises:
        UnicodeEncodeError: it holds half of a surrogate pair.
    """
    return len(text) if text.isascii() else sum(len(part.encode()) for part in text_parts(text))
