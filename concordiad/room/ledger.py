"""
The ledger's entries: what opening, returning and closing a turn changes, and the event that tells of it.

Plain functions: they decide, the writer has it recorded. Law: a turn's row, its prompts' rows and its event are made
together, so that they are recorded together.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from concordiad.core.agents import Ended
from concordiad.core.model import Author, Origin, Outcome, Prompt, Turn
from concordiad.core.turns import PromptMove, TurnMove, move_prompt, move_turn
from concordiad.core.views import author_view, members, turn_event_view
from concordiad.room.to_fanout import Draft

REHEARSAL_MARK = b',"rehearsal":true'


class InProgress(Struct, frozen=True):
    """
    A turn with the agent.

    Attributes:
        turn: as it was recorded last.
        began_at: monotonic seconds of the hand-over.
        prompts: its prompts with their monotonic deadlines; none for a turn of the agent's own.
        is_acknowledged: whether the agent said that it took the line.
        has_begun: whether the agent said that it works on it.
        ttft_s: seconds from the hand-over to the first output.
        stopped_by: who interrupted it.
        stop_reason: why it was interrupted, where it was not a person.
        stop_deadline: monotonic seconds by which an interrupted turn is to be over.
        is_timed_out: whether a limit stopped it, before anybody else did; `stop_reason` says which.
        api_retries: how often the agent said that it tries its API again.
        partial: its last text, as far as it came, where the agent ended in the middle of it.
    """

    turn: Turn
    began_at: float
    prompts: tuple[tuple[Prompt, float], ...] = ()
    is_acknowledged: bool = False
    has_begun: bool = False
    ttft_s: float | None = None
    stopped_by: Author | None = None
    stop_reason: str | None = None
    stop_deadline: float = math.inf
    is_timed_out: bool = False
    api_retries: int = 0
    partial: str | None = None

    @property
    def stopping(self) -> str | None:
        """Why it was interrupted, in words, while it still runs."""
        return self.stop_reason if self.stopped_by is None else f"interrupted by {self.stopped_by.name}"

    def view(self) -> dict[str, Any]:
        """Show the turn as its events carry it."""
        return turn_event_view(self.turn, [prompt for prompt, _ in self.prompts])


class Entry(NamedTuple):
    """What is recorded together."""

    progress: InProgress
    draft: Draft
    changes: list[Prompt | Turn]


def mark(body: bytes, *, is_rehearsal: bool) -> bytes:
    """Add to an event's body that it stems from a rehearsal agent, where it does."""
    return body + REHEARSAL_MARK if is_rehearsal else body


def _entry(progress: InProgress, event_type: str, *, is_rehearsal: bool, by: Author | None = None) -> Entry:
    body = members(turn=progress.view(), by=None if by is None else author_view(by))
    changes: list[Prompt | Turn] = [progress.turn, *(prompt for prompt, _ in progress.prompts)]
    return Entry(progress, Draft(event_type, mark(body, is_rehearsal=is_rehearsal)), changes)


def open_turn(turn: Turn, prompts: Sequence[tuple[Prompt, float]], began_at: float, *, is_rehearsal: bool) -> Entry:
    """Open a turn: its prompts run from now on."""
    running = tuple((move_prompt(prompt, PromptMove.HANDED_OVER, turn.id), deadline) for prompt, deadline in prompts)
    progress = InProgress(turn, began_at, running, has_begun=turn.origin is Origin.AGENT)
    return _entry(progress, "turn.started", is_rehearsal=is_rehearsal)


def return_turn(progress: InProgress, reason: str, *, is_rehearsal: bool) -> Entry:
    """Undo a hand-over of which the agent saw no byte: its prompts wait again."""
    turn = replace(move_turn(progress.turn, TurnMove.RETURNED), reason=reason)
    prompts = tuple((move_prompt(prompt, PromptMove.RETURNED), deadline) for prompt, deadline in progress.prompts)
    returned = replace(progress, turn=turn, prompts=prompts)
    return _entry(returned, "turn.returned", is_rehearsal=is_rehearsal)


def close_turn(
    progress: InProgress,
    outcome: Outcome,
    reason: str | None,
    finished_at: float,
    *,
    is_rehearsal: bool,
    duration_s: float | None = None,
    figures: Ended | None = None,
    cost_usd: float | None = None,
) -> Entry:
    """Close a turn with its outcome, which is its prompts' outcome too, and with the agent's figures if it gave any."""
    if outcome is Outcome.INTERRUPTED and progress.is_timed_out:
        outcome, reason = Outcome.TIMED_OUT, progress.stop_reason
    elif outcome is Outcome.INTERRUPTED and progress.stopped_by is not None:
        reason = f"interrupted by {progress.stopped_by.name}"
    elif outcome is Outcome.INTERRUPTED and progress.stop_reason is not None:
        reason = progress.stop_reason
    turn = replace(
        move_turn(progress.turn, outcome),
        reason=reason,
        finished_at=finished_at,
        duration_s=duration_s,
        ttft_s=progress.ttft_s,
        answer=progress.partial,
    )
    if figures is not None:
        turn = replace(
            turn,
            answer=figures.answer if outcome is Outcome.COMPLETED else figures.partial,
            ttft_s=progress.ttft_s if progress.ttft_s is not None else figures.ttft_s,
            input_tokens=figures.input_tokens,
            output_tokens=figures.output_tokens,
            cost_usd=cost_usd,
            agent_turns=figures.agent_turns,
        )
    prompts = tuple((move_prompt(prompt, outcome, turn.id), deadline) for prompt, deadline in progress.prompts)
    closed = replace(progress, turn=turn, prompts=prompts)
    return _entry(closed, "turn.finished", is_rehearsal=is_rehearsal, by=progress.stopped_by)
