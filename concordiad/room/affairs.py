"""
What the writer knows of the agent and of the turns with it, in one place for those who act on it.

Plain and synchronous. Law: the state moves by its table, or is that in which the last run of the daemon left an agent.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import trio

from concordiad.config.limits import Graces, Limits
from concordiad.core.figures import TurnFigures
from concordiad.core.model import rfc3339
from concordiad.core.turns import WriterInput, WriterState, move_writer
from concordiad.journal.changes import Change
from concordiad.room.approvals import Approvals
from concordiad.room.circuit import Circuit
from concordiad.room.controls import Controls
from concordiad.room.deadlines import Deadlines
from concordiad.room.desk import SECOND_DIGITS, Desk
from concordiad.room.hold import Hold
from concordiad.room.holding import Gathering, Holding, Memory, name_line, progress_of, with_line
from concordiad.room.refused import RefusedRequests
from concordiad.room.rest import Rest
from concordiad.room.scribe import Scribe
from concordiad.room.to_fanout import Post
from concordiad.room.to_writer import Incarnation
from concordiad.room.unreadable import UnreadableLines

_STATE_NAMES: Final = {
    WriterState.DOWN: "agent-down",
    WriterState.STARTING: "starting",
    WriterState.IDLE: "idle",
    WriterState.BUSY: "busy",
    WriterState.SETTLING: "busy",
    WriterState.OWN: "busy",
}


class Affairs:
    """
    What is known, by subject.

    Args:
        room: its name.
        graces: how long an approval, a start, a drain may take.
        limits: after how many failures of the API the queue waits.
        new_id: makes ids.
        now: Unix seconds.
        fanout: where what happens is sent.
        idle_s: see `room/rest.py`.
        figures: what became of the turns until now; of none where it is left out.

    Attributes:
        state: where the writer is in its table.
        settling: the turn whose line is not done yet, in state SETTLING.
        has_answered: whether the agent has ever completed a turn.
        away: the room's state while there is no agent, by its name in `room.list`, and why.
        gathering: the way to the fan-out for what has happened; `fanout` is that for what somebody wants.
        memory: what of this is recorded.
        unreadable: what the agent wrote that could not be read.
        refused: what it asked for that nobody was asked.
    """

    def __init__(
        self,
        room: str,
        graces: Graces,
        limits: Limits,
        new_id: Callable[[], str],
        now: Callable[[], float],
        fanout: trio.MemorySendChannel[Post],
        idle_s: float,
        figures: TurnFigures | None,
    ) -> None:
        self.room = room
        self.graces = graces
        self.new_id = new_id
        self.now = now
        self.fanout = fanout
        self.state = WriterState.DOWN
        self.settling = ""
        self.has_answered = False
        self.away = ("starting", "")
        self._restarts = -1
        self.hold = Hold()
        self.gathering = Gathering(fanout)
        self.scribe = Scribe(room, self.hold, self.gathering, now, figures)
        self.desk = Desk(room, now)
        self.controls = Controls()
        self.approvals = Approvals(room, graces.approval_s, new_id, now)
        self.deadlines = Deadlines(graces, self.hold, self.desk, self.controls)
        self.rest = Rest(idle_s)
        self.circuit = Circuit(limits, graces)
        self.memory = Memory(room)
        self.unreadable = UnreadableLines()
        self.refused = RefusedRequests()

    @property
    def is_free(self) -> bool:
        """Whether a line can be written: the agent is idle, and has answered every control request."""
        return self.state is WriterState.IDLE and not self.controls and not self.hold.is_closed

    def move(self, move: WriterInput) -> None:
        """Move in the table."""
        before, self.state = self.state, move_writer(self.state, move)
        self.deadlines.note_move(before, self.state, trio.current_time())

    def begin(self, incarnation: Incarnation) -> None:
        """Know another incarnation, and nothing of the last one."""
        self.move(WriterInput.SPAWNED)
        self.hold.take(incarnation)
        self.scribe.begin(incarnation)
        self.desk.begin(incarnation)
        self.rest.begin()
        self.deadlines.begin(trio.current_time())
        self.memory.begin(incarnation)
        self.unreadable.begin()
        self.refused.begin()
        self._restarts += 1
        self.has_answered = False

    def inherit(self, holding: Holding) -> None:
        """Stand where the last run of the daemon did."""
        self.state, self.settling, self.has_answered = holding.state, holding.settling, holding.has_answered
        self.away = ("agent-down", "")
        self.deadlines.note_ready()
        self.deadlines.note_move(WriterState.STARTING, holding.state, trio.current_time())
        self.unreadable.inherit(holding.unreadable, trio.current_time())
        self.refused.inherit(holding.refused, trio.current_time())

    def holding(self) -> Holding:
        """Write down what is known of the agent."""
        agent, scribe = self.hold.agent, self.scribe
        turns = [progress_of(turn) for turn in (self.desk.ours, self.desk.own) if turn is not None]
        return Holding(
            "" if agent is None else agent.likeness,
            0.0 if agent is None else agent.started_at,
            self.state,
            self.settling,
            self.controls.describe(),
            [*self.memory.doubts, *(name_line(line) for line in self.hold.lines)],
            self.hold.is_closed,
            self.has_answered,
            scribe.session_id,
            scribe.has_history,
            scribe.model,
            self.desk.total_cost_usd,
            self.deadlines.patience.tools,
            self.rest.background,
            turns,
            self.unreadable.untold,
            self.refused.untold,
        )

    def to_record(self) -> list[Change]:
        """Give what is to be recorded of an agent that may outlive the daemon, if that has changed."""
        return self.memory.note(self.holding())

    def to_record_with(self, line: bytes | None, state: WriterState) -> list[Change]:
        """Give the same as it will be once one more line is to be written; None is a prompt's."""
        return self.memory.note(with_line(self.holding(), line, state))

    def _behind(self) -> dict[str, Any] | None:
        """Tell which turn of ours the agent has while it works on one of its own, if there is one."""
        ours = self.desk.ours
        if ours is None or self.desk.own is None:
            return None
        return {
            "id": ours.turn.id,
            "prompts": list(ours.turn.prompts),
            "started_at": rfc3339(ours.turn.started_at),
            "acknowledged": ours.is_acknowledged or ours.has_begun,
            "stopping": ours.stopping,
        }

    def describe(self, *, is_draining: bool) -> dict[str, Any]:
        """Tell how the agent is, mostly as `room.list` shows it."""
        agent, running = self.hold.agent, self.desk.running
        state, reason = self.away if agent is None else (_STATE_NAMES[self.state], "")
        if state in ("idle", "asleep") and not self.circuit.is_closed:
            state, reason = "api-failing", self.circuit.reason
        turn = None if running is None else running.view()
        if turn is not None:
            turn["stopping"] = None if running is None else running.stopping
            turn["silent_s"] = round(self.deadlines.patience.silent_s(trio.current_time()), SECOND_DIGITS)
            turn["behind"] = self._behind()
        return {
            "state": "draining" if is_draining else state,
            "reason": reason or None,
            "api_wait_s": self.circuit.wait_s(trio.current_time()),
            "approvals": len(self.approvals),
            "turn": turn,
            "version": None if agent is None else agent.version,
            "model": None if agent is None else self.scribe.model,
            "pid": None if agent is None else agent.pid,
            "incarnation": None if agent is None else agent.id,
            "session_id": self.scribe.session_id,
            "started_at": None if agent is None else rfc3339(agent.started_at),
            "restarts": max(self._restarts, 0),
            "fault": self.scribe.fault,
            "tokens_saved": self.desk.tokens_saved,
            "figures": deepcopy(self.scribe.figures),
        }
