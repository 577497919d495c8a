"""
The agent's stdin, the turn in progress, and the approvals that are pending: one task, one inbox, one state table.

Laws: a line is written only in state IDLE with every control request answered; the hand-over is durable before the
line's first byte; a turn ends once, by the result that names it or by the end of its agent. The writer lives as long as
the room, so that whoever asks is answered also while there is no agent.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final

import structlog
import trio
from msgspec import Struct, field
from msgspec.structs import replace

from concordiad.config import Graces, Limits
from concordiad.core.agents import (
    Acknowledged,
    Answered,
    ApprovalAsked,
    ApprovalWithdrawn,
    BackgroundRunning,
    Began,
    BrokeOff,
    ConversationLost,
    Ended,
    Fact,
    LineDone,
    OwnTurnBegan,
    Retrying,
    Session,
    ToolsRunning,
    Unreadable,
    Unsupported,
    WentIdle,
)
from concordiad.core.attribution import Askers, lines_like_ours
from concordiad.core.faults import Fault
from concordiad.core.figures import TurnFigures
from concordiad.core.model import Approval, Author, Origin, Outcome, Prompt, Turn, rfc3339
from concordiad.core.turns import WriterInput, WriterState, move_writer
from concordiad.core.views import author_view, members
from concordiad.errors import RoomError
from concordiad.journal.rows import ApprovalResolved
from concordiad.room.approvals import Approvals, Resolution, resolved
from concordiad.room.circuit import Circuit
from concordiad.room.controls import Controls
from concordiad.room.deadlines import Deadlines
from concordiad.room.desk import SECOND_DIGITS, Desk
from concordiad.room.hold import Hold, run_writing
from concordiad.room.holding import (
    CUT_LINE,
    DOUBT_S,
    LONG_LINE,
    PROMPT_LINE,
    Gathering,
    Holding,
    Inherited,
    Memory,
    name_line,
    progress_of,
    with_line,
)
from concordiad.room.ledger import InProgress
from concordiad.room.messages import (
    AgentGone,
    AgentUp,
    AnswerApproval,
    Away,
    Describe,
    Draft,
    Drain,
    Farewell,
    FromAgent,
    HandOver,
    Hurry,
    Incarnation,
    Interrupt,
    KeeperEnded,
    ListApprovals,
    Mute,
    NextTurn,
    Offer,
    Parting,
    Post,
    Reply,
    Restart,
    Spoke,
    TakeBack,
    ToBatcher,
    ToWriter,
    TryApi,
    WantAgent,
    close_replies,
    note,
    record,
    serve,
)
from concordiad.room.patience import NEVER, NO_LIMIT, Limit
from concordiad.room.rest import Rest
from concordiad.room.scribe import Scribe
from concordiad.room.slices import any_of
from concordiad.room.valve import Valve

_log = structlog.get_logger("concordiad.room")


_STATE_NAMES: Final = {
    WriterState.DOWN: "agent-down",
    WriterState.STARTING: "starting",
    WriterState.IDLE: "idle",
    WriterState.BUSY: "busy",
    WriterState.SETTLING: "busy",
    WriterState.OWN: "busy",
}


class WriterEnds(Struct, frozen=True):
    """The writer's ends of the room's channels."""

    inbox: trio.MemoryReceiveChannel[ToWriter]
    batcher: trio.MemorySendChannel[ToBatcher]
    fanout: trio.MemorySendChannel[Post]
    valve: Valve = field(default_factory=Valve)


class _Stop(Struct, frozen=True):
    """
    The agent is to be ended after what runs.

    Attributes:
        deadline: then what runs is interrupted, and after a further grace the input is closed in any case.
        is_last: whether that further grace runs; what the agent begins meanwhile gets none of its own.
        reason: what an interrupted turn is told.
        restart: the wish for another incarnation; None when the room closes.
    """

    deadline: float
    reason: str
    restart: Restart | None = None
    is_last: bool = False


class Writer:
    """
    What the writer owns.

    Args:
        room: its name.
        graces: how long an approval, a start, a drain may take.
        new_id: makes ids.
        now: Unix seconds.
        ends: its ends of the channels.
        idle_s: an agent that has had no turn, and no work in the background, for so long is ended until there is a
            prompt; 0: never.
        askers: who has asked in the room so far.
        figures: what became of the turns since the daemon's start; the writer's from now on.
    """

    def __init__(
        self,
        room: str,
        graces: Graces,
        new_id: Callable[[], str],
        now: Callable[[], float],
        ends: WriterEnds,
        idle_s: float = 0.0,
        limits: Limits | None = None,
        askers: Askers | None = None,
        figures: TurnFigures | None = None,
    ) -> None:
        self._room = room
        self._graces = graces
        self._new_id = new_id
        self._ends = ends
        self._askers = Askers() if askers is None else askers
        self._state = WriterState.DOWN
        self._now = now
        self._hold = Hold()
        self._gathering = Gathering(ends.fanout)
        self._scribe = Scribe(room, self._hold, self._gathering, now, figures)
        self._desk = Desk(room, now)
        self._controls = Controls()
        self._approvals = Approvals(room, graces.approval_s, new_id, now)
        self._deadlines = Deadlines(graces, self._hold, self._desk, self._controls)
        self._rest = Rest(idle_s)
        self._circuit = Circuit(limits or Limits(), graces)
        self._is_asked = False
        self._heard_again = -NEVER
        self._settling = ""
        self._stop: _Stop | None = None
        self._has_answered = False
        self._is_stuck = False
        self._away = ("starting", "")
        self._restarts = -1
        self._memory = Memory(room)
        self._is_leaving = False
        self._has_handed_over = False
        self._is_outdated = False
        self.has_ended = False

    def unanswered(self) -> list[object]:
        """List the questions that wait for the agent, or for its end."""
        restarts = [] if self._stop is None else [self._stop.restart]
        return [*self._controls.unanswered(), *self._rest.unanswered(), *restarts]

    def next_deadline(self) -> float:
        """Tell when something is to be done that no message brings, in monotonic seconds."""
        if self._has_handed_over:
            return NEVER
        if self._hold.has_news:
            return -NEVER
        stop = NEVER if self._stop is None else self._stop.deadline
        sleep = self._rest.deadline() if self._is_free() else NEVER
        # Past it the next turn is asked for as soon as there is an agent for it.
        api = NEVER if self._is_asked else self._circuit.deadline(trio.current_time())
        agents = max(min(self._deadlines.next(), self._turn_limit().deadline), self._heard_again)
        return min(self._approvals.next_deadline(), agents, stop, sleep, api, self._memory.doubt_until)

    def _turn_limit(self) -> Limit:
        if self._hold.is_handing_over:
            return NO_LIMIT
        return self._deadlines.turn_limit(self._state, is_asking=len(self._approvals) > 0)

    async def run_writing(self) -> None:
        """Write to the agent what `take` and `tick` have for it, so that these need not wait until it reads."""
        await run_writing(self._hold)

    def wake(self, waiting: trio.CancelScope) -> None:
        """Cancel that, which does nothing but wait, when `tick` is to be called."""
        self._hold.wake(waiting)

    async def take(self, message: ToWriter) -> None:
        """Do what one message asks for."""
        if self._has_handed_over:
            await self._decline(message)
            return
        match message:
            case Offer(prompts):
                await self._take_offer(prompts)
            case FromAgent(incarnation, facts, reply, numbers):
                if incarnation == self._hold.incarnation:
                    self._deadlines.patience.note_output(trio.current_time())
                    await self._take_facts(facts, numbers)
                if reply is not None:
                    reply.answer(None)
            case AgentUp(incarnation):
                await self._take_agent(incarnation)
            case AgentGone(incarnation, how, reply):
                if incarnation == self._hold.incarnation:
                    await self._hold.settle()
                    await self._see_to_unwritten()
                farewell = self._farewell()
                if incarnation == self._hold.incarnation:
                    await self._lose_agent(how)
                reply.answer(farewell)
            case Mute(incarnation):
                if incarnation == self._hold.incarnation:
                    self._hold.end()
            case Away(room_state, reason):
                self._away = (room_state, reason)
            case WantAgent():
                self._rest.want(message, is_draining=self._is_draining)
            case Restart():
                await self._restart(message)
            case KeeperEnded():
                self.has_ended = True
            case Interrupt(turn, by, reply):
                await self._interrupt(turn, by, reply)
            case AnswerApproval():
                await self._answer_approval(message)
            case ListApprovals(reply):
                reply.answer(self._approvals.pending())
            case Describe(reply):
                reply.answer(self._describe())
            case Drain():
                self._begin_drain()
            case HandOver():
                self._hand_over()
            case TryApi(reply):
                self._circuit.reset()
                reply.answer(None)
            case Hurry():
                if self._stop is not None:
                    self._stop = replace(self._stop, deadline=min(self._stop.deadline, trio.current_time()))

    def _farewell(self) -> Farewell:
        parting, words = Parting.DIED, None
        if self._stop is not None:
            parting = Parting.CLOSED if self._is_draining else Parting.RESTARTED
        elif self._rest.is_asleep:
            parting, words = Parting.ASLEEP, f"asleep after {self._rest.idle_s:g} s without a prompt"
        elif self._is_stuck:
            parting = Parting.STUCK
        elif self._is_outdated:
            parting, words = Parting.RESTARTED, "what it is to be started with has changed"
        return Farewell(parting, self._has_answered, words)

    async def tick(self) -> None:
        """Do what the clock asks for, then ask for the next turn or close the input if the state is right for it."""
        if self._has_handed_over:
            return
        if self._is_leaving and not self._hold.lines:
            self._leave()
            return
        self._hold.has_news = False
        await self._see_to_unwritten()
        now = trio.current_time()
        for approval in self._approvals.overdue(now):
            reason = f"nobody answered within {self._graces.approval_s:g} s"
            agent = self._hold.agent
            line = None if agent is None else agent.codec.deny(approval.request_id, reason)
            await self._resolve(approval, Resolution("timed_out", None), reason, line)
        if now >= self._memory.doubt_until:
            self._give_up_line()
        running = self._desk.running
        is_with_agent = running is not None and not self._hold.is_handing_over
        self._deadlines.patience.watch(running.turn.id if running is not None and is_with_agent else None, now)
        limit = self._turn_limit()
        if running is not None and now >= max(limit.deadline, self._heard_again):
            await self._interrupt_agent(running, None, limit.reason, None, is_timed_out=True)
        await self._end_stuck_agent(now)
        if self._stop is not None:
            await self._stop_agent(self._stop, now)
        elif self._is_outdated and self._is_free():
            self._hold.end()
        elif self._is_free():
            await self._ask_for_turn()
            if self._rest.is_over(now):
                self._rest.is_asleep = True
                self._hold.end()
        elif self._rest.is_asleep and self._state is WriterState.DOWN:
            await self._ask_for_turn()

    async def _end_stuck_agent(self, now: float) -> None:
        """End an agent that has missed a deadline; the keeper starts the next one, which resumes the conversation."""
        if not self._ends.valve.is_open:
            # It is not read while too much waits for the journal: it may have answered long since.
            self._heard_again = now + self._graces.interrupt_s
        missed = self._deadlines.missed(now) if now >= self._heard_again else None
        if self._hold.stuck is not None:
            missed, self._hold.stuck = (Fault.NOT_READING, f"is not reading: {self._hold.stuck}"), None
        if missed is None:
            return
        fault, why = missed
        self._is_stuck = True
        self._hold.end()
        what_next = "it is ended" if self._is_draining else "it is ended and started again"
        await self._scribe.notice("agent_stuck", f"the agent {why}: {what_next}", fault)

    async def _ask_for_turn(self) -> None:
        if not self._is_asked and self._circuit.may_ask(trio.current_time()):
            self._is_asked = True
            await self._ends.batcher.send(NextTurn())

    def _move(self, move: WriterInput) -> None:
        before, self._state = self._state, move_writer(self._state, move)
        self._deadlines.note_move(before, self._state, trio.current_time())

    def _is_free(self) -> bool:
        return self._state is WriterState.IDLE and not self._controls and not self._hold.is_closed

    async def _take_agent(self, incarnation: Incarnation) -> None:
        self._move(WriterInput.SPAWNED)
        self._hold.take(incarnation)
        self._scribe.begin(incarnation)
        self._desk.begin(incarnation)
        self._rest.begin()
        self._deadlines.begin(trio.current_time())
        self._memory.begin(incarnation)
        self._restarts += 1
        self._is_stuck = self._is_outdated = False
        self._has_answered = False
        if incarnation.inherited is not None:
            await self._inherit(incarnation, incarnation.inherited)
            return
        for request_id, line in incarnation.codec.handshake(self._new_id):
            self._controls.ask(request_id)
            await self._hold.write(line)

    async def _take_offer(self, prompts: Sequence[tuple[Prompt, float]]) -> None:
        self._is_asked = False
        self._rest.note_work()
        is_like_ours = await any_of(lines_like_ours(prompts[0][0].asked))
        agent = self._hold.agent
        if agent is None or not self._is_free() or self._stop is not None or self._is_leaving:
            await self._ends.batcher.send(TakeBack(prompts))
            if self._rest.is_asleep:
                self._rest.wake()
            return
        entry = self._desk.open_ours(self._new_id(), prompts)
        try:
            held = self._memory.note(with_line(self._holding(), None, WriterState.BUSY))
            await record(self._ends.fanout, [entry.draft], [*entry.changes, *held])
        except RoomError:
            # The journal cannot record for now: the batcher offers nothing until it can.
            self._desk.ours = None
            await self._ends.batcher.send(TakeBack(prompts))
            return
        self._move(WriterInput.HANDED_OVER)
        turn = entry.progress.turn
        words = self._askers.words_for([prompt for prompt, _ in prompts], is_like_ours)
        await self._hold.write(agent.codec.prompt(turn.id, words, is_raw=prompts[0][0].is_raw), turn.id)

    async def _see_to_unwritten(self) -> None:
        """Give back what a turn asks of whose line the agent has seen nothing."""
        unwritten, self._hold.unwritten = self._hold.unwritten, None
        if unwritten is None or unwritten.begun or not self._desk.is_ours(unwritten.turn):
            return
        returned = self._desk.return_ours(unwritten.why)
        await self._scribe.write(returned)
        if returned is not None:
            await self._ends.batcher.send(TakeBack(returned.progress.prompts))

    async def _take_facts(self, facts: Sequence[Fact | Spoke], numbers: Sequence[int]) -> None:
        if not numbers:
            for fact in facts:
                await self._take_fact(fact)
            return
        self._gathering.begin()
        for fact, number in zip(facts, numbers, strict=True):
            await self._take_fact(fact)
            self._memory.facts = number or self._memory.facts
            if self._gathering.has_posts:
                await self._gathering.flush(*self._memory.note(self._holding()))
        self._gathering.end()
        await self.note_holding()

    async def _take_fact(self, fact: Fact | Spoke) -> None:
        match fact:
            case Spoke(turn, at):
                self._desk.note_first_output(turn, at)
            case Acknowledged(turn):
                self._desk.note_acknowledged(turn, has_begun=False)
            case Began(turn):
                self._desk.note_acknowledged(turn, has_begun=True)
            case OwnTurnBegan(turn, text):
                self._rest.note_work()
                await self._close_own()
                self._move(WriterInput.OWN_BEGAN)
                await self._scribe.write(self._desk.open_own(turn, text))
            case Ended():
                await self._take_result(fact)
            case BrokeOff(turn, partial):
                self._desk.note_partial(turn, partial)
            case ToolsRunning(count):
                self._deadlines.patience.note_tools(count)
            case Retrying(delay_s):
                self._desk.note_retry()
                self._deadlines.patience.note_retry(trio.current_time() + delay_s)
            case BackgroundRunning(tasks):
                self._rest.note_background(tasks)
            case LineDone(turn):
                await self._take_line_done(turn)
            case WentIdle():
                await self._take_idle()
            case ApprovalAsked():
                await self._take_approval(fact)
            case ApprovalWithdrawn(request_id):
                approval = self._approvals.find_request(request_id)
                if approval is not None:
                    await self._resolve(approval, Resolution("withdrawn", None), "the agent no longer asks")
            case Answered():
                await self._take_answer(fact)
            case Session(session_id, model):
                await self._scribe.name_session(session_id, model)
            case Unsupported(request_id, why):
                if self._hold.agent is not None:
                    await self._hold.write(self._hold.agent.codec.refuse(request_id, why))
            case ConversationLost():
                await self._scribe.lose_conversation("the agent has no such conversation any more")
            case Unreadable(why, size_bytes):
                await self._scribe.notice("unreadable_output", f"the agent wrote {size_bytes} bytes that are {why}")

    async def _take_result(self, ended: Ended) -> None:
        if self._desk.is_ours(ended.turn):
            self._settling = ended.turn
            self._move(WriterInput.RESULT)
        elif self._desk.is_own(ended.turn):
            self._move(WriterInput.OWN_ENDED)
        entry = self._desk.close_by_result(ended)
        if entry is None:
            message = f"the agent ended turn {ended.turn}, which is over already"
            await self._scribe.notice("stale_result", message, Fault.STALE_RESULT)
            return
        self._has_answered = self._has_answered or ended.outcome is Outcome.COMPLETED
        await self._scribe.write(entry)
        if entry.progress.turn.origin is Origin.PROMPTS:
            await self._note_api(ended)
        await self._scribe.note_history()

    async def _note_api(self, ended: Ended) -> None:
        now = trio.current_time()
        if not self._circuit.note_result(ended, now):
            return
        if self._circuit.is_closed:
            await self._scribe.change_room(state="recovered", reason="the API answers again", by=None)
            return
        wait_s = round(self._circuit.wait_s(now), SECOND_DIGITS)
        reason = self._circuit.reason
        await self._scribe.change_room(state="api-failing", reason=reason, by=None, next_attempt_s=wait_s)

    async def _take_line_done(self, turn: str) -> None:
        if self._desk.is_ours(turn):
            self._move(WriterInput.RESULT)
            await self._scribe.write(self._desk.close_ours_without_result())
        elif self._state is WriterState.SETTLING and turn != self._settling:
            return
        self._move(WriterInput.LINE_DONE)

    async def _take_idle(self) -> None:
        await self._close_own()
        # An idle from before the agent took up our line says nothing about it.
        if self._desk.ours is not None and self._desk.ours.has_begun:
            self._move(WriterInput.RESULT)
            await self._scribe.write(self._desk.close_ours_without_result())
        self._move(WriterInput.AGENT_IDLE)

    async def _close_own(self) -> None:
        if self._desk.own is not None:
            self._move(WriterInput.OWN_ENDED)
            await self._scribe.write(self._desk.close_own_without_result())

    async def _take_answer(self, answered: Answered) -> None:
        if not self._controls.take(answered):
            return
        if answered.total_cost_usd is not None:
            self._desk.note_total_cost(answered.total_cost_usd)
        if self._state is WriterState.STARTING and not self._controls:
            self._deadlines.note_ready()
            self._move(WriterInput.READY)
            if self._away[0] == "agent-failing":
                await self._scribe.change_room(state="recovered", reason="the agent answers again", by=None)
            self._away = ("agent-down", "")

    async def _lose_agent(self, how: str) -> None:
        self._move(WriterInput.GONE)
        self._deadlines.note_ready()
        self._controls.end()
        for approval in self._approvals.pending():
            await self._resolve(approval, Resolution("withdrawn", None), f"the agent ended: {how}")
        left = self._desk.close_for_lost_agent(how)
        for entry in left:
            await self._scribe.write(entry)
        self._hold.let_go()
        asleep = ("asleep", f"no prompt for {self._rest.idle_s:g} s")
        self._away = asleep if self._rest.is_asleep else ("agent-down", how)
        if self._stop is not None and self._stop.restart is not None:
            await self._finish_restart(self._stop.restart)
        elif left and not self._scribe.has_history:
            await self._scribe.lose_conversation(f"it ended ({how}) before it had saved anything")

    async def _interrupt(self, turn: str | None, by: Author, reply: Reply[Turn]) -> None:
        running = self._desk.running
        if running is None:
            reply.answer(RoomError.conflict(f"no turn is running in room {self._room}: nothing to stop"))
        elif turn is not None and turn != running.turn.id:
            if self._desk.is_ours(turn):
                message = f"turn {turn} has not begun: the agent still works on its own turn {running.turn.id}"
            else:
                message = f"turn {turn} is not running, {running.turn.id} is: nothing was stopped"
            reply.answer(RoomError.conflict(message))
        else:
            await self._interrupt_agent(running, by, None, reply)

    async def _interrupt_agent(
        self,
        running: InProgress,
        by: Author | None,
        reason: str | None,
        reply: Reply[Turn] | None,
        *,
        is_timed_out: bool = False,
    ) -> None:
        deadline = trio.current_time() + self._graces.interrupt_s
        self._desk.note_stopped(by, reason, deadline, is_timed_out=is_timed_out)
        if self._hold.agent is None:
            return
        request_id = self._new_id()
        self._controls.interrupt(request_id, running.turn, reply, deadline)
        await self._hold.write(self._hold.agent.codec.interrupt(request_id))

    async def _take_approval(self, asked: ApprovalAsked) -> None:
        draft, approval = self._approvals.add(asked, is_rehearsal=self._hold.is_rehearsal)
        await self._scribe.tell(draft, approval)

    async def _answer_approval(self, message: AnswerApproval) -> None:
        try:
            approval = self._approvals.check(message.approval, message.answers, is_allowed=message.is_allowed)
        except RoomError as error:
            message.reply.answer(error)
            return
        reason = message.reason or (None if message.is_allowed else f"denied by {message.by.name}")
        how = "approved" if message.is_allowed else "denied"
        line = None
        if self._hold.agent is not None:
            codec = self._hold.agent.codec
            line = (
                codec.allow(approval.request_id, approval.input, message.answers)
                if message.is_allowed
                else codec.deny(approval.request_id, reason or how)
            )
        try:
            await self._resolve(approval, Resolution(how, message.by), reason, line)
        except RoomError as error:
            message.reply.answer(error)
            return
        message.reply.answer(approval)

    async def _resolve(
        self, approval: Approval, resolution: Resolution, reason: str | None, line: bytes | None = None
    ) -> None:
        """Have it recorded how an approval ended, then tell the agent."""
        draft = resolved(approval, resolution, reason, is_rehearsal=self._hold.is_rehearsal)
        holding = self._holding()
        if line is not None:
            holding = with_line(holding, line, self._state)
        changes = [ApprovalResolved(approval.id), *self._memory.note(holding)]
        if resolution.by is None:
            await note(self._gathering, [draft], changes)
        else:
            await record(self._ends.fanout, [draft], changes)
        self._approvals.resolve(approval, resolution)
        if line is not None:
            await self._hold.write(line)
        # What it waited for it has now: its silence counts from here.
        self._deadlines.patience.note_wait(trio.current_time())

    @property
    def _is_draining(self) -> bool:
        return self._stop is not None and self._stop.restart is None

    def _begin_drain(self) -> None:
        if self._stop is not None and self._stop.restart is not None:
            self._stop.restart.reply.answer(RoomError.not_now(f"room {self._room} is closing"))
        self._stop = _Stop(trio.current_time() + self._graces.turn_s, f"room {self._room} was stopped")
        self._rest.wake()

    async def _restart(self, restart: Restart) -> None:
        if self._stop is not None:
            restart.reply.answer(RoomError.conflict(f"room {self._room} is closing or restarting already"))
        elif self._hold.agent is None:
            await self._finish_restart(restart)
        else:
            deadline = trio.current_time() + self._graces.turn_s
            self._stop = _Stop(deadline, f"{restart.by.name} restarted the agent", restart)

    async def _finish_restart(self, restart: Restart) -> None:
        self._stop = None
        if restart.is_fresh:
            await self._scribe.forget_session()
        body = members(state="restarted", reason=None, by=author_view(restart.by), fresh=restart.is_fresh)
        restarted = Draft("room.changed", body)
        try:
            await record(self._ends.fanout, [restarted])
        except RoomError:
            # The agent has ended, so that nothing is refused any more: it is recorded once that can be.
            await self._scribe.tell(restarted)
        restart.reply.answer(None)
        self._rest.wake()

    async def _stop_agent(self, stop: _Stop, now: float) -> None:
        """Close the input once nothing runs; interrupt what runs when its grace is over; then close it all the same."""
        running = self._desk.running
        if self._state is WriterState.STARTING or (running is None and self._state is not WriterState.BUSY):
            self._stop = replace(stop, deadline=NEVER)
            self._hold.end()
        elif now >= stop.deadline:
            if running is not None and not stop.is_last:
                self._stop = replace(stop, deadline=now + self._graces.interrupt_s, is_last=True)
                await self._interrupt_agent(running, None, stop.reason, None)
            else:
                self._stop = replace(stop, deadline=NEVER)
                self._desk.note_left(stop.reason)
                self._hold.end()

    def _holding(self) -> Holding:
        """Write down what is known of the agent."""
        scribe = self._scribe
        turns = [progress_of(turn) for turn in (self._desk.ours, self._desk.own) if turn is not None]
        return Holding(
            "" if self._hold.agent is None else self._hold.agent.likeness,
            0.0 if self._hold.agent is None else self._hold.agent.started_at,
            self._state,
            self._settling,
            self._controls.describe(),
            [*self._memory.doubts, *(name_line(line) for line in self._hold.lines)],
            self._hold.is_closed,
            self._has_answered,
            scribe.session_id,
            scribe.has_history,
            scribe.model,
            self._desk.total_cost_usd,
            self._deadlines.patience.tools,
            self._rest.background,
            turns,
        )

    async def note_holding(self) -> None:
        """Have it recorded what is known of an agent that may outlive the daemon, if that has changed."""
        if self._has_handed_over:
            return
        changes = self._memory.note(self._holding())
        if changes:
            await self._ends.fanout.send(Post([], changes))

    async def _inherit(self, incarnation: Incarnation, inherited: Inherited) -> None:
        """Go on with an agent where the last run of the daemon was."""
        holding, now = inherited.holding, trio.current_time()
        self._state = holding.state
        self._deadlines.note_ready()
        self._deadlines.note_move(WriterState.STARTING, self._state, now)
        self._deadlines.patience.note_output(now)
        self._deadlines.patience.note_tools(holding.tools)
        self._rest.note_background(holding.background)
        self._is_outdated = inherited.is_outdated
        self._settling, self._has_answered = holding.settling, holding.has_answered
        self._away = ("agent-down", "")
        self._scribe.inherit(holding.session_id, holding.model, has_history=holding.has_history)
        self._desk.inherit(inherited.in_progress(now, self._now(), self._graces.interrupt_s), holding.total_cost_usd)
        deadline = now + self._graces.interrupt_s
        self._controls.inherit(holding.controls, {turn.id: turn for turn, _ in inherited.turns}, deadline)
        self._approvals.inherit(inherited.approvals)
        self._memory.inherit(inherited, now + min(DOUBT_S, self._graces.ack_s or DOUBT_S))
        if self._memory.has_cut_line:
            self._give_up_line()
        for line in holding.lines:
            # All of so short a line was written or nothing; the agent passes over what it has got twice.
            if line not in (PROMPT_LINE, LONG_LINE):
                await self._hold.write(line.encode())
        if holding.is_closed:
            self._hold.end()
        inherited.taken.set()

    def _give_up_line(self) -> None:
        """End an agent that has perhaps half a line of ours: what becomes of that is not known."""
        self._memory.doubt_until = NEVER
        ours = self._desk.ours
        if self._memory.has_cut_line:
            self._desk.note_left(CUT_LINE)
            self._hold.end()
        elif ours is not None and not (ours.is_acknowledged or ours.has_begun or ours.ttft_s is not None):
            self._desk.note_left(f"{Fault.NO_ACKNOWLEDGEMENT.value}: {CUT_LINE}")
            self._hold.end()

    def _hand_over(self) -> None:
        """Leave the agent to the next run of the daemon, if it can go on; else drain."""
        agent = self._hold.agent
        if agent is None or agent.leave is None or self._state is WriterState.STARTING or self._hold.is_closed:
            self._begin_drain()
            return
        self._is_leaving = True

    def _leave(self) -> None:
        """Leave the agent, now that all that was to be written to it is."""
        agent = self._hold.agent
        if agent is not None and agent.leave is not None and not self._hold.is_closed:
            self._has_handed_over = True
            agent.leave.set()
        else:
            self._is_leaving = False
            self._begin_drain()

    async def _decline(self, message: ToWriter) -> None:
        """Answer somebody who comes when the agent is the next run's already."""
        match message:
            case KeeperEnded():
                self.has_ended = True
            case AgentGone():
                # It has ended before the keeper could let it go: nothing is left to hand over.
                self._has_handed_over = self._is_leaving = False
                self._begin_drain()
                await self.take(message)
            case Offer(prompts):
                await self._ends.batcher.send(TakeBack(prompts))
            case Describe(reply):
                reply.answer(self._describe())
            case _:
                close_replies([message])

    def _describe(self) -> dict[str, Any]:
        agent = self._hold.agent
        running = self._desk.running
        state, reason = self._away if agent is None else (_STATE_NAMES[self._state], "")
        if state in ("idle", "asleep") and not self._circuit.is_closed:
            wait_s = self._circuit.wait_s(trio.current_time())
            state, reason = "api-failing", f"{self._circuit.reason}; the next prompt tries in {wait_s:.0f} s"
        turn = None if running is None else running.view()
        if turn is not None:
            turn["stopping"] = None if running is None else running.stopping
            turn["silent_s"] = round(self._deadlines.patience.silent_s(trio.current_time()), SECOND_DIGITS)
        return {
            "state": "draining" if self._is_draining else state,
            "reason": reason or None,
            "approvals": len(self._approvals),
            "turn": turn,
            "version": None if agent is None else agent.version,
            "model": None if agent is None else self._scribe.model,
            "pid": None if agent is None else agent.pid,
            "incarnation": None if agent is None else agent.id,
            "session_id": self._scribe.session_id,
            "started_at": None if agent is None else rfc3339(agent.started_at),
            "restarts": max(self._restarts, 0),
            "fault": self._scribe.fault,
            "tokens_saved": self._desk.tokens_saved,
            "figures": deepcopy(self._scribe.figures),
        }


async def run_writer(writer: Writer, ends: WriterEnds) -> None:
    """
    Give the agent one turn at a time, and be the one who knows which.

    Owns: the agent's stdin, the turn in progress, the pending approvals. Ends when: the keeper has said that there will
    be no further incarnation.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run_writing)
        with serve(ends.inbox) as inbox, ends.batcher, ends.fanout:
            message: ToWriter | None = None
            try:
                while not writer.has_ended:
                    await writer.note_holding()
                    message = None
                    # Nothing but the waiting may be cut short: a hand-over that is recorded is also written.
                    with trio.move_on_at(writer.next_deadline()) as waiting:
                        writer.wake(waiting)
                        message = await inbox.receive()
                    if message is not None:
                        await writer.take(message)
                    await writer.tick()
            finally:
                close_replies([message, *writer.unanswered()])
        nursery.cancel_scope.cancel()
