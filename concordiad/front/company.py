"""
The guests who are connected, as their rooms know them, and who of them is still there.

Law: they are asked together, by one task, whether they live; a task each would wake the daemon all day.
"""

import time
from typing import Final

import trio
from msgspec import Struct, field

from concordiad.config.doors import Guests
from concordiad.core.frames import PING, close_frame
from concordiad.front.follower import Follower
from concordiad.front.outbox import Budget, Outbox
from concordiad.front.owned_stream import OwnedStream
from concordiad.ops.memory import OldGarbage, Spare
from concordiad.ops.threads import in_thread
from concordiad.room.handle import Room

SILENT: Final = close_frame(1001, "no answer to a ping")


class Company(Struct):
    """
    All guests of one door.

    Attributes:
        limits: the configuration's table.
        hello_s: how long somebody may take to be admitted.
        budget: what large messages to guests are charged to.
        here: the admitted ones; each enters and leaves by itself.
    """

    limits: Guests
    hello_s: float
    budget: Budget = field(default_factory=Budget)
    here: dict["Guest", None] = field(default_factory=dict)


class Guest:
    """
    One connection, as its room's reception knows it.

    Attributes:
        address: where it comes from, for the hosts.
        connected_at: Unix seconds.
        reading: its reading of what the guest sends; cancelled to end that.
    """

    __slots__ = ("_follower", "_outbox", "_stream", "address", "connected_at", "reading")

    def __init__(self, address: str, outbox: Outbox, stream: OwnedStream) -> None:
        self.address = address
        self.connected_at = time.time()
        self._outbox = outbox
        self._stream = stream
        self._follower: Follower | None = None
        self.reading = trio.CancelScope()

    @property
    def heard_at(self) -> float:
        """When anything came last, in monotonic seconds."""
        return self._stream.heard_at

    def follow(self, room: Room, after: int, hosts_known: int = -1) -> None:
        """Be given every event of the room after a number, and other hosts than those of a version."""
        self._follower = self._outbox.follow(room.transcript, room.voice.encoding, after, hosts_known=hosts_known)

    def dismiss(self, code: int, reason: str) -> None:
        """Close the connection soon."""
        self.end(close_frame(code, reason))

    def end(self, frame: bytes) -> None:
        """Close the connection with that frame."""
        self._stream.end(frame)
        self.reading.cancel()

    def ping(self) -> None:
        """Ask whether anybody is there."""
        self._outbox.push(PING)

    def lag(self) -> tuple[int, int]:
        """Tell how many events and bytes it is behind."""
        return 0 if self._follower is None else self._follower.lag_events, self._outbox.waiting_bytes


async def run_wheel(company: Company) -> None:
    """
    Ask all guests together, now and then, whether they are there, and let go those who did not answer the last time.

    What their coming has taken in passing is given back then too, for the daemon is awake anyway: beside the loop,
    which would be held for as long as that takes. Before that, garbage is looked for among what is old.

    Owns: nothing. Ends when: it is cancelled.
    """
    asked_at = -float("inf")
    spare = Spare()
    with OldGarbage() as garbage:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(company.limits.keepalive_s)
                if garbage.is_due():
                    garbage.collect()
                if spare.is_due():
                    nursery.start_soon(in_thread, spare.give_back)
                for guest in list(company.here):
                    if guest.heard_at < asked_at:
                        guest.end(SILENT)
                    else:
                        guest.ping()
                asked_at = trio.current_time()
