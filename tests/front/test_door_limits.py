"""What strangers may cost: time, bytes, connections, joins; and how the door ends."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.front.door import ACCEPTS, SEND_S
from tests.front.knocking import JOIN, OURS, UPGRADE, Client, EchoingGuest, Porch, are_open, head, open_door


@pytest.fixture
def patience_s() -> float:
    """Give seconds of a clock that mostly stands still."""
    return 120.0


async def test_silence_is_not_waited_for(mock_clock: MockClock) -> None:
    """Who says nothing is hung up on after head_s, without a word."""
    async with open_door(head_s=5) as porch:
        (client,) = await porch.knock_often(1)
        mock_clock.jump(4.9)
        await wait_all_tasks_blocked()
        assert porch.door.connections == 1
        mock_clock.jump(0.2)
        await wait_all_tasks_blocked()
        assert are_open(client) == [False]
        assert await client.receive_all() == b""


async def test_slow_head_is_not_waited_for(mock_clock: MockClock) -> None:
    """A head that trickles in is cut off after head_s, however lively the trickle; the client is told."""
    async with open_door(head_s=5) as porch:
        (client,) = await porch.knock_often(1)
        for letter in head("/")[:10]:
            await client.send(bytes([letter]))
            await wait_all_tasks_blocked()
            mock_clock.jump(0.49)
        assert porch.door.connections == 1
        mock_clock.jump(0.2)
        await wait_all_tasks_blocked()
        assert are_open(client) == [False]
        assert (await client.receive()).status == 408
        assert await client.receive_all() == b""


async def test_next_head_has_as_long(mock_clock: MockClock) -> None:
    """A kept connection may be idle for head_s after each answer, and no longer."""
    async with open_door(head_s=5) as porch:
        client = await porch.knock()
        for _ in range(3):
            assert (await client.ask("/healthz")).status == 200
            await wait_all_tasks_blocked()
            mock_clock.jump(4.9)
        assert (await client.ask("/healthz")).status == 200
        await wait_all_tasks_blocked()
        mock_clock.jump(5.1)
        await wait_all_tasks_blocked()
        assert are_open(client) == [False]
        assert await client.receive_all() == b""


async def test_answer_that_is_not_read_is_not_waited_for(mock_clock: MockClock) -> None:
    """Who does not read an answer is cut off in time."""
    async with open_door() as porch:
        (client,) = await porch.knock_often(1)
        await client.send(head("/large.js"))
        await wait_all_tasks_blocked()
        assert porch.door.connections == 1
        mock_clock.jump(SEND_S + 1)
        await wait_all_tasks_blocked()
        assert porch.door.connections == 0


async def test_client_that_talks_on_is_hung_up_on(mock_clock: MockClock) -> None:
    """After a refusal what a client sends is read for a moment, so that it gets the refusal, and not longer."""
    async with open_door() as porch:
        client = await porch.knock()
        await client.send(head("/", "Content-Length: 1000000000"))
        assert (await client.receive()).status == 200
        await client.send(b"x" * 10_000)
        await wait_all_tasks_blocked()
        assert porch.door.connections == 1
        mock_clock.jump(1.1)
        await wait_all_tasks_blocked()
        assert porch.door.connections == 0


@pytest.mark.parametrize("size", [1024, 16 * 1024])
async def test_head_of_the_longest_length(size: int) -> None:
    """A head of exactly the limit is taken, one byte more is refused; so is one that has no end."""
    async with open_door(head_bytes=size) as porch:
        fill = size - len(head("/", "A: "))
        assert (await porch.ask("/", f"A: {'x' * fill}")).status == 200
        assert (await porch.ask("/", f"A: {'x' * (fill + 1)}")).status == 431
        assert (await porch.speak(b"GET /" + b"x" * 100_000))[:12] == b"HTTP/1.1 431"
        many = "\r\n".join("A: b" for _ in range(size))
        assert (await porch.ask("/", many)).status == 431


async def test_half_open_connections_are_limited() -> None:
    """Of too many that say nothing, the one that has waited longest makes room."""
    async with open_door(half_open=3, half_open_per_source=100) as porch:
        clients = await porch.knock_often(5)
        assert are_open(*clients) == [False, False, True, True, True]
        assert (await clients[2].ask()).status == 200
        assert are_open(*await porch.knock_often(1)) == [True]
        # The one that has spoken last stays.
        assert are_open(*clients[2:]) == [True, False, True]


async def test_half_open_connections_of_one_source_are_limited() -> None:
    """One source cannot crowd out another: it makes room for itself."""
    async with open_door(half_open=100, half_open_per_source=2) as porch:
        other = Client(await trio.open_tcp_stream("127.0.0.1", porch.port, local_address="127.0.0.2"))
        async with other.stream:
            await wait_all_tasks_blocked()
            clients = await porch.knock_often(4)
            assert are_open(other, *clients) == [True, False, False, True, True]


async def test_proxy_is_not_one_source() -> None:
    """All that a proxy brings comes from one address, and only the limit for all holds."""
    async with open_door(behind_proxy=True, half_open=4, half_open_per_source=1) as porch:
        clients = await porch.knock_often(5)
        assert are_open(*clients) == [False, True, True, True, True]


async def join(porch: Porch, *lines: str) -> Client:
    """Join as a guest, and wait until the door has handed over."""
    client = await porch.knock()
    await client.send(head("/ws", *JOIN, *lines))
    assert await client.stream.receive_some(3) == b"GET"
    return client


async def test_admitted_guest_is_not_displaced() -> None:
    """Who was admitted is half open no more; a stranger cannot crowd it out."""
    async with open_door(half_open=1) as porch:
        guest = await join(porch)
        strangers = await porch.knock_often(3)
        assert are_open(*strangers) == [False, False, True]
        await guest.send(b"still here")
        assert await guest.stream.receive_some(100)


async def test_guest_that_is_not_admitted_makes_room() -> None:
    """Until its hello was accepted, a guest is a stranger like any other."""
    async with open_door(EchoingGuest(is_admitted=False), half_open=1) as porch:
        guest = await join(porch)
        assert are_open(*await porch.knock_often(1)) == [True]
        assert await guest.receive_all() is not None
        await wait_all_tasks_blocked()
        assert porch.door.connections == 1


async def test_full_house() -> None:
    """With every place taken a further guest is told to come again; the page is served, and places return."""
    async with open_door(connections=2) as porch:
        guests = [await join(porch) for _ in range(2)]
        answer = await porch.ask("/ws", *JOIN)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        for path in ("/", "/healthz", "/readyz"):
            assert (await porch.ask(path)).status == 200
        await trio.aclose_forcefully(guests[0].stream)
        await wait_all_tasks_blocked()
        await join(porch)
        assert (await porch.ask("/ws", *JOIN)).status == 503


async def test_connections_in_all_are_limited() -> None:
    """Those that are being turned out are counted too; beyond that a connection is closed at once."""
    async with open_door(connections=1, half_open=1) as porch:
        porch.door.connections += 3
        assert are_open(*await porch.knock_often(1)) == [False]
        porch.door.connections -= 1
        assert are_open(*await porch.knock_often(1)) == [True]
        porch.door.connections -= 2


async def test_joins_of_one_source_are_limited(mock_clock: MockClock) -> None:
    """Before anybody knows who it is, one source may join so often at once, and then so often a minute."""
    async with open_door(joins_burst=3, joins_per_minute=6) as porch:
        for _ in range(3):
            await join(porch)
        for wait_s in (10, 10):
            answer = await porch.ask("/ws", *JOIN)
            assert (answer.status, answer.headers["retry-after"]) == (429, str(wait_s))
        mock_clock.jump(10)
        await join(porch)
        assert (await porch.ask("/ws", *JOIN)).status == 429
        assert (await porch.ask("/")).status == 200


async def test_what_is_refused_is_no_join() -> None:
    """A foreign page that keeps trying uses up nobody's joins."""
    async with open_door(joins_burst=1) as porch:
        for _ in range(5):
            assert (await porch.ask("/ws", "Origin: http://evil", *UPGRADE)).status == 403
            assert (await porch.ask("/ws", OURS, *UPGRADE[:3])).status == 400
        await join(porch)
        assert (await porch.ask("/ws", *JOIN)).status == 429


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("X-Forwarded-For: 203.0.113.7", "203.0.113.7"),
        ("X-Forwarded-For: 198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("X-Forwarded-For: evil, 203.0.113.7:5000", "203.0.113.7"),
        ("X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7", "203.0.113.7"),
        ("X-Forwarded-For: [2001:db8::7]:80", "2001:db8::7"),
        ("X-Forwarded-For: ::ffff:203.0.113.7", "203.0.113.7"),
        ("X-Forwarded-For: 203.0.113.7, unknown", "127.0.0.1"),
        ("X-Forwarded-For: \xe9", "127.0.0.1"),
        ("X-Forwarded-For:", "127.0.0.1"),
        ("Forwarded: for=203.0.113.7", "127.0.0.1"),
        ("X-Real-IP: 203.0.113.7", "127.0.0.1"),
    ],
)
async def test_address_behind_a_proxy(line: str, address: str) -> None:
    """A configured proxy on this machine is believed in what it saw itself; without one, nobody is."""
    async with open_door(behind_proxy=True) as porch:
        await join(porch, *line.split("\r\n"))
        assert porch.guests.sources == [address]
    async with open_door() as porch:
        await join(porch, *line.split("\r\n"))
        assert porch.guests.sources == ["127.0.0.1"]


async def test_joins_count_for_whom_the_proxy_names() -> None:
    """Behind a proxy each of its clients has joins of its own, and an IPv6 network counts as one."""
    async with open_door(behind_proxy=True, joins_burst=1) as porch:
        for address in ("203.0.113.7", "203.0.113.8", "2001:db8:0:1::1", "2001:db8:0:2::1"):
            await join(porch, f"X-Forwarded-For: {address}")
        for address in ("203.0.113.7", "2001:db8:0:1:ffff::2"):
            assert (await porch.ask("/ws", *JOIN, f"X-Forwarded-For: {address}")).status == 429


async def test_more_connections_than_one_batch() -> None:
    """All that wait are accepted, in as many batches as it takes."""
    async with open_door(half_open=1000, half_open_per_source=1000) as porch:
        count = 2 * ACCEPTS + 1
        waiting = [socket.create_connection(("127.0.0.1", porch.port)) for _ in range(count)]
        try:
            await wait_all_tasks_blocked()
            assert porch.door.connections == count
        finally:
            for each in waiting:
                each.close()


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Leave this process no descriptor to open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in taken:
            os.close(each)


async def test_want_of_descriptors(mock_clock: MockClock) -> None:
    """Without a descriptor to be had, strangers make room for the next one; guests stay."""
    async with open_door() as porch:
        guest = await join(porch)
        silent = await porch.knock_often(4)
        late = trio.socket.socket()
        async with trio.SocketStream(late) as stream:
            with no_descriptors():
                await late.connect(("127.0.0.1", porch.port))
                await wait_all_tasks_blocked()
                assert are_open(*silent) == [False, False, True, True]
                mock_clock.jump(0.2)
                assert (await Client(stream).ask("/healthz")).status == 200
        await guest.send(b"still here")
        assert await guest.stream.receive_some(100)


async def test_drain() -> None:
    """When the door ends, guests go on; who is no guest yet is cut off, and nobody else is let in."""
    async with open_door() as porch:
        guest = await join(porch)
        stranger, kept = await porch.knock_often(2)
        assert (await kept.ask()).status == 200
        porch.accepting.cancel()
        await wait_all_tasks_blocked()
        assert are_open(stranger, kept) == [False, False]
        await guest.send(b"still here")
        assert await guest.stream.receive_some(100)
        with pytest.raises(OSError, match="all attempts to connect"):
            await porch.knock()


async def test_cancel() -> None:
    """Cancelled with everything, the door leaves no connection and no descriptor."""
    before = len(os.listdir("/proc/self/fd"))
    with trio.CancelScope() as scope:
        async with open_door() as porch:
            await join(porch)
            await porch.knock_often(2)
            door = porch.door
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert (door.connections, door.lobby.waiting, door.lobby.guests) == (0, 0, 0)
    assert len(os.listdir("/proc/self/fd")) <= before
