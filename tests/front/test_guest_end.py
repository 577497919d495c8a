"""What a guest's connection keeps while nothing is said, and what it leaves behind: nothing."""

import gc
import math
from functools import partial
from pathlib import Path

import msgspec
import trio

from concordiad.config.doors import Guests
from concordiad.core.params import Hello
from concordiad.front.company import Company, Guest
from concordiad.front.guest import GuestConnection, Introduction
from concordiad.front.http import Request
from concordiad.front.newcomer import Newcomer
from concordiad.front.outbox import Outbox
from concordiad.front.owned_stream import OwnedStream
from concordiad.front.websocket import WebSocket
from tests.front.inside import HOST, open_house
from tests.front.knocking import JOIN, head, open_door
from tests.support.raw_guest import TEXT, frame

OF_A_GUEST = (GuestConnection, Guest, OwnedStream, Outbox, WebSocket)
OF_ITS_COMING = (Request, Newcomer, Introduction, Hello)


class Nowhere:
    """Where a connection of no door comes from."""

    scope = trio.CancelScope()
    address = "nowhere"

    def admitted(self) -> None:
        """Hear that this is no stranger any more."""


async def test_nothing_of_a_guest_who_has_left_waits_for_the_collector(tmp_path: Path) -> None:
    """It is free at once: what is in a circle would stay until garbage is looked for among all that is old."""
    gc.collect()
    before = sum(isinstance(each, OF_A_GUEST) for each in gc.get_objects())
    gc.disable()
    try:
        async with open_house(tmp_path, "main") as inside:
            token = (await inside.call(HOST, "invite.create", role="driver", room="main"))["invite"]["token"]
            ours, theirs = trio.socket.socketpair()
            company = Company(Guests(), hello_s=5)
            connection = GuestConnection(
                trio.SocketStream(ours), b"", b"", Nowhere(), hello_by=math.inf, house=inside.house, company=company
            )
            hello = {"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"token": token, "name": "Ada"}}
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connection.run)
                del connection
                with theirs:
                    await theirs.send(frame(TEXT, msgspec.json.encode(hello)))
                    assert b"member_token" in await theirs.recv(1 << 16)
                    assert sum(isinstance(each, OF_A_GUEST) for each in gc.get_objects()) > before
        assert sum(isinstance(each, OF_A_GUEST) for each in gc.get_objects()) == before
    finally:
        gc.enable()


async def test_nothing_that_a_guest_came_in_by_is_kept_while_it_is_here(tmp_path: Path) -> None:
    """A thousand of them would keep their requests and their hellos for as long as they are here."""
    gc.collect()
    before = sum(isinstance(each, OF_ITS_COMING) for each in gc.get_objects())
    async with open_house(tmp_path, "main") as inside:
        token = (await inside.call(HOST, "invite.create", role="driver", room="main"))["invite"]["token"]
        hello = {"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"token": token, "name": "Ada"}}
        meet = partial(Newcomer, house=inside.house, company=Company(Guests(), hello_s=60))
        async with open_door(meet, head_s=60) as porch:
            client = await porch.knock()
            await client.send(head("/ws", *JOIN))
            assert (await client.receive()).status == 101
            await client.send(frame(TEXT, msgspec.json.encode(hello)))
            assert b"member_token" in await client.stream.receive_some(1 << 16)
            assert sum(isinstance(each, OF_ITS_COMING) for each in gc.get_objects()) == before
