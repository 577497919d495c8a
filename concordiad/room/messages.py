"""
What the tasks of a room say to each other, and how one asks and another answers.

Law: whoever owns an inbox answers every question in it, at the latest when it ends; an answer never waits.
"""

import enum
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

import trio
from msgspec import Struct

from concordiad.agent.process import LineWriter
from concordiad.core.admission import Admission
from concordiad.core.agents import AgentCodec, Fact
from concordiad.core.grouping import Candidate, Grouped
from concordiad.core.model import Approval, Author, Invite, Member, Priority, Prompt, RoomRow, Turn
from concordiad.core.pace import Tally
from concordiad.core.wire import InviteCreate
from concordiad.errors import RoomError
from concordiad.journal.changes import Change
from concordiad.ops.requests import REQUEST

if TYPE_CHECKING:
    from concordiad.room.holding import Inherited

T = TypeVar("T")
M = TypeVar("M")

SUBMITTERS: Final = 256
"""Messages that wait for the batcher: more than a room's connections send at once; further ones wait in their tasks."""
DRAFTS: Final = 64
"""Posts that wait for the fan-out: a chunk of output each, so at most 16 MiB, then the agent's pipe fills instead."""
FACTS: Final = 64
"""Messages that wait for the writer: one or two a chunk of output, and what people ask of the turn."""
QUESTIONS: Final = 1
"""Questions that wait for the matcher: the batcher asks the next one when it has the answer to the last."""
ROUND_BYTES: Final = 1024 * 1024
"""Of prompts that are decided together, and of posts that are recorded together, besides the one that makes it more: to
give the memory of more than some megabytes back at once would hold the loop."""
ARRIVALS: Final = 256
"""Messages that wait for the reception, and that it decides and records in one go: some ten milliseconds' work."""


POST_BYTES: Final = 500
"""What a post takes besides its drafts' bodies, and be it empty."""
UNREAD: Final = 100_000
"""More than any inbox and all its waiting senders hold."""


class Reply(Generic[T]):
    """The way back to whoever asked; used once, or closed. `request` is the one that is met by asking, if any is."""

    def __init__(self, channel: trio.MemorySendChannel[T | RoomError]) -> None:
        self._channel = channel
        self.request = REQUEST.get()

    def answer(self, value: T | RoomError) -> None:
        """Answer; does nothing if nobody waits any more."""
        with self._channel:
            try:
                self._channel.send_nowait(value)
            except trio.BrokenResourceError:
                return

    def close(self) -> None:
        """Give no answer: whoever asked is told that the room is closing."""
        self._channel.close()


async def ask(inbox: trio.abc.SendChannel[M], make_message: Callable[[Reply[T]], M]) -> T:
    """
    Send a question and wait for its answer.

    Raises:
        RoomError: the owner's refusal, or that the room is closing.
    """
    send, receive = trio.open_memory_channel[T | RoomError](1)
    with receive:
        try:
            await inbox.send(make_message(Reply(send)))
            answer = await receive.receive()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.EndOfChannel) as closed:
            raise RoomError.not_now("the room is closing: try again once the daemon is back") from closed
    if isinstance(answer, RoomError):
        raise answer
    return answer


@contextmanager
def serve(inbox: trio.MemoryReceiveChannel[M]) -> Iterator[trio.MemoryReceiveChannel[M]]:
    """Own an inbox; on leaving, the questions that are still in it are closed."""
    with inbox:
        try:
            yield inbox
        finally:
            close_replies(take_all(inbox, [], UNREAD))


@contextmanager
def answering(messages: Sequence[object]) -> Iterator[None]:
    """Handle messages that were taken out of an inbox; on leaving, their questions that have no answer are closed."""
    try:
        yield
    finally:
        close_replies(messages)


def close_replies(messages: Sequence[object]) -> None:
    """Close the questions among some messages; does nothing to those that are answered."""
    for message in messages:
        reply = getattr(message, "reply", None)
        if reply is not None:
            reply.close()


def take_all(inbox: trio.MemoryReceiveChannel[M], taken: list[M], limit: int, limit_bytes: float = math.inf) -> list[M]:
    """
    Take what an inbox holds without waiting, after what was taken already.

    Args:
        limit: how many there are at most.
        limit_bytes: once they are so large together, nothing more is taken.
    """
    left_bytes = limit_bytes - sum(map(size_of, taken))
    while len(taken) < limit and left_bytes > 0:
        try:
            message = inbox.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            break
        taken.append(message)
        left_bytes -= size_of(message)
    return taken


def size_of(message: object) -> int:
    """Tell about how many bytes a message carries, if it may be large; else 0."""
    return getattr(message, "size_bytes", 0)


class Draft(NamedTuple):
    """An event without its number; `is_live` ones are published but not recorded."""

    event_type: str
    body: bytes
    is_live: bool = False


class Post(Struct, frozen=True):
    """
    Drafts for the fan-out, with the rows of the ledger that belong to them; answered once they are recorded.

    Who waits for an answer is refused at once while the journal cannot record; what nobody waits for is kept until it
    can.

    Attributes:
        is_now: published ahead of what waits for the journal; every draft is live.
    """

    drafts: Sequence[Draft] = ()
    changes: Sequence[Change] = ()
    is_durable: bool = False
    reply: Reply[None] | None = None
    is_now: bool = False

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes to keep it."""
        return POST_BYTES + sum(len(draft.body) for draft in self.drafts)


async def record(fanout: trio.abc.SendChannel[Post], drafts: Sequence[Draft], changes: Sequence[Change] = ()) -> None:
    """
    Have events and rows recorded durably, together.

    Raises:
        RoomError: the room is closing, or the journal cannot record for now; nothing was recorded.
    """
    await ask(fanout, lambda reply: Post(drafts, changes, is_durable=True, reply=reply))


async def note(fanout: trio.abc.SendChannel[Post], drafts: Sequence[Draft], changes: Sequence[Change] = ()) -> None:
    """Have what has happened recorded durably, now or as soon as the journal can, without waiting for that."""
    await fanout.send(Post(drafts, changes, is_durable=True))


class Submission(Struct, frozen=True):
    """A prompt as somebody hands it in; `expires_s` is seconds from now."""

    author: Author
    text: str
    priority: Priority = Priority.NORMAL
    key: str | None = None
    expires_s: float | None = None
    is_alone: bool = False
    is_raw: bool = False
    retry_of: str | None = None


class Placed(NamedTuple):
    """A prompt and its place; None where it does not wait."""

    prompt: Prompt
    place: int | None


class Submit(Struct, frozen=True):
    """Accept a prompt."""

    submission: Submission
    reply: Reply[Placed]

    @property
    def size_bytes(self) -> int:
        """About how large the text is."""
        return len(self.submission.text)


class Cancel(Struct, frozen=True):
    """Take a waiting prompt out."""

    prompt: str
    by: Author
    reply: Reply[Placed]


class Split(Struct, frozen=True):
    """Give a waiting prompt a turn for itself."""

    prompt: str
    by: Author
    reply: Reply[Placed]


class ListWaiting(Struct, frozen=True):
    """List who waits, by place."""

    reply: Reply[list[Placed]]


class QueueState(NamedTuple):
    """
    How many prompts wait, whether they are held back, what merging has done, and for how long the oldest one waits.

    The latter is in seconds; 0 where none waits. What it waited before the daemon's start the wall clock tells.
    """

    waiting: int
    is_paused: bool
    merging: Tally = Tally()
    oldest_s: float = 0.0


class DescribeQueue(Struct, frozen=True):
    """Tell how the queue is."""

    reply: Reply[QueueState]


class SetPaused(Struct, frozen=True):
    """Hold the waiting prompts back and refuse new ones, or go on; `row` is what the journal knows from then on."""

    row: RoomRow
    by: Author
    reply: Reply[None]


class CancelAll(Struct, frozen=True):
    """Close the queue for good: whatever waits is cancelled; `row` is what the journal knows from then on."""

    row: RoomRow
    by: Author
    reply: Reply[int]


class NextTurn(Struct, frozen=True):
    """The writer is ready for a turn."""


class TakeBack(Struct, frozen=True):
    """The writer returns what it could not hand over: one group, as it was offered."""

    prompts: Sequence[tuple[Prompt, float]]


class Drain(Struct, frozen=True):
    """No new turns from now on."""


class Judge(Struct, frozen=True):
    """Ask a language model which of these prompts mean the same; `query` is whatever the batcher knows it by."""

    query: int
    candidates: Sequence[Candidate]


class Judged(Struct, frozen=True):
    """
    What the model answered.

    Attributes:
        query: the question's.
        candidates: the question's.
        groups: prompts that mean the same; none where that is not known.
        doubt: a code for why it is not known; None where it is.
        took_s: how long it took.
    """

    query: int
    candidates: Sequence[Candidate]
    groups: Sequence[Grouped]
    doubt: str | None
    took_s: float


ToBatcher = (
    Submit | Cancel | Split | ListWaiting | DescribeQueue | SetPaused | CancelAll | NextTurn | TakeBack | Judged | Drain
)


class Offer(Struct, frozen=True):
    """The batcher's next turn: the prompts of a group, its leader first, with their deadlines."""

    prompts: Sequence[tuple[Prompt, float]]


class Incarnation(Struct, frozen=True):
    """
    One spawn of the agent.

    Attributes:
        id: names it for ever; it is in the environment of everything that it starts.
        is_resumed: whether it goes on with an earlier conversation.
        end: set when the process is to end: its input is closed, the keeper sees to the rest.
        leave: set when the process is to go on without this daemon; None where it cannot.
        inherited: what an earlier run of the daemon knew of it; None where this one has spawned it.
        likeness: what it was started with (`agent/spec.py`).
    """

    id: str
    agent: str
    kind: str
    version: str | None
    model: str | None
    session_id: str
    is_resumed: bool
    pid: int
    started_at: float
    codec: AgentCodec
    stdin: LineWriter
    end: trio.Event
    leave: trio.Event | None = None
    inherited: "Inherited | None" = None
    likeness: str = ""


class AgentUp(Struct, frozen=True):
    """The keeper spawned an agent."""

    incarnation: Incarnation


class Spoke(NamedTuple):
    """A turn's first output came, at this monotonic time."""

    turn: str
    at: float


class FromAgent(Struct, frozen=True):
    """
    What the pump read: that there was something, and its facts.

    Answered when `reply` is given, so that the transcript keeps the order of the output.

    Attributes:
        numbers: those of the facts, where the agent may outlive the daemon (`room/bookmark.py`); 0 has none.
    """

    incarnation: str
    facts: Sequence[Fact | Spoke]
    reply: Reply[None] | None = None
    numbers: Sequence[int] = ()


class Parting(enum.StrEnum):
    """Why an incarnation ended."""

    ASLEEP = "asleep"
    """It had nothing to do for so long that the room let it go."""
    RESTARTED = "restarted"
    """A host wanted another one."""
    CLOSED = "closed"
    """The room closes, or the daemon stops."""
    STUCK = "stuck"
    """It missed a deadline, so that it had to be ended."""
    DIED = "died"
    """It ended by itself, or somebody outside ended it."""


class Farewell(NamedTuple):
    """What the writer says of an ended incarnation: why it ended, in words if there are any; if it ever answered."""

    parting: Parting
    has_answered: bool
    words: str | None = None

    @property
    def is_expected(self) -> bool:
        """Whether the room ended it although nothing was wrong with it."""
        return self.parting in (Parting.ASLEEP, Parting.RESTARTED, Parting.CLOSED)


class AgentGone(Struct, frozen=True):
    """The agent's process has ended and everything it wrote was read."""

    incarnation: str
    how: str
    reply: Reply[Farewell]


class Mute(Struct, frozen=True):
    """The agent's output has ended; its process has perhaps not."""

    incarnation: str


class Away(Struct, frozen=True):
    """There is no agent for now: the room's state by its name in `room.list`, and why."""

    room_state: str
    reason: str


class WantAgent(Struct, frozen=True):
    """Answered once the room wants an agent: at once unless it sleeps; with `is_urgent`, once somebody restarts it."""

    is_urgent: bool
    reply: Reply[None]


class KeeperEnded(Struct, frozen=True):
    """There will be no further incarnation."""


class Interrupt(Struct, frozen=True):
    """Stop the running turn; with `turn`, only that one."""

    turn: str | None
    by: Author
    reply: Reply[Turn]


class AnswerApproval(Struct, frozen=True):
    """Approve or deny."""

    approval: str
    is_allowed: bool
    answers: dict[str, str]
    reason: str | None
    by: Author
    reply: Reply[Approval]


class ListApprovals(Struct, frozen=True):
    """List what waits for people."""

    reply: Reply[list[Approval]]


class Describe(Struct, frozen=True):
    """Tell how the agent is."""

    reply: Reply[dict[str, Any]]


class Restart(Struct, frozen=True):
    """End the agent, after what runs, and start it again; with `is_fresh` with a new conversation."""

    is_fresh: bool
    by: Author
    reply: Reply[None]


class TryApi(Struct, frozen=True):
    """A host says that the agent's API works again."""

    reply: Reply[None]


class HandOver(Struct, frozen=True):
    """The daemon stops, and an agent that can go on without it does; where it cannot, the room drains."""


class Hurry(Struct, frozen=True):
    """The running turn has no grace any more."""


ToWriter = (
    Offer
    | AgentUp
    | FromAgent
    | AgentGone
    | Mute
    | Away
    | WantAgent
    | Restart
    | KeeperEnded
    | Interrupt
    | AnswerApproval
    | ListApprovals
    | Describe
    | Drain
    | HandOver
    | TryApi
    | Hurry
)


class Admit(Struct, frozen=True):
    """Let a guest in, or back in."""

    token: str
    name: str
    key: str | None
    reply: Reply[Admission]

    def __repr__(self) -> str:
        """Show neither of what lets somebody in."""
        return f"Admit(name={self.name!r})"


class Invited(NamedTuple):
    """An invite, and its token, which is told only once."""

    invite: Invite
    token: str


class MakeInvite(Struct, frozen=True):
    """Make an invite."""

    wanted: InviteCreate
    by: Author
    reply: Reply[Invited]


class Revoked(NamedTuple):
    """An invite that is over, and how many connections are closed with it."""

    invite: Invite
    closed: int


class RevokeInvite(Struct, frozen=True):
    """End an invite; the id may be shortened to its beginning."""

    invite: str
    by: Author
    reply: Reply[Revoked]


class Kicked(NamedTuple):
    """A guest that was removed, the invite that it came by, and how many connections are closed."""

    member: Member
    invite: Invite
    closed: int


class Kick(Struct, frozen=True):
    """Remove a guest, named by its id, the beginning of its UUID, or its name."""

    who: str
    reason: str | None
    by: Author
    reply: Reply[Kicked]


class EndInvites(Struct, frozen=True):
    """The room closes for good: no token opens it any more."""

    by: Author
    reply: Reply[None]


class Knock(Struct, frozen=True):
    """Answer, to show that there is somebody."""

    reply: Reply[None]


ToReception = Knock | Admit | MakeInvite | RevokeInvite | Kick | EndInvites
