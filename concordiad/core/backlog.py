"""
Recent events by number, and who can continue from where.

Laws: the backlog is a gapless suffix of the transcript; what falls out of it is in the journal; a cursor of an earlier
epoch is good only up to that epoch's recorded end, because what was published after it was lost with a power cut.
"""

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

BACKLOG_EVENTS: Final = 4096
"""Events kept in memory: a reader that lags by less is served without the journal."""
BACKLOG_BYTES: Final = 4 * 1024 * 1024
"""Bytes kept in memory for one room, whatever the number of events."""


class EpochStart(NamedTuple):
    """An epoch of a room and the number of the first event that it could give."""

    epoch: int
    first_seq: int


class Backlog:
    """
    The last recorded events of one room as ready lines.

    Args:
        last_seq: the number of the last event recorded before this backlog began.
        limit_events: how many are kept.
        limit_bytes: how many bytes are kept.
    """

    def __init__(self, last_seq: int, limit_events: int = BACKLOG_EVENTS, limit_bytes: int = BACKLOG_BYTES) -> None:
        self._lines: deque[bytes] = deque()
        self._last_seq = last_seq
        self._bytes = 0
        self._limit_events = limit_events
        self._limit_bytes = limit_bytes

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self._last_seq

    def append(self, line: bytes) -> None:
        """Keep the next event's line; drop the oldest ones over the limits."""
        self._lines.append(line)
        self._last_seq += 1
        self._bytes += len(line)
        while len(self._lines) > self._limit_events or (self._bytes > self._limit_bytes and len(self._lines) > 1):
            self._bytes -= len(self._lines.popleft())

    def after(self, seq: int, limit_bytes: float = math.inf) -> list[bytes] | None:
        """
        Give the lines after that number, up to a limit but at least one; None if some of them have fallen out.

        Args:
            seq: the last number that the reader has.
            limit_bytes: of all lines together.
        """
        missing = self._last_seq - seq
        if missing > len(self._lines):
            return None
        lines: list[bytes] = []
        size = 0
        for line in islice(self._lines, len(self._lines) - max(missing, 0), None):
            size += len(line)
            if lines and size > limit_bytes:
                break
            lines.append(line)
        return lines


def can_continue(epoch: int, seq: int, starts: Sequence[EpochStart], last_seq: int, first_kept_seq: int) -> bool:
    """
    Tell whether a reader whose last event is `seq` of `epoch` misses nothing by going on with `seq + 1`.

    Args:
        epoch: the epoch in which the reader saw that event.
        seq: its number.
        starts: every epoch of the room, oldest first.
        last_seq: the last number of the room.
        first_kept_seq: the first number that was not pruned.
    """
    ends = {
        start.epoch: (starts[index + 1].first_seq - 1 if index + 1 < len(starts) else last_seq)
        for index, start in enumerate(starts)
    }
    end = ends.get(epoch)
    return end is not None and seq <= end and seq + 1 >= first_kept_seq
