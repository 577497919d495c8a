"""
What the writer has recorded: the turns' entries, notices, and which conversation the agent has.

Law: what has happened is recorded in the order in which it is written here, durably, as soon as the journal can, and is
not waited for; what somebody wants is durable when the method returns (`room/to_fanout.py:record`).
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
import trio

from concordiad.core.faults import Fault, fault_of
from concordiad.core.figures import TurnFigures
from concordiad.core.model import AgentSession, is_session_id, rfc3339
from concordiad.core.views import members
from concordiad.journal.changes import Change
from concordiad.room.desk import SECOND_DIGITS
from concordiad.room.hold import Hold
from concordiad.room.ledger import Entry, InProgress, mark
from concordiad.room.to_fanout import Draft, Post, note
from concordiad.room.to_writer import Incarnation

_log = structlog.get_logger("concordiad.room")


def canonical_line(progress: InProgress) -> dict[str, Any]:
    """All that is known of a turn at its end, for its one line in the log; times in seconds, cost in dollars."""
    turn = progress.turn
    prompts = [prompt for prompt, _ in progress.prompts]
    merged = Counter(prompt.merge.stage for prompt in prompts if prompt.merge is not None and prompt.merge.stage)
    since = min((prompt.submitted_at for prompt in prompts), default=turn.started_at)
    return {
        "room": turn.room,
        "turn": turn.id,
        "origin": turn.origin.value,
        "prompts": [prompt.id for prompt in prompts],
        "requests": [prompt.request for prompt in prompts if prompt.request is not None],
        "authors": len({prompt.author.id for prompt in prompts}),
        "merged": {stage.value: count for stage, count in sorted(merged.items())},
        "outcome": None if turn.outcome is None else turn.outcome.value,
        "reason": turn.reason,
        "incarnation": turn.incarnation,
        "queued_s": round(max(turn.started_at - since, 0.0), SECOND_DIGITS),
        "duration_s": turn.duration_s,
        "ttft_s": turn.ttft_s,
        "input_tokens": turn.input_tokens,
        "output_tokens": turn.output_tokens,
        "cost_usd": turn.cost_usd,
        "api_retries": progress.api_retries,
    }


def lost_conversation(why: str) -> Draft:
    """Write that an agent has lost the conversation so far."""
    message = f"the conversation so far is lost to the agent: {why}; the transcript keeps it"
    return Draft("notice", members(code="context_lost", message=message, fault=None))


def tell_end(progress: InProgress, figures: TurnFigures) -> None:
    """Count a turn that has ended, and write its line in the log."""
    line = canonical_line(progress)
    figures.count(progress.turn, line["queued_s"] if progress.turn.prompts else None, progress.api_retries)
    _log.info("turn_finished", **line)


class Scribe:
    """
    What is recorded for the writer.

    Args:
        room: its name.
        hold: the agent that it is about.
        fanout: where it is sent.
        now: Unix seconds.
        figures: what became of the turns until now; of none where it is left out.

    Attributes:
        session_id: the conversation that the agent has; None where the next one begins anew.
        has_history: whether a result was ever seen in it.
        model: the one that the agent names.
        fault: what was last wrong with the agent, as `room.list` shows it.
        figures: what became of the turns.
    """

    def __init__(
        self,
        room: str,
        hold: Hold,
        fanout: trio.abc.SendChannel[Post],
        now: Callable[[], float],
        figures: TurnFigures | None = None,
    ) -> None:
        self._now = now
        self.fault: dict[str, str] | None = None
        self._room = room
        self._hold = hold
        self._fanout = fanout
        self._kind = ""
        self._has_doubted = False
        self.session_id: str | None = None
        self.has_history = False
        self.model: str | None = None
        self.figures = TurnFigures() if figures is None else figures

    def begin(self, incarnation: Incarnation) -> None:
        """Write for another incarnation."""
        self.session_id = incarnation.session_id
        self.has_history = incarnation.is_resumed
        self.model = incarnation.model
        self._kind = incarnation.kind
        self._has_doubted = False

    def inherit(self, session_id: str | None, model: str | None, *, has_history: bool) -> None:
        """Go on with the conversation as an earlier run of the daemon knew it."""
        self.session_id, self.model, self.has_history = session_id, model, has_history

    async def write(self, entry: Entry | None, *news: Draft) -> None:
        """Have an entry of the ledger recorded, with what follows from it; the end of a turn is its line in the log."""
        if entry is None:
            return
        await note(self._fanout, [entry.draft, *news], entry.changes)
        turn = entry.progress.turn
        fault = fault_of(turn.reason)
        if fault is not None:
            self._note_fault(fault, (turn.reason or "").partition(": ")[2])
        if turn.outcome is not None:
            tell_end(entry.progress, self.figures)

    async def tell(self, draft: Draft, change: Change | None = None) -> None:
        """Have one event recorded, with the row that belongs to it."""
        await note(self._fanout, [draft], [] if change is None else [change])

    async def change_room(self, **body: Any) -> None:
        """Say that the room as such has changed."""
        await self.tell(Draft("room.changed", members(**body)))

    async def notice(self, code: str, message: str, fault: Fault | None = None) -> None:
        """Say what people should know; nobody waits until it is recorded."""
        if fault is not None:
            self._note_fault(fault, message)
        told = members(code=code, message=message, fault=None if fault is None else fault.value)
        body = mark(told, is_rehearsal=self._hold.is_rehearsal)
        await self._fanout.send(Post([Draft("notice", body)]))

    async def name_session(self, session_id: str, model: str | None) -> None:
        """Take what the agent calls its conversation and its model; what cannot be a conversation's is not believed."""
        self.model = model or self.model
        if session_id == self.session_id or not session_id:
            return
        if is_session_id(session_id):
            self.session_id = session_id
            await self._record_session()
        elif not self._has_doubted:
            self._has_doubted = True
            size = len(session_id.encode("utf-8", "replace"))
            told = f"the agent calls its conversation by {size} bytes that are no UUID: it was not believed"
            await self.notice("session_refused", f"{told}, and what is resumed is the conversation before")

    async def note_history(self) -> None:
        """Note that the conversation has something to be resumed."""
        if not self.has_history:
            self.has_history = True
            await self._record_session()

    async def forget_session(self) -> None:
        """Let the next incarnation begin a new conversation."""
        self.session_id, self.has_history = None, False
        await self._record_session()

    async def lose_conversation(self, why: str) -> None:
        """Say that the agent has lost the conversation so far."""
        await self.forget_session()
        await self.tell(lost_conversation(why))

    def _note_fault(self, fault: Fault, message: str) -> None:
        self.fault = {"fault": fault.value, "message": message, "at": rfc3339(self._now())}

    async def _record_session(self) -> None:
        session = AgentSession(self._room, self._kind, self.session_id, self._hold.incarnation, self.has_history)
        await note(self._fanout, [], [session])
