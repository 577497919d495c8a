"""What the reception is asked, by guests and by hosts."""

from typing import Final, NamedTuple

from msgspec import Struct

from concordiad.core.admission import Admission
from concordiad.core.model import Author, Invite, Member
from concordiad.core.params import InviteCreate
from concordiad.room.messages import Reply

ARRIVALS: Final = 256
"""Messages that wait for the reception, and that it decides and records in one go: some ten milliseconds' work."""


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
