"""
Reading what the start has not read: the older events of a large journal, a few at a time.

Law: no commit waits for it, and nine tenths of the time it rests.
"""

import sqlite3
import time
from pathlib import Path
from typing import Final

import trio

from concordiad.journal.check import read_slice
from concordiad.journal.starting import CHECK_BYTES
from concordiad.journal.store import Store
from concordiad.ops.threads import in_thread

SLICE: Final = 200
"""Events that are read in one go: about a millisecond, in a thread of its own."""
REST: Final = 9
"""So many times as long as a slice has taken nothing is read."""


async def run_patrol(store: Store) -> None:
    """
    Read every event of a journal that was too large to be read at the start, once.

    Owns: a connection of its own, slice by slice. Ends when: all is read, or the file is given up.
    """
    path = store.path
    if path is None or await in_thread(_size, path) <= CHECK_BYTES:
        return
    limiter = trio.CapacityLimiter(1)
    after: int | None = 0
    while after is not None and store.unfit is None:
        began = time.perf_counter()
        after = await in_thread(_look, store, after, limiter=limiter)
        await trio.sleep(REST * (time.perf_counter() - began))


def _size(path: Path) -> int:
    """Tell how large a file is; 0 where it was taken away."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _look(store: Store, after: int) -> int | None:
    """Read a slice; return where the next one goes on, None at the end."""
    try:
        with store.open_another() as connection:
            found, last = read_slice(connection, after, SLICE)
    except (sqlite3.Error, OSError) as error:
        store.note_fault(error)
        return None
    store.note_damaged(found)
    return last
