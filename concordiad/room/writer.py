"""
The agent's stdin, the turn in progress, and the approvals that are pending: one task, one inbox, one state table.

Laws: a line is written only in state IDLE with every control request answered; the hand-over is durable before the
line's first byte; a turn ends once, by the result that names it or by the end of its agent. The writer lives as long as
the room, so that whoever asks is answered also while there is no agent.

What it knows is in `room/affairs.py`. What it does is done, all in its task, by who is concerned: offers, hearing,
consent, stopping and legacy.
"""

from collections.abc import Callable

import trio
from msgspec import Struct, field

from concordiad.config.limits import Graces, Limits
from concordiad.core.api import ApiFailing
from concordiad.core.attribution import Askers
from concordiad.core.figures import TurnFigures
from concordiad.core.turns import WriterInput, WriterState
from concordiad.room.affairs import Affairs
from concordiad.room.consent import Consent
from concordiad.room.hearing import Hearing
from concordiad.room.hold import run_writing
from concordiad.room.legacy import Legacy
from concordiad.room.messages import Drain, close_replies, serve
from concordiad.room.offers import Offers
from concordiad.room.patience import NEVER
from concordiad.room.stopping import Stopping
from concordiad.room.to_batcher import ToBatcher
from concordiad.room.to_fanout import Post
from concordiad.room.to_writer import (
    AgentGone,
    AgentUp,
    AnswerApproval,
    Away,
    Describe,
    Farewell,
    FromAgent,
    HandOver,
    Hurry,
    Incarnation,
    Interrupt,
    KeeperEnded,
    ListApprovals,
    Mute,
    Offer,
    Parting,
    Restart,
    ToWriter,
    TryApi,
    WantAgent,
)
from concordiad.room.valve import Valve


class WriterEnds(Struct, frozen=True):
    """The writer's ends of the room's channels."""

    inbox: trio.MemoryReceiveChannel[ToWriter]
    batcher: trio.MemorySendChannel[ToBatcher]
    fanout: trio.MemorySendChannel[Post]
    valve: Valve = field(default_factory=Valve)


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
        limits: after how many failures of the API the queue waits.
        askers: who has asked in the room so far.
        figures: what became of the turns since the daemon's start; the writer's from now on.
        failing: that the agent's API failed when the daemon ended, if it did.
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
        failing: ApiFailing | None = None,
    ) -> None:
        self._affairs = Affairs(room, graces, limits or Limits(), new_id, now, ends.fanout, idle_s, figures)
        self._offers = Offers(self._affairs, ends.batcher, Askers() if askers is None else askers)
        self._consent = Consent(self._affairs)
        self._stopping = Stopping(self._affairs, ends.valve)
        self._legacy = Legacy(self._affairs)
        self._hearing = Hearing(self._affairs, self._consent, self._legacy)
        self.has_ended = False
        if failing is not None:
            self._affairs.circuit.recall(failing, now(), trio.current_time())

    def unanswered(self) -> list[object]:
        """List the questions that wait for the agent, or for its end."""
        asked = [*self._affairs.controls.unanswered(), *self._affairs.rest.unanswered()]
        return [*asked, *self._stopping.unanswered(), *self._hearing.unanswered()]

    def next_deadline(self) -> float:
        """Tell when something is to be done that no message brings, in monotonic seconds."""
        affairs = self._affairs
        if self._legacy.has_handed_over:
            return NEVER
        if affairs.hold.has_news:
            return -NEVER
        sleep = affairs.rest.deadline() if affairs.is_free else NEVER
        owed = min(affairs.approvals.next_deadline(), affairs.memory.doubt_until)
        told = min(affairs.unreadable.deadline(), affairs.refused.deadline())
        return min(owed, told, self._stopping.deadline(), sleep, self._offers.deadline())

    async def run_writing(self) -> None:
        """Write to the agent what `take` and `tick` have for it, so that these need not wait until it reads."""
        await run_writing(self._affairs.hold)

    def wake(self, waiting: trio.CancelScope) -> None:
        """Cancel that, which does nothing but wait, when `tick` is to be called."""
        self._affairs.hold.wake(waiting)

    async def note_holding(self) -> None:
        """Have it recorded what is known of an agent that may outlive the daemon, if that has changed."""
        await self._legacy.note_holding()

    async def take(self, message: ToWriter) -> None:
        """Do what one message asks for."""
        if self._legacy.has_handed_over:
            await self._decline(message)
            return
        affairs, stopping = self._affairs, self._stopping
        match message:
            case Offer(prompts):
                await self._offers.take(prompts, is_ending=stopping.is_ending or self._legacy.is_leaving)
            case FromAgent():
                await self._hearing.take(message)
            case AgentUp(incarnation):
                await self._take_agent(incarnation)
            case AgentGone():
                await self._lose_agent(message)
            case Mute(incarnation):
                if incarnation == affairs.hold.incarnation:
                    affairs.hold.end()
            case Away(room_state, reason):
                affairs.away = (room_state, reason)
            case WantAgent():
                affairs.rest.want(message, is_draining=stopping.is_draining)
            case Restart():
                await stopping.restart(message)
            case KeeperEnded():
                self.has_ended = True
            case Interrupt():
                await stopping.interrupt(message)
            case AnswerApproval():
                await self._consent.answer(message)
            case ListApprovals(reply):
                reply.answer(affairs.approvals.pending())
            case Describe(reply):
                reply.answer(affairs.describe(is_draining=stopping.is_draining))
            case Drain():
                stopping.begin_drain()
            case HandOver():
                if not self._legacy.begin_leaving():
                    stopping.begin_drain()
            case TryApi(reply):
                affairs.circuit.reset()
                reply.answer(None)
            case Hurry():
                stopping.hurry()

    async def _decline(self, message: ToWriter) -> None:
        """Answer somebody who comes when the agent is the next run's already."""
        match message:
            case KeeperEnded():
                self.has_ended = True
            case AgentGone():
                self._legacy.stay()
                self._stopping.begin_drain()
                await self.take(message)
            case Offer(prompts):
                await self._offers.give_back(prompts)
            case Describe(reply):
                reply.answer(self._affairs.describe(is_draining=self._stopping.is_draining))
            case _:
                close_replies([message])

    async def tick(self) -> None:
        """Do what the clock asks for, then ask for the next turn or close the input if the state is right for it."""
        affairs = self._affairs
        if self._legacy.has_handed_over:
            return
        self._hearing.let_go_on()
        if self._legacy.is_leaving and not affairs.hold.lines:
            if not self._legacy.leave():
                self._stopping.begin_drain()
            return
        affairs.hold.has_news = False
        await self._offers.see_to_unwritten()
        now = trio.current_time()
        await self._consent.time_out(now)
        await self._consent.see_to_refused(now)
        await self._hearing.see_to_unreadable(now)
        self._legacy.see_to_doubt(now)
        await self._stopping.see_to_limits(now)
        if self._stopping.is_ending:
            await self._stopping.end_agent(now)
        elif self._legacy.is_outdated and affairs.is_free:
            affairs.hold.end()
        elif affairs.is_free:
            await self._offers.ask()
            if affairs.rest.is_over(now):
                affairs.rest.is_asleep = True
                affairs.hold.end()
        elif affairs.rest.is_asleep and affairs.state is WriterState.DOWN:
            await self._offers.ask()

    async def _take_agent(self, incarnation: Incarnation) -> None:
        affairs = self._affairs
        affairs.begin(incarnation)
        self._stopping.begin()
        self._legacy.begin()
        if incarnation.inherited is not None:
            await self._legacy.inherit(incarnation.inherited)
            return
        for request_id, line in incarnation.codec.handshake(affairs.new_id):
            affairs.controls.ask(request_id)
            await affairs.hold.write(line)

    async def _lose_agent(self, gone: AgentGone) -> None:
        is_ours = gone.incarnation == self._affairs.hold.incarnation
        if is_ours:
            await self._affairs.hold.settle()
            await self._offers.see_to_unwritten()
        farewell = self._farewell()
        if is_ours:
            await self._let_go(gone.how)
        gone.reply.answer(farewell)

    def _farewell(self) -> Farewell:
        rest = self._affairs.rest
        parting, words = Parting.DIED, None
        if self._stopping.is_ending:
            parting = Parting.CLOSED if self._stopping.is_draining else Parting.RESTARTED
        elif rest.is_asleep:
            parting, words = Parting.ASLEEP, f"asleep after {rest.idle_s:g} s without a prompt"
        elif self._stopping.stuck is not None:
            parting = Parting.STUCK
        elif self._legacy.is_outdated:
            parting, words = Parting.RESTARTED, "what it is to be started with has changed"
        return Farewell(parting, self._affairs.has_answered, words)

    async def _let_go(self, how: str) -> None:
        """Close what was with an agent that has ended like this."""
        affairs = self._affairs
        affairs.move(WriterInput.GONE)
        affairs.deadlines.note_ready()
        affairs.controls.end()
        await self._hearing.end_unreadable()
        await self._consent.end_refused()
        await self._consent.withdraw_all(f"the agent ended: {how}")
        left = affairs.desk.close_for_lost_agent(how, self._stopping.stuck)
        for entry in left:
            await affairs.scribe.write(entry)
        affairs.hold.let_go()
        asleep = ("asleep", f"no prompt for {affairs.rest.idle_s:g} s")
        affairs.away = asleep if affairs.rest.is_asleep else ("agent-down", how)
        if not await self._stopping.finish_restart() and left and not affairs.scribe.has_history:
            await affairs.scribe.lose_conversation(f"it ended ({how}) before it had saved anything")


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
