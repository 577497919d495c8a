"""The idle time of an agent, and who waits for the end of it."""

import trio

from concordiad.errors import RoomError
from concordiad.room.messages import Reply
from concordiad.room.rest import Rest
from concordiad.room.to_writer import WantAgent


def test_whoever_gave_up_waiting_is_forgotten() -> None:
    """A keeper whose backoff ends by itself leaves its question behind; the next incarnation takes that away."""
    rest = Rest(0.0)
    for _ in range(3):
        send, receive = trio.open_memory_channel[RoomError | int](1)
        with receive:
            rest.want(WantAgent(is_urgent=True, known=0, reply=Reply(send)), is_draining=False)
        assert len(rest.unanswered()) == 1
        rest.begin()
        assert rest.unanswered() == []


def test_what_a_keeper_asks_takes_the_place_of_what_it_asked_before() -> None:
    """Where no incarnation can be spawned, nothing is left behind either."""
    rest = Rest(0.0)
    for _ in range(3):
        for is_urgent in (True, False):
            send, receive = trio.open_memory_channel[RoomError | int](1)
            with receive:
                rest.want(WantAgent(is_urgent, known=0, reply=Reply(send)), is_draining=False)
    assert rest.unanswered() == []
