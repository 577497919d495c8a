"""The writer alone, in virtual time: a turn of prompts that the agent has while it works on turns of its own."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import evolve
from trio.testing import MockClock

from concordiad.config.limits import Graces
from concordiad.core.faults import Fault, fault_of
from concordiad.core.model import Prompt, PromptState, rfc3339
from concordiad.room.to_writer import FromAgent, Spoke
from tests.room import cli_lines
from tests.room.samples import GRACES, NOW, prompt
from tests.room.writer_bench import Bench, open_bench

ACK_S, FIRST_S, LIMIT_S = 20.0, 50.0, 400.0
QUICK = evolve(GRACES, ack_s=ACK_S, first_output_s=FIRST_S, silence_s=0, turn_limit_s=LIMIT_S)


def interrupts(bench: Bench) -> int:
    """Count the interrupts that the agent was sent."""
    return sum(line["request"]["subtype"] == "interrupt" for line in bench.stdin.requests)


async def answer(bench: Bench) -> None:
    """Let the agent answer the last request."""
    await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"]))


async def own_turn(bench: Bench, lasts_s: float) -> None:
    """Let the agent have a turn of its own, of which there is output at once."""
    await bench.say(cli_lines.text("of my own"))
    own = (await bench.describe())["turn"]["id"]
    await bench.inbox.send(FromAgent(bench.incarnation, [Spoke(own, trio.current_time())]))
    await trio.sleep(lasts_s)
    await bench.say(cli_lines.result(), cli_lines.idle())


@asynccontextmanager
async def flipping(bench: Bench, lasts_s: float, pause_s: float) -> AsyncIterator[None]:
    """Let the agent have one turn of its own after the other, until the block ends."""

    async def flip() -> None:
        while True:
            await own_turn(bench, lasts_s)
            await trio.sleep(pause_s)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flip)
        yield
        nursery.cancel_scope.cancel()


async def test_an_agent_with_turns_of_its_own_has_no_more_time_to_take_a_line(autojump_clock: MockClock) -> None:
    """It reads nothing and goes on by itself: it is interrupted, then ended, and the queue goes on."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.offer(prompt("p1"))
        async with flipping(bench, lasts_s=1.5, pause_s=0.5):
            await trio.sleep(ACK_S - 1)
            assert interrupts(bench) == 0
            await trio.sleep(2)
            assert interrupts(bench) == 1
            await trio.sleep(GRACES.interrupt_s + 1)
            assert (interrupts(bench), bench.end.is_set(), bench.notices()) == (1, True, ["agent_stuck"])
        await bench.lose()
        ours = [turn for turn in bench.turns() if turn["origin"] == "prompts"]
        assert [(turn["outcome"], fault_of(turn["reason"])) for turn in ours] == [
            ("uncertain", Fault.NO_ACKNOWLEDGEMENT)
        ]
        assert bench.changes(Prompt)[-1].state is PromptState.UNCERTAIN
        await bench.start()
        bench.taken_to_batcher()
        await bench.finish(await bench.begin(prompt("p2")))
        assert bench.turns()[-1]["outcome"] == "completed"


async def test_one_long_turn_of_its_own_gives_no_more_time_either(autojump_clock: MockClock) -> None:
    """It ends together with the prompt's, for that one's reason, and is told so."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await trio.sleep(ACK_S / 2)
        await bench.say(cli_lines.text("of my own"))
        await trio.sleep(ACK_S / 2 + 1)
        assert interrupts(bench) == 1
        await trio.sleep(GRACES.interrupt_s)
        assert bench.end.is_set()
        await bench.lose()
        own, told = bench.turns()
        reason = f"turn {ours}, which waits for it, is stopped: no_acknowledgement: the agent did not say within 20 s"
        assert (own["outcome"], own["reason"].startswith(reason)) == ("interrupted", True)
        assert (told["id"], told["outcome"]) == (ours, "uncertain")


async def test_an_acknowledged_line_may_wait(autojump_clock: MockClock) -> None:
    """As the CLI does: it says at once that it has the line, and takes it up after its own turn."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.life(ours, "queued"))
        await own_turn(bench, LIMIT_S / 2)
        await bench.say(cli_lines.life(ours, "started"), cli_lines.init(ours))
        await bench.finish(ours)
        assert (interrupts(bench), [turn["outcome"] for turn in bench.turns()]) == (0, ["completed", "completed"])


async def test_the_wait_for_its_first_output_stands_still_behind_a_turn_of_its_own(autojump_clock: MockClock) -> None:
    """What the agent had before and has after it is counted together."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.life(ours, "queued"))
        await trio.sleep(FIRST_S / 2)
        await own_turn(bench, FIRST_S * 0.9)
        await trio.sleep(FIRST_S / 2 - 1)
        assert interrupts(bench) == 0
        await trio.sleep(2)
        assert interrupts(bench) == 1


async def test_pauses_between_its_own_turns_add_up(autojump_clock: MockClock) -> None:
    """An agent that has a line, and never takes it up although it has the time, is stopped for want of output."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.life(ours, "queued"))
        for _ in itertools.takewhile(lambda _: interrupts(bench) == 0, range(100)):
            await own_turn(bench, 1)
            await trio.sleep(1)
        assert FIRST_S * 2 <= trio.current_time() <= FIRST_S * 2 + 2


async def test_turns_of_its_own_without_end_are_bounded_by_the_turns_time_in_all(autojump_clock: MockClock) -> None:
    """Although it has the line, and each of them is short."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.life(ours, "queued"))
        async with flipping(bench, lasts_s=10, pause_s=0):
            await trio.sleep(LIMIT_S - 5)
            assert interrupts(bench) == 0
            await trio.sleep(5 + GRACES.interrupt_s + 1)
            assert (interrupts(bench), bench.end.is_set()) == (1, True)
        await bench.lose()
        assert [(turn["id"], turn["outcome"]) for turn in bench.turns()[-1:]] == [(ours, "timed_out")]


async def test_a_stopped_turn_that_begins_after_all_is_interrupted_itself(autojump_clock: MockClock) -> None:
    """The first interrupt ended the agent's own turn; the agent need not be ended for the other."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.text("of my own"))
        await trio.sleep(ACK_S + 1)
        await bench.say(cli_lines.life(ours, "queued"))
        await answer(bench)
        assert interrupts(bench) == 1
        await bench.say(cli_lines.aborted(), cli_lines.life(ours, "started"), cli_lines.init(ours))
        assert interrupts(bench) == 2
        await answer(bench)
        await bench.say(cli_lines.aborted(ours), cli_lines.life(ours, "cancelled"), cli_lines.idle())
        await trio.sleep(GRACES.interrupt_s + 1)
        assert (interrupts(bench), bench.end.is_set()) == (2, False)
        own, told = bench.turns()
        assert (own["outcome"], told["outcome"]) == ("interrupted", "timed_out")
        assert fault_of(told["reason"]) is Fault.NO_ACKNOWLEDGEMENT


async def test_its_own_turn_has_its_own_limits_all_the_same(autojump_clock: MockClock) -> None:
    """Ours behind it is not stopped with it, and is taken up afterwards."""
    graces: Graces = evolve(QUICK, silence_s=100.0, first_output_s=0)
    async with open_bench(graces) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.life(ours, "queued"), cli_lines.text("of my own"))
        await trio.sleep(101)
        assert interrupts(bench) == 1
        await answer(bench)
        await bench.say(cli_lines.aborted(), cli_lines.life(ours, "started"), cli_lines.init(ours))
        await bench.finish(ours)
        assert [turn["outcome"] for turn in bench.turns()] == ["timed_out", "completed"]
        assert interrupts(bench) == 1


async def test_a_room_tells_what_waits_behind_a_turn_of_the_agents_own(autojump_clock: MockClock) -> None:
    """Whoever looks sees the turn that is stuck, and not only the agent's own."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        ours = await bench.offer(prompt("p1"))
        assert (await bench.describe())["turn"]["behind"] is None
        await bench.say(cli_lines.text("of my own"))
        waits = {
            "id": ours,
            "prompts": ["p1"],
            "started_at": rfc3339(NOW),
            "acknowledged": False,
            "stopping": None,
        }
        described = (await bench.describe())["turn"]
        assert (described["origin"], described["behind"]) == ("agent", waits)
        await bench.say(cli_lines.life(ours, "queued"))
        assert (await bench.describe())["turn"]["behind"] == waits | {"acknowledged": True}
        await bench.say(cli_lines.result(), cli_lines.life(ours, "started"))
        described = (await bench.describe())["turn"]
        assert (described["id"], described["behind"]) == (ours, None)
