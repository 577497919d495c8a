"""What the batcher asks a language model, and what it makes of the answer; the test speaks for the model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.batching import Queue, Window
from concordiad.core.grouping import Grouped
from concordiad.core.model import Author, AuthorKind, Merge, Priority, Stage
from concordiad.room.messages import Drain, ask
from concordiad.room.to_batcher import DescribeQueue, Judged, NextTurn
from concordiad.room.to_matcher import Judge
from tests.room.batcher_bench import JUDGEMENT_S, Bench, open_bench
from tests.room.samples import ANN, BOB, drafts_of, submission, types_of

WINDOW = Window(0.5, 2.0)
CAT = Author("guest:cat", "cat", AuthorKind.GUEST)
ONE, OTHER = "Why does the login test fail?", "What breaks the login test"
WORDING = "Why does the login test fail, what breaks it?"


def somebody(_: str) -> bool:
    """Tell that somebody else is there."""
    return True


@asynccontextmanager
async def open_judged(window: Window = WINDOW, judgement_s: float = JUDGEMENT_S) -> AsyncIterator[Bench]:
    """Run a batcher of a room with a language model, whose writer waits for a turn."""
    queue = Queue(list(Stage), window)
    async with open_bench(queue=queue, has_company=somebody, judgement_s=judgement_s) as bench:
        await bench.inbox.send(NextTurn())
        yield bench


async def asked_by(bench: Bench) -> Judge:
    """Wait for a question."""
    return await bench.questions.receive()


async def answer(bench: Bench, judge: Judge, *groups: Grouped, doubt: str | None = None) -> None:
    """Answer a question."""
    await bench.inbox.send(Judged(judge.query, judge.candidates, groups, doubt, 1.0))
    await wait_all_tasks_blocked()


def has_offer(bench: Bench) -> bool:
    """Tell whether a turn is offered."""
    return bench.offers.statistics().current_buffer_used > 0


async def test_what_means_the_same_becomes_one_turn(autojump_clock: MockClock) -> None:
    """With the model's wording, of which everybody is told."""
    async with open_judged() as bench:
        await bench.submit(submission(ONE))
        await bench.submit(submission(OTHER, author=BOB))
        judge = await asked_by(bench)
        assert [(each.id, each.author, each.text) for each in judge.candidates] == [
            ("p1", ANN.id, ONE),
            ("p2", BOB.id, OTHER),
        ]
        assert not has_offer(bench)
        await answer(bench, judge, Grouped(("p1", "p2"), WORDING, 0.9))
        offer = await bench.offered()
        assert [prompt.merge for prompt, _ in offer.prompts] == [
            Merge("p1", None, None, WORDING),
            Merge("p1", Stage.MEANING, 0.9, WORDING),
        ]
        told = drafts_of(bench.recorder.posts, "prompt.merged")
        assert [(each["prompt"]["id"], each["stage"], each["asked"]) for each in told] == [
            ("p1", "first", WORDING),
            ("p2", "meaning", WORDING),
        ]
        assert (await ask(bench.inbox, DescribeQueue)).merging.meaning == 1


@pytest.mark.parametrize("doubt", [None, "timeout", "not_json", "contradiction"])
async def test_without_an_answer_everything_stays_as_it_is(autojump_clock: MockClock, doubt: str | None) -> None:
    """Whether the model finds nothing or nothing is known of it, the turn starts at once then."""
    async with open_judged() as bench:
        await bench.submit(submission(ONE))
        await bench.submit(submission(OTHER, author=BOB))
        await answer(bench, await asked_by(bench), doubt=doubt)
        offer = await bench.offered()
        assert [(prompt.id, prompt.merge) for prompt, _ in offer.prompts] == [("p1", None)]
        assert types_of(bench.recorder.posts) == ["prompt.accepted", "prompt.accepted"]


async def test_nobody_waits_longer_than_a_question_may_take(autojump_clock: MockClock) -> None:
    """Even if no answer comes at all; and what comes too late changes nothing of the turn that runs."""
    async with open_judged() as bench:
        began = trio.current_time()
        await bench.submit(submission(ONE))
        await bench.submit(submission(OTHER, author=BOB))
        judge = await asked_by(bench)
        await bench.offered()
        assert round(trio.current_time() - began, 6) == WINDOW.s + JUDGEMENT_S
        await answer(bench, judge, Grouped(("p1", "p2"), WORDING, 0.9))
        assert await bench.turns() == [["p2"]]
        figures = (await ask(bench.inbox, DescribeQueue)).merging
        assert (round(figures.window_wait_s, 6), round(figures.meaning_wait_s, 6)) == (WINDOW.s, JUDGEMENT_S)


async def test_waiting_for_one_question_is_no_reason_to_wait_for_another(autojump_clock: MockClock) -> None:
    """A hanging model: of four pairs that come while the first question hangs, nobody waits for two deadlines."""
    turn_s, step_s, authors = 0.7, 0.8, [Author(f"uid:{name}", name, AuthorKind.LOCAL) for name in "abcdefgh"]
    began, started = trio.current_time(), dict[str, float]()
    async with open_judged() as bench, trio.open_nursery() as nursery:

        async def work() -> None:
            for _ in authors:
                for prompt, _ in (await bench.offered()).prompts:
                    started[prompt.id] = trio.current_time() - began
                await trio.sleep(turn_s)
                await bench.inbox.send(NextTurn())

        async def hang() -> None:
            while True:
                judge = await asked_by(bench)
                await trio.sleep(JUDGEMENT_S)
                await answer(bench, judge, doubt="timeout")

        nursery.start_soon(work)
        nursery.start_soon(hang)
        for number, author in enumerate(authors):
            await trio.sleep_until(began + number // 2 * step_s)
            await bench.submit(submission(f"a matter of {author.name} alone", author=author))
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    free_at = 0.0
    for number in range(len(authors)):
        due = max(number // 2 * step_s + WINDOW.s + JUDGEMENT_S, free_at)
        assert round(started[f"p{number + 1}"], 6) <= round(due, 6)
        free_at = started[f"p{number + 1}"] + turn_s


async def test_who_has_waited_long_enough_waits_for_nobodys_judgement(autojump_clock: MockClock) -> None:
    """Nor for that of somebody who came later and stands before it: that one goes first, at once and just as it is."""
    async with open_judged() as bench:
        began = trio.current_time()
        await bench.submit(submission("a matter of its own"))
        await bench.offered()
        await bench.submit(submission(ONE))
        await bench.submit(submission(OTHER, author=BOB))
        await answer(bench, await asked_by(bench))
        await trio.sleep_until(began + 10)
        await bench.submit(submission("What breaks it", author=CAT, priority=Priority.HIGH))
        assert (await asked_by(bench)).candidates[0].id == "p4"
        for expected in ("p4", "p3", "p2"):
            await bench.inbox.send(NextTurn())
            assert [prompt.id for prompt, _ in (await bench.offered()).prompts] == [expected]
        assert round(trio.current_time() - began, 6) == 10 + WINDOW.s


async def test_who_has_not_waited_so_long_yet_does(autojump_clock: MockClock) -> None:
    """Until its own time is over, which ends the other's, too; nobody is overtaken."""
    async with open_judged() as bench:
        await bench.submit(submission("a matter of its own"))
        await bench.offered()
        began = trio.current_time()
        await bench.submit(submission(ONE))
        await bench.submit(submission(OTHER, author=BOB))
        await answer(bench, await asked_by(bench))
        await bench.submit(submission("What breaks it", author=CAT, priority=Priority.HIGH))
        await asked_by(bench)
        await bench.inbox.send(NextTurn())
        assert [prompt.id for prompt, _ in (await bench.offered()).prompts] == ["p4"]
        assert round(trio.current_time() - began, 6) == WINDOW.s + JUDGEMENT_S


async def test_what_comes_during_a_judgement_opens_no_window_again(autojump_clock: MockClock) -> None:
    """But for the judgement the turn would have started by then."""
    judgement_s = WINDOW.s
    async with open_judged(judgement_s=judgement_s) as bench:
        began = trio.current_time()
        await bench.submit(submission(ONE))
        await bench.submit(submission(OTHER, author=BOB))
        await trio.sleep_until(began + WINDOW.s + judgement_s - 0.1)
        await bench.submit(submission("What breaks it", author=CAT))
        await bench.offered()
        assert round(trio.current_time() - began, 6) == WINDOW.s + judgement_s


async def test_nobody_is_held_back_twice(autojump_clock: MockClock) -> None:
    """Who was judged is there to be compared with, and its turn starts while the next question is under way."""
    async with open_judged() as bench:
        await bench.submit(submission(ONE))
        await bench.submit(submission(OTHER, author=BOB))
        await answer(bench, await asked_by(bench))
        await bench.offered()
        await bench.submit(submission("What breaks it", author=CAT))
        judge = await asked_by(bench)
        assert [each.id for each in judge.candidates] == ["p3", "p2"]
        await bench.inbox.send(NextTurn())
        offer = await bench.offered()
        assert [prompt.id for prompt, _ in offer.prompts] == ["p2"]
        await answer(bench, judge, Grouped(("p3", "p2"), WORDING, 0.9))
        assert await bench.turns() == [["p3"]]


async def test_one_question_at_a_time(autojump_clock: MockClock) -> None:
    """What comes meanwhile is in the next one."""
    async with open_judged() as bench:
        for author, text in ((ANN, ONE), (BOB, OTHER)):
            await bench.submit(submission(text, author=author))
        first = await asked_by(bench)
        await bench.submit(submission("What breaks it", author=CAT))
        await trio.sleep(1)
        assert bench.questions.statistics().current_buffer_used == 0
        await answer(bench, first)
        second = await asked_by(bench)
        assert (second.query, second.candidates[0].id) == (first.query + 1, "p3")


async def test_one_author_alone_is_asked_about_by_nobody(autojump_clock: MockClock) -> None:
    """Its prompts are never merged, so the model has nothing to say, and nobody waits for it."""
    async with open_judged() as bench:
        for text in (ONE, OTHER):
            await bench.submit(submission(text))
        await bench.offered()
        assert trio.current_time() < JUDGEMENT_S
        assert bench.questions.statistics().current_buffer_used == 0


async def test_who_joins_meanwhile_is_answered_for_too(autojump_clock: MockClock) -> None:
    """What asks the same as somebody whom the model was asked about goes where that goes."""
    async with open_judged() as bench:
        for author, text in ((ANN, ONE), (BOB, OTHER)):
            await bench.submit(submission(text, author=author))
        judge = await asked_by(bench)
        await bench.submit(submission(OTHER, author=CAT))
        await answer(bench, judge, Grouped(("p1", "p2"), WORDING, 0.9))
        offer = await bench.offered()
        assert [prompt.id for prompt, _ in offer.prompts] == ["p1", "p2", "p3"]


async def test_who_waits_in_its_window_is_asked_about_with_those_whose_window_ends(autojump_clock: MockClock) -> None:
    """An idle agent takes the first as soon as it may go: behind it, nobody could be merged with it any more."""
    async with open_judged() as bench:
        others = [Author(f"guest:{number}", f"{number}", AuthorKind.GUEST) for number in range(6)]
        await bench.submit(submission(ONE, author=ANN))
        await trio.sleep(0.35)
        await bench.submit(submission(OTHER, author=BOB))
        for number, author in enumerate(others):
            await trio.sleep(0.35)
            await bench.submit(submission(f"explain part {number} of the parser", author=author))
        judge = await asked_by(bench)
        assert {"p1", "p2"} <= {each.id for each in judge.candidates}
        await answer(bench, judge, Grouped(("p1", "p2"), WORDING, 0.9))
        offer = await bench.offered()
        assert [prompt.id for prompt, _ in offer.prompts] == ["p1", "p2"]


@pytest.mark.parametrize("change", ["cancel", "split"])
async def test_an_answer_about_what_has_changed_counts_for_nothing(autojump_clock: MockClock, change: str) -> None:
    """Somebody has left meanwhile, or does not want to be merged."""
    async with open_judged() as bench:
        for author, text in ((ANN, ONE), (BOB, OTHER)):
            await bench.submit(submission(text, author=author))
        judge = await asked_by(bench)
        if change == "cancel":
            await bench.cancel("p2")
        else:
            await bench.split("p2", by=BOB)
        before = await bench.turns()
        await answer(bench, judge, Grouped(("p1", "p2"), WORDING, 0.9))
        offer = await bench.offered()
        assert [[prompt.id for prompt, _ in offer.prompts], *await bench.turns()] == before


async def test_a_model_cannot_turn_an_authors_own_order_round(autojump_clock: MockClock) -> None:
    """Nor merge one author with itself: what the rules forbid, no answer allows."""
    async with open_judged() as bench:
        for author, text in ((ANN, ONE), (BOB, "first of all"), (BOB, OTHER)):
            await bench.submit(submission(text, author=author))
        judge = await asked_by(bench)
        await answer(bench, judge, Grouped(("p1", "p3"), WORDING, 0.9), Grouped(("p2", "p3"), WORDING, 0.9))
        await bench.offered()
        assert await bench.turns() == [["p2"], ["p3"]]


async def test_a_wording_has_to_keep_what_others_in_a_group_named(autojump_clock: MockClock) -> None:
    """The model saw the leader's words alone; the number of a member of its group is nobody's to drop."""
    async with open_judged() as bench:
        for author, text in ((ANN, "Explain test_login"), (BOB, "please explain test_login"), (CAT, "what is it")):
            await bench.submit(submission(text, author=author))
        judge = await asked_by(bench)
        assert await bench.turns() == [["p1", "p2"], ["p3"]]
        await answer(bench, judge, Grouped(("p1", "p3"), "Explain it", 0.9))
        await bench.offered()
        assert await bench.turns() == [["p3"]]


async def test_whoever_leaves_takes_the_wording_along(autojump_clock: MockClock) -> None:
    """What the others are asked was its wish, too: they have turns of their own again, by the local rules."""
    async with open_judged() as bench:
        for author, text in ((ANN, ONE), (BOB, OTHER), (CAT, ONE)):
            await bench.submit(submission(text, author=author))
        await bench.pause()
        await bench.resume()
        judge = await asked_by(bench)
        await bench.pause()
        await answer(bench, judge, Grouped(("p1", "p2"), WORDING, 0.9))
        assert await bench.turns() == [["p1", "p3", "p2"]]
        await bench.split("p2", by=BOB)
        assert await bench.turns() == [["p1", "p3"], ["p2"]]
        asked = {placed.prompt.asked for placed in await bench.listed()}
        assert asked == {ONE, OTHER}


async def test_what_was_merged_by_meaning_is_restored(autojump_clock: MockClock) -> None:
    """With its wording, from the recorded rows."""
    async with open_judged() as bench:
        for author, text in ((ANN, ONE), (BOB, OTHER)):
            await bench.submit(submission(text, author=author))
        judge = await asked_by(bench)
        await bench.pause()
        await answer(bench, judge, Grouped(("p1", "p2"), WORDING, 0.9))
        recorded = [placed.prompt for placed in await bench.listed()]
    async with open_bench(waiting=recorded) as later:
        assert await later.turns() == [["p1", "p2"]]
        assert {placed.prompt.asked for placed in await later.listed()} == {WORDING}


async def test_a_room_that_drains_asks_nothing_more(autojump_clock: MockClock) -> None:
    """The matcher's inbox is closed, so that it ends."""
    async with open_judged() as bench:
        await bench.submit(submission(ONE))
        await bench.inbox.send(Drain())
        await wait_all_tasks_blocked()
        with pytest.raises(trio.EndOfChannel):
            bench.questions.receive_nowait()
