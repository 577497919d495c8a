"""The writer alone: told to drain in each of its states, hurried, restarted, and put to sleep. In virtual time."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.model import AgentSession
from concordiad.core.turns import WriterState
from concordiad.errors import RoomError
from concordiad.room.messages import Drain, ask
from concordiad.room.to_writer import Hurry, Parting, WantAgent
from tests.room import cli_lines
from tests.room.samples import GRACES, drafts_of, prompt
from tests.room.stdins import BrokenStdin
from tests.room.writer_bench import Bench, open_bench

Act = Callable[[Bench], Awaitable[object]]


async def be_down(bench: Bench) -> None:
    """Have no agent."""


async def be_starting(bench: Bench) -> None:
    """Have an agent that has not answered yet."""
    await bench.spawn()


async def be_idle(bench: Bench) -> None:
    """Have an agent that waits."""
    await bench.start()


async def be_busy(bench: Bench) -> None:
    """Have a turn of ours running."""
    await bench.start()
    await bench.begin()


async def be_settling(bench: Bench) -> None:
    """Have a turn whose result is in, and an agent that has not said that it is done with the line."""
    await bench.start()
    turn = await bench.begin()
    await bench.say(cli_lines.result(turn))


async def be_on_its_own(bench: Bench) -> None:
    """Have a turn of the agent's own running."""
    await bench.start()
    await bench.say(cli_lines.init())


STATES: dict[WriterState, Act] = {
    WriterState.DOWN: be_down,
    WriterState.STARTING: be_starting,
    WriterState.IDLE: be_idle,
    WriterState.BUSY: be_busy,
    WriterState.SETTLING: be_settling,
    WriterState.OWN: be_on_its_own,
}


async def drain(bench: Bench) -> None:
    """Tell the writer to drain."""
    await bench.inbox.send(Drain())
    await wait_all_tasks_blocked()


def test_every_state_is_drained() -> None:
    """A state that is added gets its drain test."""
    assert set(STATES) == set(WriterState)


@pytest.mark.parametrize("state", [WriterState.STARTING, WriterState.IDLE, WriterState.SETTLING])
async def test_an_agent_without_a_turn_is_ended_at_once(state: WriterState, autojump_clock: MockClock) -> None:
    """There is nothing to wait for: its input is closed and the keeper is told."""
    async with open_bench() as bench:
        await STATES[state](bench)
        await drain(bench)
        assert (bench.stdin.is_closed, bench.end.is_set()) == (True, True)
        await bench.lose()
        assert bench.farewell.parting is Parting.CLOSED
        await bench.end_keeper()
        assert bench.has_ended


async def test_without_an_agent_there_is_nothing_to_end(autojump_clock: MockClock) -> None:
    """The writer only waits for the keeper."""
    async with open_bench() as bench:
        await drain(bench)
        await trio.sleep(3600)
        assert not bench.has_ended
        await bench.end_keeper()
        assert bench.has_ended


async def test_an_agent_that_comes_while_draining_is_ended(autojump_clock: MockClock) -> None:
    """Early or late, an incarnation that was on its way gets no turn."""
    for wait_s in (0, 3600):
        async with open_bench() as bench:
            await drain(bench)
            await trio.sleep(wait_s)
            await bench.spawn()
            assert bench.end.is_set()


@pytest.mark.parametrize("state", [WriterState.BUSY, WriterState.OWN])
async def test_a_running_turn_may_end_within_its_grace(state: WriterState, autojump_clock: MockClock) -> None:
    """It is not interrupted, and then the input is closed."""
    async with open_bench() as bench:
        await STATES[state](bench)
        await drain(bench)
        await trio.sleep(29)
        assert (bench.end.is_set(), len(bench.stdin.requests)) == (False, 2)
        turns = [line["uuid"] for line in bench.stdin.prompts]
        await bench.say(cli_lines.result(*turns), cli_lines.idle())
        assert (bench.end.is_set(), [turn["outcome"] for turn in bench.turns()]) == (True, ["completed"])


@pytest.mark.parametrize("state", [WriterState.BUSY, WriterState.OWN])
async def test_after_its_grace_a_running_turn_is_interrupted(state: WriterState, autojump_clock: MockClock) -> None:
    """It ends as interrupted, with the reason."""
    async with open_bench() as bench:
        await STATES[state](bench)
        await drain(bench)
        await trio.sleep(31)
        assert (bench.stdin.requests[-1]["request"]["subtype"], bench.end.is_set()) == ("interrupt", False)
        turns = [line["uuid"] for line in bench.stdin.prompts]
        answer = cli_lines.reply(bench.stdin.requests[-1]["request_id"])
        await bench.say(answer, cli_lines.aborted(*turns), cli_lines.idle())
        (told,) = bench.turns()
        assert (told["outcome"], told["reason"], bench.end.is_set()) == ("interrupted", "room main was stopped", True)


@pytest.mark.parametrize("state", [WriterState.BUSY, WriterState.OWN])
async def test_an_agent_that_ignores_the_interrupt_is_ended(state: WriterState, autojump_clock: MockClock) -> None:
    """After one more grace its input is closed in any case, and its turn counts as interrupted."""
    async with open_bench() as bench:
        await STATES[state](bench)
        await drain(bench)
        await trio.sleep(30 + 4)
        assert not bench.end.is_set()
        await trio.sleep(2)
        assert bench.end.is_set()
        await bench.lose("signal SIGTERM")
        assert [(turn["outcome"], turn["reason"]) for turn in bench.turns()] == [
            ("interrupted", "room main was stopped")
        ]


@pytest.mark.parametrize("state", [WriterState.BUSY, WriterState.OWN])
async def test_hurry_interrupts_at_once(state: WriterState, autojump_clock: MockClock) -> None:
    """The grace of the turn is over, that of the interrupt is not."""
    async with open_bench() as bench:
        await STATES[state](bench)
        await drain(bench)
        await bench.inbox.send(Hurry())
        await wait_all_tasks_blocked()
        assert (bench.stdin.requests[-1]["request"]["subtype"], bench.end.is_set()) == ("interrupt", False)
        await trio.sleep(6)
        assert bench.end.is_set()


async def test_hurry_without_a_drain_is_nothing(autojump_clock: MockClock) -> None:
    """A turn is not stopped by a room that does not close."""
    async with open_bench() as bench:
        await be_busy(bench)
        await bench.inbox.send(Hurry())
        await trio.sleep(600)
        assert (len(bench.stdin.requests), bench.end.is_set()) == (2, False)


async def test_an_agent_that_goes_on_by_itself_is_ended_all_the_same(autojump_clock: MockClock) -> None:
    """One that begins the next turn of its own whenever one is stopped does not outlive the graces."""
    async with open_bench() as bench:
        await be_on_its_own(bench)
        await drain(bench)
        await trio.sleep(30.5)
        for _ in range(20):
            requests = [cli_lines.reply(line["request_id"]) for line in bench.stdin.requests]
            await bench.say(*requests, cli_lines.aborted(), cli_lines.init())
            await trio.sleep(1)
        assert bench.end.is_set()


async def test_both_turns_are_stopped_within_the_graces(autojump_clock: MockClock) -> None:
    """One of the agent's own, and ours that waited behind it: neither counts as the agent's failure."""
    async with open_bench() as bench:
        await bench.start()
        await bench.offer(prompt("p1"))
        await bench.say(cli_lines.init())
        await drain(bench)
        await trio.sleep(30 + 5 + 1)
        assert bench.end.is_set()
        await bench.lose()
        assert [(turn["origin"], turn["outcome"]) for turn in bench.turns()] == [
            ("agent", "interrupted"),
            ("prompts", "interrupted"),
        ]


async def test_nothing_is_handed_over_while_draining() -> None:
    """An offer that was on its way goes back."""
    async with open_bench() as bench:
        await be_busy(bench)
        bench.taken_to_batcher()
        await drain(bench)
        before = len(bench.stdin.prompts)
        await bench.offer(prompt("p2"))
        assert (bench.returned(), len(bench.stdin.prompts)) == (["p2"], before)


async def test_no_turn_is_asked_for_while_draining() -> None:
    """Not even when the agent is idle."""
    async with open_bench() as bench:
        await be_busy(bench)
        await drain(bench)
        bench.taken_to_batcher()
        await bench.finish(bench.stdin.prompts[-1]["uuid"])
        assert bench.taken_to_batcher() == []


async def test_a_returned_line_does_not_hold_the_drain_up(autojump_clock: MockClock) -> None:
    """An agent with a broken input is being ended already."""
    async with open_bench() as bench:
        await bench.start(BrokenStdin())
        await bench.offer()
        await drain(bench)
        await trio.sleep(3600)
        await bench.lose()
        await bench.end_keeper()
        assert bench.has_ended


async def test_a_draining_room_says_so() -> None:
    """Whatever its agent does."""
    async with open_bench() as bench:
        await be_busy(bench)
        await drain(bench)
        assert (await bench.describe())["state"] == "draining"


async def test_questions_are_answered_while_draining() -> None:
    """People may still interrupt what runs."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_busy(bench)
        await drain(bench)
        nursery.start_soon(bench.interrupt)
        await wait_all_tasks_blocked()
        request = bench.stdin.requests[-1]
        assert request["request"]["subtype"] == "interrupt"
        await bench.say(cli_lines.reply(request["request_id"]))


async def restart(bench: Bench, told: list[object], *, is_fresh: bool = False) -> None:
    """Ask for a restart and note the answer."""
    try:
        await bench.restart(is_fresh=is_fresh)
    except RoomError as error:
        told.append(error.code.name)
    else:
        told.append(None)


async def test_a_restart_waits_for_what_runs(autojump_clock: MockClock) -> None:
    """Within the same graces; whoever asked is answered once the old agent is gone."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_busy(bench)
        told: list[object] = []
        nursery.start_soon(restart, bench, told)
        await trio.sleep(29)
        assert not bench.end.is_set()
        await bench.finish(bench.stdin.prompts[-1]["uuid"])
        assert (bench.end.is_set(), told) == (True, [])
        assert await bench.lose() is True
        assert (told, bench.farewell.parting) == ([None], Parting.RESTARTED)
        (changed,) = drafts_of(bench.recorder.posts, "room.changed")
        assert (changed["state"], changed["by"]["name"], changed["fresh"]) == ("restarted", "ann", False)


async def test_a_restart_that_cannot_be_recorded_yet_is_no_refusal(autojump_clock: MockClock) -> None:
    """The agent has ended by then: the host is told so, and the transcript as soon as it can be."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        told: list[object] = []
        bench.recorder.is_refusing = True
        nursery.start_soon(restart, bench, told)
        await wait_all_tasks_blocked()
        assert (told, bench.end.is_set()) == ([], True)
        await bench.lose()
        assert told == [None]
        (changed,) = drafts_of(bench.recorder.posts, "room.changed")
        assert changed["state"] == "restarted"


async def test_a_new_conversation_that_cannot_be_recorded_yet_is_told() -> None:
    """It holds, and is recorded later; whoever asked for it knows that a kill before that would undo it."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start()
        told: list[object] = []
        bench.recorder.is_refusing = True
        nursery.start_soon(lambda: restart(bench, told, is_fresh=True))
        await wait_all_tasks_blocked()
        await bench.lose()
        assert told == ["not_now"]
        assert bench.changes(AgentSession)[-1].session_id is None
        (changed,) = drafts_of(bench.recorder.posts, "room.changed")
        assert (changed["state"], changed["fresh"]) == ("restarted", True)


async def test_a_restart_interrupts_after_the_grace(autojump_clock: MockClock) -> None:
    """The turn is told who restarted the agent."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_busy(bench)
        nursery.start_soon(restart, bench, [])
        await trio.sleep(30 + 5 + 1)
        assert bench.end.is_set()
        await bench.lose()
        assert [turn["reason"] for turn in bench.turns()] == ["ann restarted the agent"]


async def test_a_fresh_restart_forgets_the_conversation() -> None:
    """The next incarnation begins a new one."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_busy(bench)
        await bench.finish(bench.stdin.prompts[-1]["uuid"])
        told: list[object] = []
        nursery.start_soon(lambda: restart(bench, told, is_fresh=True))
        await wait_all_tasks_blocked()
        await bench.lose()
        assert told == [None]
        assert bench.changes(AgentSession)[-1].session_id is None


async def test_one_restart_at_a_time() -> None:
    """A second one while the first goes on is a conflict."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_busy(bench)
        first: list[object] = []
        second: list[object] = []
        nursery.start_soon(restart, bench, first)
        await wait_all_tasks_blocked()
        await restart(bench, second)
        assert (first, second) == ([], ["conflict"])
        await bench.lose()
        assert first == [None]


async def test_a_drain_goes_before_a_restart(autojump_clock: MockClock) -> None:
    """Who wanted the restart is told that the room closes."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_busy(bench)
        told: list[object] = []
        nursery.start_soon(restart, bench, told)
        await wait_all_tasks_blocked()
        await drain(bench)
        assert told == ["not_now"]


async def test_the_agent_after_a_restart_serves() -> None:
    """Nothing of the old stop is left."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_idle(bench)
        bench.taken_to_batcher()
        nursery.start_soon(restart, bench, [])
        await wait_all_tasks_blocked()
        await bench.lose()
        stdin = await bench.start()
        turn = await bench.begin()
        await bench.finish(turn)
        assert (len(stdin.prompts), bench.end.is_set()) == (1, False)


async def test_a_restart_that_waits_is_answered_when_the_writer_is_cancelled() -> None:
    """Whoever waits is told that the room closes."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await be_busy(bench)
        told: list[object] = []
        nursery.start_soon(restart, bench, told)
        await wait_all_tasks_blocked()
        bench.scope.cancel()
        await wait_all_tasks_blocked()
        assert told == ["not_now"]


async def want(bench: Bench, told: list[str], *, is_urgent: bool, known: int = 0) -> None:
    """Ask as the keeper does whether an agent is wanted."""
    wish: int = await ask(bench.inbox, lambda reply: WantAgent(is_urgent, known, reply))
    told.append("wanted" if wish == known else f"wish {wish}")


async def test_an_agent_is_wanted_from_the_start() -> None:
    """The keeper may spawn at once, but a backoff is not cut short."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        told: list[str] = []
        nursery.start_soon(lambda: want(bench, told, is_urgent=False))
        await wait_all_tasks_blocked()
        assert told == ["wanted"]
        nursery.start_soon(lambda: want(bench, told, is_urgent=True))
        await wait_all_tasks_blocked()
        assert told == ["wanted"]
        nursery.cancel_scope.cancel()


async def test_a_restart_cuts_a_backoff_short() -> None:
    """Somebody has mended what was wrong."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        told: list[str] = []
        nursery.start_soon(lambda: want(bench, told, is_urgent=True))
        await wait_all_tasks_blocked()
        answers: list[object] = []
        await restart(bench, answers)
        await wait_all_tasks_blocked()
        assert (told, answers) == (["wish 1"], [None])


async def test_a_restart_is_kept_for_a_keeper_that_has_given_up_waiting() -> None:
    """Its backoff has ended by itself in the same moment; the wish is told until the keeper says that it knows it."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        told: list[str] = []
        async with trio.open_nursery() as backoff:
            backoff.start_soon(lambda: want(bench, told, is_urgent=True))
            await wait_all_tasks_blocked()
            backoff.cancel_scope.cancel()
        await restart(bench, [])
        await want(bench, told, is_urgent=False)
        await want(bench, told, is_urgent=True)
        nursery.start_soon(lambda: want(bench, told, is_urgent=True, known=1))
        await wait_all_tasks_blocked()
        assert told == ["wish 1", "wish 1"]
        await restart(bench, [])
        await wait_all_tasks_blocked()
        assert told == ["wish 1", "wish 1", "wish 2"]
        nursery.cancel_scope.cancel()


async def test_a_restart_is_kept_for_a_keeper_that_has_not_asked_yet() -> None:
    """It still sees to the end of the last agent; the next agent meets the wish, whether it was told or not."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        told: list[str] = []
        await bench.start()
        await bench.lose()
        await restart(bench, [])
        await want(bench, told, is_urgent=True)
        await bench.start()
        await bench.lose()
        nursery.start_soon(lambda: want(bench, told, is_urgent=True))
        await wait_all_tasks_blocked()
        assert told == ["wish 1"]
        nursery.cancel_scope.cancel()


async def test_an_idle_agent_is_put_to_sleep(autojump_clock: MockClock) -> None:
    """After its time without a turn it is ended; no other is wanted until there is a prompt."""
    async with open_bench(idle_s=900) as bench, trio.open_nursery() as nursery:
        await be_idle(bench)
        await trio.sleep(899)
        assert not bench.end.is_set()
        await trio.sleep(2)
        assert bench.end.is_set()
        assert await bench.lose("exit status 143") is True
        assert bench.farewell[:3:2] == (Parting.ASLEEP, "asleep after 900 s without a prompt")
        described = await bench.describe()
        assert (described["state"], described["reason"]) == ("asleep", "no prompt for 900 s")
        told: list[str] = []
        nursery.start_soon(lambda: want(bench, told, is_urgent=False))
        await trio.sleep(3600)
        assert told == []
        await bench.offer(prompt("p1"))
        assert (told, bench.returned()) == (["wanted"], ["p1"])


async def test_a_turn_starts_the_idle_time_anew(autojump_clock: MockClock) -> None:
    """Also one of the agent's own."""
    async with open_bench(idle_s=900) as bench:
        await be_idle(bench)
        await trio.sleep(800)
        turn = await bench.begin()
        await trio.sleep(600)
        await bench.finish(turn)
        await trio.sleep(800)
        assert not bench.end.is_set()
        await bench.say(cli_lines.init())
        await trio.sleep(600)
        await bench.say(cli_lines.result(), cli_lines.idle())
        await trio.sleep(800)
        assert not bench.end.is_set()
        await trio.sleep(101)
        assert bench.end.is_set()


async def test_work_in_the_background_keeps_an_agent_awake(autojump_clock: MockClock) -> None:
    """Its idle time begins with the end of the last task, and the next incarnation has none of them."""
    async with open_bench(idle_s=900) as bench:
        await be_idle(bench)
        await bench.say(cli_lines.background("a", "b"))
        await trio.sleep(3600)
        await bench.say(cli_lines.background("b"))
        await trio.sleep(3600)
        assert not bench.end.is_set()
        await bench.say(cli_lines.background())
        await trio.sleep(899)
        assert not bench.end.is_set()
        await trio.sleep(2)
        assert bench.end.is_set()


async def test_tasks_in_the_background_end_with_their_agent(autojump_clock: MockClock) -> None:
    """The next one has none, and sleeps in time."""
    async with open_bench(idle_s=900) as bench:
        await be_idle(bench)
        await bench.say(cli_lines.background("a"))
        await bench.lose()
        await be_idle(bench)
        await trio.sleep(901)
        assert bench.end.is_set()


async def test_a_prompt_while_the_agent_falls_asleep_wakes_the_next_one(autojump_clock: MockClock) -> None:
    """It goes back to its place, and an agent is wanted again."""
    async with open_bench(idle_s=900) as bench, trio.open_nursery() as nursery:
        await be_idle(bench)
        await trio.sleep(901)
        assert bench.end.is_set()
        bench.taken_to_batcher()
        await bench.offer(prompt("p1"))
        assert bench.returned() == ["p1"]
        await bench.lose("exit status 0")
        told: list[str] = []
        nursery.start_soon(lambda: want(bench, told, is_urgent=False))
        await wait_all_tasks_blocked()
        assert told == ["wanted"]
        stdin = await bench.start()
        await bench.offer(prompt("p1"))
        assert len(stdin.prompts) == 1


async def test_a_restart_wakes_a_sleeping_room(autojump_clock: MockClock) -> None:
    """The agent that is started has its own idle time."""
    async with open_bench(idle_s=900) as bench:
        await be_idle(bench)
        await trio.sleep(901)
        await bench.lose("exit status 0")
        await trio.sleep(3600)
        await bench.restart()
        await bench.start()
        await trio.sleep(899)
        assert not bench.end.is_set()
        await trio.sleep(2)
        assert bench.end.is_set()


async def test_a_sleeping_room_drains(autojump_clock: MockClock) -> None:
    """The keeper that waits to be wanted is let go."""
    async with open_bench(idle_s=900) as bench, trio.open_nursery() as nursery:
        await be_idle(bench)
        await trio.sleep(901)
        await bench.lose("exit status 0")
        told: list[str] = []
        nursery.start_soon(lambda: want(bench, told, is_urgent=False))
        await wait_all_tasks_blocked()
        await drain(bench)
        assert told == ["wanted"]
        await bench.end_keeper()
        assert bench.has_ended


async def test_a_keeper_that_waits_is_let_go_when_the_writer_is_cancelled(autojump_clock: MockClock) -> None:
    """Its question is closed."""
    async with open_bench(idle_s=900) as bench, trio.open_nursery() as nursery:
        await be_idle(bench)
        await trio.sleep(901)
        await bench.lose("exit status 0")
        refusals: list[RoomError] = []

        async def wait_for_it() -> None:
            with pytest.raises(RoomError) as refusal:
                await want(bench, [], is_urgent=False)
            refusals.append(refusal.value)

        nursery.start_soon(wait_for_it)
        await wait_all_tasks_blocked()
        bench.scope.cancel()
        await wait_all_tasks_blocked()
        assert len(refusals) == 1


def test_the_graces_are_those_of_these_tests() -> None:
    """The numbers above are readable only as long as this holds."""
    assert (GRACES.turn_s, GRACES.interrupt_s) == (30, 5)
