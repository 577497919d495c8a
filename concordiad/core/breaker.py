"""
When not to call a service that keeps failing (a circuit breaker).

Laws: after so many failures in a row nobody calls for a while; then one call at a time tries whether it works again;
the end of a call that began before the breaker last moved says nothing about now, and is passed over.
"""

import enum
from typing import Final

from concordiad.errors import LocalProtocolError


class BreakerState(enum.StrEnum):
    """What the breaker makes of the service."""

    CLOSED = "closed"
    """It works: everybody may call."""
    OPEN = "open"
    """It fails: nobody may call for a while."""
    TRYING = "trying"
    """One call finds out whether it works again."""


class BreakerInput(enum.StrEnum):
    """What moves a breaker."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_TOO_OFTEN = "failed_too_often"
    GIVEN_UP = "given_up"
    TRIED = "tried"


_S = BreakerState
_I = BreakerInput

BREAKER_TABLE: Final[dict[tuple[BreakerState, BreakerInput], BreakerState]] = {
    (_S.CLOSED, _I.SUCCEEDED): _S.CLOSED,
    (_S.CLOSED, _I.FAILED): _S.CLOSED,
    (_S.CLOSED, _I.FAILED_TOO_OFTEN): _S.OPEN,
    (_S.CLOSED, _I.GIVEN_UP): _S.CLOSED,
    (_S.OPEN, _I.TRIED): _S.TRYING,
    (_S.TRYING, _I.SUCCEEDED): _S.CLOSED,
    (_S.TRYING, _I.FAILED): _S.OPEN,
    # Whoever was cancelled has learnt nothing: the next one tries at once.
    (_S.TRYING, _I.GIVEN_UP): _S.OPEN,
}


class Breaker:
    """
    One service's breaker.

    Args:
        failures: so many in a row open it; infinitely many never do.
        open_s: how long it stays open at first; twice as long after each try that fails.
        most_open_s: and at the most.
    """

    __slots__ = ("_count", "_failures", "_most_open_s", "_next_s", "_open_s", "_period", "_retry_at", "_state")

    def __init__(self, failures: float, open_s: float, most_open_s: float) -> None:
        self._failures = failures
        self._open_s = open_s
        self._most_open_s = most_open_s
        self._state = BreakerState.CLOSED
        self._count = 0
        self._period = 0
        self._next_s = open_s
        self._retry_at = 0.0

    @property
    def state(self) -> BreakerState:
        """What it makes of the service."""
        return self._state

    @property
    def open_s(self) -> float:
        """How long it stays open after a failure, as things are."""
        return self._next_s

    def reopen(self, open_s: float, left_s: float, now: float) -> None:
        """
        Be as open as an earlier breaker of the same service was.

        Args:
            open_s: how long that one was to stay open; if this one may at the most, it is so long for this one, too.
            left_s: what seems to be left of that; it is never less than nothing, nor more than that.
            now: monotonic seconds.
        """
        self._move(BreakerInput.FAILED_TOO_OFTEN)
        self._next_s = min(open_s, self._most_open_s)
        self._retry_at = now + min(max(left_s, 0.0), self._next_s)

    def wait_s(self, now: float) -> float:
        """Tell in how many seconds the next try may be made; 0 while everybody may call."""
        return 0.0 if self._state is BreakerState.CLOSED else max(self._retry_at - now, 0.0)

    def enter(self, now: float) -> int | None:
        """
        Ask whether a call may be made, at this monotonic time.

        Returns: what `leave` is given when the call ends, which has to come; None: do not call.
        """
        if self._state is BreakerState.OPEN and now >= self._retry_at:
            self._move(BreakerInput.TRIED)
            return self._period
        return self._period if self._state is BreakerState.CLOSED else None

    def leave(self, entry: int, how: BreakerInput, now: float) -> None:
        """Take in how a call ended: `succeeded`, `failed`, or `given_up` if nobody waited for its end."""
        if entry != self._period:
            return
        self._count = (
            self._count + 1 if how is BreakerInput.FAILED else 0 if how is BreakerInput.SUCCEEDED else self._count
        )
        if self._state is BreakerState.CLOSED and self._count >= self._failures:
            how = BreakerInput.FAILED_TOO_OFTEN
        was_trying = self._state is BreakerState.TRYING
        self._move(how)
        if self._state is BreakerState.CLOSED:
            self._next_s = self._open_s
        elif how is not BreakerInput.GIVEN_UP:
            self._next_s = min(self._next_s * 2, self._most_open_s) if was_trying else self._open_s
            self._retry_at = now + self._next_s

    def _move(self, how: BreakerInput) -> None:
        following = BREAKER_TABLE.get((self._state, how))
        if following is None:
            raise LocalProtocolError(f"the breaker is {self._state}, {how} cannot come then")
        self._period += following is not self._state
        self._state = following
