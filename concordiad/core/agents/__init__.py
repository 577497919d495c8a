"""
The seam between a room and a kind of agent: lines in, lines out, and the facts that the agent's lines state.

A codec is sans-I/O and lives as long as one incarnation. It tells from the agent's own output which turn a line
belongs to, so that nobody else needs to guess: a turn of ours bears the id that its line carried, a turn that the agent
began by itself gets an id from the codec's `new_id`.
"""

import enum
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from concordiad.core.api import ApiTrouble
from concordiad.core.lines import Oversize
from concordiad.core.model import ApprovalKind, Outcome


class Said(msgspec.Struct, frozen=True, gc=False):
    """
    The agent said something for the transcript; `is_live` marks a delta, which is published but not recorded.

    A struct and no tuple, because it is made for every delta: 0.06 µs instead of 0.25.
    """

    event_type: str
    body: bytes
    turn: str | None
    is_live: bool = False


class Acknowledged(NamedTuple):
    """The agent has taken the line of this turn."""

    turn: str


class Began(NamedTuple):
    """The agent works on this turn of ours from now on."""

    turn: str


class OwnTurnBegan(NamedTuple):
    """The agent began a turn that nobody asked for; `text` says what made it."""

    turn: str
    text: str


class Ended(NamedTuple):
    """
    A turn's result.

    `trouble` names the failure of the agent's API, where it was one that the next turn would meet too.
    `total_cost_usd` is the agent's cumulative figure, `cost_usd` what it says of this turn alone; `session_id` the
    conversation it belongs to, which the agent may have changed during the turn; `partial` the last text of a turn that
    was stopped, as far as it came.
    """

    turn: str
    is_ours: bool
    outcome: Outcome
    reason: str | None
    answer: str | None
    session_id: str | None
    ttft_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    total_cost_usd: float | None
    cost_usd: float | None
    agent_turns: int | None
    partial: str | None = None
    trouble: ApiTrouble | None = None


class BrokeOff(NamedTuple):
    """The agent's output ended in the middle of this turn; `partial` is its last text, as far as it came."""

    turn: str
    partial: str


class ToolsRunning(NamedTuple):
    """The agent waits for so many tools now; it says nothing meanwhile."""

    tools: int


class Retrying(NamedTuple):
    """The agent's API failed, and it waits so long before it tries again."""

    delay_s: float


class BackgroundRunning(NamedTuple):
    """So many tasks of the agent run in the background now; it begins a turn of its own when one ends."""

    tasks: int


class LineDone(NamedTuple):
    """
    The agent is done with the line of this turn, whatever came of it; the next line may be written.

    Attributes:
        partial: the turn's last text, where the agent gave no result.
    """

    turn: str
    partial: str | None = None


class WentIdle(NamedTuple):
    """
    The agent says that it has nothing to do.

    Attributes:
        left: the turn that it left without a result, if it did.
        partial: that turn's last text.
    """

    left: str | None = None
    partial: str | None = None


class ApprovalAsked(NamedTuple):
    """The agent asks for permission, or asks a question."""

    request_id: str
    turn: str | None
    kind: ApprovalKind
    tool: str
    input: bytes
    description: str | None


class ApprovalWithdrawn(NamedTuple):
    """The agent no longer wants an answer."""

    request_id: str


class Answered(NamedTuple):
    """The agent answered a control request of ours; `error` is its complaint, `total_cost_usd` the figure asked for."""

    request_id: str
    error: str | None
    total_cost_usd: float | None


class Session(NamedTuple):
    """The agent names its conversation and model."""

    session_id: str
    model: str | None


class Unsupported(NamedTuple):
    """The agent asks what nobody here can do; it must be told so, or it would wait for ever."""

    request_id: str
    why: str


class ConversationLost(NamedTuple):
    """The agent has no such conversation as it was told to resume."""

    session_id: str | None


class Unreadable(NamedTuple):
    """
    Lines that are not what the agent's protocol allows; they are shown to nobody, and counted.

    Attributes:
        why: what is wrong with the last of them.
        size_bytes: the length of that one.
        lines: how many there are.
    """

    why: str
    size_bytes: int
    lines: int = 1

    def after(self, earlier: "Unreadable") -> "Unreadable":
        """Count these with earlier ones."""
        return Unreadable(self.why, self.size_bytes, earlier.lines + self.lines)


Fact = (
    Said
    | Acknowledged
    | Began
    | OwnTurnBegan
    | Ended
    | BrokeOff
    | ToolsRunning
    | Retrying
    | BackgroundRunning
    | LineDone
    | WentIdle
    | ApprovalAsked
    | ApprovalWithdrawn
    | Answered
    | Session
    | Unsupported
    | ConversationLost
    | Unreadable
)


class Launch(NamedTuple):
    """How to resume a conversation or begin one."""

    session_id: str
    is_resumed: bool


class Settings(NamedTuple):
    """What a configuration says of an agent that ends up in its arguments."""

    model: str | None = None
    permission_mode: str | None = None
    args: Sequence[str] = ()


class AgentCodec(Protocol):
    """One kind of agent's language."""

    is_rehearsal: bool

    def arguments(self, settings: Settings, launch: Launch) -> list[str]:
        """Write the command line that follows the program's name."""

    def environment(self) -> dict[str, str]:
        """Name the variables that make the agent speak as this codec expects."""

    def handshake(self, new_id: "IdSource") -> list[tuple[str, bytes]]:
        """Write the control requests that must be answered before the first turn: their ids and lines."""

    def prompt(self, turn: str, text: str, *, is_raw: bool) -> bytes:
        """Write a turn's line."""

    def interrupt(self, request_id: str) -> bytes:
        """Write the request that stops what the agent works on."""

    def allow(self, request_id: str, tool_input: bytes, answers: dict[str, str]) -> bytes:
        """Write the consent to an approval, with the answers where it was a question."""

    def deny(self, request_id: str, reason: str) -> bytes:
        """Write the refusal of an approval."""

    def refuse(self, request_id: str, why: str) -> bytes:
        """Write the error answer to a request that nobody here can meet."""

    def decode(self, lines: bytes | Oversize) -> list[Fact]:
        """Read one line of the agent or several, newlines between them; never raises for what the agent sent."""

    def decode_in_pieces(self, lines: bytes | Oversize) -> Iterator[list[Fact]]:
        """Read the same, a short piece of work at a time; all of it is to be taken."""

    def is_refusal(self, last_words: str) -> bool:
        """Tell whether a process ended because its command line is not understood: its last words on stderr say so."""

    def end(self) -> list[Fact]:
        """Say what the end of the agent's output means."""

    def remember(self) -> bytes:
        """Write down what was learnt from the output so far, for the codec that goes on with it."""

    def recall(self, memory: bytes) -> None:
        """Go on where another codec of this kind wrote that down."""


class IdSource(Protocol):
    """Where new ids come from."""

    def __call__(self) -> str:
        """Make a new id."""


class Kind(enum.StrEnum):
    """The languages that there is a codec for."""

    CLAUDE_CODE = "claude-code"
    REHEARSAL = "rehearsal"
