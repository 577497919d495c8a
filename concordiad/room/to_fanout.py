"""
What the fan-out is told: events without their numbers, with the rows that belong to them.

Law: who waits for an answer is refused while the journal cannot record; what nobody waits for is kept until it can.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import trio
from msgspec import Struct

from concordiad.journal.changes import Change
from concordiad.room.messages import Reply, ask

DRAFTS: Final = 64
"""Posts that wait for the fan-out: a chunk of output each, so at most 16 MiB, then the agent's pipe fills instead."""
POST_BYTES: Final = 500
"""What a post takes besides its drafts' bodies, and be it empty."""


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
