"""
What SQLite keeps in mind of a log while a journal is open: the only trace of one that was taken away after a crash.

The file beside the log (`journal.db-shm`, sqlite.org/walformat) outlives a kill, and nobody needs it then. It is never
synced: after a power cut it may be older than the log, or know of more than was synced. Law: nothing is written, and
what has no right sum is no trace.
"""

import sys
import time
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from concordiad.journal.frames import MAGIC, VERSION, Sum, add

_HEADER: Final = Struct("=3IBBH6I2I")
_COPIED: Final = Struct("=I")
_SUMMED_BYTES: Final = 40
_IS_BIG: Final = sys.byteorder == "big"


class Trace(NamedTuple):
    """
    What is known of a log that was in use.

    Attributes:
        salts: what its frames are marked with.
        frames: how many it had, up to the last commit.
        copied: how many of them were copied back into the journal.
    """

    salts: Sum
    frames: int
    copied: int


def is_of_this_boot(path: Path) -> bool:
    """Tell whether what is known of a log is of a time since which the machine has been up. Raises OSError."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        return path.with_name(f"{path.name}-shm").stat().st_mtime > booted
    except FileNotFoundError:
        return False


def read_trace(path: Path) -> Trace | None:
    """Read what is known of a journal's log; None where nothing is. Raises OSError."""
    try:
        with path.with_name(f"{path.name}-shm").open("rb") as file:
            first, second, rest = (file.read(_HEADER.size) for _ in range(3))
    except FileNotFoundError:
        return None
    if first != second or len(first) < _HEADER.size or len(rest) < _COPIED.size:
        return None
    version, _, _, is_made, _, _, frames, _, _, _, *salts, one, other = _HEADER.unpack(first)
    is_right = add(bytearray(first[:_SUMMED_BYTES]), (0, 0), MAGIC[_IS_BIG]) == (one, other)
    if version != VERSION or not is_made or not is_right:
        return None
    # The salts stand there as they do in the log.
    marks = [int.from_bytes(salt.to_bytes(4, sys.byteorder), "big") for salt in salts]
    return Trace((marks[0], marks[1]), frames, _COPIED.unpack_from(rest)[0])
