"""What the writer is asked and told: by the batcher, by the keeper and the pump, and by people."""

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio
from msgspec import Struct

from concordiad.agent.process import LineWriter
from concordiad.core.agents import AgentCodec, Fact
from concordiad.core.model import Approval, Author, Prompt, Turn
from concordiad.room.messages import Drain, Reply

if TYPE_CHECKING:
    from concordiad.room.holding import Inherited


FACTS: Final = 64
"""Messages that wait for the writer: one or two a chunk of output, and what people ask of the turn."""


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
        ready: set when it has given its first answers.
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
    ready: trio.Event
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
    """
    Answered once the room wants an agent: at once unless it sleeps; with `is_urgent`, once somebody restarts it.

    The answer is the number of the wish to be met, `known` where there is no newer one. Whoever gives up waiting has
    perhaps been answered, and does not know it: the next question says that, and is answered anew.

    Attributes:
        known: the number of the last wish that the keeper was told of; 0 is none.
    """

    is_urgent: bool
    known: int
    reply: Reply[int]


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
