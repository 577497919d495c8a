"""
The guests who are connected: how a room speaks to all of them at once, and who is still there.

Law: what is published is masked and written as frames once for a room, whatever the number of its guests; they are
asked together, by one task, whether they live.
"""

import time
from collections.abc import Sequence
from typing import Final

import trio
from attrs import define, field, frozen

from concordiad.config import Guests
from concordiad.core.frames import PING, close_frame, text_frame, text_frames
from concordiad.core.masking import LiveMasker, Masker
from concordiad.front.outbox import Budget, Follower, Outbox
from concordiad.front.owned_stream import OwnedStream
from concordiad.room import Room
from concordiad.room.fanout import Encoding

SILENT: Final = close_frame(1001, "no answer to a ping")


@frozen
class Voice:
    """How one room speaks to guests: with its secrets masked, each line a frame, encoded once for all of them."""

    masker: Masker
    _live: LiveMasker

    def encode(self, lines: Sequence[bytes]) -> bytes:
        """Write published lines as frames."""
        return text_frames([line[:-1] for line in self._live.mask(lines)])

    def answer(self, message: bytes) -> bytes:
        """Write an answer as a frame."""
        return text_frame(self.masker.mask(message))


@define
class Company:
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
    budget: Budget = field(factory=Budget)
    here: dict["Guest", None] = field(factory=dict)
    _voices: dict[str, tuple[Room, Voice, Encoding]] = field(factory=dict)

    def voice_of(self, room: Room) -> tuple[Voice, Encoding]:
        """Return how a room speaks to guests; the same for all of them."""
        known = self._voices.get(room.name)
        if known is None or known[0] is not room:
            masker = Masker(room.setup.spec.secrets)
            voice = Voice(masker, LiveMasker(masker))
            # A method is another object each time it is asked for; whoever shares an encoding has to have the same one.
            known = self._voices[room.name] = (room, voice, voice.encode)
        return known[1], known[2]


class Guest:
    """
    One connection, as its room's reception knows it.

    Attributes:
        address: where it comes from, for the hosts.
        connected_at: Unix seconds.
    """

    def __init__(self, address: str, outbox: Outbox, stream: OwnedStream) -> None:
        self.address = address
        self.connected_at = time.time()
        self._outbox = outbox
        self._stream = stream
        self._follower: Follower | None = None
        self.reading: Final = trio.CancelScope()

    @property
    def heard_at(self) -> float:
        """When anything came last, in monotonic seconds."""
        return self._stream.heard_at

    def follow(self, room: Room, encoding: Encoding, after: int) -> None:
        """Be given every event of the room after a number."""
        self._follower = self._outbox.follow(room.transcript, encoding, after)

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

    Owns: nothing. Ends when: it is cancelled.
    """
    asked_at = -float("inf")
    while True:
        await trio.sleep(company.limits.keepalive_s)
        for guest in list(company.here):
            if guest.heard_at < asked_at:
                guest.end(SILENT)
            else:
                guest.ping()
        asked_at = trio.current_time()
