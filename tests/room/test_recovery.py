"""What is closed at the start is closed for whoever reads it after that."""

import trio
from trio.testing import wait_all_tasks_blocked

from concordiad.core.agents import Kind
from concordiad.core.backlog import EpochStart
from concordiad.core.figures import TurnFigures
from concordiad.core.model import AfterCrash, Origin, Outcome, PromptState, Turn
from concordiad.journal import Journal, open_memory_journal
from concordiad.journal.changes import Transaction
from concordiad.journal.turns import read_turn
from concordiad.room.fanout import Transcript, run_fanout
from concordiad.room.recovery import Recovery, recover
from concordiad.room.to_fanout import DRAFTS, Post
from tests.journal.test_outages import forbid
from tests.room.samples import NOW, clock, count_ids, prompt

TURN = Turn("t1", "main", Origin.PROMPTS, ("p1",), "Why?", NOW, "i1")


async def leave_running(journal: Journal) -> Recovery:
    """Record what a daemon has left that was killed in mid-turn."""
    ran = prompt(state=PromptState.RUNNING, turn=TURN.id)
    await journal.record(Transaction("main", changes=[ran, TURN], is_durable=True))
    return Recovery("main", Kind.REHEARSAL, {}, AfterCrash.LEAVE, journal, count_ids("p"), clock, TurnFigures())


async def test_recovery_ends_when_what_it_found_is_recorded() -> None:
    """The first one who asks does not read that a dead turn still runs."""
    posts, inbox = trio.open_memory_channel[Post](DRAFTS)
    is_over = trio.Event()

    async def run(about: Recovery) -> None:
        with posts:
            assert await recover(about, posts) == []
            turn = await journal.read(read_turn, TURN.id)
            assert turn is not None and turn.outcome is Outcome.UNCERTAIN
            is_over.set()

    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        nursery.start_soon(run, await leave_running(journal))
        await wait_all_tasks_blocked()
        assert not is_over.is_set()
        await run_fanout(inbox, Transcript("main", [EpochStart(1, 1)], 0, 1), journal, clock)
    assert is_over.is_set()


async def test_recovery_does_not_wait_for_a_journal_that_cannot_record() -> None:
    """The room serves what there is to read, and its state says why."""
    posts, inbox = trio.open_memory_channel[Post](DRAFTS)
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        about = await leave_running(journal)
        await forbid(journal)
        nursery.start_soon(run_fanout, inbox, Transcript("main", [EpochStart(1, 1)], 0, 1), journal, clock)
        with posts:
            await recover(about, posts)
            await forbid(journal, is_forbidden=False)
            await journal.health.wait_until(is_well=True)
