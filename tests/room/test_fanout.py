"""The fan-out alone: numbers, records, and who is handed what, over a journal in memory or one that is held."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from concordiad.core.backlog import EpochStart
from concordiad.core.model import Prompt
from concordiad.core.params import Cursor
from concordiad.errors import JournalError, RoomError
from concordiad.journal import Journal, Reader, open_memory_journal
from concordiad.journal.changes import RoomEpoch, Transaction
from concordiad.journal.events import read_events
from concordiad.journal.prompts import read_prompt
from concordiad.journal.recorder import Ask
from concordiad.journal.schema import open_memory
from concordiad.journal.store import Store
from concordiad.room.fanout import (
    DELIVERED_BYTES,
    DELIVERIES,
    PIECE_BYTES,
    Encoding,
    Missed,
    Transcript,
    plain_lines,
    run_fanout,
)
from concordiad.room.to_fanout import DRAFTS, Draft, Post, record
from tests.room.samples import NOW, clock, prompt


class ReadingFollower:
    """Take everything."""

    asker: str | None = None
    is_told_of_hosts = False

    def __init__(self, encoding: Encoding = plain_lines) -> None:
        self.encoding = encoding
        self.chunks: list[bytes] = []
        self.seq = 0

    def deliver(self, chunk: bytes, seq: int) -> bool:
        self.chunks.append(chunk)
        self.seq = seq
        return True

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of all chunks."""
        return events_of(b"".join(self.chunks))


class FullFollower(ReadingFollower):
    """Take so many chunks, then no more."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self._left = chunks

    def deliver(self, chunk: bytes, seq: int) -> bool:
        self._left -= 1
        return super().deliver(chunk, seq) if self._left >= 0 else False


class HeldJournal:
    """A journal that records nothing until it is told to."""

    def __init__(self) -> None:
        send, self._asks = trio.open_memory_channel[Ask](10)
        connection = open_memory()
        self.journal = Journal("journal", 1, send, Reader(Store(None, connection, connection, None)))

    async def next(self) -> Transaction:
        """Give the transaction that waits."""
        self._ask = await self._asks.receive()
        return self._ask.transaction

    def answer(self, error: JournalError | None = None) -> None:
        """Record it, or fail."""
        self._ask.answer(error)


def events_of(lines: bytes) -> list[dict[str, Any]]:
    """Read the events in some lines."""
    assert lines.endswith(b"\n")
    return [msgspec.json.decode(line)["params"] for line in lines.splitlines()]


def draft(number: int, *, is_live: bool = False) -> Draft:
    """Make a draft that can be told from others."""
    return Draft("agent.delta" if is_live else "notice", b'"n":%d' % number, is_live)


class Bench:
    """A fan-out with its inbox and its transcript."""

    def __init__(self, journal: Journal, last_seq: int = 0) -> None:
        self.inbox, inbox = trio.open_memory_channel[Post](DRAFTS)
        self.transcript = Transcript("main", [EpochStart(3, last_seq + 1)], last_seq, 1)
        self.scope = trio.CancelScope()
        self.has_ended = False
        self._inbox, self._journal = inbox, journal

    async def work(self) -> None:
        """Run the fan-out."""
        with self.scope:
            await run_fanout(self._inbox, self.transcript, self._journal, clock)
        self.has_ended = True

    async def post(self, *drafts: Draft) -> None:
        """Post without waiting for the record."""
        await self.inbox.send(Post(drafts))
        await wait_all_tasks_blocked()


@asynccontextmanager
async def open_bench(last_seq: int = 0) -> AsyncIterator[tuple[Bench, Journal]]:
    """Run a fan-out over a journal in memory; it ends with the block."""
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        bench = Bench(journal, last_seq)
        nursery.start_soon(bench.work)
        with bench.inbox:
            yield bench, journal


async def read_back(journal: Journal) -> list[dict[str, Any]]:
    """Read the recorded events."""
    rows = await journal.read(read_events, "main", 0, 1000, 10**9)
    return [msgspec.json.decode(row.json) for row in rows]


async def test_numbers_have_no_gaps() -> None:
    """They go on from the last recorded one, in the order of the posts."""
    async with open_bench(last_seq=41) as (bench, journal):
        follower = ReadingFollower()
        assert bench.transcript.subscribe(follower, 41) == Missed([], 41, is_live=True)
        await bench.post(draft(1), draft(2))
        await bench.post(draft(3))
        expected = [(42, 1), (43, 2), (44, 3)]
        assert [(event["seq"], event["n"]) for event in follower.events] == expected
        assert [(event["seq"], event["n"]) for event in await read_back(journal)] == expected
        assert (bench.transcript.cursor, follower.seq) == (Cursor(3, 44), 44)


async def test_an_event_has_its_envelope() -> None:
    """Room, epoch, number, time and type before what the event itself says."""
    async with open_bench() as (bench, _):
        follower = ReadingFollower()
        bench.transcript.subscribe(follower, 0)
        await bench.post(Draft("notice", b'"code":"x"'))
        (event,) = follower.events
    expected = {"room": "main", "epoch": 3, "seq": 1, "at": "2027-01-15T08:00:00.000Z", "type": "notice", "code": "x"}
    assert (event, list(event)) == (expected, list(expected))
    assert NOW == 1_800_000_000


async def test_what_waits_is_recorded_and_delivered_in_one_piece() -> None:
    """Many posts are one transaction, and one delivery for each subscriber."""
    held = HeldJournal()
    async with trio.open_nursery() as nursery:
        bench, follower = Bench(held.journal), ReadingFollower()
        nursery.start_soon(bench.work)
        bench.transcript.subscribe(follower, 0)
        await bench.post(draft(0))
        for number in range(1, 6):
            await bench.post(draft(number))
        assert len((await held.next()).events) == 1
        held.answer()
        assert [event.seq for event in (await held.next()).events] == [2, 3, 4, 5, 6]
        held.answer()
        await wait_all_tasks_blocked()
        assert [len(events_of(chunk)) for chunk in follower.chunks] == [1, 5]
        nursery.cancel_scope.cancel()


async def test_nothing_is_published_or_answered_before_it_is_recorded() -> None:
    """Neither the followers nor who posted know of an event that a crash could take back."""
    held = HeldJournal()
    async with trio.open_nursery() as nursery:
        bench, follower = Bench(held.journal), ReadingFollower()
        nursery.start_soon(bench.work)
        bench.transcript.subscribe(follower, 0)
        recorded: list[str] = []

        async def record_it() -> None:
            await record(bench.inbox, [draft(1)])
            recorded.append("recorded")

        nursery.start_soon(record_it)
        transaction = await held.next()
        await wait_all_tasks_blocked()
        assert (follower.chunks, recorded, transaction.is_durable) == ([], [], True)
        assert bench.transcript.cursor.seq == 0
        held.answer()
        await wait_all_tasks_blocked()
        assert (len(follower.events), recorded, bench.transcript.cursor.seq) == (1, ["recorded"], 1)
        nursery.cancel_scope.cancel()


async def test_rows_are_recorded_with_their_events() -> None:
    """One transaction for both, durable if anybody of it asks for that."""
    held = HeldJournal()
    async with trio.open_nursery() as nursery:
        bench = Bench(held.journal)
        nursery.start_soon(bench.work)
        await bench.inbox.send(Post([draft(1)], [prompt("p1")]))
        first = await held.next()
        await bench.inbox.send(Post([draft(2)]))
        await bench.inbox.send(Post([], [prompt("p2")], is_durable=True))
        held.answer()
        second = await held.next()
        nursery.cancel_scope.cancel()
    assert (first.changes, first.is_durable) == ([prompt("p1")], False)
    assert ([event.seq for event in second.events], second.changes, second.is_durable) == ([2], [prompt("p2")], True)


async def test_rows_without_an_event_are_recorded_too() -> None:
    """They take no number."""
    async with open_bench() as (bench, journal):
        await record(bench.inbox, [], [prompt("p1")])
        assert isinstance(await journal.read(read_prompt, "p1"), Prompt)
        assert bench.transcript.cursor.seq == 0


async def test_live_text_is_published_in_order_but_not_recorded() -> None:
    """It has no number, and whoever comes later does not see it."""
    async with open_bench() as (bench, journal):
        follower = ReadingFollower()
        bench.transcript.subscribe(follower, 0)
        await bench.post(draft(1, is_live=True), draft(2), draft(3, is_live=True))
        assert [(event["n"], event.get("seq")) for event in follower.events] == [(1, None), (2, 1), (3, None)]
        assert [event["n"] for event in await read_back(journal)] == [2]
        missed = bench.transcript.subscribe(ReadingFollower(), 0)
        assert missed is not None
        assert [event["n"] for event in events_of(b"".join(missed.lines))] == [2]


async def test_live_text_alone_costs_no_commit() -> None:
    """Nothing is asked of the journal."""
    held = HeldJournal()
    async with trio.open_nursery() as nursery:
        bench, follower = Bench(held.journal), ReadingFollower()
        nursery.start_soon(bench.work)
        bench.transcript.subscribe(follower, 0)
        await bench.post(draft(1, is_live=True))
        assert len(follower.events) == 1
        nursery.cancel_scope.cancel()


async def test_a_subscriber_misses_nothing() -> None:
    """What it is given at once and what follows live meet, wherever it begins."""
    async with open_bench() as (bench, _):
        for number in range(1, 6):
            await bench.post(draft(number))
        for after in range(6):
            follower = ReadingFollower()
            missed = bench.transcript.subscribe(follower, after)
            assert missed is not None
            await bench.post(draft(0))
            events = events_of(b"".join([*missed.lines, *follower.chunks]))
            assert [event["seq"] for event in events] == list(range(after + 1, bench.transcript.cursor.seq + 1))


async def test_a_slow_subscriber_is_dropped_and_the_others_are_not() -> None:
    """It gets nothing more until it subscribes again."""
    async with open_bench() as (bench, _):
        slow, other = FullFollower(chunks=1), ReadingFollower()
        bench.transcript.subscribe(slow, 0)
        bench.transcript.subscribe(other, 0)
        for number in range(1, 4):
            await bench.post(draft(number))
        assert ([event["n"] for event in slow.events], slow.seq) == ([1], 1)
        assert [event["n"] for event in other.events] == [1, 2, 3]
        assert bench.transcript.subscribers == 1
        missed = bench.transcript.subscribe(slow, slow.seq)
        assert missed is not None
        assert [event["n"] for event in events_of(b"".join(missed.lines))] == [2, 3]


async def test_who_missed_much_takes_it_in_portions() -> None:
    """It follows live only once it has the last one; a portion holds at least one event, however small the limit."""
    async with open_bench() as (bench, _):
        for number in range(1, 4):
            await bench.post(draft(number))
        follower = ReadingFollower()
        portions = [bench.transcript.subscribe(follower, after, limit_bytes=1) for after in range(3)]
        assert [(len(each.lines), each.seq, each.is_live) for each in portions if each is not None] == [
            (1, 1, False),
            (1, 2, False),
            (1, 3, True),
        ]
        await bench.post(draft(4))
        assert [event["n"] for event in follower.events] == [4]


async def test_an_encoding_is_written_once_for_all_who_share_it() -> None:
    """Each kind of subscriber gets its own bytes, and all of one kind the very same object."""
    encoded: list[bytes] = []

    def shouting(lines: Sequence[bytes]) -> bytes:
        encoded.append(b"".join(lines).upper())
        return encoded[-1]

    async with open_bench() as (bench, _):
        followers = [ReadingFollower(), ReadingFollower(shouting), ReadingFollower(shouting)]
        for follower in followers:
            bench.transcript.subscribe(follower, 0)
        await bench.post(draft(1), draft(2))
        plain, loud, louder = (follower.chunks for follower in followers)
    assert (len(encoded), plain[0].upper()) == (1, loud[0])
    assert loud[0] is louder[0]


async def test_who_leaves_is_handed_nothing_more() -> None:
    """And leaving twice is nothing."""
    async with open_bench() as (bench, _):
        follower = ReadingFollower()
        bench.transcript.subscribe(follower, 0)
        bench.transcript.unsubscribe(follower)
        bench.transcript.unsubscribe(follower)
        await bench.post(draft(1))
        assert (follower.chunks, bench.transcript.subscribers) == ([], 0)


def test_who_comes_and_goes_while_a_piece_is_handed_out_gets_everything_once() -> None:
    """Many followers are given it a few at a time; meanwhile one leaves, one leaves and comes again, one is new."""
    transcript = Transcript("main", [EpochStart(3, 1)], 0, 1)
    at_once = max(DELIVERED_BYTES // PIECE_BYTES - 1, 1)
    followers = [ReadingFollower() for _ in range(3 * at_once)]
    for follower in followers:
        transcript.subscribe(follower, 0)
    leaving, again, new = followers[-1], followers[-2], ReadingFollower()
    large = Draft("notice", b'"n":1,"text":"%b"' % (b"x" * PIECE_BYTES))
    _, lines = transcript.number([Post([large]), Post([draft(2)])], NOW)
    steps = transcript.publishing(lines)
    # It is large: written in one step, given to the first of them in the next one.
    next(steps)
    assert [len(follower.chunks) for follower in followers] == [0] * 3 * at_once
    early = ReadingFollower()
    missed = transcript.subscribe(early, 0)
    assert missed is not None
    early.chunks += missed.lines
    next(steps)
    assert [len(follower.chunks) for follower in followers] == [1] * at_once + [0] * 2 * at_once
    transcript.unsubscribe(leaving)
    transcript.unsubscribe(again)
    for follower in (again, new):
        missed = transcript.subscribe(follower, 0)
        assert missed is not None
        assert missed.is_live
        follower.chunks += missed.lines
    for _ in steps:
        continue
    assert leaving.chunks == []
    assert {tuple(event["n"] for event in each.events) for each in {*followers, early, new} - {leaving}} == {(1, 2)}


def test_who_comes_while_others_with_another_encoding_are_served_gets_everything_once() -> None:
    """The backlog gives the newcomer the piece, so it is not handed it when its own kind's turn comes."""
    transcript = Transcript("main", [EpochStart(3, 1)], 0, 1)
    framed = [ReadingFollower(b"".join) for _ in range(DELIVERIES + 1)]
    for follower in framed:
        transcript.subscribe(follower, 0)
    plain, new = ReadingFollower(), ReadingFollower()
    transcript.subscribe(plain, 0)
    _, lines = transcript.number([Post([draft(1)])], NOW)
    steps = transcript.publishing(lines)
    next(steps)
    assert not plain.chunks
    missed = transcript.subscribe(new, 0)
    assert missed is not None
    assert missed.is_live
    new.chunks += missed.lines
    for _ in steps:
        continue
    assert {tuple(event["n"] for event in each.events) for each in [*framed, plain, new]} == {(1,)}


async def test_who_missed_too_much_is_not_subscribed() -> None:
    """What has fallen out of memory is in the journal; who reads it there subscribes afterwards."""
    async with open_bench(last_seq=10) as (bench, _):
        follower = ReadingFollower()
        assert bench.transcript.subscribe(follower, 9) is None
        await bench.post(draft(1))
        assert (follower.chunks, bench.transcript.subscribers) == ([], 0)


def test_cursors_of_lost_events_cannot_be_continued() -> None:
    """A power cut may have taken what an earlier epoch published last; what was pruned is gone too."""
    transcript = Transcript("main", [EpochStart(1, 1), EpochStart(2, 5)], 9, 1)
    cursors = [Cursor(1, 4), Cursor(1, 5), Cursor(2, 9), Cursor(2, 10), Cursor(3, 1)]
    assert [transcript.can_continue(cursor) for cursor in cursors] == [True, False, True, False, False]
    transcript.forget_before(4)
    assert [transcript.can_continue(Cursor(1, seq)) for seq in (2, 3)] == [False, True]


async def test_it_ends_once_everything_is_recorded_and_published() -> None:
    """Draining: who posted and left is still heard."""
    held = HeldJournal()
    async with trio.open_nursery() as nursery:
        bench, follower = Bench(held.journal), ReadingFollower()
        nursery.start_soon(bench.work)
        bench.transcript.subscribe(follower, 0)
        await bench.post(draft(1))
        await bench.post(draft(2))
        bench.inbox.close()
        for _ in range(2):
            await held.next()
            assert not bench.has_ended
            held.answer()
        await wait_all_tasks_blocked()
        assert ([event["n"] for event in follower.events], bench.has_ended) == ([1, 2], True)


async def wait_for_record(bench: Bench, refusals: list[str]) -> None:
    """Post and wait, and note the refusal."""
    with pytest.raises(RoomError) as refusal:
        await record(bench.inbox, [draft(1)])
    refusals.append(refusal.value.code.name)


async def test_being_cancelled_leaves_nobody_waiting() -> None:
    """Neither those whose post is being recorded nor those in the inbox."""
    held = HeldJournal()
    async with trio.open_nursery() as nursery:
        bench = Bench(held.journal)
        refusals: list[str] = []
        nursery.start_soon(bench.work)
        nursery.start_soon(wait_for_record, bench, refusals)
        await held.next()
        nursery.start_soon(wait_for_record, bench, refusals)
        await wait_all_tasks_blocked()
        bench.scope.cancel()
        await wait_all_tasks_blocked()
        assert (refusals, bench.has_ended) == (["not_now", "not_now"], True)


async def test_a_journal_that_fails_ends_it_with_nothing_published() -> None:
    """Whoever waits is told, followers see nothing of what was not recorded."""
    held = HeldJournal()
    refusals: list[str] = []
    follower = ReadingFollower()

    async def answer() -> None:
        await held.next()
        held.answer(JournalError("the disk is full"))

    bench = Bench(held.journal)
    bench.transcript.subscribe(follower, 0)
    with pytest.RaisesGroup(pytest.RaisesExc(JournalError, match="the disk is full")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.work)
            nursery.start_soon(wait_for_record, bench, refusals)
            nursery.start_soon(answer)
    assert (refusals, follower.chunks) == (["not_now"], [])


async def test_rooms_share_a_journal_without_sharing_numbers() -> None:
    """Each has its own from 1."""
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        await journal.record(Transaction("other", changes=[RoomEpoch("other", 1, 1)]))
        bench = Bench(journal)
        other, inbox = trio.open_memory_channel[Post](DRAFTS)
        transcript = Transcript("other", [EpochStart(1, 1)], 0, 1)
        nursery.start_soon(bench.work)
        nursery.start_soon(run_fanout, inbox, transcript, journal, clock)
        with bench.inbox, other:
            await record(bench.inbox, [draft(1)])
            await record(other, [draft(2)])
    assert (bench.transcript.cursor.seq, transcript.cursor.seq) == (1, 1)
