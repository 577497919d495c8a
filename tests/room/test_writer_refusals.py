"""The writer alone, in virtual time: an agent that asks for more approvals than people could answer."""

import re
from collections.abc import Sequence

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.room import approvals
from concordiad.room.approvals import OPEN_MOST
from concordiad.room.consent import TOO_MANY
from concordiad.room.hold import MANY_LINES
from concordiad.room.holding import Holding
from concordiad.room.refused import RefusedRequests
from concordiad.room.unreadable import TELL_S
from tests.room import cli_lines
from tests.room.samples import GRACES, drafts_of
from tests.room.stdins import ReadingStdin
from tests.room.writer_bench import Bench, open_bench


class UnreadStdin(ReadingStdin):
    """The agent reads no answer until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_read = trio.Event()

    async def write(self, line: bytes) -> None:
        if msgspec.json.decode(line)["type"] == "control_response":
            await self.may_read.wait()
        await super().write(line)


def told(bench: Bench) -> list[int]:
    """List how many requests each notice tells of."""
    notices = [each for each in drafts_of(bench.recorder.posts, "notice") if each["code"] == "approvals_refused"]
    counts = [
        re.match(r"the agent asked for (an approval|(\d+) approvals) more than", each["message"]) for each in notices
    ]
    return [0 if count is None else int(count[2] or 1) for count in counts]


def asking(*numbers: int) -> Sequence[bytes]:
    """Write that many requests."""
    return [cli_lines.permission(f"r{number}") for number in numbers]


async def test_what_is_beyond_a_rooms_bound_is_denied_at_once(autojump_clock: MockClock) -> None:
    """The agent is told why, people in a notice at once and then after a while, and nobody is asked."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.say(*asking(*range(OPEN_MOST)))
        assert (len(await bench.approvals()), bench.stdin.responses, told(bench)) == (OPEN_MOST, [], [])
        await bench.say(*asking(1001, 1002, 1003))
        answers = [(each["request_id"], each["response"]) for each in bench.stdin.responses]
        denied = {"behavior": "deny", "message": TOO_MANY}
        assert answers == [("r1001", denied), ("r1002", denied), ("r1003", denied)]
        assert len(drafts_of(bench.recorder.posts, "approval.requested")) == len(await bench.approvals()) == OPEN_MOST
        assert told(bench) == [1]
        await trio.sleep(TELL_S + 1)
        assert told(bench) == [1, 2]


async def test_there_is_room_again_when_one_is_answered() -> None:
    """Also for one whose predecessor was denied."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.say(*asking(*range(OPEN_MOST + 1)))
        first = (await bench.approvals())[0]
        await bench.answer(first.id, is_allowed=True)
        await bench.say(*asking(2000))
        assert (await bench.approvals())[-1].request_id == "r2000"
        assert len(await bench.approvals()) == OPEN_MOST


async def test_what_waits_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """But one can always wait, whatever its size."""
    monkeypatch.setattr(approvals, "OPEN_BYTES", 1000)
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.say(*(cli_lines.permission(f"r{number}", command="x" * 2000) for number in range(2)))
        assert [each.request_id for each in await bench.approvals()] == ["r0"]
        await bench.say(cli_lines.withdrawn("r0"))
        await bench.say(*(cli_lines.permission(f"s{number}", command="x" * 600) for number in range(2)))
        assert [each.request_id for each in await bench.approvals()] == ["s0"]


async def test_what_is_counted_is_told_before_the_end_of_the_turn_and_of_the_agent(autojump_clock: MockClock) -> None:
    """So whoever reads how it ended has read that before."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        await bench.say(*asking(*range(OPEN_MOST + 3)))
        await bench.finish(turn)
        assert told(bench) == [1, 2]
        assert bench.log[-2:] == ["notice", "turn.finished"]
        await bench.say(*asking(3001, 3002))
        assert told(bench) == [1, 2]
        await bench.lose()
        assert told(bench) == [1, 2, 2]


async def test_an_agent_that_reads_no_answers_is_not_read(autojump_clock: MockClock) -> None:
    """Whoever asks is answered meanwhile, and the pump goes on when the agent does."""
    stdin = UnreadStdin()
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start(stdin)
        await bench.begin()
        await bench.say(*asking(*range(OPEN_MOST)))
        for number in range(MANY_LINES - 1):
            await bench.say(*asking(5000 + number))
        said = trio.Event()

        async def go_on() -> None:
            await bench.say(*asking(6000))
            said.set()

        nursery.start_soon(go_on)
        await wait_all_tasks_blocked()
        assert not said.is_set()
        assert (await bench.describe())["approvals"] == OPEN_MOST
        stdin.may_read.set()
        await said.wait()
        assert [each["request_id"] for each in stdin.responses][-1] == "r6000"


async def test_the_end_of_an_agent_that_reads_no_answers_lets_the_pump_go_on(autojump_clock: MockClock) -> None:
    """It is to come to the end of the output."""
    async with open_bench() as bench, trio.open_nursery() as nursery:
        await bench.start(UnreadStdin())
        await bench.begin()
        await bench.say(*asking(*range(OPEN_MOST)))
        nursery.start_soon(lambda: bench.say(*asking(*range(7000, 7000 + MANY_LINES))))
        await wait_all_tasks_blocked()
        nursery.start_soon(bench.interrupt)
        await trio.sleep(GRACES.interrupt_s + 1)
        assert bench.end.is_set()
        await bench.say(*asking(8000))
        nursery.cancel_scope.cancel()


def test_what_an_earlier_run_has_counted_is_told_by_the_next() -> None:
    """What is known of an agent that outlives the daemon has it; what was written before there was that has none."""
    assert "refused" in Holding.__struct_fields__
    requests = RefusedRequests()
    requests.inherit(4, 100.0)
    requests.note()
    assert requests.take_due(100.0 + TELL_S - 1) is None
    assert (requests.take_due(100.0 + TELL_S) or "").startswith("the agent asked for 5 approvals more")
    requests.inherit(0, 100.0)
    assert requests.deadline() == float("inf")
