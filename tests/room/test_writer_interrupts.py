"""The writer alone: stopping what the agent works on, and what people are told of it."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.codes import CONFLICT
from concordiad.core.model import Author, Prompt, PromptState, Turn
from concordiad.errors import RoomError
from tests.room import cli_lines
from tests.room.samples import ANN, BOB, prompt
from tests.room.writer_bench import Bench, open_bench


class Asking:
    """Somebody who has asked for an interrupt and waits for the answer."""

    def __init__(self, bench: Bench, nursery: trio.Nursery) -> None:
        self._bench = bench
        self._nursery = nursery
        self.answers: list[Turn | RoomError] = []

    async def interrupt(self, turn: str | None = None, by: Author = ANN) -> None:
        """Ask in a task of its own."""
        self._nursery.start_soon(self._ask, turn, by)
        await wait_all_tasks_blocked()

    async def _ask(self, turn: str | None, by: Author) -> None:
        try:
            self.answers.append(await self._bench.interrupt(turn, by))
        except RoomError as error:
            self.answers.append(error)


async def test_an_interrupt_is_answered_once_the_agent_has_answered_it() -> None:
    """The agent is asked, and its answer is what people wait for."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        asking = Asking(bench, nursery)
        await asking.interrupt(turn)
        request = bench.stdin.requests[-1]
        assert (request["request"], asking.answers) == ({"subtype": "interrupt"}, [])
        await bench.say(cli_lines.reply(request["request_id"], still_queued=[]))
        (answer,) = asking.answers
        assert isinstance(answer, Turn) and answer.id == turn


async def test_an_interrupted_turn_names_who_stopped_it() -> None:
    """Its prompts are cancelled."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin(prompt("p1"))
        await Asking(bench, nursery).interrupt(turn, BOB)
        await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"]), cli_lines.aborted(turn))
        (told,) = bench.turns()
        assert (told["outcome"], told["reason"]) == ("interrupted", "interrupted by bob")
        assert bench.changes(Prompt)[-1].state is PromptState.CANCELLED


async def test_a_turn_that_finished_first_is_completed() -> None:
    """An interrupt that comes too late changes no outcome."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        asking = Asking(bench, nursery)
        await asking.interrupt()
        await bench.finish(turn)
        await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"]))
        assert ([closed["outcome"] for closed in bench.turns()], len(asking.answers)) == (["completed"], 1)


async def test_no_line_is_written_while_an_interrupt_is_unanswered() -> None:
    """The agent might apply it to the next line."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        await Asking(bench, nursery).interrupt()
        bench.taken_to_batcher()
        await bench.finish(turn)
        assert bench.asked() == 0
        await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"]))
        assert bench.asked() == 1


async def test_with_nothing_running_there_is_nothing_to_stop() -> None:
    """It is a conflict, and the agent is not bothered."""
    async with open_bench() as bench:
        with pytest.raises(RoomError, match="no turn is running"):
            await bench.interrupt()
        await bench.start()
        with pytest.raises(RoomError, match="no turn is running") as refusal:
            await bench.interrupt()
        assert (refusal.value.code, len(bench.stdin.requests)) == (CONFLICT, 2)


async def test_another_turn_than_the_named_one_is_left_alone() -> None:
    """Who wants to stop what is over already must not stop what runs now."""
    async with open_bench() as bench:
        await bench.start()
        first = await bench.begin(prompt("p1"))
        await bench.finish(first)
        second = await bench.begin(prompt("p2"))
        with pytest.raises(RoomError, match=f"{second} is: nothing was stopped"):
            await bench.interrupt(first)
        assert len(bench.stdin.requests) == 2


async def test_a_turn_of_the_agents_own_can_be_stopped() -> None:
    """It is what runs."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        await bench.say(cli_lines.init())
        await Asking(bench, nursery).interrupt()
        await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"]), cli_lines.aborted())
        assert [(turn["origin"], turn["reason"]) for turn in bench.turns()] == [("agent", "interrupted by ann")]


async def test_a_turn_that_waits_behind_the_agents_own_cannot_be_stopped_yet() -> None:
    """An interrupt would hit the other one."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.init())
        with pytest.raises(RoomError, match="has not begun"):
            await bench.interrupt(turn)


async def test_an_agent_that_refuses_is_quoted() -> None:
    """People are told its complaint."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        await bench.begin()
        asking = Asking(bench, nursery)
        await asking.interrupt()
        await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"], error="not now"))
        (answer,) = asking.answers
        assert isinstance(answer, RoomError) and "not now" in str(answer)


async def test_everybody_who_asks_is_answered_and_the_first_is_named() -> None:
    """Two interrupts are two requests to the agent, for one turn."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        asking = Asking(bench, nursery)
        await asking.interrupt(by=BOB)
        await asking.interrupt(by=ANN)
        replies = [cli_lines.reply(line["request_id"]) for line in bench.stdin.requests[2:]]
        await bench.say(*replies, cli_lines.aborted(turn))
        assert (len(asking.answers), bench.turns()[0]["reason"]) == (2, "interrupted by bob")


async def test_an_interrupt_is_answered_when_the_agent_dies_of_it() -> None:
    """The turn is over, which is what was wanted."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        asking = Asking(bench, nursery)
        await asking.interrupt(turn)
        await bench.lose()
        (answer,) = asking.answers
        assert isinstance(answer, Turn)
        assert [(told["outcome"], told["reason"]) for told in bench.turns()] == [("interrupted", "interrupted by ann")]


async def test_an_interrupt_is_answered_when_the_writer_is_cancelled() -> None:
    """Whoever waits is told that the room closes."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        await bench.begin()
        asking = Asking(bench, nursery)
        await asking.interrupt()
        bench.scope.cancel()
        await wait_all_tasks_blocked()
        (answer,) = asking.answers
        assert isinstance(answer, RoomError) and "closing" in str(answer)


async def test_an_agent_that_never_answers_an_interrupt_is_ended(autojump_clock: MockClock) -> None:
    """Also when its turn ended: no line could ever be written again."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        asking = Asking(bench, nursery)
        await asking.interrupt()
        await bench.finish(turn)
        await trio.sleep(4)
        assert (bench.end.is_set(), asking.answers) == (False, [])
        await trio.sleep(2)
        assert (bench.end.is_set(), bench.notices()) == (True, ["agent_stuck"])
        await bench.lose()
        assert len(asking.answers) == 1


async def test_an_agent_that_goes_on_after_an_interrupt_is_ended(autojump_clock: MockClock) -> None:
    """It said that it would stop, and did not."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        await bench.begin()
        await Asking(bench, nursery).interrupt()
        await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"]))
        await trio.sleep(6)
        assert bench.end.is_set()
        await bench.lose()
        assert [turn["outcome"] for turn in bench.turns()] == ["interrupted"]


async def test_an_answered_interrupt_ends_nobody_later(autojump_clock: MockClock) -> None:
    """The turn is over and the agent may live on."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        turn = await bench.begin()
        await Asking(bench, nursery).interrupt()
        await bench.say(cli_lines.reply(bench.stdin.requests[-1]["request_id"]), cli_lines.aborted(turn))
        await bench.say(cli_lines.life(turn, "cancelled"), cli_lines.idle())
        await trio.sleep(3600)
        assert not bench.end.is_set()
