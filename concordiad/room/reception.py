"""
Who comes into the room and who is let go: one task, one inbox, one guestbook.

Laws: nobody is told that it is in, or that somebody is out, before that is durable; a right that could not be recorded
was never given, one that was taken is taken; whatever the inbox holds is decided together and recorded in one commit,
so that a thousand who come at once are a handful of commits.
"""

import os
import pwd
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import trio
from msgspec import Struct

from concordiad.core.admission import Admission, Entries
from concordiad.core.guestbook import Guestbook
from concordiad.errors import RoomError
from concordiad.journal import Journal
from concordiad.journal.changes import Change
from concordiad.journal.faults import RETRY_S
from concordiad.journal.people import read_guestbook
from concordiad.journal.prompts import read_local_names
from concordiad.room.fanout import Transcript
from concordiad.room.messages import answering, serve, take_all
from concordiad.room.slices import Slices
from concordiad.room.to_fanout import Draft, Post, note, record
from concordiad.room.to_reception import (
    ARRIVALS,
    Admit,
    EndInvites,
    Invited,
    Kick,
    Kicked,
    Knock,
    MakeInvite,
    Revoked,
    RevokeInvite,
    ToReception,
)

TOKEN_BYTES: Final = 24
"""Random bytes in a token: 192 bits, 32 characters."""


class ReceptionEnds(Struct, frozen=True):
    """The reception's ends of the room's channels."""

    inbox: trio.MemoryReceiveChannel[ToReception]
    fanout: trio.MemorySendChannel[Post]


def make_token() -> str:
    """Make what lets somebody in: 32 characters that may stand in a link."""
    return secrets.token_urlsafe(TOKEN_BYTES)


TAKING: Final = (RevokeInvite, Kick, EndInvites)
"""What only takes a right: it is done whatever the journal can record, because nobody may have to wait for it."""
MET_ALWAYS: Final = (*TAKING, Admit)
"""What is looked at whatever the journal can record: who comes back has its right already."""
OTHERS: Final = ("you", "host", "agent", "claude", "rehearsal", "concordia", "concordiad")
"""What else speaks in a room, or is called by these words in it: no guest may pass for it."""


async def open_guestbook(
    room: str,
    journal: Journal,
    new_id: Callable[[], str],
    now: Callable[[], float],
    elapsed: Callable[[], float] | None = None,
) -> Guestbook:
    """
    Read who may come into a room, who was here when the daemon ended, and who of this machine is known there.

    Raises:
        JournalError: the journal cannot be read.
    """
    known = await journal.read(read_local_names, room)
    guestbook = Guestbook(room, now, trio.current_time, new_id, make_token, (*OTHERS, *_owners(), *known), elapsed)
    guestbook.load(*await journal.read(read_guestbook, room, now()))
    return guestbook


def _owners() -> list[str]:
    """Name the users who are hosts everywhere: the daemon's own, and root."""
    names = ["root"]
    with suppress(KeyError):
        names.append(pwd.getpwuid(os.getuid()).pw_name)
    return names


class _Reception:
    """What the reception does with what it took out of its inbox."""

    def __init__(self, guestbook: Guestbook, transcript: Transcript, journal: Journal, ends: ReceptionEnds) -> None:
        self._guestbook = guestbook
        self._journal = journal
        self._transcript = transcript
        self._ends = ends

    async def decide(self, messages: list[ToReception]) -> None:
        """Do what the inbox and the clock ask for: record it, then answer it."""
        entries = Entries()
        fault = self._journal.health.fault
        if fault is not None:
            for message in messages:
                if not isinstance(message, MET_ALWAYS):
                    message.reply.answer(RoomError.not_now(fault, retry_after_s=RETRY_S))
            messages = [message for message in messages if isinstance(message, MET_ALWAYS)]
        marks: list[tuple[ToReception, Any, Entries]] = []
        slices = Slices()
        for message in messages:
            own = Entries()
            marks.append((message, self._answer(message, own), own))
            entries.add_all(own)
            # Two hundred who come at once would hold the loop for 10 ms and more.
            await slices.rest()
        lapsed = Entries()
        self._guestbook.tick(lapsed)
        entries.add_all(lapsed)
        if entries.rows:
            try:
                await record(self._ends.fanout, *_to_record(entries))
            except RoomError as error:
                marks = await self._take_back(marks, lapsed, error)
        for message, answer, _ in marks:
            message.reply.answer(answer)

    async def _take_back(
        self, marks: list[tuple[ToReception, Any, Entries]], lapsed: Entries, error: RoomError
    ) -> list[tuple[ToReception, Any, Entries]]:
        """
        Undo what gives a right, after it could not be recorded.

        Who has lost one has lost it, and who came back with one is back; that is recorded later.

        Returns:
            What everybody is answered.
        """
        holds, told = Entries(), []
        for message, answer, own in marks:
            if isinstance(answer, Invited):
                self._guestbook.forget_invite(answer.invite)
            elif isinstance(answer, Admission) and not _is_back(answer):
                self._guestbook.forget_admission(answer, own)
            else:
                holds.add_all(own)
            if isinstance(answer, RoomError) or _is_back(answer):
                told.append((message, answer, own))
            elif isinstance(message, TAKING):
                told.append((message, _done_already(error) if own.rows else answer, own))
            else:
                told.append((message, error, own))
        holds.add_all(lapsed)
        if holds.rows:
            with suppress(trio.BrokenResourceError):
                await note(self._ends.fanout, *_to_record(holds))
        return told

    def _answer(self, message: ToReception, entries: Entries) -> Any:
        guestbook = self._guestbook
        try:
            match message:
                case Admit(token, name, key):
                    return guestbook.admit(token, name, key, self._transcript.cursor.seq, entries)
                case MakeInvite(wanted, by):
                    return Invited(*guestbook.make_invite(wanted, by, entries))
                case RevokeInvite(invite, by):
                    return Revoked(*guestbook.revoke(invite, by, entries))
                case Kick(who, reason, by):
                    return Kicked(*guestbook.kick(who, reason, by, entries))
                case EndInvites(by):
                    return guestbook.close(by, entries)
                case Knock():
                    return None
        except RoomError as error:
            return error


def _to_record(entries: Entries) -> tuple[list[Draft], list[Change]]:
    return [Draft(event_type, body) for event_type, body in entries.events], list(entries.rows.values())


def _is_back(answer: Any) -> bool:
    """Tell whether an answer lets somebody in who had the right already."""
    return isinstance(answer, Admission) and answer.member_token is None


def _done_already(error: RoomError) -> RoomError:
    message = f"this holds from now on, but it is not recorded yet, and will be as soon as that works: {error}"
    return RoomError(error.code, message, retry_after_s=error.retry_after_s)


async def run_reception(guestbook: Guestbook, transcript: Transcript, journal: Journal, ends: ReceptionEnds) -> None:
    """
    Let guests in, make and end invites, and tell who has come and gone.

    Owns: the guestbook. Ends when: nobody can ask any more; who is here then is still here in the journal.
    """
    reception = _Reception(guestbook, transcript, journal, ends)
    waiting = trio.CancelScope()

    def wake(at: float) -> None:
        waiting.deadline = min(waiting.deadline, at)

    guestbook.watch(wake)
    with serve(ends.inbox) as inbox, ends.fanout:
        while True:
            messages: list[ToReception] = []
            with trio.CancelScope(deadline=guestbook.next_deadline()) as waiting:
                try:
                    messages = take_all(inbox, [await inbox.receive()], ARRIVALS)
                except trio.EndOfChannel:
                    return
            with answering(messages):
                await reception.decide(messages)
