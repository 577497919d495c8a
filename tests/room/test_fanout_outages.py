"""The fan-out while the journal cannot record: who is refused, what is kept, and in which order it comes out again."""

import json

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.errors import JournalStalled, RoomError
from concordiad.journal import Journal, open_memory_journal
from concordiad.journal.faults import Health
from concordiad.room.fanout import KEPT_BYTES, run_fanout
from concordiad.room.outage import CALM_S, run_outage
from concordiad.room.to_fanout import DRAFTS, Draft, Post, note, record
from concordiad.room.valve import Valve
from tests.journal.test_outages import forbid
from tests.room.samples import clock
from tests.room.test_fanout import Bench, HeldJournal, ReadingFollower, draft, open_bench, read_back

LARGE = Draft("notice", b'"x":"%s"' % (b"x" * (KEPT_BYTES // 4)))


async def test_who_waits_is_refused_and_the_rest_is_recorded_in_its_order(autojump_clock: MockClock) -> None:
    """What has happened keeps its place; the numbers have no gap where a refused post was."""
    async with open_bench() as (bench, journal):
        follower = ReadingFollower()
        bench.transcript.subscribe(follower, 0)
        await forbid(journal)
        for number in (1, 2, 3):
            await note(bench.inbox, [draft(number)])
            await bench.post(draft(number * 10, is_live=True))
            with pytest.raises(RoomError, match="readonly") as refusal:
                await record(bench.inbox, [draft(99)])
            assert refusal.value.code.name == "not_now"
        assert follower.chunks == []
        await forbid(journal, is_forbidden=False)
        await journal.health.wait_until(is_well=True)
        await record(bench.inbox, [draft(4)])
        seen = [(event["n"], event.get("seq")) for event in follower.events]
        assert seen == [(1, 1), (10, None), (2, 2), (20, None), (3, 3), (30, None), (4, 4)]
        assert [(event["n"], event["seq"]) for event in await read_back(journal)] == [(1, 1), (2, 2), (3, 3), (4, 4)]


async def test_too_much_shuts_the_valve_until_it_is_recorded(autojump_clock: MockClock) -> None:
    """So the agent is not read any more, and what is kept is bounded."""
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        bench, valve = Bench(journal), Valve()
        nursery.start_soon(run_fanout, bench._inbox, bench.transcript, journal, clock, valve)
        with bench.inbox:
            await forbid(journal)
            for is_open in (True, True, True, False):
                await bench.post(LARGE)
                assert valve.is_open is is_open
            await forbid(journal, is_forbidden=False)
            await valve.wait()
            await journal.health.wait_until(is_well=True)
            # Recorded behind all that was kept.
            await record(bench.inbox, [draft(5)])
        assert [event["seq"] for event in await read_back(journal)] == [1, 2, 3, 4, 5]


async def test_the_outage_is_told_live_and_its_end_for_the_record(autojump_clock: MockClock) -> None:
    """Ahead of everything that waits, to whoever follows."""
    async with open_bench() as (bench, journal):
        follower = ReadingFollower()
        bench.transcript.subscribe(follower, 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_outage, journal.health, bench.inbox.clone())
            await forbid(journal)
            await bench.post(draft(1))
            (told,) = follower.events
            assert (told["state"], told.get("seq")) == ("journal-failing", None)
            await forbid(journal, is_forbidden=False)
            await journal.health.wait_until(is_well=True)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        states = [(event.get("n"), event.get("state"), event.get("seq")) for event in follower.events]
        assert states == [(None, "journal-failing", None), (1, None, 1), (None, "journal-recovered", 2)]


async def test_a_journal_that_flickers_is_not_told_each_time(autojump_clock: MockClock) -> None:
    """The first recovery is told at once; the next one ten seconds later, once it has lasted that long."""
    health = Health()
    told: list[str] = []
    send, posts = trio.open_memory_channel[Post](DRAFTS)

    async def listen() -> None:
        async for post in posts:
            told.extend(json.loads(b"{%b}" % each.body)["state"].removeprefix("journal-") for each in post.drafts)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_outage, health, send)
        nursery.start_soon(listen)
        for _ in range(18):
            for fault in ("full", None):
                health.become(fault)
                await trio.sleep(0.25)
        assert told == ["failing", "recovered", "failing"]
        await trio.sleep(CALM_S)
        assert told == ["failing", "recovered"] * 2
        nursery.cancel_scope.cancel()


async def leave_during_an_outage(journal: Journal, held: HeldJournal) -> list[list[int]]:
    """Post twice, the second time while the first waits, and leave; return the numbers that the journal is sent."""
    bench = Bench(journal)
    sent = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.work)
        await bench.inbox.send(Post([draft(1)]))
        await held.next()
        held.answer(JournalStalled("full"))
        sent.append([event.seq for event in (await held.next()).events])
        await bench.post(draft(2), draft(3))
        bench.inbox.close()
        await wait_all_tasks_blocked()
        assert bench.has_ended
        sent.append([event.seq for event in (await held.next()).events])
    return sent


async def test_whoever_leaves_leaves_all_to_the_journal() -> None:
    """Once nobody can post any more, nothing is waited for: it is the journal that tries a last time, in order."""
    held = HeldJournal()
    assert await leave_during_an_outage(held.journal, held) == [[1], [2, 3]]
