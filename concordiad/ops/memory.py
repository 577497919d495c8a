"""What becomes of memory: the freed is kept for a while, and what is never freed is not looked at again and again."""

import ctypes
import gc
import linecache
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

MMAP_BYTES: Final = 4 * 1024 * 1024
"""Blocks of this size and more go back to the kernel at once."""
KEPT_BYTES: Final = 16 * 1024 * 1024
"""What may stay free and unreturned: some copies of a long line, as pump and journal make them."""
COLLECTED: Final = (700, 3, 27)
"""
After how many new objects, and of how many such collections, garbage is looked for among older ones (gc.set_threshold).

By default the numbers are 700, 10 and 10: the second collection looks at up to 7,700 objects at a stretch, which takes
1 to 2 ms, and longer beside other work. So it is at most 2,800, and the oldest are looked at as often as before.
"""
LEAST_BYTES: Final = 1024 * 1024
"""What is worth being given back: to look for it takes more than to let it be."""
GROWN_BYTES: Final = 4 * 1024 * 1024
GROWN_SHARE: Final = 8
"""By so much, and by such a part, memory has grown before garbage is looked for among what is old."""
NEVER: Final = 2**31 - 1
"""Collections of what is younger, until what is old is looked at: more than a gc.set_threshold can count."""
SIZES: Final = Path("/proc/self/statm")
"""The process's sizes in pages; the second one is what is in memory (proc(5))."""
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


class Spare:
    """
    What was taken in a rush and is free since: for a quiet moment after it.

    A thousand guests who come at once are each told of all the others; what that took would stay as long as the daemon.
    How much of what there is is free nobody can tell for less than it takes to give it back, so what counts is how
    much more there is than the last time.
    """

    def __init__(self) -> None:
        self._least_bytes = resident_bytes()

    def is_due(self) -> bool:
        """Tell whether there may be enough to be worth it."""
        now_bytes = resident_bytes()
        self._least_bytes = min(self._least_bytes, now_bytes)
        return now_bytes - self._least_bytes >= LEAST_BYTES

    def give_back(self) -> None:
        """
        Return to the kernel what was freed.

        That takes 0.1 ms a megabyte and more, so it is for a thread of its own: Python's lock is not held meanwhile,
        and whoever takes a block of some size waits.
        """
        trim = _find("malloc_trim")
        if trim is not None:
            trim(0)
        self._least_bytes = resident_bytes()


class OldGarbage:
    """
    Garbage among the objects that are old: looked for at a quiet moment, where memory has grown, and not in a rush.

    All of them are looked at at a stretch, 0.2 to 0.6 µs each, and a guest is some 90. Python by itself would do so
    whenever a quarter more have grown old, so again and again while many guests come. While this is entered it does
    not, and whoever has entered it is to look now and then.
    """

    def __init__(self) -> None:
        self._least_bytes = resident_bytes()
        self._thresholds = gc.get_threshold()

    def __enter__(self) -> Self:
        """Have Python leave the old ones alone, if it is known how much memory there is."""
        young, middle, old = self._thresholds = gc.get_threshold()
        if old and self._least_bytes:
            gc.set_threshold(young, middle, NEVER)
        return self

    def __exit__(self, *_: object) -> None:
        """Let Python decide again."""
        gc.set_threshold(*self._thresholds)

    def is_due(self) -> bool:
        """Tell whether there may be enough: many objects have grown old, and there is more memory."""
        if gc.get_count()[2] <= self._thresholds[2]:
            # What has grown is large, and not many: a few long texts, say.
            return False
        now_bytes = resident_bytes()
        self._least_bytes = min(self._least_bytes, now_bytes)
        return now_bytes - self._least_bytes >= max(GROWN_BYTES, self._least_bytes // GROWN_SHARE)

    def collect(self) -> None:
        """Look for it."""
        gc.collect()
        self._least_bytes = resident_bytes()


def resident_bytes() -> int:
    """Tell how much memory the process has; 0 where the kernel does not say it in Linux's way."""
    try:
        return int(SIZES.read_text(encoding="ascii").split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


def spare_what_stays() -> None:
    """
    Keep the garbage collector away from what is there already: modules and classes, which are never freed.

    There are more of these objects than of all others, and each full collection would look at every one: when a
    thousand guests come at once, that was a sixth of the time, and a third where they are refused.

    The younger ones it looks at in smaller portions from then on, where it does so by age (not from Python 3.14 on).

    The text of generated methods, which attrs keeps for debuggers, need not stay: a quarter of a megabyte.
    """
    linecache.clearcache()
    gc.collect()
    gc.freeze()
    if gc.get_threshold()[2]:
        gc.set_threshold(*COLLECTED)


def _find(name: str) -> Callable[..., Any] | None:
    """Find a function of the C library; None if it has none of that name."""
    try:
        found: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        return None
    return found
