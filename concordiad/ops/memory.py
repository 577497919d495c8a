"""What becomes of memory: the freed is kept for a while, and what is never freed is not looked at again and again."""

import ctypes
import gc
from collections.abc import Callable
from typing import Any, Final

MMAP_BYTES: Final = 4 * 1024 * 1024
"""Blocks of this size and more go back to the kernel at once."""
KEPT_BYTES: Final = 16 * 1024 * 1024
"""What may stay free and unreturned: some copies of a long line, as pump and journal make them."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""The names of mallopt(3) in glibc's malloc.h."""


def keep_freed_memory() -> None:
    """
    Let glibc keep some of the memory that is freed; another C library goes on as it does.

    By default it returns the blocks of a 1 MB line to the kernel and takes them again for the next one, and the page
    faults cost more than all that is done with the line.

    By default, too, each thread takes from a heap of its own. Ours come and go, what one of them makes for the others
    stays where it is, and each of those heaps grew for ever; there is little to gain, because Python's lock lets one
    thread work at a time.
    """
    mallopt = _find("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_ARENA_MAX, 1)


def give_back_memory() -> None:
    """
    Return to the kernel what was freed: for a quiet moment after a rush.

    A thousand guests who come at once are each told of all the others; what that took would stay as long as the daemon.
    """
    trim = _find("malloc_trim")
    if trim is not None:
        trim(0)


def spare_what_stays() -> None:
    """
    Keep the garbage collector away from what is there already: modules and classes, which are never freed.

    There are more of these objects than of all others, and each full collection would look at every one: when a
    thousand guests come at once, that was a sixth of the time, and a third where they are refused.
    """
    gc.collect()
    gc.freeze()


def _find(name: str) -> Callable[..., Any] | None:
    """Find a function of the C library; None if it has none of that name."""
    try:
        found: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        return None
    return found
