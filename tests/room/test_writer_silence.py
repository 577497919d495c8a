"""The writer alone, in virtual time: a turn whose agent falls silent, and one that takes too long."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from concordiad.config.limits import Graces
from concordiad.core.model import Prompt, PromptState
from concordiad.room.messages import Drain
from concordiad.room.to_writer import FromAgent, Parting
from tests.room import cli_lines
from tests.room.samples import GRACES, prompt
from tests.room.stdins import PromptlessStdin, ReadingStdin
from tests.room.writer_bench import Bench, open_bench

SILENCE_S = 100.0
QUICK = evolve(GRACES, silence_s=SILENCE_S, ack_s=0, first_output_s=0)
REASON = "silence: the agent said nothing for 100 s"


class DeafStdin(PromptlessStdin):
    """A prompt is taken and never heard of again."""

    async def fail(self) -> None:
        await trio.lowlevel.checkpoint()


def interrupts(bench: Bench) -> int:
    """Count the interrupts that the agent was sent."""
    return sum(line["request"]["subtype"] == "interrupt" for line in bench.stdin.requests)


async def heed(bench: Bench, *turns: str) -> None:
    """Let the agent heed the interrupt, as the CLI does."""
    answer = cli_lines.reply(bench.stdin.requests[-1]["request_id"])
    ending = [cli_lines.life(turn, "cancelled") for turn in turns]
    await bench.say(answer, cli_lines.aborted(*turns), *ending, cli_lines.idle())


async def be_silent_for(bench: Bench, duration_s: float) -> int:
    """Let time pass, and count the interrupts since the beginning."""
    await trio.sleep(duration_s)
    return interrupts(bench)


async def test_a_silent_turn_is_stopped_and_keeps_what_was_said(autojump_clock: MockClock) -> None:
    """It is interrupted, and ends as timed out with the partial text; the next prompt is answered by the same agent."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        turn = await bench.begin(prompt("p1"))
        await bench.say(cli_lines.message_start(), cli_lines.block_start(), cli_lines.delta("so far"))
        assert await be_silent_for(bench, SILENCE_S - 1) == 0
        assert await be_silent_for(bench, 2) == 1
        await bench.say(cli_lines.text("so far"))
        bench.taken_to_batcher()
        await heed(bench, turn)
        (told,) = bench.turns()
        assert (told["outcome"], told["reason"], told["answer"]) == ("timed_out", REASON, "so far")
        assert bench.changes(Prompt)[-1].state is PromptState.FAILED
        assert (bench.asked(), bench.end.is_set(), bench.notices()) == (1, False, [])
        await bench.finish(await bench.begin(prompt("p2")))
        assert [closed["outcome"] for closed in bench.turns()] == ["timed_out", "completed"]


async def test_a_silent_agent_that_heeds_no_interrupt_is_ended(autojump_clock: MockClock) -> None:
    """The turn is timed out all the same, and what was streamed of it is its answer."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin(prompt("p1"))
        await bench.say(cli_lines.message_start(), cli_lines.block_start(), cli_lines.delta("so "))
        await bench.say(cli_lines.delta("far"))
        await trio.sleep(SILENCE_S + GRACES.interrupt_s - 1)
        assert (interrupts(bench), bench.end.is_set()) == (1, False)
        await trio.sleep(2)
        assert (bench.end.is_set(), bench.notices()) == (True, ["agent_stuck"])
        await bench.inbox.send(FromAgent(bench.incarnation, bench.codec.end()))
        assert await bench.lose("exit status 143") is False
        assert bench.farewell.parting is Parting.STUCK
        (told,) = bench.turns()
        assert (told["outcome"], told["reason"], told["answer"]) == ("timed_out", REASON, "so far")
        assert bench.changes(Prompt)[-1].state is PromptState.FAILED


async def test_an_agent_that_takes_a_prompt_and_says_nothing_is_silent(autojump_clock: MockClock) -> None:
    """Its silence counts from the hand-over."""
    async with open_bench(QUICK) as bench:
        await bench.start(DeafStdin())
        await trio.sleep(1000)
        await bench.offer(prompt("p1"))
        assert await be_silent_for(bench, SILENCE_S - 1) == 0
        assert await be_silent_for(bench, 2) == 1
        await trio.sleep(GRACES.interrupt_s)
        await bench.lose()
        assert [(turn["outcome"], turn["reason"]) for turn in bench.turns()] == [("timed_out", REASON)]


async def test_whatever_the_agent_writes_breaks_its_silence(autojump_clock: MockClock) -> None:
    """Also what means nothing to a room, such as a tool's input that is streamed for long."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin()
        for _ in range(10):
            assert await be_silent_for(bench, SILENCE_S - 1) == 0
            await bench.inbox.send(FromAgent(bench.incarnation, ()))
        assert await be_silent_for(bench, SILENCE_S + 1) == 1


async def test_a_tool_may_take_its_time(autojump_clock: MockClock) -> None:
    """Its silence is not the agent's; when it is over, the agent's counts from there."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.message_start(), cli_lines.tool_use("c1"), cli_lines.tool_use("c2"))
        await bench.say(cli_lines.message_stop())
        assert await be_silent_for(bench, 3600) == 0
        await bench.say(cli_lines.tool_result("c1"))
        assert await be_silent_for(bench, 3600) == 0
        await bench.say(cli_lines.tool_result("c2"))
        assert await be_silent_for(bench, SILENCE_S - 1) == 0
        assert await be_silent_for(bench, 2) == 1


async def test_a_call_in_a_message_that_never_ends_is_no_tool_that_runs(autojump_clock: MockClock) -> None:
    """The API hangs behind it."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.message_start(), cli_lines.tool_use())
        assert await be_silent_for(bench, SILENCE_S + 1) == 1


async def test_a_tool_whose_result_was_unreadable_is_over_with_the_next_message(autojump_clock: MockClock) -> None:
    """The model is asked again only when all of its tools have answered."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.message_start(), cli_lines.tool_use(), cli_lines.message_stop())
        await bench.say(b"unreadable", cli_lines.message_start())
        assert await be_silent_for(bench, SILENCE_S + 1) == 1


async def test_a_subagents_tool_in_the_background_excuses_nobody(autojump_clock: MockClock) -> None:
    """It is none that the turn waits for."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.tool_use("c9", parent_tool_use_id="c1"))
        assert await be_silent_for(bench, SILENCE_S + 1) == 1


async def test_tools_do_not_outlive_their_agent(autojump_clock: MockClock) -> None:
    """The next incarnation's silence counts."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin(prompt("p1"))
        await bench.say(cli_lines.tool_use())
        await bench.lose()
        assert bench.farewell.parting is Parting.DIED
        await bench.start()
        await bench.begin(prompt("p2"))
        assert await be_silent_for(bench, SILENCE_S + 1) == 1


async def test_people_may_take_their_time(autojump_clock: MockClock) -> None:
    """While an approval waits, nobody is silent but they; afterwards the agent's silence counts from the answer."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.permission("r1"))
        assert await be_silent_for(bench, GRACES.approval_s - 1) == 0
        (approval,) = await bench.approvals()
        await bench.answer(approval.id, is_allowed=True)
        assert await be_silent_for(bench, SILENCE_S - 1) == 0
        assert await be_silent_for(bench, 2) == 1


async def test_the_wait_before_a_retry_is_no_silence(autojump_clock: MockClock) -> None:
    """The agent has said for how long it waits; its silence counts from then."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.api_retry(500.0))
        assert await be_silent_for(bench, 500 + SILENCE_S - 1) == 0
        assert await be_silent_for(bench, 2) == 1


async def test_an_idle_agent_may_be_silent(autojump_clock: MockClock) -> None:
    """And the silence before a turn is not the turn's."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        assert await be_silent_for(bench, 3600) == 0
        await bench.begin()
        assert await be_silent_for(bench, SILENCE_S - 1) == 0


async def test_a_silent_turn_of_the_agents_own_is_stopped_too(autojump_clock: MockClock) -> None:
    """Ours that waits behind it then has its turn."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.init())
        assert await be_silent_for(bench, SILENCE_S + 1) == 1
        await heed(bench)
        assert [(turn["origin"], turn["outcome"]) for turn in bench.turns()] == [("agent", "timed_out")]
        assert await be_silent_for(bench, SILENCE_S - 1) == 1
        await bench.say(cli_lines.life(ours, "started"))
        await bench.finish(ours)
        assert bench.turns()[-1]["outcome"] == "completed"


async def test_a_silent_turn_is_stopped_while_the_room_drains(autojump_clock: MockClock) -> None:
    """The drain's grace is longer; the turn still says what really ended it."""
    async with open_bench(evolve(QUICK, turn_s=1000)) as bench:
        await bench.start()
        turn = await bench.begin()
        await bench.inbox.send(Drain())
        assert await be_silent_for(bench, SILENCE_S + 1) == 1
        await heed(bench, turn)
        assert bench.end.is_set()
        await bench.lose("exit status 0")
        assert [(told["outcome"], told["reason"]) for told in bench.turns()] == [("timed_out", REASON)]


async def test_a_drain_that_is_first_is_what_the_turn_is_told(autojump_clock: MockClock) -> None:
    """A turn that is being stopped is not stopped for another reason."""
    async with open_bench(evolve(QUICK, interrupt_s=1000)) as bench:
        await bench.start()
        await bench.begin()
        await bench.inbox.send(Drain())
        assert await be_silent_for(bench, 2 * SILENCE_S) == 1
        await bench.lose()
        assert [(told["outcome"], told["reason"]) for told in bench.turns()] == [
            ("interrupted", "room main was stopped")
        ]


async def test_a_person_who_interrupts_a_silent_turn_is_late(autojump_clock: MockClock) -> None:
    """It stays timed out, and is answered like any other."""
    async with open_bench(QUICK) as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        await trio.sleep(SILENCE_S + 1)
        nursery.start_soon(bench.interrupt)
        await trio.sleep(1)
        await bench.say(*(cli_lines.reply(line["request_id"]) for line in bench.stdin.requests[2:]))
        await bench.say(cli_lines.aborted(turn), cli_lines.life(turn, "cancelled"))
        assert [(told["outcome"], told["reason"]) for told in bench.turns()] == [("timed_out", REASON)]


async def test_a_turn_that_finishes_after_all_is_completed(autojump_clock: MockClock) -> None:
    """The interrupt came too late to change anything."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        turn = await bench.begin()
        await trio.sleep(SILENCE_S + 1)
        await bench.finish(turn)
        assert [told["outcome"] for told in bench.turns()] == ["completed"]


@pytest.mark.parametrize("graces", [evolve(GRACES, silence_s=0, first_output_s=0), Graces()])
async def test_silence_can_be_switched_off(graces: Graces, autojump_clock: MockClock) -> None:
    """Then nothing ends a silent turn; by default something does, but not before the CLI's own 600 s are over."""
    async with open_bench(graces) as bench:
        await bench.start()
        await bench.begin()
        assert await be_silent_for(bench, 630) == 0
        assert await be_silent_for(bench, 3600) == bool(graces.silence_s)


async def test_a_turn_has_a_limit_in_all(autojump_clock: MockClock) -> None:
    """Whatever it does: it speaks, it uses tools, it asks."""
    async with open_bench(evolve(QUICK, turn_limit_s=250)) as bench:
        await bench.start()
        turn = await bench.begin()
        await bench.say(cli_lines.text("well"))
        await bench.say(cli_lines.tool_use(), cli_lines.permission("r1"))
        assert await be_silent_for(bench, 249) == 0
        assert await be_silent_for(bench, 2) == 1
        await heed(bench, turn)
        (told,) = bench.turns()
        reason = "turn_limit: the turn took longer than 250 s"
        assert (told["outcome"], told["reason"], told["answer"]) == ("timed_out", reason, "well")


async def test_the_limit_of_ours_counts_from_its_hand_over(autojump_clock: MockClock) -> None:
    """Whatever the agent works on meanwhile: else its own turns could keep a prompt with it for ever."""
    async with open_bench(evolve(GRACES, turn_limit_s=250)) as bench:
        await bench.start()
        ours = await bench.offer()
        await bench.say(cli_lines.life(ours, "queued"), cli_lines.init())
        assert await be_silent_for(bench, 200) == 0
        await bench.say(cli_lines.result(), cli_lines.life(ours, "started"))
        assert await be_silent_for(bench, 49) == 0
        assert await be_silent_for(bench, 2) == 1
        await heed(bench, ours)
        told = bench.turns()[-1]
        assert (told["origin"], told["outcome"]) == ("prompts", "timed_out")


async def test_a_room_tells_for_how_long_nothing_came(autojump_clock: MockClock) -> None:
    """It is a member of the running turn."""
    async with open_bench(QUICK) as bench:
        await bench.start(ReadingStdin())
        assert (await bench.describe())["turn"] is None
        await trio.sleep(50)
        turn = await bench.begin()
        await trio.sleep(30)
        assert (await bench.describe())["turn"]["silent_s"] == pytest.approx(30)
        await bench.say(cli_lines.text("here"))
        await trio.sleep(20)
        described = (await bench.describe())["turn"]
        assert (described["id"], described["silent_s"]) == (turn, pytest.approx(20))
