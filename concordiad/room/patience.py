"""
How long an agent may leave a turn without what it owes, and how long a turn may take.

Plain and synchronous, in monotonic seconds; the writer says what happened and asks what is too much. Laws: silence
counts only where the agent itself could speak, so not while a tool runs, people are asked, or it waits to try its API
again; what the agent does of its own accord ends neither its time to take a line of ours nor the turn's time in all.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from concordiad.config.limits import Graces
from concordiad.core.faults import Fault

NEVER: Final = float("inf")


class Limit(NamedTuple):
    """When a turn is to be stopped, for what, in which words, and which one."""

    deadline: float
    fault: Fault
    words: str
    turn: str

    @property
    def reason(self) -> str:
        """What the turn is told then."""
        return f"{self.fault.value}: {self.words}"


NO_LIMIT: Final = Limit(NEVER, Fault.TURN_LIMIT, "", "")


class _Watched:
    """
    One turn with the agent.

    Attributes:
        since: from when it counts in all.
        at_it_since: from when the agent is at it without a break; None while it works on one of its own before.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.at_it_since: float | None = None
        self._passed_s = 0.0

    def take_up(self, now: float) -> None:
        """Let the time count in which the agent could do something about it."""
        if self.at_it_since is None:
            self.at_it_since = now

    def put_off(self, now: float) -> None:
        """Let that time stand still."""
        if self.at_it_since is not None:
            self._passed_s += now - self.at_it_since
            self.at_it_since = None

    def counts_from(self, at_it_since: float) -> float:
        """Tell since when the agent would be at it, had it been without a break."""
        return at_it_since - self._passed_s


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
        self._watched: dict[str, _Watched] = {}

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

    def watch(self, own: str | None, ours: str | None, now: float) -> None:
        """Note which turn of its own the agent works on, and which one of ours it has: that waits for the other."""
        turns = [turn for turn in (own, ours) if turn is not None]
        self._watched = {turn: self._watched.get(turn) or _Watched(now) for turn in turns}
        for number, watched in enumerate(self._watched.values()):
            if number:
                watched.put_off(now)
            else:
                watched.take_up(now)

    def silent_s(self, now: float) -> float:
        """Tell for how long nothing has come in the turn that the agent is at."""
        since = [watched.at_it_since for watched in self._watched.values() if watched.at_it_since is not None]
        return max(now - max([self._heard_at, *since]), 0.0)

    def limit(self, turn: str, *, is_asking: bool, is_acknowledged: bool, has_output: bool) -> Limit:
        """
        Tell what ends a turn that is watched.

        Args:
            turn: which one.
            is_asking: people are asked, so the agent waits for them.
            is_acknowledged: the agent has said, in one way or another, that it has the turn's line.
            has_output: something of the turn has come.
        """
        watched = self._watched.get(turn)
        if watched is None:
            return NO_LIMIT
        graces, limits = self._graces, [NO_LIMIT]
        # An agent says that it has a line whatever it works on.
        if graces.ack_s and not is_acknowledged:
            words = f"the agent did not say within {graces.ack_s:g} s that it has the prompt"
            limits.append(Limit(watched.since + graces.ack_s, Fault.NO_ACKNOWLEDGEMENT, words, turn))
        if graces.turn_limit_s:
            words = f"the turn took longer than {graces.turn_limit_s:g} s"
            limits.append(Limit(watched.since + graces.turn_limit_s, Fault.TURN_LIMIT, words, turn))
        if watched.at_it_since is not None and not is_asking:
            limits += self._limits_at_it(turn, watched, watched.at_it_since, has_output=has_output)
        return min(limits)

    def _limits_at_it(self, turn: str, watched: _Watched, at_it_since: float, *, has_output: bool) -> Iterator[Limit]:
        graces = self._graces
        if graces.first_output_s and not has_output:
            since = max(watched.counts_from(at_it_since), self._retried_at)
            words = f"nothing of the turn came within {graces.first_output_s:g} s"
            yield Limit(since + graces.first_output_s, Fault.NO_FIRST_OUTPUT, words, turn)
        if graces.silence_s and not self.tools:
            since = max(self._counts_from, at_it_since)
            words = f"the agent said nothing for {graces.silence_s:g} s"
            yield Limit(since + graces.silence_s, Fault.SILENCE, words, turn)
