"""
Whether the room asks for its next turn while the agent's API fails.

Plain and synchronous, in monotonic seconds. Laws: after so many turns in a row that failed for a reason which the next
one would meet too, the queue waits; then one prompt at a time tries, until one is answered. That is so over the end of
the daemon, too.
"""

import math

from concordiad.config.limits import Graces, Limits
from concordiad.core.agents import Ended
from concordiad.core.api import ApiFailing
from concordiad.core.breaker import Breaker, BreakerInput, BreakerState
from concordiad.core.model import Outcome


class Circuit:
    """
    What is known of the agent's API.

    Args:
        limits: after how many failures the queue waits.
        graces: for how long.

    Attributes:
        reason: why the queue waits; empty while it does not.
    """

    def __init__(self, limits: Limits, graces: Graces) -> None:
        self._limits = limits
        self._graces = graces
        self._entry: int | None = None
        self.reason = ""
        self.reset()

    @property
    def is_closed(self) -> bool:
        """Whether the API is believed to work."""
        return self._breaker.state is BreakerState.CLOSED

    def reset(self) -> None:
        """Believe that the API works."""
        failures = self._limits.api_failures or math.inf
        self._breaker = Breaker(failures, self._graces.api_wait_s, self._graces.api_wait_most_s)
        self._entry = None
        self.reason = ""

    def recall(self, failing: ApiFailing, unix_now: float, now: float) -> None:
        """Know what an earlier run of the daemon has found: nobody tries before what is left of the wait is over."""
        if self._limits.api_failures:
            self._breaker.reopen(failing.wait_s, failing.tries_at - unix_now, now)
            self.reason = failing.reason

    def inherit(self) -> None:
        """Know that an earlier run has asked for the turn that is with the agent: how it ends tells of the API, too."""
        # Whatever the clocks say, it was let through then.
        self._entry = self._breaker.enter(math.inf)

    def may_ask(self, now: float) -> bool:
        """Tell whether the next turn may be asked for; one that was asked for before has told nothing of the API."""
        if self._entry is not None:
            self._breaker.leave(self._entry, BreakerInput.GIVEN_UP, now)
        self._entry = self._breaker.enter(now)
        return self._entry is not None

    def deadline(self, now: float) -> float:
        """Tell when a try may be made; never where nobody waits for that."""
        wait_s = self._breaker.wait_s(now) if self._breaker.state is BreakerState.OPEN else 0.0
        return now + wait_s if wait_s > 0 else math.inf

    def wait_s(self, now: float) -> float:
        """Tell in how many seconds the next try may be made."""
        return self._breaker.wait_s(now)

    @property
    def open_s(self) -> float:
        """How many seconds the queue waits after a failure, as things are."""
        return self._breaker.open_s

    def note_result(self, ended: Ended, now: float) -> bool:
        """Take in how a turn of prompts ended; tells whether that is to be told: the queue waits, or goes on again."""
        if self._entry is None:
            return False
        entry, self._entry = self._entry, None
        was_closed, has_failed = self.is_closed, ended.trouble is not None
        if ended.outcome in (Outcome.COMPLETED, Outcome.FAILED):
            how = BreakerInput.FAILED if has_failed else BreakerInput.SUCCEEDED
        else:
            how = BreakerInput.GIVEN_UP
        self._breaker.leave(entry, how, now)
        if not self.is_closed and ended.trouble is not None:
            self.reason = f"{ended.trouble.value}: {ended.reason}"
        elif self.is_closed:
            self.reason = ""
        return was_closed != self.is_closed or (has_failed and not self.is_closed)
