"""
How long an agent may say nothing in a turn, and how long a turn may take.

Plain and synchronous, in monotonic seconds; the writer says what happened and asks what is too much. Law: silence
counts only where the agent itself could speak, so not while a tool runs, people are asked, or it waits to try its API
again.
"""

from typing import Final, NamedTuple

NEVER: Final = float("inf")


class Limit(NamedTuple):
    """When the running turn is to be stopped, and the reason that it is told then."""

    deadline: float
    reason: str


class Patience:
    """
    What is known of the agent's silence.

    Args:
        silence_s: how long it may say nothing; 0: for ever.
        turn_limit_s: how long a turn may take in all; 0: for ever.
    """

    def __init__(self, silence_s: float, turn_limit_s: float) -> None:
        self._silence_s = silence_s
        self._turn_limit_s = turn_limit_s
        self._heard_at = 0.0
        self._counts_from = 0.0
        self._tools = 0
        self._turn: str | None = None
        self._turn_since = 0.0

    def begin(self) -> None:
        """Forget the last incarnation's tools."""
        self._tools = 0

    def note_output(self, now: float) -> None:
        """Note that the agent has said something, whatever it was."""
        self._heard_at = now
        self._counts_from = max(self._counts_from, now)

    def note_wait(self, until: float) -> None:
        """Note that the agent has a reason to say nothing until then."""
        self._counts_from = max(self._counts_from, until)

    def note_tools(self, count: int) -> None:
        """Note how many tools run; that some no longer do was said by the agent."""
        self._tools = count

    def watch(self, turn: str | None, now: float) -> None:
        """Note which turn the agent works on; the limits of another one begin anew."""
        if turn != self._turn:
            self._turn, self._turn_since = turn, now

    def silent_s(self, now: float) -> float:
        """Tell for how long nothing has come in the turn that is watched."""
        return max(now - max(self._heard_at, self._turn_since), 0.0)

    def limit(self, *, is_asking: bool) -> Limit:
        """Tell what ends the turn that is watched; `is_asking`: people are asked, so the agent waits for them."""
        limits = [Limit(NEVER, "")]
        if self._silence_s and not self._tools and not is_asking:
            since = max(self._counts_from, self._turn_since)
            reason = f"silence: the agent said nothing for {self._silence_s:g} s"
            limits.append(Limit(since + self._silence_s, reason))
        if self._turn_limit_s:
            reason = f"turn_limit: the turn took longer than {self._turn_limit_s:g} s"
            limits.append(Limit(self._turn_since + self._turn_limit_s, reason))
        return min(limits)
