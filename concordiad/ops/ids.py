"""New ids, ever increasing within one run of the daemon."""

import os
import time
from collections.abc import Callable

from concordiad.core.model import ID_RANDOM_BYTES, ID_TICKS_PER_MS, make_id


class IdFactory:
    """
    Make UUIDv7s that sort in the order in which they were made, whatever the wall clock does.

    Args:
        now: Unix seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._last = 0

    def __call__(self) -> str:
        """Make the next id; a burst runs ahead of the clock by a tick an id."""
        self._last = max(self._last + 1, int(self._now() * 1000 * ID_TICKS_PER_MS))
        return make_id(self._last, os.urandom(ID_RANDOM_BYTES))
