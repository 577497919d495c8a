"""The writer alone, in virtual time: a turn that is never acknowledged, or of which nothing comes, and what is told."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.config.limits import Graces
from concordiad.core.faults import RULES, Action, Fault, fault_of
from concordiad.core.model import Prompt, PromptState, rfc3339
from concordiad.room.messages import ask
from concordiad.room.to_writer import FromAgent, Mute, Spoke
from tests.room import cli_lines
from tests.room.samples import GRACES, NOW, drafts_of, prompt
from tests.room.stdins import GaggedStdin, StuckStdin
from tests.room.writer_bench import Bench, open_bench

ACK_S, FIRST_S = 20.0, 50.0
QUICK = evolve(GRACES, ack_s=ACK_S, first_output_s=FIRST_S)


def interrupts(bench: Bench) -> int:
    """Count the interrupts that the agent was sent."""
    return sum(line["request"]["subtype"] == "interrupt" for line in bench.stdin.requests)


async def speak(bench: Bench, turn: str) -> None:
    """Let the pump tell of a turn's first output."""
    facts = [Spoke(turn, trio.current_time())]
    await ask(bench.inbox, lambda reply: FromAgent(bench.incarnation, facts, reply))
    await wait_all_tasks_blocked()


async def test_a_turn_that_is_never_acknowledged_is_uncertain(autojump_clock: MockClock) -> None:
    """It is interrupted; an agent that does not heed that is ended, and nobody knows whether it has the prompt."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.offer(prompt("p1"))
        await trio.sleep(ACK_S - 1)
        assert interrupts(bench) == 0
        await trio.sleep(2)
        assert interrupts(bench) == 1
        described = (await bench.describe())["turn"]
        assert described["stopping"].startswith("no_acknowledgement: the agent did not say within 20 s")
        await trio.sleep(GRACES.interrupt_s)
        assert bench.end.is_set()
        (notice,) = drafts_of(bench.recorder.posts, "notice")
        assert (notice["code"], notice["fault"]) == ("agent_stuck", "interrupt_ignored")
        await bench.lose()
        (told,) = bench.turns()
        assert (told["outcome"], fault_of(told["reason"])) == ("uncertain", Fault.NO_ACKNOWLEDGEMENT)
        assert bench.changes(Prompt)[-1].state is PromptState.UNCERTAIN
        await bench.start()
        bench.taken_to_batcher()
        await bench.finish(await bench.begin(prompt("p2")))
        assert [turn["outcome"] for turn in bench.turns()] == ["uncertain", "completed"]


@pytest.mark.parametrize("sign", ["queued", "output"])
async def test_any_sign_of_a_turn_acknowledges_it(autojump_clock: MockClock, sign: str) -> None:
    """Its lifecycle, or something of it."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        turn = await bench.offer(prompt("p1"))
        await (bench.say(cli_lines.life(turn, "queued")) if sign == "queued" else speak(bench, turn))
        await trio.sleep(ACK_S + 5)
        assert interrupts(bench) == 0


async def test_a_turn_of_which_nothing_comes_is_stopped(autojump_clock: MockClock) -> None:
    """What the agent says of itself is no output of the turn."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        turn = await bench.begin(prompt("p1"))
        await trio.sleep(FIRST_S - 1)
        await bench.say(cli_lines.line("system", subtype="status"))
        assert interrupts(bench) == 0
        await trio.sleep(2)
        assert interrupts(bench) == 1
        answer = cli_lines.reply(bench.stdin.requests[-1]["request_id"])
        await bench.say(answer, cli_lines.aborted(turn), cli_lines.life(turn, "cancelled"), cli_lines.idle())
        (told,) = bench.turns()
        reason = "no_first_output: nothing of the turn came within 50 s"
        assert (told["outcome"], told["reason"]) == ("timed_out", reason)
        fault = (await bench.describe())["fault"]
        assert (fault["fault"], fault["message"]) == ("no_first_output", "nothing of the turn came within 50 s")


async def test_a_first_word_is_enough(autojump_clock: MockClock) -> None:
    """From then on silence is what counts."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await speak(bench, await bench.begin(prompt("p1")))
        await trio.sleep(FIRST_S * 2)
        assert interrupts(bench) == 0


async def test_an_announced_retry_begins_the_wait_anew(autojump_clock: MockClock) -> None:
    """The agent says why nothing comes, and asks again then."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await bench.begin(prompt("p1"))
        await trio.sleep(FIRST_S - 1)
        await bench.say(cli_lines.api_retry(30))
        await trio.sleep(FIRST_S + 29)
        assert interrupts(bench) == 0
        await trio.sleep(2)
        assert interrupts(bench) == 1


async def test_a_limit_of_nothing_never_comes(autojump_clock: MockClock) -> None:
    """Zero turns each of them off."""
    async with open_bench(evolve(GRACES, ack_s=0, first_output_s=0, silence_s=0)) as bench:
        await bench.start()
        await bench.offer(prompt("p1"))
        await trio.sleep(80_000)
        assert interrupts(bench) == 0


async def test_an_agent_that_reads_nothing_is_stuck(autojump_clock: MockClock) -> None:
    """Its pipe was full for as long as a line may take: the prompt waits again, and people are told why."""
    async with open_bench(QUICK) as bench:
        await bench.start(StuckStdin())
        await bench.offer(prompt("p1"))
        await trio.sleep(GRACES.write_s + 1)
        (notice,) = drafts_of(bench.recorder.posts, "notice")
        assert (notice["code"], notice["fault"]) == ("agent_stuck", "not_reading")
        assert bench.end.is_set()
        await bench.lose()
        assert bench.farewell.parting.value == "stuck"
        assert (bench.turns(), bench.changes(Prompt)[-1].state) == ([], PromptState.WAITING)


@pytest.mark.parametrize(("has_own", "outcomes"), [(False, ["uncertain"]), (True, ["failed", "uncertain"])])
async def test_a_turn_whose_line_was_not_read_to_its_end_says_so(
    autojump_clock: MockClock, has_own: bool, outcomes: list[str]
) -> None:
    """The fault for which the agent was ended is the reason of what was with it, and stays the room's last one."""
    async with open_bench() as bench:
        await bench.start(GaggedStdin())
        await bench.offer(prompt("p1"))
        if has_own:
            await bench.say(cli_lines.init())
        await trio.sleep(GRACES.write_s + 1)
        await bench.lose("signal SIGKILL")
        turns = bench.turns()
        assert [turn["outcome"] for turn in turns] == outcomes
        assert {turn["reason"].partition(":")[0] for turn in turns} == {"not_reading"}
        assert all("SIGKILL" in turn["reason"] for turn in turns)
        fault = (await bench.describe())["fault"]
    assert (fault["fault"], fault["message"]) == ("not_reading", turns[-1]["reason"].partition(": ")[2])


async def test_whoever_asks_is_answered_while_the_agent_reads_nothing(autojump_clock: MockClock) -> None:
    """What is asked meanwhile is answered before the line is given up, and an interrupt has its own limit."""
    async with open_bench() as bench:
        await bench.start(StuckStdin())
        began_at = trio.current_time()
        await bench.offer(prompt("p1"))
        assert ((await bench.describe())["state"], await bench.approvals()) == ("busy", [])
        assert trio.current_time() == began_at
        assert bench.notices() == []


async def test_an_agent_whose_output_has_ended_gets_no_further_line() -> None:
    """It could not say what became of it."""
    async with open_bench() as bench:
        await bench.start()
        bench.taken_to_batcher()
        await bench.inbox.send(Mute(bench.incarnation))
        await wait_all_tasks_blocked()
        assert (bench.end.is_set(), bench.stdin.is_closed) == (True, True)
        await bench.offer(prompt("p1"))
        assert (bench.returned(), bench.stdin.prompts) == (["p1"], [])


async def test_a_death_keeps_what_was_said() -> None:
    """A part of the answer is delivered with the failure."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin(prompt("p1"))
        await bench.say(cli_lines.message_start(), cli_lines.block_start(), cli_lines.delta("so far"))
        facts = bench.codec.end()
        await ask(bench.inbox, lambda reply: FromAgent(bench.incarnation, facts, reply))
        await bench.lose()
        (told,) = bench.turns()
        assert (told["outcome"], fault_of(told["reason"])) == ("failed", Fault.EXIT_WITHOUT_RESULT)
        assert told["answer"] == "so far"
        assert (await bench.describe())["fault"]["at"] == rfc3339(NOW)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_its_limit_and_its_action(fault: Fault) -> None:
    """A limit is a key of the configuration; what interrupts can be turned off."""
    limit, action = RULES[fault]
    assert limit is None or getattr(Graces(), limit) >= 0
    if action is Action.INTERRUPT:
        assert limit is not None
        assert getattr(evolve(Graces(), **{limit: 0.0}), limit) == 0
    assert fault_of(f"{fault.value}: why") is fault


@pytest.mark.parametrize("reason", [None, "", "interrupted by ben", "api_error 529: overloaded", "silence"])
def test_other_reasons_are_no_fault(reason: str | None) -> None:
    """Only the first word counts, and only with its colon or alone."""
    assert fault_of(reason) is (Fault.SILENCE if reason == "silence" else None)
