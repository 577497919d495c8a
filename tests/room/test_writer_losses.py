"""The writer alone: an agent that dies, breaks its input, or never gets ready."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.model import AgentSession, Prompt, PromptState
from concordiad.room.to_writer import Away
from tests.room import cli_lines
from tests.room.samples import GRACES, drafts_of, prompt
from tests.room.stdins import BrokenStdin, DeadStdin, HalfLineStdin, ReadingStdin, StuckStdin
from tests.room.writer_bench import Bench, open_bench


def outcome(bench: Bench) -> tuple[str, str, PromptState]:
    """Tell how the one turn ended: its outcome, the first word of the reason, its prompt's state."""
    (turn,) = bench.turns()
    return turn["outcome"], turn["reason"].partition(":")[0], bench.changes(Prompt)[-1].state


async def test_a_death_before_the_acknowledgement_is_uncertain() -> None:
    """Nobody knows whether the agent took the line."""
    async with open_bench() as bench:
        await bench.start()
        await bench.offer()
        await bench.lose()
        assert outcome(bench) == ("uncertain", "agent_exited", PromptState.UNCERTAIN)


@pytest.mark.parametrize("word", ["queued", "started"])
async def test_a_death_after_the_acknowledgement_is_a_failure(word: str) -> None:
    """The agent said that it had the line."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.offer()
        await bench.say(cli_lines.life(turn, word))
        await bench.lose("signal SIGSEGV")
        assert outcome(bench) == ("failed", "agent_exited", PromptState.FAILED)
        assert "SIGSEGV" in bench.turns()[0]["reason"]


async def test_the_acknowledgement_of_another_line_proves_nothing() -> None:
    """Turns are told apart by their ids."""
    async with open_bench() as bench:
        await bench.start()
        await bench.offer()
        await bench.say(cli_lines.life("another", "queued"), cli_lines.life("another", "started"))
        await bench.lose()
        assert outcome(bench) == ("uncertain", "agent_exited", PromptState.UNCERTAIN)


async def test_both_turns_end_with_their_agent() -> None:
    """One of its own and one of ours that waited behind it."""
    async with open_bench() as bench:
        await bench.start()
        await bench.offer(prompt("p1"))
        await bench.say(cli_lines.init())
        await bench.lose()
        assert [(turn["origin"], turn["outcome"]) for turn in bench.turns()] == [
            ("agent", "failed"),
            ("prompts", "uncertain"),
        ]


async def test_a_death_between_turns_closes_nothing() -> None:
    """There is nothing to tell but by the keeper."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        await bench.finish(turn)
        assert await bench.lose() is False
        assert ([closed["outcome"] for closed in bench.turns()], bench.notices()) == (["completed"], [])


async def test_the_next_incarnation_gets_the_next_turn() -> None:
    """The room goes on with whoever comes."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin(prompt("p1"))
        await bench.lose()
        bench.taken_to_batcher()
        stdin = await bench.start()
        assert bench.asked() == 1
        turn = await bench.begin(prompt("p2"))
        await bench.finish(turn)
        assert [line["uuid"] for line in stdin.prompts] == [turn]
        assert [closed["outcome"] for closed in bench.turns()] == ["failed", "completed"]


async def test_a_first_turn_that_dies_takes_the_conversation_with_it() -> None:
    """The agent had saved nothing: the next one starts anew, and people are told."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.lose()
        assert bench.notices() == ["context_lost"]
        assert bench.changes(AgentSession) == [AgentSession("main", "claude-code", None, None, has_history=False)]


async def test_a_later_death_keeps_the_conversation() -> None:
    """What was saved can be resumed."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin(prompt("p1"))
        await bench.finish(turn)
        await bench.begin(prompt("p2"))
        await bench.lose()
        assert bench.notices() == []
        assert bench.changes(AgentSession)[-1].session_id == "session"


@pytest.mark.parametrize("stdin", [BrokenStdin(), StuckStdin()], ids=["broken", "stuck"])
async def test_a_line_of_which_no_byte_arrived_waits_again(stdin: ReadingStdin, autojump_clock: MockClock) -> None:
    """The prompt is returned to its place, and the agent is ended."""
    async with open_bench() as bench:
        await bench.start(stdin)
        bench.taken_to_batcher()
        await bench.offer(prompt("p1"))
        await trio.sleep(31)
        assert (bench.returned(), bench.end.is_set(), stdin.is_closed) == (["p1"], True, True)
        assert stdin.prompts == []
        (waiting,) = bench.changes(Prompt)[-1:]
        assert (waiting.state, waiting.turn) == (PromptState.WAITING, None)
        assert [body["turn"]["state"] for body in drafts_of(bench.recorder.posts, "turn.returned")] == ["returned"]
        await bench.lose()
        assert bench.turns() == []


async def test_a_returned_prompt_is_offered_to_the_next_incarnation() -> None:
    """And is answered there."""
    async with open_bench() as bench:
        await bench.start(BrokenStdin())
        bench.taken_to_batcher()
        waiting = prompt("p1")
        await bench.offer(waiting)
        await bench.lose()
        bench.taken_to_batcher()
        await bench.start()
        turn = await bench.begin(waiting)
        await bench.finish(turn)
        assert [closed["prompts"] for closed in bench.turns()] == [["p1"]]


async def test_half_a_line_is_not_written_again() -> None:
    """The agent may have read it: its turn stays open until the agent is gone, then it is uncertain."""
    async with open_bench() as bench:
        await bench.start(HalfLineStdin())
        bench.taken_to_batcher()
        await bench.offer(prompt("p1"))
        assert (bench.returned(), bench.end.is_set(), bench.turns()) == ([], True, [])
        await bench.lose()
        assert outcome(bench) == ("uncertain", "agent_exited", PromptState.UNCERTAIN)


async def test_an_agent_that_takes_no_handshake_is_ended() -> None:
    """A process without ears is of no use."""
    async with open_bench() as bench:
        await bench.spawn(DeadStdin())
        assert (bench.end.is_set(), bench.stdin.is_closed) == (True, True)
        await bench.lose()
        await bench.start()
        assert bench.asked() == 1


async def test_an_agent_that_never_gets_ready_is_ended(autojump_clock: MockClock) -> None:
    """After its grace, also if it answered some of the first requests."""
    async with open_bench() as bench:
        stdin = await bench.spawn()
        await bench.say(cli_lines.reply(stdin.requests[0]["request_id"]))
        await trio.sleep(59)
        assert not bench.end.is_set()
        await trio.sleep(2)
        assert (bench.end.is_set(), stdin.is_closed) == (True, True)


async def test_an_agent_that_is_ready_may_take_its_time(autojump_clock: MockClock) -> None:
    """The grace is for the start only."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await trio.sleep(GRACES.start_s * 10)
        assert not bench.end.is_set()


async def test_an_agent_that_hangs_after_its_result_is_ended(autojump_clock: MockClock) -> None:
    """The answer is kept; the next incarnation gets the next turn."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        await bench.say(cli_lines.result(turn))
        await trio.sleep(GRACES.settle_s - 1)
        assert not bench.end.is_set()
        await trio.sleep(2)
        assert (bench.end.is_set(), bench.notices()) == (True, ["agent_stuck"])
        await bench.lose()
        assert [closed["outcome"] for closed in bench.turns()] == ["completed"]


async def test_the_next_start_has_its_own_grace(autojump_clock: MockClock) -> None:
    """What is left of an earlier start counts for nobody."""
    async with open_bench() as bench:
        await bench.spawn()
        await trio.sleep(50)
        await bench.lose()
        await bench.spawn()
        await trio.sleep(50)
        assert not bench.end.is_set()


async def test_a_resumed_agent_may_speak_before_it_is_ready() -> None:
    """Whatever it says of earlier lines while it starts, it gets ready all the same."""
    async with open_bench() as bench:
        await bench.spawn(is_resumed=True)
        await bench.say(
            cli_lines.life("old", "completed"), cli_lines.idle(), cli_lines.init(), cli_lines.result(), cli_lines.idle()
        )
        assert bench.asked() == 0
        await bench.answer_handshake()
        assert bench.asked() == 1


async def test_why_there_is_no_agent_is_described() -> None:
    """The keeper says when it will try again and what went wrong."""
    async with open_bench() as bench:
        await bench.start()
        await bench.lose("exit status 1: no credentials")
        told = await bench.describe()
        assert (told["state"], told["reason"]) == ("agent-down", "exit status 1: no credentials")
        await bench.inbox.send(Away("agent-failing", "exit status 1: no credentials"))
        told = await bench.describe()
        assert (told["state"], told["pid"], told["turn"]) == ("agent-failing", None, None)


async def test_a_cancelled_writer_ends_at_once() -> None:
    """Also while it waits for a record."""
    async with open_bench() as bench:
        await bench.start()
        bench.recorder.hold()
        await bench.offer()
        bench.scope.cancel()
        await wait_all_tasks_blocked()
        assert bench.has_ended
