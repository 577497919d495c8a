"""What letting a guest in comes to: who it is, what it may see, its connections, and why those are closed."""

from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

from concordiad.core.discreet import Discreet
from concordiad.core.model import Author, History, Horizon, Invite, Member
from concordiad.core.roles import Role
from concordiad.core.views import members


class Closing(NamedTuple):
    """Why a guest's connection is closed: a code of WebSocket's and a sentence for people."""

    code: int
    reason: str


REVOKED: Final = Closing(4403, "this invite was revoked")
EXPIRED: Final = Closing(4403, "this invite has expired")
REMOVED: Final = Closing(4403, "a host removed you from the room")
CLOSED: Final = Closing(4404, "the room has closed")
STOPPING: Final = Closing(1001, "concordiad is stopping")
NOT_ADMITTED: Final = "not admitted: ask a host of the room for an invite"
"""What is said of every refusal, so that none tells more than another."""


class Seat(Protocol):
    """One connection of a guest."""

    @property
    def address(self) -> str:
        """Where it comes from, for hosts' eyes."""

    def dismiss(self, code: int, reason: str) -> None:
        """Have the connection closed soon; does not wait."""

    def lag(self) -> tuple[int, int]:
        """Tell how many events and bytes the guest is behind."""


class Admission(Discreet, frozen=True):
    """
    Somebody was let in.

    Attributes:
        member: who.
        invite: the one that made the member.
        member_token: what it comes back with; None if that is what it came with.
    """

    UNSAID = ("member_token",)

    member: Member
    invite: Invite
    member_token: str | None

    @property
    def author(self) -> Author:
        """Whom its prompts are by."""
        return self.member.author

    @property
    def role(self) -> Role:
        """What the invite makes it."""
        return self.invite.role

    @property
    def may_approve(self) -> bool:
        """Whether it may answer approvals."""
        return self.invite.may_approve

    @property
    def horizon(self) -> Horizon | None:
        """Where the past begins that it may see; None for all of it."""
        if self.invite.history is History.START:
            return None
        return Horizon(self.member.from_seq, self.member.joined_at)


class Entries:
    """What some decisions come to: recorded together, then answered."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bytes]] = []
        self.rows: dict[str, Invite | Member] = {}

    def add(self, event_type: str, **values: Any) -> None:
        """Have an event recorded."""
        self.events.append((event_type, members(**values)))

    def add_all(self, more: "Entries") -> None:
        """Have what other decisions come to recorded behind these."""
        self.events += more.events
        self.rows.update(more.rows)


def hash_of(secret: str) -> bytes:
    """Hash a token or a key: 192 random bits need neither salt nor stretching."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
