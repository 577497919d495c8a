"""How often somebody may do a thing: so many times at once, and then so many a second."""


class Allowance:
    """
    A bucket that is refilled when it is looked at (a token bucket).

    Args:
        burst: how many it holds; it begins full.
        per_s: how many come back a second.
        now: monotonic seconds.
    """

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, burst: float, per_s: float, now: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = burst
        self._at = now

    def take(self, now: float, count: float = 1) -> bool:
        """Take so many; tells whether they were there, and takes nothing if not."""
        self._left = min(self._left + (now - self._at) * self._per_s, self._burst)
        self._at = now
        if self._left < count:
            return False
        self._left -= count
        return True

    def wait_s(self, count: float = 1) -> float:
        """Tell in how many seconds after the last look so many will be there."""
        return max(count - self._left, 0.0) / self._per_s
