"""
What owners have recorded: rows of the ledger as they are from now on, and events with their numbers.

Plain values; who writes and reads them is in the modules that are named after the kinds of rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from concordiad.core.model import AgentSession, Approval, Invite, Member, Prompt, RoomRow, Turn


class RoomEpoch(NamedTuple):
    """Where a room's epoch begins: the number of the first event that it can give."""

    room: str
    epoch: int
    first_seq: int


class ApprovalResolved(NamedTuple):
    """An approval waits no more."""

    id: str


class Prune(NamedTuple):
    """Forget a room's events before a number, and what ended before a time (Unix seconds)."""

    room: str
    before_seq: int
    ended_before: float


class Heard(NamedTuple):
    """
    How far the output of an agent that outlives the daemon was heard.

    Attributes:
        place: bytes of its output that need not be heard again: up to the last whole line that was understood, or up to
            somewhere in a line over the limit.
        facts: how many facts those bytes stated.
        said: the number of the last fact that is in the transcript, or would be; it may be one after those bytes.
        memory: what the codec had learnt from those bytes.
        line: what is known of that line over the limit (`core/lines.py`); nothing where there is none.
    """

    room: str
    incarnation: str
    place: int = 0
    facts: int = 0
    said: int = 0
    memory: bytes = b""
    line: bytes = b""


class Held(NamedTuple):
    """
    What the writer knows of an agent that outlives the daemon.

    Attributes:
        facts: the number of the last fact that the writer has taken.
        holding: what it knows then (`room/holding.py`).
    """

    room: str
    incarnation: str
    facts: int
    holding: bytes


Change = (
    Prompt
    | Turn
    | AgentSession
    | RoomEpoch
    | RoomRow
    | Approval
    | ApprovalResolved
    | Invite
    | Member
    | Prune
    | Heard
    | Held
)
"""A row of the ledger as it is from now on."""


class Recorded(NamedTuple):
    """A numbered event on its way into the journal; `json` is the whole event as it is published."""

    seq: int
    json: bytes


class Transaction(Struct, frozen=True):
    """
    What one owner wants recorded together.

    Attributes:
        is_durable: it is fsynced before it is answered.
        is_refusable: it is refused at once while the journal cannot record; otherwise it waits until that can.
    """

    room: str
    events: Sequence[Recorded] = ()
    changes: Sequence[Change] = ()
    is_durable: bool = False
    is_refusable: bool = False
