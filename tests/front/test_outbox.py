"""The outbox over real sockets: at once where they take it, in order, bounded, caught up without gap or repeat."""

import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.backlog import EpochStart
from concordiad.core.voice import Voice
from concordiad.front.outbox import STALL_S, WRITE_BYTES, Budget, Outbox, socket_of
from concordiad.journal import Journal, open_memory_journal
from concordiad.room.fanout import PIECE_BYTES, Transcript, plain_lines, run_fanout
from concordiad.room.slices import SLICE_S
from concordiad.room.to_fanout import DRAFTS, Draft, Post, record
from tests.room.samples import clock

LIMIT = 8 * 1024
MUCH = 4 * WRITE_BYTES


class StuckStream(trio.abc.SendStream):
    """Take nothing, ever."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.sleep_forever()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class MeasuringStream(trio.abc.SendStream):
    """Take everything, and keep it as it was given."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.taken.append(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class Line:
    """An outbox on one end of a socket pair, and the client on the other."""

    def __init__(self, limit_bytes: int = LIMIT, budget: Budget | None = None) -> None:
        ours, theirs = socket.socketpair()
        self.ours = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        self.theirs = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        self._called = trio.Event()
        self.outbox = Outbox(limit_bytes, budget or Budget(), self._call, socket_of(self.ours))

    def _call(self) -> None:
        self._called.set()

    async def send(self, journal: Journal) -> None:
        """Run the sender whenever it is called."""
        while True:
            await self._called.wait()
            self._called = trio.Event()
            await self.outbox.run(self.ours, journal)

    async def read(self, size: int) -> bytes:
        """Read so much as the client."""
        data = b""
        while len(data) < size:
            chunk = await self.theirs.receive_some(65536)
            assert chunk, f"the end after {len(data)} of {size} bytes"
            data += bytes(chunk)
        return data

    async def read_all(self) -> bytes:
        """Read to the end."""
        data = b""
        while chunk := await self.theirs.receive_some(65536):
            data += bytes(chunk)
        return data

    def fill(self) -> int:
        """Push until the socket takes no more; returns how many bytes were pushed."""
        pushed = 0
        while not self.outbox.waiting_bytes:
            self.outbox.push(b"x" * 4096)
            pushed += 4096
        return pushed


MakeLine = Callable[..., Line]


@pytest.fixture
async def make_line() -> AsyncIterator[MakeLine]:
    """Make lines whose ends are closed after the test."""
    made: list[Line] = []

    def make(limit_bytes: int = LIMIT, budget: Budget | None = None) -> Line:
        made.append(Line(limit_bytes, budget))
        return made[-1]

    yield make
    for line in made:
        await line.ours.aclose()
        await line.theirs.aclose()


class Room:
    """A transcript with its fan-out."""

    def __init__(self, name: str, journal: Journal, nursery: trio.Nursery) -> None:
        self.inbox, inbox = trio.open_memory_channel[Post](DRAFTS)
        self.transcript = Transcript(name, [EpochStart(3, 1)], 0, 1)
        nursery.start_soon(run_fanout, inbox, self.transcript, journal, clock)

    async def say(self, count: int, size: int = 100) -> None:
        """Record so many events of about that size."""
        for number in range(count):
            await record(self.inbox, [Draft("notice", b'"n":%d,"pad":"%b"' % (number, b"x" * size))])

    async def whisper(self) -> None:
        """Publish live text."""
        await self.inbox.send(Post([Draft("agent.delta", b'"text":"x"', is_live=True)]))
        await wait_all_tasks_blocked()


@asynccontextmanager
async def open_rooms(*names: str) -> AsyncIterator[tuple[list[Room], Journal, trio.Nursery]]:
    """Run rooms over one journal in memory."""
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        rooms = [Room(name, journal, nursery) for name in names]
        yield rooms, journal, nursery
        nursery.cancel_scope.cancel()


def seqs(data: bytes, room: str = "main") -> list[int]:
    """List the numbers of a room's events in some lines."""
    events = [msgspec.json.decode(line)["params"] for line in data.splitlines()]
    return [event["seq"] for event in events if event["room"] == room and "seq" in event]


async def test_what_the_socket_takes_is_written_at_once(make_line: MakeLine) -> None:
    """Without any task of ours running."""
    line = make_line()
    line.outbox.push(b"one")
    assert await line.outbox.put(b"two")
    assert (line.outbox.waiting_bytes, await line.read(6)) == (0, b"onetwo")


async def test_what_it_does_not_take_waits_in_order(make_line: MakeLine) -> None:
    """Nothing overtakes what waits, also once the socket would take something again."""
    line = make_line()
    filled = line.fill()
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        line.outbox.push(b"first")
        begun = await line.read(filled - line.outbox.waiting_bytes + 5)
        line.outbox.push(b"second")
        nursery.start_soon(line.send, journal)
        line.outbox.push(b"third")
        rest = await line.read(filled + 16 - len(begun))
        nursery.cancel_scope.cancel()
    assert begun + rest == b"x" * filled + b"firstsecondthird"


async def test_who_gives_an_answer_waits_for_its_place(make_line: MakeLine) -> None:
    """Until the client has read."""
    line = make_line(limit_bytes=4096)
    line.fill()
    line.outbox.push(b"y" * 8192)
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        placed = trio.Event()

        async def put() -> None:
            await line.outbox.put(b"z")
            placed.set()

        nursery.start_soon(put)
        await wait_all_tasks_blocked()
        assert not placed.is_set()
        nursery.start_soon(line.send, journal)
        nursery.start_soon(line.read_all)
        await placed.wait()
        nursery.cancel_scope.cancel()


async def test_the_sender_ends_once_everything_was_sent(make_line: MakeLine) -> None:
    """Whatever waited, and whatever a follower that lags has not seen yet; then nothing is to be waited for."""
    async with open_rooms("main") as ((room,), journal, nursery):
        await room.say(20)
        line = make_line()
        filled = line.fill()
        line.outbox.follow(room.transcript, plain_lines, 0)

        async def run() -> None:
            await line.outbox.run(line.ours, journal)
            await line.outbox.rested()
            await line.ours.aclose()

        nursery.start_soon(run)
        data = await line.read_all()
    assert seqs(data[filled:]) == list(range(1, 21))


async def test_a_sealed_box_takes_nothing_more(make_line: MakeLine) -> None:
    """Neither messages nor live lines; what waited before is sent."""
    async with open_rooms("main") as ((room,), journal, _):
        line = make_line()
        follower = line.outbox.follow(room.transcript, plain_lines, 0)
        follower.try_live()
        line.outbox.push(b"last")
        line.outbox.seal()
        line.outbox.push(b"too late")
        await room.say(1)
        assert await line.outbox.put(b"too late")
        await line.outbox.run(line.ours, journal)
        await line.ours.aclose()
        assert (await line.read_all(), room.transcript.subscribers) == (b"last", 0)


async def test_whoever_is_cancelled_leaves_nothing_behind(make_line: MakeLine) -> None:
    """No subscription, nobody who waits for a place, no byte of the budget."""
    budget = Budget(limit_bytes=10_000)
    async with open_rooms("main") as ((room,), journal, nursery):
        line = make_line(limit_bytes=4096, budget=budget)
        line.fill()
        assert await line.outbox.put(b"z" * 9000)
        line.outbox.follow(room.transcript, plain_lines, 0)
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await line.outbox.run(line.ours, journal)

        nursery.start_soon(run)
        nursery.start_soon(line.outbox.put, b"waits")
        await wait_all_tasks_blocked()
        assert not budget.take(9000)
        scope.cancel()
        await wait_all_tasks_blocked()
        assert (budget.take(9000), room.transcript.subscribers) == (True, 0)


@pytest.mark.parametrize("events", [10, 6000])
async def test_who_reads_slowly_misses_nothing(make_line: MakeLine, events: int) -> None:
    """From memory where it is still there (10 large events), else from the journal (6000 small ones); nothing twice."""
    async with open_rooms("main") as ((room,), journal, nursery):
        line = make_line()
        follower = line.outbox.follow(room.transcript, plain_lines, 0)
        nursery.start_soon(line.send, journal)
        await wait_all_tasks_blocked()
        assert room.transcript.subscribers == 1
        size = 100_000 if events == 10 else 200
        await room.say(events, size)
        assert room.transcript.subscribers == 0
        assert line.outbox.waiting_bytes < LIMIT + 2 * size + 1000
        data = b""
        while not data.endswith(b"\n") or seqs(data[data[:-1].rfind(b"\n") + 1 :]) != [events]:
            data += bytes(await line.theirs.receive_some(65536))
        await wait_all_tasks_blocked()
        assert (seqs(data), follower.is_live, follower.lag_events) == (list(range(1, events + 1)), True, 0)
        await room.whisper()
        assert b"agent.delta" in await line.theirs.receive_some(65536)


async def test_others_have_their_turns_while_a_backlog_is_given(make_line: MakeLine) -> None:
    """A socket that takes all of it at once does not hold the loop until all of it is written."""

    def write_slowly(lines: Sequence[bytes]) -> bytes:
        until = time.perf_counter() + SLICE_S
        while time.perf_counter() < until:
            pass
        return plain_lines(lines)

    async def look() -> None:
        while True:
            seen.append(follower.seq)
            await trio.lowlevel.checkpoint()

    async with open_rooms("main") as ((room,), journal, nursery), trio.open_nursery() as looking:
        await room.say(20, LIMIT - 1000)
        line = make_line()
        follower = line.outbox.follow(room.transcript, write_slowly, 0)
        seen: list[int] = []
        looking.start_soon(look)
        nursery.start_soon(line.send, journal)
        await line.outbox.rested()
        # Trio gives tasks their turns by lot, so another one may have two between two of a task's own.
        assert max(later - earlier for earlier, later in pairwise(seen)) <= 2
        assert (follower.seq, follower.is_live) == (20, True)
        looking.cancel_scope.cancel()


async def test_several_rooms_are_followed_each_from_its_place(make_line: MakeLine) -> None:
    """What is in memory is given at once; a new place in a room replaces the old one."""
    async with open_rooms("main", "other") as ((main, other), journal, nursery):
        await main.say(5)
        await other.say(5)
        line = make_line()
        nursery.start_soon(line.send, journal)
        line.outbox.follow(main.transcript, plain_lines, 3)
        line.outbox.follow(other.transcript, plain_lines, 4)
        line.outbox.follow(main.transcript, plain_lines, 4)
        await wait_all_tasks_blocked()
        await main.say(1)
        await other.say(1)
        data = bytes(await line.theirs.receive_some(65536))
        assert (seqs(data), seqs(data, "other")) == ([4, 5, 5, 6], [5, 6])
        assert (main.transcript.subscribers, other.transcript.subscribers) == (1, 1)


async def test_large_messages_of_all_clients_are_bounded_together(make_line: MakeLine) -> None:
    """Whoever finds no place is told so, and a follower waits for it and is then given the event."""
    budget = Budget(limit_bytes=100_000)
    async with open_rooms("main") as ((room,), journal, nursery):
        await room.say(1, size=90_000)
        first, second = make_line(budget=budget), make_line(budget=budget)
        filled = first.fill()
        assert await first.outbox.put(b"z" * 60_000)
        assert not await second.outbox.put(b"z" * 60_000)
        # Only what comes from the journal is charged: what is in memory is there once for all.
        second.outbox.follow(Transcript("main", [EpochStart(3, 2)], 1, 1), plain_lines, 0)
        nursery.start_soon(second.send, journal)
        await wait_all_tasks_blocked()
        assert not second.outbox.waiting_bytes
        nursery.start_soon(first.send, journal)
        assert len(await first.read(filled + 60_000)) == filled + 60_000
        assert len(await second.read(90_000)) >= 90_000


async def test_who_holds_on_to_a_large_message_is_hung_up_on(autojump_clock: MockClock) -> None:
    """After STALL_S without a byte; a small message may rest for ever."""
    for size, outcome in ((LIMIT + 1, "hung up"), (LIMIT, "waits")):
        async with open_memory_journal() as journal:
            outbox = Outbox(LIMIT, Budget(), trio.Event().set)
            assert await outbox.put(b"z" * size)
            began = trio.current_time()
            seen = "waits"
            with trio.move_on_after(10 * STALL_S):
                try:
                    await outbox.run(StuckStream(), journal)
                except trio.BrokenResourceError:
                    seen = "hung up"
            assert seen == outcome
            assert trio.current_time() - began == pytest.approx(STALL_S * (1 if size > LIMIT else 10))


def packets(reader: socket.socket) -> list[int]:
    """List the sizes of what was written to a socket that keeps each write apart."""
    sizes = []
    with suppress(BlockingIOError):
        while True:
            sizes.append(len(reader.recv(2 * MUCH)))
    return sizes


def test_a_socket_is_given_no_more_than_a_piece_at_once() -> None:
    """What is as long as a piece is one write; of more, each write is one piece at the most."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        outbox = Outbox(LIMIT, Budget(), trio.Event().set, ours.fileno())
        outbox.push(b"x" * WRITE_BYTES)
        assert packets(theirs) == [WRITE_BYTES]
        outbox.push(b"x" * MUCH)
        written = packets(theirs)
        assert set(written) == {WRITE_BYTES}
        assert sum(written) + outbox.waiting_bytes == MUCH


async def test_the_sender_joins_what_is_small_and_divides_what_is_large() -> None:
    """By the piece, in order."""
    stream = MeasuringStream()
    outbox = Outbox(MUCH, Budget(), trio.Event().set)
    chunks = [b"%d " % number * 5000 for number in range(30)]
    chunks.insert(7, b"z" * (2 * WRITE_BYTES + 1))
    for chunk in chunks:
        outbox.push(chunk)
    async with open_memory_journal() as journal:
        await outbox.run(stream, journal)
    assert b"".join(stream.taken) == b"".join(chunks)
    assert max(map(len, stream.taken)) <= WRITE_BYTES
    assert len(stream.taken) < len(chunks)


def test_a_piece_of_lines_is_one_write_for_a_guest() -> None:
    """Though each line has a frame around it: of 126 bytes, where that is the largest part."""
    line = b'{"a":"%b"}\n' % (b"x" * (126 - 8))
    assert len(Voice([]).encoding([line] * (PIECE_BYTES // len(line)))) <= WRITE_BYTES


async def test_who_catches_up_is_given_a_piece_at_once(make_line: MakeLine) -> None:
    """However much it misses and may have waiting: the rest comes when the others had their turn."""
    async with open_rooms("main") as ((room,), journal, nursery):
        await room.say(10, size=PIECE_BYTES // 3)
        outbox = Outbox(10 * PIECE_BYTES, Budget(), trio.Event().set)
        outbox.follow(room.transcript, plain_lines, 0)
        assert 0 < outbox.waiting_bytes <= PIECE_BYTES
        line = make_line(10 * PIECE_BYTES)
        line.outbox.follow(room.transcript, plain_lines, 0)
        nursery.start_soon(line.send, journal)
        assert len(await line.read(10 * PIECE_BYTES // 3)) >= 10 * PIECE_BYTES // 3


async def test_a_broken_socket_ends_it(make_line: MakeLine) -> None:
    """Whether the break shows when something is written at once or by the sender."""
    line = make_line()
    await line.theirs.aclose()
    line.outbox.push(b"nobody reads this")
    async with open_memory_journal() as journal:
        with pytest.raises(trio.BrokenResourceError):
            await line.outbox.run(line.ours, journal)
