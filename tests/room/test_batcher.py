"""The batcher alone: in-memory channels, a journal in memory, virtual time."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.config.limits import Limits
from concordiad.core.backlog import EpochStart
from concordiad.core.batching import Queue
from concordiad.core.codes import CONFLICT, NOT_FOUND, NOT_NOW
from concordiad.core.model import Author, AuthorKind, Priority, Prompt, PromptState
from concordiad.core.pace import Tally
from concordiad.errors import RoomError
from concordiad.journal import open_memory_journal
from concordiad.journal.changes import Transaction
from concordiad.journal.prompts import read_prompt
from concordiad.room.batcher import Batcher, BatcherEnds, run_batcher
from concordiad.room.fanout import Transcript, run_fanout
from concordiad.room.messages import ROUND_BYTES, Drain, Reply, ask
from concordiad.room.to_batcher import (
    SUBMITTERS,
    Cancel,
    CancelAll,
    DescribeQueue,
    NextTurn,
    Placed,
    QueueState,
    SetPaused,
    Submission,
    Submit,
    TakeBack,
    ToBatcher,
)
from concordiad.room.to_fanout import DRAFTS, Post
from concordiad.room.to_matcher import Judge
from concordiad.room.to_writer import Offer, ToWriter
from tests.journal.test_outages import forbid
from tests.room.batcher_bench import ROW, Bench, open_bench, text_of
from tests.room.samples import ANN, BOB, NOW, clock, count_ids, drafts_of, prompt, submission, types_of


async def test_a_submitter_is_answered_only_once_its_prompt_is_recorded() -> None:
    """What is not recorded yet is not acknowledged."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        answers: list[Placed] = []

        async def submit() -> None:
            answers.append(await bench.submit(submission("Why?")))

        bench.recorder.hold()
        nursery.start_soon(submit)
        await wait_all_tasks_blocked()
        assert (bench.recorder.pending is not None, answers) == (True, [])
        bench.recorder.let_go()
        await wait_all_tasks_blocked()
        assert [(answer.prompt.text, answer.place) for answer in answers] == [("Why?", 1)]


async def test_a_prompt_is_recorded_durably_with_its_event() -> None:
    """The row and the event that tells of it are one post, and that asks for an fsync."""
    async with open_bench() as bench:
        placed = await bench.submit(submission("Why?"))
        (post,) = bench.recorder.posts
    assert (post.is_durable, list(post.changes), types_of([post])) == (True, [placed.prompt], ["prompt.accepted"])


async def test_what_waits_in_the_inbox_is_recorded_as_one() -> None:
    """Many submitters cost one commit."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        bench.recorder.hold()
        nursery.start_soon(bench.submit, submission("first"))
        await wait_all_tasks_blocked()
        for number in range(50):
            nursery.start_soon(bench.submit, submission(str(number)))
        await wait_all_tasks_blocked()
        bench.recorder.let_go()
        await wait_all_tasks_blocked()
        assert [len(post.drafts) for post in bench.recorder.posts] == [1, 50]


async def test_huge_prompts_are_recorded_a_few_at_a_time() -> None:
    """Their memory would else be taken all at once, and given back at once, which holds the loop."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        bench.recorder.hold()
        nursery.start_soon(bench.submit, submission("first"))
        await wait_all_tasks_blocked()
        for number in range(10):
            nursery.start_soon(bench.submit, submission(str(number).ljust(ROUND_BYTES // 4, "x")))
        await wait_all_tasks_blocked()
        bench.recorder.let_go()
        await wait_all_tasks_blocked()
        assert [len(post.drafts) for post in bench.recorder.posts] == [1, 4, 4, 2]


async def test_a_listing_shows_nothing_that_is_not_recorded() -> None:
    """Who reads the queue is told of no prompt that a power cut could still take back."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        listed: list[list[str]] = []

        async def read_queue() -> None:
            listed.append(await bench.waiting())

        bench.recorder.hold()
        nursery.start_soon(bench.submit, submission("first"))
        await wait_all_tasks_blocked()
        nursery.start_soon(bench.submit, submission("second"))
        await wait_all_tasks_blocked()
        nursery.start_soon(read_queue)
        await wait_all_tasks_blocked()
        # The first is let through; the second and the listing come to the batcher together.
        bench.recorder.let_one_go()
        await wait_all_tasks_blocked()
        assert (len(bench.recorder.posts), listed) == (1, [])
        bench.recorder.let_go()
        await wait_all_tasks_blocked()
        assert listed == [["first", "second"]]


async def test_a_key_makes_a_retry_harmless() -> None:
    """The same key and text give the same prompt, whether the first is in the same round or long recorded."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        ids: list[str] = []

        async def submit() -> None:
            ids.append((await bench.submit(submission("Why?", key="k"))).prompt.id)

        nursery.start_soon(submit)
        nursery.start_soon(submit)
        await wait_all_tasks_blocked()
        assert (len(set(ids)), len(ids)) == (1, 2)
        assert types_of(bench.recorder.posts) == ["prompt.accepted"]


async def test_a_key_is_found_in_the_journal() -> None:
    """A prompt of an earlier run, with a turn by now, is what a retry is told of; it has no place."""
    recorded = prompt("p0", "Why?", key="k", state=PromptState.ANSWERED, turn="t0")
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        await journal.record(Transaction("main", changes=[recorded]))
        bench = Bench(journal, [], Limits())
        nursery.start_soon(bench.recorder.work)
        nursery.start_soon(bench.work)
        assert await bench.submit(submission("Why?", key="k")) == Placed(recorded, None)
        assert bench.recorder.posts == []
        nursery.cancel_scope.cancel()


async def test_a_key_for_another_text_is_refused() -> None:
    """A key that was used for something else is a mistake, not a retry."""
    async with open_bench() as bench:
        await bench.submit(submission("Why?", key="k"))
        with pytest.raises(RoomError, match="choose a new key") as refusal:
            await bench.submit(submission("How?", key="k"))
    assert refusal.value.code is CONFLICT


async def test_a_key_is_its_authors_own() -> None:
    """Two people may choose the same key."""
    async with open_bench() as bench:
        first = await bench.submit(submission("Why?", key="k"))
        second = await bench.submit(submission("How?", key="k", author=BOB))
    assert first.prompt.id != second.prompt.id


async def test_a_full_queue_refuses() -> None:
    """Over the limit nothing is accepted, and the refusal says when to try again."""
    async with open_bench(limits=Limits(waiting_prompts=2)) as bench:
        await bench.submit(submission("one"))
        await bench.submit(submission("two"))
        with pytest.raises(RoomError, match="the limit is 2") as refusal:
            await bench.submit(submission("three"))
        assert (refusal.value.code, refusal.value.retry_after_s is not None) == (NOT_NOW, True)
        assert await bench.waiting() == ["one", "two"]


async def test_nothing_is_offered_before_the_writer_asks() -> None:
    """Prompts gather; the writer gets one for each time that it asks."""
    async with open_bench() as bench:
        await bench.submit(submission("one"))
        await bench.submit(submission("two"))
        await wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            bench.offers.receive_nowait()
        assert await bench.next_offer() == "one"
        await wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            bench.offers.receive_nowait()
        assert await bench.next_offer() == "two"


async def test_a_writer_that_asked_early_is_served_by_the_next_prompt() -> None:
    """The question is remembered while nothing waits."""
    async with open_bench() as bench:
        await bench.inbox.send(NextTurn())
        await wait_all_tasks_blocked()
        await bench.submit(submission("one"))
        assert text_of(await bench.offers.receive()) == "one"


async def test_a_prompt_is_recorded_before_it_is_offered() -> None:
    """The writer never gets what is not durable."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.inbox.send(NextTurn())
        bench.recorder.hold()
        nursery.start_soon(bench.submit, submission("one"))
        await wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            bench.offers.receive_nowait()
        bench.recorder.let_go()
        assert text_of(await bench.offers.receive()) == "one"


async def test_what_the_writer_returns_takes_its_old_place() -> None:
    """A prompt that could not be handed over is the next one again, whatever came meanwhile."""
    async with open_bench() as bench:
        await bench.submit(submission("one"))
        await bench.submit(submission("two"))
        await bench.inbox.send(NextTurn())
        offer = await bench.offers.receive()
        assert isinstance(offer, Offer)
        await bench.submit(submission("three"))
        await bench.inbox.send(TakeBack(offer.prompts))
        assert await bench.waiting() == ["one", "two", "three"]


async def test_high_goes_first_and_low_last() -> None:
    """Places follow priority, then arrival."""
    async with open_bench() as bench:
        places = [
            (await bench.submit(submission(priority.value, priority=priority))).place
            for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH)
        ]
        assert places == [1, 1, 1]
        assert await bench.waiting() == ["high", "normal", "low"]


async def test_what_waited_before_the_start_still_waits() -> None:
    """A restart changes no order."""
    earlier = [prompt("p-a", "one"), prompt("p-b", "two")]
    async with open_bench(waiting=earlier) as bench:
        await bench.submit(submission("three"))
        assert await bench.waiting() == ["one", "two", "three"]


async def test_a_prompt_expires_when_its_time_is_up(autojump_clock: MockClock) -> None:
    """Not before and not after, by the monotonic clock; the row and the event are recorded together."""
    async with open_bench() as bench:
        await bench.submit(submission("late", expires_s=60.0))
        await bench.submit(submission("ever"))
        await trio.sleep(59.9)
        assert await bench.waiting() == ["late", "ever"]
        await trio.sleep(0.2)
        assert await bench.waiting() == ["ever"]
        post = bench.recorder.posts[-1]
    (change,) = post.changes
    assert isinstance(change, Prompt)
    assert (types_of([post]), change.state) == (["prompt.expired"], PromptState.EXPIRED)


@pytest.mark.parametrize("jump_s", [-86400.0, 86400.0])
async def test_a_jump_of_the_wall_clock_expires_nothing(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """Neither sooner nor later: within a run an expiry is counted by the monotonic clock."""
    async with open_bench() as bench:
        await bench.submit(submission("late", expires_s=60.0))
        monkeypatch.setattr(bench.batcher, "_now", lambda: NOW + jump_s)
        await trio.sleep(59)
        await bench.submit(submission("ever"))
        assert await bench.waiting() == ["late", "ever"]
        await trio.sleep(2)
        assert await bench.waiting() == ["ever"]


@pytest.mark.parametrize("jump_s", [-86400.0, 86400.0])
async def test_a_jump_of_the_wall_clock_ages_nothing(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """For how long the oldest prompt waits is told by the monotonic clock, from what it had waited at the start on."""
    async with open_bench(waiting=[prompt("p-a", submitted_at=NOW - 100)]) as bench:
        await bench.submit(submission("new"))
        monkeypatch.setattr(bench.batcher, "_now", lambda: NOW + jump_s)
        await trio.sleep(5)
        assert (await ask(bench.inbox, DescribeQueue)).oldest_s == pytest.approx(105)
        await bench.cancel("p-a")
        assert (await ask(bench.inbox, DescribeQueue)).oldest_s == pytest.approx(5)
        await bench.cancel_all()
        assert (await ask(bench.inbox, DescribeQueue)).oldest_s == 0.0


async def test_what_expired_while_the_daemon_was_down_expires_at_once(autojump_clock: MockClock) -> None:
    """The wall clock decides what is left of an expiry after a restart."""
    over, later = prompt("p-a", expires_at=NOW - 1), prompt("p-b", "later", expires_at=NOW + 10)
    async with open_bench(waiting=[over, later]) as bench:
        await wait_all_tasks_blocked()
        assert await bench.waiting() == ["later"]
        await trio.sleep(10.1)
        assert await bench.waiting() == []


async def test_an_expired_prompt_is_not_offered(autojump_clock: MockClock) -> None:
    """A prompt whose time is up while it is with nobody reaches no agent."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.submit(submission("late", expires_s=1.0))
        bench.recorder.hold()
        nursery.start_soon(bench.submit, submission("other"))
        await trio.sleep(2)
        bench.recorder.let_go()
        assert await bench.next_offer() == "other"


async def test_a_returned_prompt_keeps_its_expiry(autojump_clock: MockClock) -> None:
    """Being with the writer for a while is no extension."""
    async with open_bench() as bench:
        await bench.submit(submission("late", expires_s=5.0))
        await bench.inbox.send(NextTurn())
        offer = await bench.offers.receive()
        assert isinstance(offer, Offer)
        await trio.sleep(10)
        await bench.inbox.send(TakeBack(offer.prompts))
        await wait_all_tasks_blocked()
        assert types_of(bench.recorder.posts) == ["prompt.accepted", "prompt.expired"]


async def test_a_cancelled_prompt_is_gone() -> None:
    """Whoever cancels is named, and the prompt is offered to nobody."""
    async with open_bench() as bench:
        placed = await bench.submit(submission("one"))
        await bench.submit(submission("two"))
        cancelled = await bench.cancel(placed.prompt.id, by=BOB)
        assert (cancelled.prompt.state, cancelled.place) == (PromptState.CANCELLED, None)
        assert await bench.next_offer() == "two"
        (told,) = drafts_of(bench.recorder.posts, "prompt.cancelled")
    assert (told["prompt"]["id"], told["by"]["name"]) == (placed.prompt.id, "bob")


async def test_a_prompt_that_runs_cannot_be_cancelled() -> None:
    """It is with the writer: its turn can be interrupted."""
    running = prompt("p0", state=PromptState.RUNNING, turn="t0")
    over = prompt("p1", state=PromptState.ANSWERED, turn="t1")
    elsewhere = prompt("p2", room="other")
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        await journal.record(Transaction("main", changes=[running, over, elsewhere]))
        bench = Bench(journal, [], Limits())
        nursery.start_soon(bench.recorder.work)
        nursery.start_soon(bench.work)
        refusals = []
        for identity in ("p0", "p1", "p2", "p3"):
            with pytest.raises(RoomError) as refusal:
                await bench.cancel(identity)
            refusals.append(refusal.value.code)
        assert refusals == [CONFLICT, CONFLICT, NOT_FOUND, NOT_FOUND]
        nursery.cancel_scope.cancel()


async def test_a_paused_queue_holds_back_and_refuses() -> None:
    """What waits stays, the writer gets nothing, new ones are refused; all of it ends with resuming."""
    paused = replace(ROW, is_paused=True)
    async with open_bench() as bench:
        await bench.submit(submission("one"))
        await ask(bench.inbox, lambda reply: SetPaused(paused, ANN, reply))
        await bench.inbox.send(NextTurn())
        with pytest.raises(RoomError, match="is paused"):
            await bench.submit(submission("two"))
        state = await ask(bench.inbox, DescribeQueue)
        assert state._replace(oldest_s=0.0) == QueueState(1, is_paused=True, merging=Tally(prompts=1))
        with pytest.raises(trio.WouldBlock):
            bench.offers.receive_nowait()
        await ask(bench.inbox, lambda reply: SetPaused(ROW, ANN, reply))
        assert text_of(await bench.offers.receive()) == "one"
        assert list(bench.recorder.posts[-1].changes) == [ROW]


async def test_closing_for_good_cancels_what_waits() -> None:
    """Everybody whose prompt waited is told, in one commit with the room's row."""
    closed = replace(ROW, is_closed=True)
    async with open_bench() as bench:
        await bench.submit(submission("one"))
        await bench.submit(submission("two"))
        assert await ask(bench.inbox, lambda reply: CancelAll(closed, ANN, reply)) == 2
        assert await bench.waiting() == []
        post = bench.recorder.posts[-1]
    assert types_of([post]) == ["prompt.cancelled", "prompt.cancelled", "room.changed"]
    assert closed in post.changes


async def test_draining_refuses_new_prompts_and_keeps_what_waits() -> None:
    """No new prompts and no new turns; the journal still says that the old ones wait."""
    async with open_bench() as bench:
        await bench.submit(submission("one"))
        await bench.inbox.send(Drain())
        with pytest.raises(RoomError, match="closing") as refusal:
            await bench.submit(submission("two"))
        await bench.inbox.send(NextTurn())
        await wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            bench.offers.receive_nowait()
        assert await bench.waiting() == ["one"]
        bench.inbox.close()
        await wait_all_tasks_blocked()
        assert (refusal.value.code, bench.has_ended) == (NOT_NOW, True)
        assert types_of(bench.recorder.posts) == ["prompt.accepted"]


async def test_its_end_closes_its_ends() -> None:
    """Once nobody can submit any more, it lets go of the fan-out and the writer."""
    async with open_bench() as bench:
        bench.inbox.close()
        await wait_all_tasks_blocked()
        assert bench.has_ended
        with pytest.raises(trio.EndOfChannel):
            bench.offers.receive_nowait()


async def test_being_cancelled_leaves_no_submitter_waiting() -> None:
    """Those whose prompts are being recorded and those still in the inbox are told that the room closes."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        refusals: list[str] = []

        async def submit(text: str) -> None:
            try:
                await bench.submit(submission(text))
            except RoomError as error:
                refusals.append(str(error))

        bench.recorder.hold()
        for text in ("being recorded", "in the inbox"):
            nursery.start_soon(submit, text)
            await wait_all_tasks_blocked()
        bench.scope.cancel()
        await wait_all_tasks_blocked()
        assert (len(refusals), bench.has_ended) == (2, True)
        assert all("closing" in refusal for refusal in refusals)


async def test_a_fanout_that_fails_acknowledges_nothing() -> None:
    """Whoever waits for an acknowledgement gets an error instead."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        refusals: list[RoomError] = []

        async def submit() -> None:
            with pytest.raises(RoomError) as refusal:
                await bench.submit(submission("one"))
            refusals.append(refusal.value)

        bench.recorder.hold()
        nursery.start_soon(submit)
        await wait_all_tasks_blocked()
        bench.recorder.fail()
        await wait_all_tasks_blocked()
        assert [refusal.code for refusal in refusals] == [NOT_NOW]


async def test_authors_keep_their_names_for_ever() -> None:
    """A prompt bears who the front says it is from, with all that was asked for."""
    guest = Author("guest:1", "carol", AuthorKind.GUEST)
    wanted = Submission(guest, "Why?", Priority.LOW, None, 60.0, is_alone=True, is_raw=False, retry_of="p-old")
    async with open_bench() as bench:
        placed = await bench.submit(wanted)
    expected = Prompt(
        "p1",
        "main",
        guest,
        "Why?",
        NOW,
        priority=Priority.LOW,
        expires_at=NOW + 60,
        retry_of="p-old",
        is_alone=True,
    )
    assert replace(placed.prompt, standing=None) == expected


async def test_a_refusal_leaves_the_queue_as_it_was(autojump_clock: MockClock) -> None:
    """What cannot be recorded has not been: nothing waits that was refused, and nothing is gone that was to go."""
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        posts, to_writer = trio.open_memory_channel[Post](DRAFTS), trio.open_memory_channel[ToWriter](1)
        inbox = trio.open_memory_channel[ToBatcher](SUBMITTERS)
        transcript = Transcript("main", [EpochStart(1, 1)], 0, 1)
        batcher = Batcher("main", [prompt("p0", text="first")], Queue(), Limits(), journal, count_ids("p"), clock)
        nursery.start_soon(run_fanout, posts[1], transcript, journal, clock)
        to_matcher, _ = trio.open_memory_channel[Judge](0)
        nursery.start_soon(run_batcher, batcher, BatcherEnds(inbox[1], posts[0], to_writer[0], to_matcher))
        with inbox[0]:
            short: Placed = await ask(inbox[0], lambda reply: Submit(submission("short", expires_s=5.0), reply))
            await forbid(journal)
            questions: list[Callable[[Reply[Any]], ToBatcher]] = [
                lambda reply: Submit(submission("refused"), reply),
                lambda reply: Cancel("p0", ANN, reply),
                lambda reply: SetPaused(replace(ROW, is_paused=True), ANN, reply),
                lambda reply: CancelAll(replace(ROW, is_closed=True), ANN, reply),
            ]
            for question in questions:
                with pytest.raises(RoomError) as refusal:
                    await ask(inbox[0], question)
                assert refusal.value.code.name == "not_now"
            await trio.sleep(10)
            state = await ask(inbox[0], DescribeQueue)
            assert state._replace(oldest_s=0.0) == QueueState(2, is_paused=False, merging=Tally(prompts=2))
            await inbox[0].send(NextTurn())
            await trio.sleep(10)
            assert to_writer[1].statistics().current_buffer_used == 0
            await forbid(journal, is_forbidden=False)
            assert text_of(await to_writer[1].receive()) == "first"
            # It is not too late for the clock: the prompt that expired meanwhile was never handed over.
            late = await journal.read(read_prompt, short.prompt.id)
            assert late is not None
            assert late.state is PromptState.EXPIRED
            nursery.cancel_scope.cancel()
