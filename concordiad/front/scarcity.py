"""
Accepts that fail for want of something: told in the log, but not each of them.

Law: whoever cannot be accepted waits in the kernel's queue; the connections that are there are served meanwhile.
"""

import errno
import math
from collections.abc import Callable
from typing import Final

import structlog

SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What accept says for want of descriptors or memory."""
ACCEPT_PAUSE_S: Final = 0.1
"""Pause after such an accept: until some connection ends."""
TOLD_EVERY_S: Final = 10.0
"""The next line about it comes after this at the earliest."""

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
            hint="see to the limit of open files: ulimit -n, or LimitNOFILE= of the unit",
            **more,
        )
        self._told_at, self._untold = self._clock(), 0
