"""
Accepts that fail for want of something: told in the log, but not each of them.

Law: whoever cannot be accepted waits in the kernel's queue; the connections that are there are served meanwhile, and a
few hosts more, for whom descriptors are kept back. Who makes room for them is in `front/sources.py` and
`front/hall.py`.
"""

import errno
import math
import os
from collections.abc import Callable
from typing import Final

import structlog

SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What accept says for want of descriptors or memory."""
ACCEPT_PAUSE_S: Final = 0.1
"""Pause after such an accept: until some connection ends."""
TOLD_EVERY_S: Final = 10.0
"""The next line about it comes after this at the earliest."""
HINTS: Final = {
    errno.EMFILE: "see to the limit of open files: ulimit -n, or LimitNOFILE= of the unit",
    errno.ENFILE: "see to the machine's limit of open files: sysctl fs.file-max",
}
SHORT_OF_MEMORY: Final = "the machine is short of memory: see what takes it, and MemoryMax= of the unit"

RESERVE: Final = 8
"""Descriptors kept back: a host's connection, what is open while it is found out who that is, and some for a rush."""

_log = structlog.get_logger("concordiad.connections")


class Scarcity:
    """
    Tells of accepts that failed.

    Args:
        listener: which one's they are.
        clock: monotonic seconds.
    """

    def __init__(self, listener: str, clock: Callable[[], float]) -> None:
        self._listener = listener
        self._clock = clock
        self._told_at = -math.inf
        self._untold = 0

    def note(self, error: OSError, **more: object) -> None:
        """
        Note a failed accept; it is logged if nothing was for a while, with how many there were since.

        Raises:
            OSError: the error itself, if it is not about scarcity.
        """
        if error.errno not in SCARCE:
            raise error
        self._untold += 1
        if self._clock() - self._told_at < TOLD_EVERY_S:
            return
        _log.warning(
            "accept_failed",
            listener=self._listener,
            why=error.strerror,
            times=self._untold,
            hint=HINTS.get(error.errno, SHORT_OF_MEMORY),
            **more,
        )
        self._told_at, self._untold = self._clock(), 0


class Reserve:
    """
    Descriptors that are held for nothing but to be let go of when there are no others.

    Args:
        size: how many.
    """

    def __init__(self, size: int = RESERVE) -> None:
        self._size = size
        self._held: list[int] = []
        self.refill()

    def __len__(self) -> int:
        """Count those that are held."""
        return len(self._held)

    @property
    def missing(self) -> int:
        """Count those that are to be held and are not."""
        return self._size - len(self._held)

    def spend(self) -> bool:
        """Let go of all; tells whether there were any."""
        held, self._held = self._held, []
        for descriptor in held:
            os.close(descriptor)
        return bool(held)

    def refill(self) -> None:
        """Take as many as are missing, or as there are."""
        while len(self._held) < self._size:
            try:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            except OSError:
                return
