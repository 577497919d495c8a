"""
One room: all of its tasks, and every channel between them.

    Room.admit ─▶ reception, which posts drafts too
                     ┌────────── next? ──────────┐
    Room.submit ─▶ batcher ──── offer ─────▶ writer ──▶ agent's stdin
                     │                        ▲   │
                     │             facts      │   │        keeper: spawns, watches, ends the agent
                     │      ┌── pump ─────────┘   │            │
                     │      │    ▲ agent's stdout │            │
                     ▼      ▼    │                ▼            ▼
                   drafts ─────────────────▶ fan-out ─▶ journal, then subscribers

Order of ending is the indentation of `run_room`: first the agent's side (drained by the writer), then the batcher,
whose prompts go on waiting in the journal, then the fan-out, when nobody has anything to say any more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import trio
from msgspec import Struct
from msgspec.structs import replace

from concordiad.agent.spec import AgentSpec
from concordiad.config import Graces, Limits, Merging
from concordiad.core.admission import CLOSED, STOPPING, Admission
from concordiad.core.attribution import Askers
from concordiad.core.batching import Queue, Window
from concordiad.core.figures import TurnFigures
from concordiad.core.guestbook import Guestbook
from concordiad.core.judging import Judging
from concordiad.core.model import AfterCrash, Approval, Author, PromptState, RoomRow, Stage, Turn
from concordiad.core.pace import Tally
from concordiad.core.voice import Voice
from concordiad.core.wire import InviteCreate
from concordiad.journal import Journal
from concordiad.journal.rows import (
    RoomEpoch,
    Transaction,
    first_seq,
    last_seq,
    read_askers,
    read_prompts_in,
    read_room_epochs,
)
from concordiad.meaning import Grouper
from concordiad.ops.clock import since_boot
from concordiad.room.batcher import Batcher, BatcherEnds, run_batcher
from concordiad.room.comparison import prepare_comparison
from concordiad.room.fanout import Transcript, run_fanout
from concordiad.room.heritage import Heritage, Keeping, find_heritage
from concordiad.room.keeper import Keeper, KeeperEnds, run_keeper
from concordiad.room.matcher import MatcherEnds, run_matcher
from concordiad.room.messages import (
    ARRIVALS,
    DRAFTS,
    FACTS,
    QUESTIONS,
    SUBMITTERS,
    Admit,
    AnswerApproval,
    Cancel,
    CancelAll,
    Describe,
    DescribeQueue,
    Drain,
    EndInvites,
    HandOver,
    Hurry,
    Interrupt,
    Invited,
    Judge,
    Kick,
    Kicked,
    Knock,
    ListApprovals,
    ListWaiting,
    MakeInvite,
    Placed,
    Post,
    Restart,
    Revoked,
    RevokeInvite,
    SetPaused,
    Split,
    Submission,
    Submit,
    ToBatcher,
    ToReception,
    ToWriter,
    TryApi,
    ask,
)
from concordiad.room.outage import run_outage
from concordiad.room.reception import ReceptionEnds, open_guestbook, run_reception
from concordiad.room.recovery import Recovery, recover
from concordiad.room.valve import Valve
from concordiad.room.writer import Writer, WriterEnds, run_writer


class Measures(Struct, frozen=True):
    """
    What a room does, in figures; those that count are since the daemon's start.

    Attributes:
        oldest_s: for how many seconds the oldest prompt waits; 0 where none does.
        detached: guests who have to be caught up.
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
    turns: TurnFigures


class RoomSetup(Struct, frozen=True):
    """
    What a room is made of.

    Attributes:
        grouper: the language model that tells which prompts mean the same, if there is one.
        judgement_s: how long it may take to tell.
        keeping: what lets agents outlive the daemon; None where they do not.
    """

    row: RoomRow
    spec: AgentSpec
    limits: Limits
    graces: Graces
    merging: Merging
    journal: Journal
    new_id: Callable[[], str]
    now: Callable[[], float]
    closing: trio.Event
    hurry: trio.Event
    after_crash: AfterCrash = AfterCrash.LEAVE
    grouper: Grouper | None = None
    judgement_s: float = 0.0
    keeping: Keeping | None = None

    @property
    def name(self) -> str:
        """The room's name."""
        return self.row.name

    def is_like(self, other: "RoomSetup") -> bool:
        """Tell whether a room made of this would be as one made of the other; a pause is the room's own affair."""
        mine, others = (
            # A program that was brought up to date meanwhile is no wish for another room.
            (
                replace(setup.row, is_paused=False),
                replace(setup.spec, version=None),
                setup.limits,
                setup.graces,
                setup.merging,
            )
            for setup in (self, other)
        )
        return mine == others


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
        spec = self.setup.spec
        about_agent = ("version", "model", "pid", "incarnation", "session_id", "restarts", "started_at", "fault")
        return {
            "name": self.name,
            "workdir": str(spec.workdir),
            "state": "paused" if is_shown_paused and fault is None else state,
            "paused": queue.is_paused,
            "reason": reason,
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
            oldest_s=0.0 if queue.oldest_at is None else max(self.setup.now() - queue.oldest_at, 0.0),
            approvals=told["approvals"],
            guests=self.guestbook.count,
            detached=self.guestbook.detached,
            followers=self.transcript.subscribers,
            merging=queue.merging,
            turns=told["figures"],
        )


async def run_room(setup: RoomSetup, task_status: trio.TaskStatus[Room]) -> None:
    """
    Serve one room until it is told to close and what runs has ended.

    Owns: every channel between the room's tasks. Ends when: `setup.closing` is set and the room is drained.
    Raises: JournalError.
    """
    to_batcher, batcher_inbox = trio.open_memory_channel[ToBatcher](SUBMITTERS)
    to_writer, writer_inbox = trio.open_memory_channel[ToWriter](FACTS)
    to_reception, reception_inbox = trio.open_memory_channel[ToReception](ARRIVALS)
    to_fanout, fanout_inbox = trio.open_memory_channel[Post](DRAFTS)

    transcript = await _open_transcript(setup)
    guestbook = await open_guestbook(setup.name, setup.journal, setup.new_id, setup.now, since_boot)
    figures = TurnFigures()
    questions, matcher_inbox = trio.open_memory_channel[Judge](QUESTIONS)
    batcher_ends = BatcherEnds(batcher_inbox, to_fanout.clone(), to_writer.clone(), questions)
    valve = Valve()
    writer_ends = WriterEnds(writer_inbox, to_batcher.clone(), to_fanout.clone(), valve)
    keeper_ends = KeeperEnds(to_fanout.clone(), to_writer.clone(), valve)
    reception_ends = ReceptionEnds(reception_inbox, to_fanout.clone())

    try:
        async with trio.open_nursery() as lasting:
            with to_fanout, to_batcher, to_writer, to_reception:
                lasting.start_soon(run_fanout, fanout_inbox, transcript, setup.journal, setup.now, valve)
                grace_s = setup.graces.kill_s
                heritage = await find_heritage(setup.keeping, setup.name, setup.spec, setup.journal, grace_s)
                spared = None if heritage is None else heritage.incarnation
                first = await recover(_recovery_of(setup, figures), to_fanout, spared)
                batcher = await _make_batcher(setup, transcript, guestbook, first)
                lasting.start_soon(run_batcher, batcher, batcher_ends)
                if setup.grouper is not None:
                    matcher_ends = MatcherEnds(matcher_inbox, to_batcher.clone())
                    lasting.start_soon(run_matcher, setup.name, setup.grouper, matcher_ends)
                lasting.start_soon(run_reception, guestbook, transcript, setup.journal, reception_ends)
                async with trio.open_nursery() as closers:
                    closers.start_soon(_pass_on_closing, setup, heritage, to_batcher, to_writer)
                    closers.start_soon(run_outage, setup.journal.health, to_fanout.clone())
                    async with trio.open_nursery() as agent_side:
                        agent_side.start_soon(run_writer, await _make_writer(setup, writer_ends, figures), writer_ends)
                        agent_side.start_soon(run_keeper, _make_keeper(setup, heritage), keeper_ends)
                        if heritage is not None:
                            # Who comes now asks for its turn, or answers what it waits for.
                            await heritage.inherited.taken.wait()
                        voice = Voice(setup.spec.secrets)
                        ways_in = (to_batcher, to_writer, to_reception)
                        task_status.started(Room(setup, transcript, voice, guestbook, *ways_in))
                    closers.cancel_scope.cancel()
    finally:
        # Whoever is still here may read the last events before it is hung up on.
        guestbook.dismiss_all(*(CLOSED if guestbook.has_closed else STOPPING))


async def _pass_on_closing(
    setup: RoomSetup,
    heritage: Heritage | None,
    batcher: trio.MemorySendChannel[ToBatcher],
    writer: trio.MemorySendChannel[ToWriter],
) -> None:
    """Tell the owners, through their inboxes, what the daemon was told."""
    await setup.closing.wait()
    try:
        await batcher.send(Drain())
        if heritage is not None:
            # The writer cannot leave to another run what it does not have yet.
            await heritage.inherited.taken.wait()
        is_leaving = setup.keeping is not None and setup.keeping.leaving.is_set()
        await writer.send(HandOver() if is_leaving else Drain())
        await setup.hurry.wait()
        await writer.send(Hurry())
    except trio.BrokenResourceError:
        # Who has ended meanwhile need not be told.
        return


async def _open_transcript(setup: RoomSetup) -> Transcript:
    journal, name = setup.journal, setup.name
    last = await journal.read(last_seq, name)
    epoch = RoomEpoch(name, journal.epoch, last + 1)
    await journal.record(Transaction(name, changes=[epoch], is_durable=True))
    epochs = await journal.read(read_room_epochs, name)
    return Transcript(name, epochs, last, await journal.read(first_seq, name), setup.now)


def _recovery_of(setup: RoomSetup, figures: TurnFigures) -> Recovery:
    return Recovery(
        setup.name,
        setup.spec.kind,
        setup.spec.environment,
        setup.after_crash,
        setup.journal,
        setup.new_id,
        setup.now,
        figures,
    )


async def _make_batcher(
    setup: RoomSetup, transcript: Transcript, guestbook: Guestbook, first: Sequence[str]
) -> Batcher:
    def has_company(author: str) -> bool:
        return transcript.is_followed_by_another(author) or guestbook.has_another(author)

    merging = setup.merging
    queue = Queue(merging.stages or (), Window(merging.window_s, merging.window_max_s))
    has_judge = setup.grouper is not None and Stage.MEANING in queue.stages
    waiting = await setup.journal.read(read_prompts_in, setup.name, [PromptState.WAITING])
    # What ran before the others waits before them again.
    waiting.sort(key=lambda prompt: prompt.id not in first)
    return Batcher(
        setup.name,
        waiting,
        queue,
        setup.limits,
        setup.journal,
        setup.new_id,
        setup.now,
        has_company,
        Judging(queue, setup.judgement_s) if has_judge else None,
        is_paused=setup.row.is_paused,
    )


async def _make_writer(setup: RoomSetup, ends: WriterEnds, figures: TurnFigures) -> Writer:
    askers = Askers(setup.merging.attribution, await setup.journal.read(read_askers, setup.name))
    return Writer(
        setup.name, setup.graces, setup.new_id, setup.now, ends, setup.row.idle_s, setup.limits, askers, figures
    )


def _make_keeper(setup: RoomSetup, heritage: Heritage | None) -> Keeper:
    return Keeper(
        setup.name,
        setup.spec,
        setup.limits,
        setup.graces,
        setup.journal,
        setup.new_id,
        setup.now,
        setup.closing,
        setup.hurry,
        setup.keeping,
        heritage,
    )
