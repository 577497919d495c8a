"""
Whether an agent that has ended is started again, and how long after.

Plain numbers: monotonic seconds come in, the chance too. Laws: what a further attempt would meet again is not tried
again; so many failures within a period are enough; between two attempts the wait doubles, shortened by chance, so that
agents that fell together do not come back together.
"""

from collections import deque
from typing import Final

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 60.0
LIVED_S: Final = 60.0
"""An incarnation that lived so long was no failure to start: the backoff begins anew."""


class Restarts:
    """
    The failures of one room's agent.

    Args:
        limit: so many failures within the period, and it is not tried again; 0: it always is.
        period_s: the period.
    """

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit = limit
        self._period_s = period_s
        self._failed_at: deque[float] = deque()
        self._in_a_row = 0

    @property
    def count(self) -> int:
        """How many failures there were within the period, when the last one was noted."""
        return len(self._failed_at)

    def clear(self) -> None:
        """Forget the failures: somebody has said that it is worth another try."""
        self._failed_at.clear()
        self._in_a_row = 0

    def end_well(self) -> None:
        """Note an end that was wanted: the backoff begins anew, what has failed lately still counts."""
        self._in_a_row = 0

    def fail(self, now: float, lived_s: float, *, has_answered: bool, is_final: bool, chance: float) -> float | None:
        """
        Note an end that nobody wanted.

        Args:
            now: monotonic seconds.
            lived_s: how long the incarnation lived.
            has_answered: whether it ever completed a turn: what came before it is no longer held against the agent.
            is_final: whether the next attempt would end in the same way.
            chance: from 0 to 1.

        Returns:
            The seconds until the next attempt; None if there is to be none.
        """
        self._failed_at.append(now)
        while self._failed_at[0] <= now - self._period_s:
            self._failed_at.popleft()
        if is_final or (self._limit and len(self._failed_at) >= self._limit):
            return None
        if lived_s >= LIVED_S:
            self._in_a_row = 0
            return 0.0
        self._in_a_row = 1 if has_answered else self._in_a_row + 1
        longest: float = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(self._in_a_row - 1, 16))
        return longest * (0.5 + chance / 2)
