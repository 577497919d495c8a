"""
What the agent asks people, and what they, the clock or its end answer.

Laws: how an approval ended is recorded before the agent and the person are told; a person's answer counts only once it
is durable, what nobody waits for is recorded as soon as the journal can.
"""

from typing import Final

import trio

from concordiad.core.agents import ApprovalAsked
from concordiad.core.model import Approval
from concordiad.errors import RoomError
from concordiad.journal.changes import ApprovalResolved
from concordiad.room.affairs import Affairs
from concordiad.room.approvals import OPEN_MOST, Resolution, resolved
from concordiad.room.to_fanout import note, record
from concordiad.room.to_writer import AnswerApproval

TOO_MANY: Final = f"too many requests wait for people already ({OPEN_MOST} at most): ask again when some are answered"


class Consent:
    """
    What is done about approvals; which there are is in `room/approvals.py`.

    Args:
        affairs: the writer's.
    """

    def __init__(self, affairs: Affairs) -> None:
        self._affairs = affairs

    async def ask(self, asked: ApprovalAsked) -> None:
        """Let people be asked, unless as much waits for them as a room takes."""
        affairs = self._affairs
        if not affairs.approvals.has_room(asked):
            affairs.refused.note()
            if affairs.hold.agent is not None:
                await affairs.hold.write(affairs.hold.agent.codec.deny(asked.request_id, TOO_MANY))
            await self._tell_refused(affairs.refused.take_due(trio.current_time()))
            return
        draft, approval = affairs.approvals.add(asked, is_rehearsal=affairs.hold.is_rehearsal)
        await affairs.scribe.tell(draft, approval)

    async def see_to_refused(self, now: float) -> None:
        """Tell what was denied unasked, once it is time for that."""
        affairs = self._affairs
        if now >= affairs.refused.deadline():
            # With the row that says so: after a kill nobody is to tell it again.
            affairs.gathering.begin()
            await self._tell_refused(affairs.refused.take_due(now))
            await affairs.gathering.flush(*affairs.to_record())
            affairs.gathering.end()

    async def end_refused(self) -> None:
        """Tell what was denied unasked and was only counted so far."""
        await self._tell_refused(self._affairs.refused.take(trio.current_time()))

    async def _tell_refused(self, words: str | None) -> None:
        if words is not None:
            await self._affairs.scribe.notice("approvals_refused", words)

    async def answer(self, message: AnswerApproval) -> None:
        """Pass on a person's answer, if it is the first one and fits."""
        affairs = self._affairs
        try:
            approval = affairs.approvals.check(message.approval, message.answers, is_allowed=message.is_allowed)
        except RoomError as error:
            message.reply.answer(error)
            return
        reason = message.reason or (None if message.is_allowed else f"denied by {message.by.name}")
        how = "approved" if message.is_allowed else "denied"
        line = None
        if affairs.hold.agent is not None:
            codec = affairs.hold.agent.codec
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

    async def time_out(self, now: float) -> None:
        """Deny what nobody has answered in time."""
        for approval in self._affairs.approvals.overdue(now):
            reason = f"nobody answered within {self._affairs.graces.approval_s:g} s"
            agent = self._affairs.hold.agent
            line = None if agent is None else agent.codec.deny(approval.request_id, reason)
            await self._resolve(approval, Resolution("timed_out", None), reason, line)

    async def withdraw(self, request_id: str) -> None:
        """Let an approval end that the agent no longer asks for; does nothing if it waits no more."""
        approval = self._affairs.approvals.find_request(request_id)
        if approval is not None:
            await self._resolve(approval, Resolution("withdrawn", None), "the agent no longer asks")

    async def withdraw_all(self, why: str) -> None:
        """Let all end that wait: there is nobody any more who asks."""
        for approval in self._affairs.approvals.pending():
            await self._resolve(approval, Resolution("withdrawn", None), why)

    async def _resolve(
        self, approval: Approval, resolution: Resolution, reason: str | None, line: bytes | None = None
    ) -> None:
        """Have it recorded how an approval ended, then tell the agent."""
        affairs = self._affairs
        draft = resolved(approval, resolution, reason, is_rehearsal=affairs.hold.is_rehearsal)
        held = affairs.to_record() if line is None else affairs.to_record_with(line, affairs.state)
        changes = [ApprovalResolved(approval.id), *held]
        if resolution.by is None:
            await note(affairs.gathering, [draft], changes)
        else:
            await record(affairs.fanout, [draft], changes)
        affairs.approvals.resolve(approval, resolution)
        if line is not None:
            await affairs.hold.write(line)
        # What it waited for it has now: its silence counts from here.
        affairs.deadlines.patience.note_wait(trio.current_time())
