"""
The nouns of Concordia: ids, authors, prompts, turns, approvals, invites, members.

Everything here is frozen; a change is a new object. Times are Unix seconds (float), durations seconds, sizes bytes,
money US dollars. What is unknown is None.
"""

import enum
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec import Struct

from concordiad.core.discreet import Discreet
from concordiad.core.roles import Role

ID_RANDOM_BYTES: Final = 8
"""Random bytes in an id, of which 62 bits are used."""
ID_TICKS_PER_MS: Final = 4096
"""The clock that orders ids counts in 1/4096 of a millisecond (RFC 9562, 6.2, method 3)."""


def make_id(ticks: int, random: bytes) -> str:
    """
    Build a UUIDv7 (RFC 9562, 5.7) from a time and randomness.

    Args:
        ticks: 1/4096 milliseconds since 1970.
        random: ID_RANDOM_BYTES random bytes.
    """
    unix_ms, fraction = divmod(ticks, ID_TICKS_PER_MS)
    number = (
        (unix_ms & (1 << 48) - 1) << 80
        | 0x7 << 76
        | fraction << 64
        | 0b10 << 62
        | int.from_bytes(random) & (1 << 62) - 1
    )
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def rfc3339(unix_s: float) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class AuthorKind(enum.StrEnum):
    """Where a participant comes from."""

    LOCAL = "local"
    GUEST = "guest"
    WEBHOOK = "webhook"
    AGENT = "agent"


class Author(Struct, frozen=True):
    """Who submitted a prompt or did a thing; the name is for people, the id is the identity."""

    id: str
    name: str
    kind: AuthorKind


class Priority(enum.StrEnum):
    """Which prompts go first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Stage(enum.StrEnum):
    """By what it was found that prompts ask the same: two by core.similarity, the last by a language model."""

    SAME = "same"
    NEAR = "near"
    MEANING = "meaning"


class PromptState(enum.StrEnum):
    """Where a prompt stands; core.turns.PROMPT_TABLE says how it moves."""

    WAITING = "waiting"
    RUNNING = "running"
    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


class TurnState(enum.StrEnum):
    """Where a turn stands; core.turns.TURN_TABLE says how it moves."""

    RUNNING = "running"
    FINISHED = "finished"
    RETURNED = "returned"


class AfterCrash(enum.StrEnum):
    """What becomes of a turn that was with the agent when the daemon was killed."""

    LEAVE = "leave"
    """It is uncertain, and people decide."""
    ASK_AGAIN = "ask_again"
    """It is uncertain, and its prompts are asked again, once."""
    FROM_HISTORY = "from_history"
    """It is answered where the agent's own history shows that it finished, else it is uncertain."""


class OnDamage(enum.StrEnum):
    """What becomes of a journal that is found damaged at the start."""

    SALVAGE = "salvage"
    """It is set aside, and what of it is right goes on in a new one."""
    REFUSE = "refuse"
    """The daemon does not start."""


class Outcome(enum.StrEnum):
    """How a turn ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    TIMED_OUT = "timed_out"
    UNCERTAIN = "uncertain"


class Origin(enum.StrEnum):
    """Whose wish a turn was: prompts of ours, or the agent's own."""

    PROMPTS = "prompts"
    AGENT = "agent"


class OrderKey(NamedTuple):
    """
    Where a prompt stands among those that wait; the least goes first.

    Attributes:
        rank: 0 for high priority, 1 for normal, 2 for low.
        round: within the rank, one prompt of every author belongs to each round.
        arrival: counts the room's prompts.
        ahead: below 0 for what was put directly before the one that this key was made for.
    """

    rank: int
    round: int
    arrival: int
    ahead: int = 0


class Standing(NamedTuple):
    """A prompt's own key, and the one that it goes by, which may have become an earlier one by a merge."""

    own: OrderKey
    place: OrderKey


class Merge(Discreet, frozen=True):
    """
    What became of a prompt that shares a turn with others.

    Attributes:
        leader: the prompt that was there first, which names the group.
        stage: why it was merged with the leader; None for the leader itself.
        similarity: 0 to 1; None where nothing measured it.
        asked: what the agent is asked for all of them.
    """

    UNSAID = ("asked",)

    leader: str
    stage: Stage | None
    similarity: float | None
    asked: str


class Prompt(Discreet, frozen=True):
    """
    What one participant submitted; keeps its author for ever.

    Attributes:
        merge: with whom it shares a turn; None for a prompt that has one for itself.
        standing: where it stands, or last stood, among those that wait.
        request: by which request it came, for the log of this run of the daemon; the journal does not have it.
    """

    UNSAID = ("request",)

    id: str
    room: str
    author: Author
    text: str
    submitted_at: float
    state: PromptState = PromptState.WAITING
    priority: Priority = Priority.NORMAL
    key: str | None = None
    expires_at: float | None = None
    turn: str | None = None
    retry_of: str | None = None
    is_raw: bool = False
    is_alone: bool = False
    merge: Merge | None = None
    standing: Standing | None = None
    request: str | None = None

    @property
    def asked(self) -> str:
        """What the agent is asked for it."""
        return self.text if self.merge is None else self.merge.asked


class Turn(Discreet, frozen=True):
    """What the agent works on in one go; its id is also the uuid of the line that the agent gets."""

    UNSAID = ("answer",)

    id: str
    room: str
    origin: Origin
    prompts: tuple[str, ...]
    text: str
    started_at: float
    incarnation: str
    state: TurnState = TurnState.RUNNING
    outcome: Outcome | None = None
    reason: str | None = None
    answer: str | None = None
    finished_at: float | None = None
    duration_s: float | None = None
    ttft_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    agent_turns: int | None = None


class ApprovalKind(enum.StrEnum):
    """What the agent wants of people."""

    PERMISSION = "permission"
    QUESTION = "question"


class Approval(Discreet, frozen=True):
    """One request of the agent that waits for a person; `request_id` is the agent's own name for it."""

    UNSAID = ("input",)

    id: str
    room: str
    request_id: str
    turn: str | None
    kind: ApprovalKind
    tool: str
    input: bytes
    """JSON, exactly as the agent sent it."""
    description: str | None
    requested_at: float
    expires_at: float


class RoomRow(Struct, frozen=True):
    """
    What the journal knows of a room.

    Attributes:
        is_created: somebody made it by command; it is opened again at every start until it is closed.
        is_closed: it is not opened again by itself.
        after_crash: what becomes of a turn that was with its agent when the daemon was killed.
    """

    name: str
    workdir: str
    agent: str
    model: str | None = None
    permission_mode: str | None = None
    idle_s: float = 0.0
    is_created: bool = False
    is_paused: bool = False
    is_closed: bool = False
    after_crash: AfterCrash = AfterCrash.LEAVE


_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_session_id(name: str) -> bool:
    """Tell whether that can be what an agent calls a conversation: it stands in a command line, and names a file."""
    return _UUID.fullmatch(name) is not None


class AgentSession(Struct, frozen=True):
    """The conversation that a room's next incarnation resumes, and the mark of the last incarnation spawned."""

    room: str
    kind: str
    """The language of the agent whose conversation it is: another one cannot resume it."""
    session_id: str | None
    incarnation: str | None
    has_history: bool = False
    """Whether a result was ever seen in this session: an agent that died before that has nothing to resume."""


class History(enum.StrEnum):
    """From when on an invite's guests may see a room."""

    JOINING = "joining"
    START = "start"


class InviteState(enum.StrEnum):
    """Where an invite stands."""

    OPEN = "open"
    USED_UP = "used_up"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Invite(Discreet, frozen=True):
    """
    What lets guests into a room; its token is known only to who was given it.

    Attributes:
        token_hash: SHA-256 of the token.
        expires_at: None for never.
        uses: how many members it may make; None for any number.
        used: how many it has made.
        name_hint: the name that the guest is expected to take.
        may_approve: whether its drivers may answer approvals.
    """

    UNSAID = ("token_hash",)

    id: str
    room: str
    role: Role
    token_hash: bytes
    created_at: float
    created_by: Author
    expires_at: float | None
    uses: int | None
    used: int = 0
    name_hint: str | None = None
    may_approve: bool = False
    history: History = History.JOINING
    revoked_at: float | None = None

    def state(self, now: float) -> InviteState:
        """Tell where it stands at a time (Unix seconds)."""
        if self.revoked_at is not None:
            return InviteState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return InviteState.EXPIRED
        return InviteState.USED_UP if self.uses is not None and self.used >= self.uses else InviteState.OPEN


class Member(Discreet, frozen=True):
    """
    A guest of a room, the same one over all of its connections.

    Attributes:
        id: a UUID.
        invite: the id of the invite that made it.
        token_hash: SHA-256 of the token by which it comes back.
        key_hash: SHA-256 of the key by which it may ask for a lost answer again.
        joined_at: when it was made.
        from_seq: the last event of the room that was published by then.
        here_since: since when the transcript says that it is here; None while it is away.
        removed_at: when a host removed it.
    """

    UNSAID = ("token_hash", "key_hash")

    id: str
    room: str
    invite: str
    name: str
    token_hash: bytes
    key_hash: bytes | None
    joined_at: float
    from_seq: int
    here_since: float | None = None
    removed_at: float | None = None

    @property
    def author(self) -> Author:
        """Whom its prompts are by."""
        return Author(f"{AuthorKind.GUEST}:{self.id}", self.name, AuthorKind.GUEST)


class Horizon(Struct, frozen=True):
    """
    Where the part of a room's past begins that a guest may see.

    Attributes:
        after_seq: events with greater numbers may be seen.
        since: Unix seconds; what was not over by then may be seen.
    """

    after_seq: int
    since: float
