"""
What the agent says, and what each of its facts comes to.

Laws: facts are taken in the order of the output; a turn ends once, by the result that names it or by the agent's word
that it is done; what a numbered fact came to is recorded together with its number.
"""

from collections.abc import Sequence

import trio

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
from concordiad.core.api import API_ANSWERS
from concordiad.core.faults import Fault
from concordiad.core.model import Origin, Outcome
from concordiad.core.turns import WriterInput, WriterState
from concordiad.core.views import members
from concordiad.room.affairs import Affairs
from concordiad.room.consent import Consent
from concordiad.room.desk import SECOND_DIGITS
from concordiad.room.legacy import Legacy
from concordiad.room.to_fanout import Draft
from concordiad.room.to_writer import FromAgent, Spoke


class Hearing:
    """
    Who takes what the pump has read.

    Args:
        affairs: the writer's.
        consent: what is done about approvals.
        legacy: what is recorded of an agent that may outlive the daemon.
    """

    def __init__(self, affairs: Affairs, consent: Consent, legacy: Legacy) -> None:
        self._affairs = affairs
        self._consent = consent
        self._legacy = legacy
        self._unanswered: FromAgent | None = None

    def unanswered(self) -> list[object]:
        """List what the pump has read and waits for, because the agent reads nothing itself."""
        return [self._unanswered]

    async def take(self, message: FromAgent) -> None:
        """Take what this incarnation has said; what another one said is past."""
        if message.incarnation == self._affairs.hold.incarnation:
            self._affairs.deadlines.patience.note_output(trio.current_time())
            await self._take_facts(message.facts, message.numbers)
        # The pump waits until the agent has read what it is answered; the writer does not, and answers whoever asks.
        if message.reply is not None:
            self._unanswered = message
            self.let_go_on()

    def let_go_on(self) -> None:
        """Let the pump read on, unless so much waits for the agent that it is to read that first."""
        message = self._unanswered
        if message is not None and not self._affairs.hold.has_many_lines:
            self._unanswered = None
            if message.reply is not None:
                message.reply.answer(None)

    async def see_to_unreadable(self, now: float) -> None:
        """Tell what could not be read, once it is time for that."""
        affairs = self._affairs
        if now >= affairs.unreadable.deadline():
            # With the row that says so: after a kill nobody is to tell it again.
            affairs.gathering.begin()
            await self._tell_unreadable(affairs.unreadable.take_due(now))
            await affairs.gathering.flush(*affairs.to_record())
            affairs.gathering.end()

    async def end_unreadable(self) -> None:
        """Tell what could not be read and was only counted so far."""
        await self._tell_unreadable(self._affairs.unreadable.take(trio.current_time()))

    async def _tell_unreadable(self, words: str | None) -> None:
        if words is not None:
            await self._affairs.scribe.notice("unreadable_output", words)

    async def _take_facts(self, facts: Sequence[Fact | Spoke], numbers: Sequence[int]) -> None:
        if not numbers:
            for fact in facts:
                await self._take_fact(fact)
            return
        gathering, memory = self._affairs.gathering, self._affairs.memory
        gathering.begin()
        for fact, number in zip(facts, numbers, strict=True):
            await self._take_fact(fact)
            memory.facts = number or memory.facts
            if gathering.has_posts:
                await gathering.flush(*self._affairs.to_record())
        gathering.end()
        await self._legacy.note_holding()

    async def _take_fact(self, fact: Fact | Spoke) -> None:
        affairs, desk = self._affairs, self._affairs.desk
        if isinstance(fact, OwnTurnBegan | Ended | LineDone | WentIdle):
            await self.end_unreadable()
            await self._consent.end_refused()
        match fact:
            case Spoke(turn, at):
                desk.note_first_output(turn, at)
            case Acknowledged(turn):
                desk.note_acknowledged(turn, has_begun=False)
            case Began(turn):
                desk.note_acknowledged(turn, has_begun=True)
            case OwnTurnBegan(turn, text):
                affairs.rest.note_work()
                await self._close_own()
                affairs.move(WriterInput.OWN_BEGAN)
                await affairs.scribe.write(desk.open_own(turn, text))
            case Ended():
                await self._take_result(fact)
            case BrokeOff(turn, partial):
                desk.note_partial(turn, partial)
            case ToolsRunning(count):
                affairs.deadlines.patience.note_tools(count)
            case Retrying(delay_s):
                desk.note_retry()
                affairs.deadlines.patience.note_retry(trio.current_time() + delay_s)
            case BackgroundRunning(tasks):
                affairs.rest.note_background(tasks)
            case LineDone(turn, partial):
                desk.note_partial(turn, partial)
                await self._take_line_done(turn)
            case WentIdle(left, partial):
                if left is not None:
                    desk.note_partial(left, partial)
                await self._take_idle()
            case ApprovalAsked():
                await self._consent.ask(fact)
            case ApprovalWithdrawn(request_id):
                await self._consent.withdraw(request_id)
            case Answered():
                await self._take_answer(fact)
            case Session(session_id, model):
                await affairs.scribe.name_session(session_id, model)
            case Unsupported(request_id, why):
                if affairs.hold.agent is not None:
                    await affairs.hold.write(affairs.hold.agent.codec.refuse(request_id, why))
            case ConversationLost():
                await affairs.scribe.lose_conversation("the agent has no such conversation any more")
            case Unreadable():
                affairs.unreadable.note(fact)
                await self._tell_unreadable(affairs.unreadable.take_due(trio.current_time()))

    async def _take_result(self, ended: Ended) -> None:
        affairs = self._affairs
        if affairs.desk.is_ours(ended.turn):
            affairs.settling = ended.turn
            affairs.move(WriterInput.RESULT)
        elif affairs.desk.is_own(ended.turn):
            affairs.move(WriterInput.OWN_ENDED)
        entry = affairs.desk.close_by_result(ended)
        if entry is None:
            message = f"the agent ended turn {ended.turn}, which is over already"
            await affairs.scribe.notice("stale_result", message, Fault.STALE_RESULT)
            return
        affairs.has_answered = affairs.has_answered or ended.outcome is Outcome.COMPLETED
        is_ours = entry.progress.turn.origin is Origin.PROMPTS
        now = trio.current_time()
        has_news = is_ours and affairs.circuit.note_result(ended, now)
        # In one, so that the next run of the daemon finds what the end of the turn has told of the API.
        await affairs.scribe.write(entry, *([self._tell_api(now)] if has_news else []))
        await affairs.scribe.note_history()

    def _tell_api(self, now: float) -> Draft:
        """Tell whether prompts wait for the API, and for how long."""
        circuit = self._affairs.circuit
        if circuit.is_closed:
            return Draft("room.changed", members(state="recovered", reason=API_ANSWERS, by=None))
        body = members(
            state="api-failing",
            reason=circuit.reason,
            by=None,
            next_attempt_s=round(circuit.wait_s(now), SECOND_DIGITS),
            wait_s=round(circuit.open_s, SECOND_DIGITS),
        )
        return Draft("room.changed", body)

    async def _take_line_done(self, turn: str) -> None:
        affairs = self._affairs
        if affairs.desk.is_ours(turn):
            affairs.move(WriterInput.RESULT)
            await affairs.scribe.write(affairs.desk.close_ours_without_result())
        elif affairs.state is WriterState.SETTLING and turn != affairs.settling:
            return
        affairs.move(WriterInput.LINE_DONE)

    async def _take_idle(self) -> None:
        affairs = self._affairs
        await self._close_own()
        # An idle from before the agent took up our line says nothing about it.
        if affairs.desk.ours is not None and affairs.desk.ours.has_begun:
            affairs.move(WriterInput.RESULT)
            await affairs.scribe.write(affairs.desk.close_ours_without_result())
        affairs.move(WriterInput.AGENT_IDLE)

    async def _close_own(self) -> None:
        affairs = self._affairs
        if affairs.desk.own is not None:
            affairs.move(WriterInput.OWN_ENDED)
            await affairs.scribe.write(affairs.desk.close_own_without_result())

    async def _take_answer(self, answered: Answered) -> None:
        affairs = self._affairs
        if not affairs.controls.take(answered):
            return
        if answered.total_cost_usd is not None:
            affairs.desk.note_total_cost(answered.total_cost_usd)
        if affairs.state is WriterState.STARTING and not affairs.controls:
            affairs.deadlines.note_ready()
            affairs.hold.note_ready()
            affairs.move(WriterInput.READY)
            if affairs.away[0] == "agent-failing":
                await affairs.scribe.change_room(state="recovered", reason="the agent answers again", by=None)
            if not affairs.circuit.is_closed:
                # Whoever has seen an agent start takes it for ready.
                await affairs.scribe.tell(self._tell_api(trio.current_time()))
            affairs.away = ("agent-down", "")
