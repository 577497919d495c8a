"""
How long an agent may leave a turn without what it owes, and how long a turn may take.

Plain and synchronous, in monotonic seconds; the writer says what happened and asks what is too much. Law: silence
counts only where the agent itself could speak, so not while a tool runs, people are asked, or it waits to try its API
again.
"""

from typing import Final, NamedTuple

from concordiad.config.limits import Graces
from concordiad.core.faults import Fault

NEVER: Final = float("inf")


class Limit(NamedTuple):
    """When the running turn is to be stopped, for what, and in which words."""

    deadline: float
    fault: Fault
    words: str

    @property
    def reason(self) -> str:
        """What the turn is told then."""
        return f"{self.fault.value}: {self.words}"


NO_LIMIT: Final = Limit(NEVER, Fault.TURN_LIMIT, "")


class Patience:
    """
    What is known of the agent's silence.

    Args:
        graces: the limits; one that is 0 does not count.

    Attributes:
        tools: how many tools run.
    """

    def __init__(self, graces: Graces) -> None:
        self._graces = graces
        self._heard_at = 0.0
        self._counts_from = 0.0
        self._retried_at = 0.0
        self.tools = 0
        self._turn: str | None = None
        self._turn_since = 0.0

    def begin(self) -> None:
        """Forget the last incarnation's tools."""
        self.tools = 0

    def note_output(self, now: float) -> None:
        """Note that the agent has said something, whatever it was."""
        self._heard_at = now
        self._counts_from = max(self._counts_from, now)

    def note_wait(self, until: float) -> None:
        """Note that the agent has a reason to say nothing until then."""
        self._counts_from = max(self._counts_from, until)

    def note_retry(self, at: float) -> None:
        """Note that the agent asks its API anew at that time, and waits until then."""
        self._retried_at = at
        self.note_wait(at)

    def note_tools(self, count: int) -> None:
        """Note how many tools run; that some no longer do was said by the agent."""
        self.tools = count

    def watch(self, turn: str | None, now: float) -> None:
        """Note which turn the agent works on; the limits of another one begin anew."""
        if turn != self._turn:
            self._turn, self._turn_since = turn, now

    def silent_s(self, now: float) -> float:
        """Tell for how long nothing has come in the turn that is watched."""
        return max(now - max(self._heard_at, self._turn_since), 0.0)

    def limit(self, *, is_asking: bool, is_acknowledged: bool, has_output: bool) -> Limit:
        """
        Tell what ends the turn that is watched.

        Args:
            is_asking: people are asked, so the agent waits for them.
            is_acknowledged: the agent has said, in one way or another, that it has the turn's line.
            has_output: something of the turn has come.
        """
        graces, limits = self._graces, [NO_LIMIT]
        if graces.ack_s and not is_acknowledged:
            words = f"the agent did not say within {graces.ack_s:g} s that it has the prompt"
            limits.append(Limit(self._turn_since + graces.ack_s, Fault.NO_ACKNOWLEDGEMENT, words))
        if graces.first_output_s and not has_output and not is_asking:
            since = max(self._turn_since, self._retried_at)
            words = f"nothing of the turn came within {graces.first_output_s:g} s"
            limits.append(Limit(since + graces.first_output_s, Fault.NO_FIRST_OUTPUT, words))
        if graces.silence_s and not self.tools and not is_asking:
            since = max(self._counts_from, self._turn_since)
            words = f"the agent said nothing for {graces.silence_s:g} s"
            limits.append(Limit(since + graces.silence_s, Fault.SILENCE, words))
        if graces.turn_limit_s:
            words = f"the turn took longer than {graces.turn_limit_s:g} s"
            limits.append(Limit(self._turn_since + graces.turn_limit_s, Fault.TURN_LIMIT, words))
        return min(limits)
