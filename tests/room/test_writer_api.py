"""The writer alone, in virtual time: an API that fails turn after turn, waits, tries, and answers again."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.config.limits import Limits
from concordiad.core.agents import Ended
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.api import ApiFailing, ApiTrouble, trouble_of
from concordiad.room.circuit import Circuit
from concordiad.room.messages import ask
from concordiad.room.to_writer import TryApi
from tests.room import cli_lines
from tests.room.samples import GRACES, NOW, drafts_of, prompt, types_of
from tests.room.writer_bench import Bench, open_bench

WAIT_S, MOST_S = 30.0, 100.0
QUICK = evolve(GRACES, api_wait_s=WAIT_S, api_wait_most_s=MOST_S)
OVERLOADED = {"is_error": True, "terminal_reason": "api_error", "api_error_status": 529, "answer": "API Error: 529"}


async def fail(bench: Bench, times: int = 1, **more: object) -> None:
    """Let turns fail, each asked for by the writer."""
    for _ in range(times):
        await bench.finish(await bench.begin(prompt()), **{**OVERLOADED, **more})


def changes(bench: Bench) -> list[tuple[str, float | None]]:
    """List what was said of the room as such: state, and when the next prompt tries."""
    return [(body["state"], body.get("next_attempt_s")) for body in drafts_of(bench.recorder.posts, "room.changed")]


@pytest.mark.parametrize(
    ("status", "name"),
    [(429, "rate_limit"), (529, "overloaded"), (500, "server_error"), (503, "server_error"), (401, "authentication")],
)
async def test_so_many_failures_in_a_row_hold_the_queue(autojump_clock: MockClock, status: int, name: str) -> None:
    """The third one is the last: the room says why and for how long, and asks for no turn meanwhile."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await fail(bench, 2, api_error_status=status)
        assert (changes(bench), bench.asked()) == ([], 3)
        await fail(bench, api_error_status=status)
        assert changes(bench) == [("api-failing", WAIT_S)]
        described = await bench.describe()
        assert (described["state"], described["reason"].partition(":")[0]) == ("api-failing", name)
        await trio.sleep(WAIT_S - 1)
        assert bench.asked() == 0
        await trio.sleep(2)
        assert bench.asked() == 1


async def test_one_prompt_at_a_time_tries(autojump_clock: MockClock) -> None:
    """Each failure doubles the wait up to its most, an answer ends it."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await fail(bench, 3)
        for wait_s in (60.0, 100.0, 100.0):
            bench.taken_to_batcher()
            await trio.sleep(MOST_S + 1)
            assert bench.asked() == 1
            await fail(bench)
            assert changes(bench)[-1] == ("api-failing", wait_s)
            assert bench.asked() == 0
        await trio.sleep(MOST_S + 1)
        assert bench.asked() == 1
        await bench.finish(await bench.begin(prompt()))
        assert changes(bench)[-1] == ("recovered", None)
        assert ((await bench.describe())["state"], bench.asked()) == ("idle", 1)


@pytest.mark.parametrize("between", [{}, {**OVERLOADED, "api_error_status": 400}])
async def test_an_answer_in_between_begins_the_count_anew(
    autojump_clock: MockClock, between: dict[str, object]
) -> None:
    """So does a failure that is the prompt's own."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        for _ in range(3):
            await fail(bench, 2)
            await bench.finish(await bench.begin(prompt()), **between)
        assert changes(bench) == []


async def test_an_interrupted_try_is_none(autojump_clock: MockClock) -> None:
    """It has told nothing of the API: the next prompt tries at once."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await fail(bench, 3)
        await trio.sleep(WAIT_S + 1)
        turn = await bench.begin(prompt())
        bench.taken_to_batcher()
        await bench.say(cli_lines.aborted(turn), cli_lines.life(turn, "cancelled"), cli_lines.idle())
        assert (bench.asked(), len(changes(bench))) == (1, 1)


async def test_a_death_while_trying_is_none(autojump_clock: MockClock) -> None:
    """The next incarnation gets the next prompt."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await fail(bench, 3)
        await trio.sleep(WAIT_S + 1)
        await bench.begin(prompt())
        await bench.lose()
        bench.taken_to_batcher()
        await bench.start()
        assert bench.asked() == 1


async def test_a_host_can_let_it_try_at_once(autojump_clock: MockClock) -> None:
    """The count begins anew, too."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await fail(bench, 3)
        bench.taken_to_batcher()
        await ask(bench.inbox, TryApi)
        await wait_all_tasks_blocked()
        assert (bench.asked(), (await bench.describe())["state"]) == (1, "idle")
        await fail(bench, 2)
        assert len(changes(bench)) == 1


@pytest.mark.parametrize(("tries_in_s", "wait_s"), [(20.0, 20.0), (-5.0, 0.0), (86_400.0, 60.0)])
async def test_what_an_earlier_run_has_found_holds_the_queue(
    autojump_clock: MockClock, tries_in_s: float, wait_s: float
) -> None:
    """For what is left of its wait by a clock that may have been set, which is told; the next wait is twice as long."""
    failing = ApiFailing("overloaded: api_error 529", 60.0, NOW + tries_in_s)
    async with open_bench(QUICK, failing=failing) as bench:
        await bench.start()
        assert changes(bench) == [("api-failing", wait_s)]
        described = await bench.describe()
        assert (described["state"], described["reason"]) == ("api-failing", failing.reason)
        await trio.sleep(max(wait_s - 1, 0))
        assert bench.asked() == (wait_s == 0)
        await trio.sleep(2)
        assert bench.asked() == (wait_s > 0)
        await fail(bench)
        assert changes(bench)[1:] == [("api-failing", MOST_S)]


def test_a_queue_that_is_never_held_back_is_not_by_an_earlier_run() -> None:
    """The configuration may have changed since."""
    circuit = Circuit(Limits(api_failures=0), QUICK)
    circuit.recall(ApiFailing("overloaded: api_error 529", 60.0, NOW + 60), NOW, 0.0)
    assert circuit.is_closed


async def test_an_agent_that_starts_meanwhile_is_not_taken_for_ready(autojump_clock: MockClock) -> None:
    """Once it is up it is told anew that its API fails, for what is left of the wait."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await fail(bench, 3)
        await bench.lose()
        await trio.sleep(10)
        await bench.start()
        assert changes(bench) == [("api-failing", WAIT_S), ("api-failing", WAIT_S - 10)]
        waits = [body["wait_s"] for body in drafts_of(bench.recorder.posts, "room.changed")]
        assert waits == [WAIT_S, WAIT_S]


async def test_what_a_turn_tells_of_the_api_is_recorded_with_its_end(autojump_clock: MockClock) -> None:
    """So a kill finds both or neither."""
    async with open_bench(QUICK) as bench:
        await bench.start()
        await fail(bench, 3)
        (post,) = [post for post in bench.recorder.posts if types_of([post])[-1:] == ["room.changed"]]
        assert types_of([post]) == ["turn.finished", "room.changed"]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_other_statuses_are_the_prompts_own(status: int) -> None:
    """The next one may do better."""
    assert trouble_of(status) is None


def test_no_answer_is_trouble_of_the_network() -> None:
    """As the codec tells it."""
    line = cli_lines.result("p", is_error=True, terminal_reason="api_error", answer="API Error: Connection error.")
    (ended,) = (fact for fact in ClaudeCode(lambda: "t").decode(line) if isinstance(fact, Ended))
    assert ended.trouble is ApiTrouble.NETWORK
