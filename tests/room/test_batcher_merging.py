"""Merging as the batcher does it: recorded, told, waited for, bounded; in virtual time."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.config.limits import Limits
from concordiad.core.batching import Queue, Window
from concordiad.core.codes import CONFLICT, NOT_NOW
from concordiad.core.model import Author, AuthorKind, Prompt, PromptState, Stage
from concordiad.core.pace import TURN_GUESS_S
from concordiad.errors import RoomError
from concordiad.room.batcher import nobody
from concordiad.room.messages import ask
from concordiad.room.to_batcher import DescribeQueue, NextTurn, TakeBack
from tests.room.batcher_bench import Bench, open_bench
from tests.room.samples import ANN, BOB, drafts_of, submission, types_of

ASKED = "Why does test_import fail?"
CAT = Author("guest:cat", "cat", AuthorKind.GUEST)
WINDOW = Window(0.5, 2.0)


def somebody(_: str) -> bool:
    """Tell that somebody else is there."""
    return True


async def idle_with(bench: Bench) -> None:
    """Let the writer ask for a turn while nothing waits."""
    await bench.inbox.send(NextTurn())
    await wait_all_tasks_blocked()


def has_offer(bench: Bench) -> bool:
    """Tell whether a turn is offered."""
    return bench.offers.statistics().current_buffer_used > 0


async def test_a_merge_is_recorded_and_told_with_the_prompt() -> None:
    """One post for the row, for the leader's row, and for both events; the submitter's answer says it, too."""
    async with open_bench() as bench:
        first = await bench.submit(submission(ASKED))
        second = await bench.submit(submission(f" {ASKED}", author=BOB))
        assert (second.place, second.prompt.asked) == (1, ASKED)
        post = bench.recorder.posts[-1]
        assert types_of([post]) == ["prompt.accepted", "prompt.merged"]
        assert {change.id for change in post.changes if isinstance(change, Prompt)} == {"p1", "p2"}
        (told,) = drafts_of([post], "prompt.merged")
    assert (told["stage"], told["similarity"], told["asked"]) == ("same", 1.0, ASKED)
    assert told["prompt"]["merge"] == {
        "leader": "p1",
        "stage": "same",
        "similarity": 1.0,
        "asked": ASKED,
        "asked_chars": None,
        "verbatim": False,
    }
    assert [(other["id"], other["author"]["name"], other["text"]) for other in told["with"]] == [("p1", "ann", ASKED)]
    assert first.prompt.merge is None


async def test_a_group_is_offered_as_one_turn() -> None:
    """The leader first; every one of them with its deadline."""
    async with open_bench() as bench:
        for author, expires_s in ((ANN, None), (BOB, 60.0), (CAT, None)):
            await bench.submit(submission(ASKED, author=author, expires_s=expires_s))
        offer = await bench.next_turn()
        assert [prompt.id for prompt, _ in offer.prompts] == ["p1", "p2", "p3"]
        assert [deadline < float("inf") for _, deadline in offer.prompts] == [False, True, False]


async def test_a_returned_group_is_the_next_turn_again() -> None:
    """With whom it was, and before what came meanwhile."""
    async with open_bench() as bench:
        for author in (ANN, BOB):
            await bench.submit(submission(ASKED, author=author))
        offer = await bench.next_turn()
        await bench.submit(submission("later", author=CAT))
        await bench.inbox.send(TakeBack(offer.prompts))
        again = await bench.next_turn()
        assert again == offer
        figures = (await ask(bench.inbox, DescribeQueue)).merging
        assert (figures.prompts, figures.turns, figures.same) == (3, 1, 1)


async def test_a_key_names_the_prompt_that_was_merged() -> None:
    """Whether it is asked again in the same round, later, or when its turn runs."""
    async with open_bench() as bench:
        await bench.submit(submission(ASKED))
        placed = await bench.submit(submission(ASKED, author=BOB, key="k"))
        assert await bench.submit(submission(ASKED, author=BOB, key="k")) == placed
        await bench.next_turn()
        again = await bench.submit(submission(ASKED, author=BOB, key="k"))
        assert (again.prompt.id, again.place, again.prompt.merge) == (placed.prompt.id, None, placed.prompt.merge)
        assert types_of(bench.recorder.posts).count("prompt.accepted") == 2


async def test_split_is_recorded_and_told() -> None:
    """Who did it, to what, and that the other one is alone now."""
    async with open_bench() as bench:
        await bench.submit(submission(ASKED))
        await bench.submit(submission(ASKED, author=BOB))
        split = await bench.split("p2", by=BOB)
        assert (split.place, split.prompt.is_alone, split.prompt.merge) == (2, True, None)
        first, second = drafts_of(bench.recorder.posts[-1:], "prompt.split")
    assert (first["prompt"]["id"], first["from"], first["by"]["name"], first["reason"]) == ("p2", ["p1"], "bob", None)
    assert (second["prompt"]["id"], second["from"], second["by"]) == ("p1", ["p2"], None)
    assert (second["prompt"]["place"], second["reason"]) == (1, "bob took a prompt back out")


async def test_split_of_what_does_not_wait_is_refused() -> None:
    """It runs, it is over, or there is no such prompt."""
    async with open_bench() as bench:
        await bench.submit(submission(ASKED))
        await bench.next_turn()
        with pytest.raises(RoomError, match="it can be taken out only while it waits") as refusal:
            await bench.split("p1")
        assert refusal.value.code is CONFLICT
        await bench.submit(submission("other"))
        await bench.cancel("p2")
        with pytest.raises(RoomError, match="is cancelled already"):
            await bench.split("p2")
        with pytest.raises(RoomError, match="no prompt p9"):
            await bench.split("p9")


async def test_a_cancelled_leader_leaves_the_others_merged() -> None:
    """The end of the one is told before what becomes of the others."""
    async with open_bench() as bench:
        for author in (ANN, BOB, CAT):
            await bench.submit(submission(ASKED, author=author))
        await bench.cancel("p1")
        post = bench.recorder.posts[-1]
        assert types_of([post]) == ["prompt.cancelled", "prompt.merged"]
        states = {change.id: change.state for change in post.changes if isinstance(change, Prompt)}
        assert states == {"p1": PromptState.CANCELLED, "p2": PromptState.WAITING, "p3": PromptState.WAITING}
        assert [prompt.id for prompt, _ in (await bench.next_turn()).prompts] == ["p2", "p3"]


async def test_an_expired_member_leaves_its_leader_alone(autojump_clock: MockClock) -> None:
    """Both are told, and why."""
    async with open_bench() as bench:
        await bench.submit(submission(ASKED))
        await bench.submit(submission(ASKED, author=BOB, expires_s=5.0))
        await trio.sleep(5.1)
        (told,) = drafts_of(bench.recorder.posts, "prompt.split")
        assert (told["prompt"]["id"], told["reason"]) == ("p1", "the prompt that it was merged with expired")
        assert types_of(bench.recorder.posts[-1:]) == ["prompt.expired", "prompt.split"]


async def test_what_was_merged_before_a_restart_still_is() -> None:
    """From the rows that were recorded, however they are sorted."""
    async with open_bench() as bench:
        for text, author in ((ASKED, ANN), ("other", ANN), (ASKED, BOB), ("other", BOB), (ASKED, CAT)):
            await bench.submit(submission(text, author=author))
        rows = {
            change.id: change for post in bench.recorder.posts for change in post.changes if isinstance(change, Prompt)
        }
        before = await bench.turns()
    async with open_bench(waiting=[rows[identity] for identity in sorted(rows, reverse=True)]) as later:
        assert await later.turns() == before == [["p1", "p3", "p5"], ["p2", "p4"]]
        figures = (await ask(later.inbox, DescribeQueue)).merging
    assert (figures.prompts, figures.turns) == (5, 0)


async def test_a_prompt_waits_for_others_like_it(autojump_clock: MockClock) -> None:
    """Half a second after the last one came, an idle agent gets the whole group."""
    async with open_bench(queue=Queue(window=WINDOW), has_company=somebody) as bench:
        await idle_with(bench)
        await bench.submit(submission(ASKED))
        await trio.sleep(0.4)
        await bench.submit(submission(ASKED, author=BOB))
        await trio.sleep(0.4)
        assert not has_offer(bench)
        await trio.sleep(0.2)
        assert has_offer(bench)
        figures = (await ask(bench.inbox, DescribeQueue)).merging
    assert (figures.turns, figures.same, round(figures.window_wait_s, 6)) == (1, 1, 0.9)


async def test_a_window_ends_at_the_latest_after_its_maximum(autojump_clock: MockClock) -> None:
    """However many come."""
    async with open_bench(queue=Queue(window=WINDOW), has_company=somebody) as bench:
        await idle_with(bench)
        begin = trio.current_time()
        await bench.submit(submission(ASKED))
        for number in range(7):
            await trio.sleep(0.3)
            if has_offer(bench):
                break
            await bench.submit(submission(f"something else {number}", author=BOB))
        assert round(trio.current_time() - begin, 6) == 2.1


async def test_who_is_alone_never_waits(autojump_clock: MockClock) -> None:
    """Nor does anybody where the window is switched off."""
    for window, has_company in ((WINDOW, nobody), (Window(0.0, 0.0), somebody)):
        async with open_bench(queue=Queue(window=window), has_company=has_company) as bench:
            await idle_with(bench)
            await bench.submit(submission(ASKED))
            await wait_all_tasks_blocked()
            assert has_offer(bench)


async def test_the_author_of_a_prompt_that_waits_is_company() -> None:
    """Even where nobody else is connected: two people hand in from scripts."""
    async with open_bench(queue=Queue(window=WINDOW)) as bench:
        await bench.submit(submission(ASKED))
        await bench.submit(submission("other", author=BOB))
        offer = await bench.next_turn()
        assert [prompt.id for prompt, _ in offer.prompts] == ["p1"]
        await bench.inbox.send(NextTurn())
        await wait_all_tasks_blocked()
        assert not has_offer(bench)


async def test_a_paused_room_offers_nothing_when_a_window_ends(autojump_clock: MockClock) -> None:
    """Nor does a draining one; what waits goes on waiting."""
    async with open_bench(queue=Queue(window=WINDOW), has_company=somebody) as bench:
        await idle_with(bench)
        await bench.submit(submission(ASKED))
        await bench.pause()
        await trio.sleep(5)
        assert not has_offer(bench)
        assert await bench.turns() == [["p1"]]


async def test_one_author_cannot_fill_the_queue() -> None:
    """The refusal says when one of its prompts may have had its turn; others are still taken."""
    async with open_bench(limits=Limits(waiting_prompts_per_author=2)) as bench:
        for number in range(2):
            await bench.submit(submission(str(number)))
        with pytest.raises(RoomError, match="2 prompts of yours wait in room main already") as refusal:
            await bench.submit(submission("three"))
        assert (refusal.value.code, refusal.value.retry_after_s) == (NOT_NOW, TURN_GUESS_S)
        assert (await bench.submit(submission("mine", author=BOB))).place == 2


async def test_one_author_cannot_submit_without_end(autojump_clock: MockClock) -> None:
    """So many at once, then so many a minute; a repeated key costs nothing."""
    async with open_bench(limits=Limits(prompt_burst=2, prompts_per_minute=60)) as bench:
        for number in range(2):
            await bench.submit(submission(str(number), key=str(number)))
        with pytest.raises(RoomError, match="2 prompts at once, then 60 a minute") as refusal:
            await bench.submit(submission("three"))
        assert refusal.value.retry_after_s == 1.0
        await bench.submit(submission("0", key="0"))
        await bench.submit(submission("mine", author=BOB))
        await trio.sleep(1.0)
        await bench.submit(submission("three"))


async def test_a_refusal_estimates_by_this_rooms_turns(autojump_clock: MockClock) -> None:
    """A moving average of how long they took, not of what was returned."""
    async with open_bench(limits=Limits(waiting_prompts=1)) as bench:
        for number, turn_s in enumerate((4.0, 9.0)):
            await bench.submit(submission(str(number)))
            await bench.next_turn()
            await trio.sleep(turn_s)
        await bench.submit(submission("returned"))
        offer = await bench.next_turn()
        await trio.sleep(100)
        await bench.inbox.send(TakeBack(offer.prompts))
        with pytest.raises(RoomError) as refusal:
            await bench.submit(submission("too many"))
        assert refusal.value.retry_after_s == 5.0


async def test_closing_for_good_tells_nobody_of_groups() -> None:
    """Everybody is cancelled, and nothing else is said of them."""
    async with open_bench() as bench:
        for author in (ANN, BOB, CAT):
            await bench.submit(submission(ASKED, author=author))
        assert await bench.cancel_all() == 3
        post = bench.recorder.posts[-1]
        rows = [change for change in post.changes if isinstance(change, Prompt)]
    assert types_of([post]) == [*["prompt.cancelled"] * 3, "room.changed"]
    assert {(row.state, row.merge) for row in rows} == {(PromptState.CANCELLED, None)}


async def test_a_room_may_merge_nothing() -> None:
    """Or only what is the same."""
    for stages, turns in (((), [["p1"], ["p2"], ["p3"]]), ((Stage.SAME,), [["p1", "p2"], ["p3"]])):
        async with open_bench(queue=Queue(stages)) as bench:
            for text, author in ((ASKED, ANN), (ASKED, BOB), (ASKED.lower(), CAT)):
                await bench.submit(replace(submission(text), author=author))
            assert await bench.turns() == turns
