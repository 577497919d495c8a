"""
How what runs is stopped: a turn by people or by its limits, the agent by a host, by the daemon's end, or for a fault.

Laws: a turn is interrupted before the agent is ended, and the agent is ended, whatever it does, when the grace of that
is over; an agent that is not read, because too much waits for the journal, is not taken for stuck.
"""

import trio
from msgspec import Struct
from msgspec.structs import replace

from concordiad.core.faults import Fault
from concordiad.core.model import Author, Turn
from concordiad.core.turns import WriterState
from concordiad.core.views import author_view, members
from concordiad.errors import RoomError
from concordiad.room.affairs import Affairs
from concordiad.room.ledger import InProgress
from concordiad.room.messages import Reply
from concordiad.room.patience import NEVER, Limit
from concordiad.room.to_fanout import Draft, record
from concordiad.room.to_writer import Interrupt, Restart
from concordiad.room.valve import Valve


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


class Stopping:
    """
    What is to stop.

    Args:
        affairs: the writer's.
        valve: whether the agent is read.

    Attributes:
        stuck: what this agent has missed, so that it is ended: the fault, and what it did instead; None if nothing.
    """

    def __init__(self, affairs: Affairs, valve: Valve) -> None:
        self._affairs = affairs
        self._valve = valve
        self._stop: _Stop | None = None
        self._heard_again = -NEVER
        self._stopped_early: str | None = None
        self.stuck: tuple[Fault, str] | None = None

    @property
    def is_ending(self) -> bool:
        """Whether the agent is to end after what runs."""
        return self._stop is not None

    @property
    def is_draining(self) -> bool:
        """Whether the room closes."""
        return self._stop is not None and self._stop.restart is None

    def unanswered(self) -> list[object]:
        """List who waits for the agent's end."""
        return [] if self._stop is None else [self._stop.restart]

    def begin(self) -> None:
        """Work with another incarnation."""
        self.stuck = None

    def deadline(self) -> float:
        """Tell when something is to be stopped, in monotonic seconds."""
        agents = max(min(self._affairs.deadlines.next(), self._turn_limit().deadline), self._heard_again)
        return agents if self._stop is None else min(agents, self._stop.deadline)

    def _turn_limit(self) -> Limit:
        affairs = self._affairs
        return affairs.deadlines.turn_limit(affairs.state, is_asking=len(affairs.approvals) > 0)

    async def interrupt(self, message: Interrupt) -> None:
        """Stop the turn that somebody wants stopped, if that one runs."""
        turn, by, reply = message.turn, message.by, message.reply
        desk, room = self._affairs.desk, self._affairs.room
        running = desk.running
        if running is None:
            reply.answer(RoomError.conflict(f"no turn is running in room {room}: nothing to stop"))
        elif turn is not None and turn != running.turn.id:
            if desk.is_ours(turn):
                told = f"turn {turn} has not begun: the agent still works on its own turn {running.turn.id}"
            else:
                told = f"turn {turn} is not running, {running.turn.id} is: nothing was stopped"
            reply.answer(RoomError.conflict(told))
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
        affairs = self._affairs
        deadline = trio.current_time() + affairs.graces.interrupt_s
        affairs.desk.note_stopped(running.turn.id, by, reason, deadline, is_timed_out=is_timed_out)
        if affairs.hold.agent is None:
            return
        request_id = affairs.new_id()
        affairs.controls.interrupt(request_id, running.turn, reply, deadline)
        await affairs.hold.write(affairs.hold.agent.codec.interrupt(request_id))

    async def see_to_limits(self, now: float) -> None:
        """Interrupt a turn that has come to one of its limits, then end an agent that owes what it was to give."""
        desk, ours = self._affairs.desk, self._affairs.desk.ours
        self._affairs.deadlines.watch(now)
        limit = self._turn_limit()
        if now >= max(limit.deadline, self._heard_again):
            if desk.own is not None and desk.is_ours(limit.turn):
                # What the interrupt ends is the agent's own turn.
                self._stopped_early = limit.turn
            for turn in desk.turns:
                if turn.turn.id == limit.turn:
                    await self._interrupt_agent(turn, None, limit.reason, None, is_timed_out=True)
        if ours is not None and ours.has_begun and ours.turn.id == self._stopped_early:
            self._stopped_early = None
            await self._interrupt_agent(ours, None, None, None)
        await self._end_stuck_agent(now)

    async def _end_stuck_agent(self, now: float) -> None:
        """End an agent that has missed a deadline; the keeper starts the next one, which resumes the conversation."""
        hold = self._affairs.hold
        if not self._valve.is_open:
            # It is not read while too much waits for the journal: it may have answered long since.
            self._heard_again = now + self._affairs.graces.interrupt_s
        missed = self._affairs.deadlines.missed(now) if now >= self._heard_again else None
        if hold.stuck is not None:
            missed, hold.stuck = (Fault.NOT_READING, f"is not reading: {hold.stuck}"), None
        if missed is None:
            return
        fault, why = missed
        self.stuck = missed
        hold.end()
        what_next = "it is ended" if self.is_draining else "it is ended and started again"
        await self._affairs.scribe.notice("agent_stuck", f"the agent {why}: {what_next}", fault)

    def begin_drain(self) -> None:
        """End the agent for good after what runs: the room closes."""
        room = self._affairs.room
        if self._stop is not None and self._stop.restart is not None:
            self._stop.restart.reply.answer(RoomError.not_now(f"room {room} is closing"))
        self._stop = _Stop(trio.current_time() + self._affairs.graces.turn_s, f"room {room} was stopped")
        self._affairs.rest.wake()

    async def restart(self, restart: Restart) -> None:
        """End the agent after what runs, for another one to be started."""
        if self._stop is not None:
            told = f"room {self._affairs.room} is closing or restarting already"
            restart.reply.answer(RoomError.conflict(told))
        elif self._affairs.hold.agent is None:
            await self._finish_restart(restart)
            self._affairs.rest.wish()
        else:
            deadline = trio.current_time() + self._affairs.graces.turn_s
            self._stop = _Stop(deadline, f"{restart.by.name} restarted the agent", restart)

    async def finish_restart(self) -> bool:
        """Say that the agent has ended for another one; tells whether anybody wanted that."""
        if self._stop is None or self._stop.restart is None:
            return False
        await self._finish_restart(self._stop.restart)
        self._affairs.rest.wake()
        return True

    async def _finish_restart(self, restart: Restart) -> None:
        affairs = self._affairs
        self._stop = None
        if restart.is_fresh:
            await affairs.scribe.forget_session()
        body = members(state="restarted", reason=None, by=author_view(restart.by), fresh=restart.is_fresh)
        restarted = Draft("room.changed", body)
        answer = None
        try:
            await record(affairs.fanout, [restarted])
        except RoomError as error:
            # The agent has ended, so that nothing is refused any more: it is recorded once that can be.
            await affairs.scribe.tell(restarted)
            if restart.is_fresh:
                # Were the daemon killed before that, the old conversation would go on.
                answer = RoomError.not_now(
                    "the agent was ended for one with a new conversation, but that is not recorded yet, and will be as"
                    f" soon as that works: {error}"
                )
        restart.reply.answer(answer)

    def hurry(self) -> None:
        """Give what runs no grace any more."""
        if self._stop is not None:
            self._stop = replace(self._stop, deadline=min(self._stop.deadline, trio.current_time()))

    async def end_agent(self, now: float) -> None:
        """Close the input once nothing runs; interrupt what runs when its grace is over; then close it all the same."""
        affairs, stop = self._affairs, self._stop
        running = affairs.desk.running
        if stop is None:
            return
        if affairs.state is WriterState.STARTING or (running is None and affairs.state is not WriterState.BUSY):
            self._stop = replace(stop, deadline=NEVER)
            affairs.hold.end()
        elif now >= stop.deadline:
            if running is not None and not stop.is_last:
                self._stop = replace(stop, deadline=now + affairs.graces.interrupt_s, is_last=True)
                await self._interrupt_agent(running, None, stop.reason, None)
            else:
                self._stop = replace(stop, deadline=NEVER)
                affairs.desk.note_left(stop.reason)
                affairs.hold.end()
