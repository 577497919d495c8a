"""The idle time of an agent, and who waits for the end of it."""

import trio

from concordiad.errors import RoomError
from concordiad.room.messages import Reply
from concordiad.room.rest import Rest
from concordiad.room.to_writer import WantAgent


def test_whoever_gave_up_waiting_is_forgotten() -> None:
    """A keeper whose backoff ends by itself leaves its wish behind; the next incarnation takes that away."""
    rest = Rest(0.0)
    for _ in range(3):
        send, receive = trio.open_memory_channel[RoomError | None](1)
        with receive:
            rest.want(WantAgent(is_urgent=True, reply=Reply(send)), is_draining=False)
        assert len(rest.unanswered()) == 1
        rest.begin()
        assert rest.unanswered() == []
