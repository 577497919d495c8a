"""The task that asks a language model, with the real client and a stub of its API."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from concordiad.config.tables import Gemini as Settings
from concordiad.core.grouping import Candidate, DoubtReason, Grouped
from concordiad.meaning import Grouper
from concordiad.meaning.client import open_gemini
from concordiad.meaning.replies import Trouble
from concordiad.room.matcher import MatcherEnds, run_matcher
from concordiad.room.to_batcher import SUBMITTERS, Judged, ToBatcher
from concordiad.room.to_matcher import QUESTIONS, Judge
from tests.support.gemini_stub import KEY, Fail, GeminiStub, Hang, Says

CANDIDATES = (Candidate("id-1", "vera", "Why does it fail?"), Candidate("id-2", "tom", "please, why does it fail"))
TOGETHER = (Grouped(("id-1", "id-2"), "please, why does it fail", 0.95),)
Ends = tuple[trio.MemorySendChannel[Judge], trio.MemoryReceiveChannel[ToBatcher]]


@pytest.fixture
def api() -> Iterator[GeminiStub]:
    """The stub."""
    with GeminiStub() as stub:
        yield stub


@asynccontextmanager
async def matching(grouper: Grouper) -> AsyncIterator[Ends]:
    """Run the matcher with the batcher's ends in the test's hands; it has ended by itself on leaving."""
    questions, inbox = trio.open_memory_channel[Judge](QUESTIONS)
    to_batcher, answers = trio.open_memory_channel[ToBatcher](SUBMITTERS)
    with trio.fail_after(60), answers:
        async with trio.open_nursery() as nursery:
            with questions:
                nursery.start_soon(run_matcher, "main", grouper, MatcherEnds(inbox, to_batcher))
                yield questions, answers


@asynccontextmanager
async def matching_by(api: GeminiStub) -> AsyncIterator[Ends]:
    """The same with the real client."""
    async with open_gemini(Settings(base_url=api.url, deadline_s=60), KEY) as gemini, matching(gemini) as ends:
        yield ends


async def answer(answers: trio.MemoryReceiveChannel[ToBatcher]) -> Judged:
    """Wait for the next answer."""
    judged = await answers.receive()
    assert isinstance(judged, Judged)
    return judged


async def test_groups_come_back_as_a_message(api: GeminiStub) -> None:
    """With the question's own number and candidates, and how long it took."""
    async with matching_by(api) as (questions, answers):
        await questions.send(Judge(7, CANDIDATES))
        judged = await answer(answers)
    assert (judged.query, judged.candidates, judged.groups, judged.doubt) == (7, CANDIDATES, TOGETHER, None)
    assert judged.took_s > 0


@pytest.mark.parametrize(
    ("order", "doubt"),
    [(Fail(401), Trouble.KEY_REFUSED), (Says("no"), DoubtReason.NOT_JSON), (Fail(404), Trouble.REFUSED)],
)
async def test_failure_comes_back_with_its_reason(api: GeminiStub, order: Fail | Says, doubt: str) -> None:
    """And the next question is asked as if nothing had been."""
    api.then(order)
    async with matching_by(api) as (questions, answers):
        for query in (1, 2):
            await questions.send(Judge(query, CANDIDATES))
        first, second = await answer(answers), await answer(answers)
    assert (first.query, first.groups, first.doubt) == (1, (), doubt)
    assert (second.query, second.groups, second.doubt) == (2, TOGETHER, None)


async def test_question_is_given_up_when_nobody_asks_any_more(api: GeminiStub) -> None:
    """Whoever drains does not wait for a model: the matcher ends at once, and tells nobody."""
    api.otherwise = Hang()
    async with matching_by(api) as (questions, answers):
        await questions.send(Judge(1, CANDIDATES))
        await trio.to_thread.run_sync(api.wait_for, lambda seen: len(seen) == 1)
        questions.close()
        with pytest.raises(trio.EndOfChannel):
            await answers.receive()


async def test_matcher_can_be_cancelled(api: GeminiStub) -> None:
    """In the middle of a question."""
    api.otherwise = Hang()
    with trio.CancelScope() as scope:
        async with matching_by(api) as (questions, _):
            await questions.send(Judge(1, CANDIDATES))
            await trio.to_thread.run_sync(api.wait_for, lambda seen: len(seen) == 1)
            scope.cancel()
    assert scope.cancelled_caught


class CountingGrouper:
    """Groups nothing, and counts how many ask it at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def group(self, candidates: Sequence[Candidate]) -> list[Grouped]:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        self.now -= 1
        return []


async def test_one_question_at_a_time() -> None:
    """However many are sent, a room asks the model one after the other."""
    grouper = CountingGrouper()
    async with matching(grouper) as (questions, answers), trio.open_nursery() as nursery:
        nursery.start_soon(_send_all, questions, range(5))
        assert {(await answer(answers)).query for _ in range(5)} == set(range(5))
    assert grouper.most == 1


async def _send_all(questions: trio.MemorySendChannel[Judge], queries: Sequence[int]) -> None:
    for query in queries:
        await questions.send(Judge(query, CANDIDATES))


async def test_answer_that_nobody_wants_is_dropped(api: GeminiStub) -> None:
    """A batcher that is gone is no error of the matcher's."""
    async with matching_by(api) as (questions, answers):
        answers.close()
        await questions.send(Judge(1, CANDIDATES))
        await trio.to_thread.run_sync(api.wait_for, lambda seen: len(seen) == 1)
