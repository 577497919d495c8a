"""
The turns that are with the agent: at most one of ours and one of its own, and what each cost.

Plain and synchronous: a method decides and returns the ledger entry that its caller has recorded. Laws: a turn is
opened once and closed once; a result belongs to the turn that it names; what the agent's cumulative cost rose by since
the last result is the cost of the turn whose result it is.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio
from msgspec.structs import replace

from concordiad.core.agents import Ended
from concordiad.core.faults import Fault, fault_of
from concordiad.core.model import Author, Origin, Outcome, Prompt, Turn
from concordiad.room.ledger import Entry, InProgress, close_turn, open_turn, return_turn
from concordiad.room.to_writer import Incarnation

SECOND_DIGITS: Final = 6
"""Digits of a duration in seconds: more is noise."""
COST_DIGITS: Final = 10
"""Digits of a cost in dollars: a difference of two sums keeps no noise of floating point."""
NO_RESULT: Final = f"{Fault.IDLE_WITHOUT_RESULT.value}: the agent is done with it but gave no result"


class Desk:
    """
    What is with the agent.

    Args:
        room: its name.
        now: Unix seconds.

    Attributes:
        tokens_saved: what the prompts that shared another one's turn would have cost besides, if each of their turns
            were like that one: an estimate.
    """

    def __init__(self, room: str, now: Callable[[], float]) -> None:
        self._room = room
        self._now = now
        self._agent = ""
        self._is_rehearsal = False
        self.total_cost_usd: float | None = None
        self.tokens_saved = 0
        self.ours: InProgress | None = None
        self.own: InProgress | None = None

    @property
    def running(self) -> InProgress | None:
        """The turn that the agent works on: its own one first, because ours waits for that."""
        return self.own or self.ours

    @property
    def turns(self) -> list[InProgress]:
        """All that is with the agent, what it works on first."""
        return [turn for turn in (self.own, self.ours) if turn is not None]

    def begin(self, incarnation: Incarnation) -> None:
        """Work for another incarnation, whose cost so far is not known."""
        self._agent = incarnation.id
        self._is_rehearsal = incarnation.codec.is_rehearsal
        self.total_cost_usd = None

    def inherit(self, turns: Sequence[InProgress], total_cost_usd: float | None) -> None:
        """Take over what an earlier run of the daemon has left with the agent."""
        self.total_cost_usd = total_cost_usd
        for progress in turns:
            if progress.turn.origin is Origin.PROMPTS:
                self.ours = progress
            else:
                self.own = replace(progress, has_begun=True)

    def note_total_cost(self, total_cost_usd: float) -> None:
        """Take the cumulative cost from which the next turn counts, in dollars."""
        self.total_cost_usd = total_cost_usd

    def open_ours(self, turn_id: str, prompts: Sequence[tuple[Prompt, float]]) -> Entry:
        """Open a turn of prompts."""
        turn = self._turn(turn_id, Origin.PROMPTS, tuple(prompt.id for prompt, _ in prompts), prompts[0][0].asked)
        entry = open_turn(turn, prompts, trio.current_time(), is_rehearsal=self._is_rehearsal)
        self.ours = entry.progress
        return entry

    def open_own(self, turn_id: str, text: str) -> Entry:
        """Open a turn that the agent began by itself."""
        turn = self._turn(turn_id, Origin.AGENT, (), text)
        entry = open_turn(turn, (), trio.current_time(), is_rehearsal=self._is_rehearsal)
        self.own = entry.progress
        return entry

    def _turn(self, turn_id: str, origin: Origin, prompts: tuple[str, ...], text: str) -> Turn:
        return Turn(turn_id, self._room, origin, prompts, text, self._now(), self._agent)

    def return_ours(self, reason: str) -> Entry | None:
        """Undo the hand-over of ours, of which the agent saw no byte."""
        progress, self.ours = self.ours, None
        return None if progress is None else return_turn(progress, reason, is_rehearsal=self._is_rehearsal)

    def is_ours(self, turn_id: str) -> bool:
        """Tell whether this is our turn that is with the agent."""
        return self.ours is not None and self.ours.turn.id == turn_id

    def is_own(self, turn_id: str) -> bool:
        """Tell whether this is the agent's own turn that runs."""
        return self.own is not None and self.own.turn.id == turn_id

    def note_acknowledged(self, turn_id: str, *, has_begun: bool) -> None:
        """Note that the agent took our line, and perhaps works on it."""
        if self.ours is not None and self.is_ours(turn_id):
            has_begun = has_begun or self.ours.has_begun
            self.ours = replace(self.ours, is_acknowledged=True, has_begun=has_begun)

    def note_first_output(self, turn_id: str, at: float) -> None:
        """Note when a turn's first output came, in monotonic seconds."""
        if self.ours is not None and self.is_ours(turn_id) and self.ours.ttft_s is None:
            self.ours = replace(self.ours, ttft_s=round(at - self.ours.began_at, SECOND_DIGITS))
        elif self.own is not None and self.is_own(turn_id) and self.own.ttft_s is None:
            self.own = replace(self.own, ttft_s=round(at - self.own.began_at, SECOND_DIGITS))

    def note_stopped(
        self, turn_id: str, by: Author | None, reason: str | None, deadline: float, *, is_timed_out: bool = False
    ) -> None:
        """
        Note who or what interrupted a turn, and by when it is to be over; a limit that was first stays.

        One of ours that waits for the agent's own takes that with it.
        """
        if self.own is not None and self.is_own(turn_id):
            self.own = _stopped(self.own, by, reason, deadline, is_timed_out=is_timed_out)
        elif self.ours is not None and self.is_ours(turn_id):
            self.ours = _stopped(self.ours, by, reason, deadline, is_timed_out=is_timed_out)
            if self.own is not None:
                why = f"turn {turn_id}, which waits for it, is stopped: {self.ours.stop_reason}"
                self.own = _stopped(self.own, by, why, deadline, is_timed_out=False)

    def note_retry(self) -> None:
        """Note that the agent tries its API again for what it works on."""
        if self.own is not None:
            self.own = replace(self.own, api_retries=self.own.api_retries + 1)
        elif self.ours is not None:
            self.ours = replace(self.ours, api_retries=self.ours.api_retries + 1)

    def note_partial(self, turn_id: str, partial: str | None) -> None:
        """Note how far a turn came that gets no result."""
        if self.ours is not None and self.is_ours(turn_id):
            self.ours = replace(self.ours, partial=partial)
        elif self.own is not None and self.is_own(turn_id):
            self.own = replace(self.own, partial=partial)

    def note_left(self, reason: str) -> None:
        """Note that whatever is still with the agent when it ends was stopped, and why."""
        if self.own is not None:
            self.own = replace(self.own, stop_reason=self.own.stop_reason or reason)
        if self.ours is not None:
            self.ours = replace(self.ours, stop_reason=self.ours.stop_reason or reason)

    def close_by_result(self, ended: Ended) -> Entry | None:
        """Close the turn that a result names; None if that is none of those here."""
        cost_usd = self._take_cost(ended)
        if self.ours is not None and self.is_ours(ended.turn):
            progress, self.ours = self.ours, None
            tokens = (ended.input_tokens or 0) + (ended.output_tokens or 0)
            self.tokens_saved += tokens * (len(progress.prompts) - 1)
        elif self.own is not None and self.is_own(ended.turn):
            progress, self.own = self.own, None
        else:
            return None
        return self._close(progress, ended.outcome, ended.reason, ended, cost_usd)

    def _take_cost(self, ended: Ended) -> float | None:
        before, self.total_cost_usd = self.total_cost_usd, ended.total_cost_usd
        if ended.total_cost_usd is None or before is None:
            return ended.cost_usd
        # A new conversation counts from nothing again.
        base = before if ended.total_cost_usd >= before else 0.0
        return round(ended.total_cost_usd - base, COST_DIGITS)

    def close_ours_without_result(self) -> Entry | None:
        """Close our turn, with which the agent is done without having said how it went."""
        progress, self.ours = self.ours, None
        return None if progress is None else self._close(progress, Outcome.FAILED, NO_RESULT)

    def close_own_without_result(self) -> Entry | None:
        """Close the agent's own turn, which it left without a result."""
        progress, self.own = self.own, None
        return None if progress is None else self._close(progress, Outcome.FAILED, NO_RESULT)

    def close_for_lost_agent(self, how: str, stuck: tuple[Fault, str] | None = None) -> list[Entry]:
        """
        Close whatever was with an agent that has ended.

        Args:
            how: the way it ended.
            stuck: the fault for which it was ended, and what the agent did.
        """
        left = [progress for progress in (self.own, self.ours) if progress is not None]
        self.own = self.ours = None
        fault, why = (Fault.EXIT_WITHOUT_RESULT, "ended") if stuck is None else (stuck[0], f"{stuck[1]}, and was ended")
        entries = []
        for progress in left:
            is_taken = progress.is_acknowledged or progress.has_begun or progress.ttft_s is not None
            if fault_of(progress.stop_reason) is Fault.NO_ACKNOWLEDGEMENT and not is_taken:
                outcome, reason = Outcome.UNCERTAIN, progress.stop_reason
            elif progress.stopped_by is not None or progress.stop_reason is not None:
                outcome, reason = Outcome.INTERRUPTED, None
            elif is_taken:
                outcome, reason = Outcome.FAILED, f"{fault}: the agent {why} in the middle of the turn ({how})"
            else:
                outcome = Outcome.UNCERTAIN
                reason = f"{fault}: the agent {why} ({how}) before it said whether it took the prompt"
            entries.append(self._close(progress, outcome, reason))
        return entries

    def _close(
        self,
        progress: InProgress,
        outcome: Outcome,
        reason: str | None,
        figures: Ended | None = None,
        cost_usd: float | None = None,
    ) -> Entry:
        return close_turn(
            progress,
            outcome,
            reason,
            self._now(),
            is_rehearsal=self._is_rehearsal,
            duration_s=round(trio.current_time() - progress.began_at, SECOND_DIGITS),
            figures=figures,
            cost_usd=cost_usd,
        )


def _stopped(
    progress: InProgress, by: Author | None, reason: str | None, deadline: float, *, is_timed_out: bool
) -> InProgress:
    return replace(
        progress,
        stopped_by=None if progress.is_timed_out else progress.stopped_by or by,
        stop_reason=progress.stop_reason or reason,
        stop_deadline=min(progress.stop_deadline, deadline),
        is_timed_out=progress.is_timed_out or is_timed_out,
    )
