"""A batcher between a recorder and a writer's inbox that the test reads."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from concordiad.config.limits import Limits
from concordiad.core.batching import Queue
from concordiad.core.judging import Judging
from concordiad.core.model import Author, Prompt, RoomRow, Stage
from concordiad.journal import Journal, open_memory_journal
from concordiad.room.batcher import Batcher, BatcherEnds, nobody, run_batcher
from concordiad.room.messages import ask
from concordiad.room.to_batcher import (
    SUBMITTERS,
    Cancel,
    CancelAll,
    ListWaiting,
    NextTurn,
    Placed,
    SetPaused,
    Split,
    Submission,
    Submit,
    ToBatcher,
)
from concordiad.room.to_matcher import QUESTIONS, Judge
from concordiad.room.to_writer import Offer, ToWriter
from tests.room.recorders import Recorder
from tests.room.samples import ANN, clock, count_ids

JUDGEMENT_S = 3.0
ROW = RoomRow("main", "/srv/main", "claude")


class Bench:
    """A batcher between a recorder and a writer's inbox that the test reads."""

    def __init__(
        self,
        journal: Journal,
        waiting: Sequence[Prompt],
        limits: Limits,
        queue: Queue | None = None,
        has_company: Callable[[str], bool] = nobody,
        prefix: str = "p",
        judgement_s: float = JUDGEMENT_S,
    ) -> None:
        self.recorder = Recorder(journal)
        self.inbox, inbox = trio.open_memory_channel[ToBatcher](SUBMITTERS)
        to_writer, self.offers = trio.open_memory_channel[ToWriter](1)
        to_matcher, self.questions = trio.open_memory_channel[Judge](QUESTIONS)
        self.ends = BatcherEnds(inbox, self.recorder.ends, to_writer, to_matcher)
        queue = Queue() if queue is None else queue
        judging = Judging(queue, judgement_s) if Stage.MEANING in queue.stages else None
        about = ("main", list(waiting), queue, limits, journal, count_ids(prefix), clock, has_company, judging)
        self.batcher = Batcher(*about)
        self.scope = trio.CancelScope()
        self.has_ended = False

    async def work(self) -> None:
        """Run the batcher until it ends or is cancelled."""
        with self.scope:
            await run_batcher(self.batcher, self.ends)
        self.has_ended = True

    async def submit(self, wanted: Submission) -> Placed:
        """Hand in a prompt and wait for the answer."""
        return await ask(self.inbox, lambda reply: Submit(wanted, reply))

    async def cancel(self, identity: str, by: Author = ANN) -> Placed:
        """Cancel a prompt and wait for the answer."""
        return await ask(self.inbox, lambda reply: Cancel(identity, by, reply))

    async def split(self, identity: str, by: Author = ANN) -> Placed:
        """Take a prompt out of its group and wait for the answer."""
        return await ask(self.inbox, lambda reply: Split(identity, by, reply))

    async def waiting(self) -> list[str]:
        """List the texts of the waiting prompts by place."""
        return [placed.prompt.text for placed in await ask(self.inbox, ListWaiting)]

    async def turns(self) -> list[list[str]]:
        """List the waiting prompts' ids by turn."""
        turns: dict[int | None, list[str]] = {}
        for placed in await ask(self.inbox, ListWaiting):
            turns.setdefault(placed.place, []).append(placed.prompt.id)
        return list(turns.values())

    async def pause(self) -> None:
        """Hold the waiting prompts back."""
        await ask(self.inbox, lambda reply: SetPaused(replace(ROW, is_paused=True), ANN, reply))

    async def resume(self) -> None:
        """Go on after a pause."""
        await ask(self.inbox, lambda reply: SetPaused(ROW, ANN, reply))

    async def listed(self) -> list[Placed]:
        """List the waiting prompts with their places."""
        return await ask(self.inbox, ListWaiting)

    async def cancel_all(self) -> int:
        """Close the queue for good; tells how many prompts were cancelled."""
        return await ask(self.inbox, lambda reply: CancelAll(replace(ROW, is_closed=True), ANN, reply))

    async def next_offer(self) -> str:
        """Ask for the next turn as the writer does, and give the text that is offered."""
        await self.inbox.send(NextTurn())
        return text_of(await self.offers.receive())

    async def next_turn(self) -> Offer:
        """Ask for the next turn as the writer does, and give what is offered."""
        await self.inbox.send(NextTurn())
        return await self.offered()

    async def offered(self) -> Offer:
        """Wait for the turn that is offered."""
        offer = await self.offers.receive()
        assert isinstance(offer, Offer)
        return offer


def text_of(message: ToWriter) -> str:
    """Give the text of the one prompt that is offered."""
    assert isinstance(message, Offer)
    ((offered, _),) = message.prompts
    return offered.text


@asynccontextmanager
async def open_bench(
    waiting: Sequence[Prompt] = (),
    limits: Limits | None = None,
    queue: Queue | None = None,
    has_company: Callable[[str], bool] = nobody,
    judgement_s: float = JUDGEMENT_S,
) -> AsyncIterator[Bench]:
    """Run a batcher; it ends with the block."""
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        bench = Bench(journal, waiting, limits or Limits(), queue, has_company, judgement_s=judgement_s)
        with bench.recorder.ends.clone():
            nursery.start_soon(bench.recorder.work)
            nursery.start_soon(bench.work)
            with bench.inbox:
                yield bench
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
