"""
What everybody outside has of a room.

Law: whoever wants something of a room asks the owner of that, through its inbox, and waits for the answer; nothing here
decides.
"""

import math
from typing import Any

import msgspec
import trio
from msgspec import Struct

from concordiad.core.admission import Admission
from concordiad.core.figures import TurnFigures
from concordiad.core.guestbook import Guestbook
from concordiad.core.model import Approval, Author, RoomRow, Turn
from concordiad.core.pace import Tally
from concordiad.core.params import InviteCreate
from concordiad.core.voice import Voice
from concordiad.room.comparison import prepare_comparison
from concordiad.room.fanout import Transcript
from concordiad.room.messages import ask
from concordiad.room.setup import RoomSetup
from concordiad.room.to_batcher import (
    Cancel,
    CancelAll,
    DescribeQueue,
    ListWaiting,
    Placed,
    SetPaused,
    Split,
    Submission,
    Submit,
    ToBatcher,
)
from concordiad.room.to_reception import (
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
from concordiad.room.to_writer import AnswerApproval, Describe, Interrupt, ListApprovals, Restart, ToWriter, TryApi


class Measures(Struct, frozen=True):
    """
    What a room does, in figures; those that count are since the daemon's start.

    Attributes:
        oldest_s: for how many seconds the oldest prompt waits; 0 where none does.
        detached: guests who have to be caught up.
        tokens_saved: by merging, as estimated.
    """

    state: str
    is_agent_up: bool
    restarts: int
    waiting: int
    oldest_s: float
    approvals: int
    guests: int
    detached: int
    followers: int
    merging: Tally
    tokens_saved: int
    turns: TurnFigures


class Room(Struct, frozen=True):
    """
    What everybody outside has of a room: ways into its inboxes, its transcript, its voice for guests, who is here.

    The guestbook is the reception's; others look into it and take their seats in it, which is synchronous.
    """

    setup: RoomSetup
    transcript: Transcript
    voice: Voice
    guestbook: Guestbook
    _batcher: trio.MemorySendChannel[ToBatcher]
    _writer: trio.MemorySendChannel[ToWriter]
    _reception: trio.MemorySendChannel[ToReception]

    @property
    def name(self) -> str:
        """Its name."""
        return self.setup.name

    async def submit(self, submission: Submission) -> Placed:
        """Accept a prompt; returns once it is durable. Raises RoomError."""
        if self.setup.merging.stages:
            await prepare_comparison()
        return await ask(self._batcher, lambda reply: Submit(submission, reply))

    async def cancel(self, prompt: str, by: Author) -> Placed:
        """Take a waiting prompt out. Raises RoomError."""
        return await ask(self._batcher, lambda reply: Cancel(prompt, by, reply))

    async def split(self, prompt: str, by: Author) -> Placed:
        """Give a waiting prompt a turn for itself. Raises RoomError."""
        return await ask(self._batcher, lambda reply: Split(prompt, by, reply))

    async def set_paused(self, row: RoomRow, by: Author) -> None:
        """Hold the waiting prompts back and refuse new ones, or go on. Raises RoomError."""
        await ask(self._batcher, lambda reply: SetPaused(row, by, reply))
        if not row.is_paused:
            await ask(self._writer, TryApi)

    async def cancel_all(self, row: RoomRow, by: Author) -> int:
        """Cancel whatever waits and accept nothing more; returns how many. Raises RoomError."""
        return await ask(self._batcher, lambda reply: CancelAll(row, by, reply))

    async def restart(self, *, is_fresh: bool, by: Author) -> None:
        """End the agent after what runs and start it again; returns once it has ended. Raises RoomError."""
        await ask(self._writer, lambda reply: Restart(is_fresh, by, reply))

    async def waiting(self) -> list[Placed]:
        """List the waiting prompts by place. Raises RoomError."""
        return await ask(self._batcher, ListWaiting)

    async def interrupt(self, turn: str | None, by: Author) -> Turn:
        """Stop the running turn, or only that one; returns once the agent was told. Raises RoomError."""
        return await ask(self._writer, lambda reply: Interrupt(turn, by, reply))

    async def answer(
        self, approval: str, *, is_allowed: bool, answers: dict[str, str], reason: str | None, by: Author
    ) -> Approval:
        """Approve or deny; the first answer wins. Raises RoomError."""
        return await ask(self._writer, lambda reply: AnswerApproval(approval, is_allowed, answers, reason, by, reply))

    async def approvals(self) -> list[Approval]:
        """List what waits for people. Raises RoomError."""
        return await ask(self._writer, ListApprovals)

    async def admit(self, token: str, name: str, key: str | None) -> Admission:
        """
        Let a guest in, or back in; returns once that is durable.

        Raises:
            RoomError: not admitted (`not_allowed`, or `not_now`), or the name is bad (`invalid_params`).
        """
        return await ask(self._reception, lambda reply: Admit(token, name, key, reply))

    async def create_invite(self, wanted: InviteCreate, by: Author) -> Invited:
        """Make an invite; returns once it is durable. Raises RoomError."""
        return await ask(self._reception, lambda reply: MakeInvite(wanted, by, reply))

    async def revoke_invite(self, invite: str, by: Author) -> Revoked:
        """End an invite by its id or the beginning of that, and whoever came by it. Raises RoomError."""
        return await ask(self._reception, lambda reply: RevokeInvite(invite, by, reply))

    async def kick(self, who: str, reason: str | None, by: Author) -> Kicked:
        """Remove a guest by its id, the beginning of its UUID, or its name. Raises RoomError."""
        return await ask(self._reception, lambda reply: Kick(who, reason, by, reply))

    async def end_invites(self, by: Author) -> None:
        """End every invite, because the room closes for good. Raises RoomError."""
        await ask(self._reception, lambda reply: EndInvites(by, reply))

    def people(self) -> msgspec.Raw:
        """Show who is here, hosts first, as JSON: see `Guestbook.people`."""
        return self.guestbook.people(msgspec.json.encode(self.transcript.hosts())[1:-1])

    async def describe(self) -> dict[str, Any]:
        """Tell how the room is, as `room.list` shows it. Raises RoomError."""
        told = await ask(self._writer, Describe)
        queue = await ask(self._batcher, DescribeQueue)
        is_shown_paused = queue.is_paused and told["state"] in ("idle", "asleep", "api-failing")
        fault = self.setup.journal.health.fault
        state, reason = ("journal-failing", fault) if fault is not None else (told["state"], told["reason"])
        if state == "api-failing":
            reason = f"{reason}; {_next_try(told['api_wait_s'], is_paused=queue.is_paused)}"
        spec = self.setup.spec
        about_agent = ("version", "model", "pid", "incarnation", "session_id", "restarts", "started_at", "fault")
        return {
            "name": self.name,
            "workdir": str(spec.workdir),
            "state": "paused" if is_shown_paused and fault is None else state,
            "paused": queue.is_paused,
            "reason": reason,
            "after_crash": self.setup.row.after_crash,
            "agent": {
                "name": spec.name,
                "kind": spec.kind,
                "rehearsal": spec.is_rehearsal,
                **{key: told[key] for key in about_agent},
            },
            "turn": told["turn"],
            "queue": queue.waiting,
            "approvals": told["approvals"],
            "guests": self.guestbook.count,
            "followers": self.transcript.subscribers,
            "cursor": {"epoch": self.transcript.cursor.epoch, "seq": self.transcript.cursor.seq},
            "merging": queue.merging.view(told["tokens_saved"]),
        }

    async def prove(self) -> None:
        """Have everybody answer who is asked things from outside. Raises RoomError: it ends, or cannot serve."""
        await ask(self._writer, Describe)
        await ask(self._batcher, DescribeQueue)
        await ask(self._reception, Knock)

    async def measure(self) -> Measures:
        """Measure what the room does, for a program. Raises RoomError."""
        told = await ask(self._writer, Describe)
        queue = await ask(self._batcher, DescribeQueue)
        is_failing = self.setup.journal.health.fault is not None
        return Measures(
            state="journal-failing" if is_failing else "paused" if queue.is_paused else told["state"],
            is_agent_up=told["pid"] is not None,
            restarts=told["restarts"],
            waiting=queue.waiting,
            oldest_s=queue.oldest_s,
            approvals=told["approvals"],
            guests=self.guestbook.count,
            detached=self.guestbook.detached,
            followers=self.transcript.subscribers,
            merging=queue.merging,
            tokens_saved=told["tokens_saved"],
            turns=told["figures"],
        )


def _next_try(wait_s: float, *, is_paused: bool) -> str:
    """Say when the next prompt finds out whether the agent's API works again."""
    if is_paused:
        return "once the room is resumed, the next prompt tries at once"
    return f"the next prompt tries in {math.ceil(wait_s)} s" if wait_s else "the next prompt tries at once"
