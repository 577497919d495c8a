"""Lines of the agent that cannot be read: the first one is told at once, a flood of them in a few notices."""

import re

import msgspec
import pytest
import trio
from trio.testing import MockClock

from concordiad.core.agents import Unreadable
from concordiad.core.turns import WriterState
from concordiad.room.holding import Holding
from concordiad.room.unreadable import TELL_S, UnreadableLines
from tests.room.samples import drafts_of
from tests.room.writer_bench import Bench, open_bench

GARBAGE = b"Segmentation fault: secret"
WHY = "not a line of stream-json: no object begins it"


def told(bench: Bench) -> list[int]:
    """List how many lines each notice tells of."""
    messages = [body["message"] for body in drafts_of(bench.recorder.posts, "notice")]
    assert all("secret" not in message for message in messages)
    counts = [re.match(r"the agent wrote (\d+) (lines|bytes)", message) for message in messages]
    return [0 if count is None else int(count[1]) if count[2] == "lines" else 1 for count in counts]


async def test_the_first_line_is_told_at_once_and_more_after_a_while(autojump_clock: MockClock) -> None:
    """With their number, and with what is wrong with the last of them."""
    async with open_bench() as bench:
        await bench.start()
        await bench.say(GARBAGE)
        assert told(bench) == [1]
        await bench.say(GARBAGE, GARBAGE)
        await bench.say(b"5")
        await trio.sleep(TELL_S - 1)
        assert told(bench) == [1]
        await trio.sleep(2)
        last = drafts_of(bench.recorder.posts, "notice")[-1]
    assert last["message"] == (
        f"the agent wrote 3 lines that are not of its protocol; the last one is 1 bytes that are {WHY}"
    )
    assert last["code"] == "unreadable_output"


async def test_a_line_after_a_quiet_while_is_told_at_once(autojump_clock: MockClock) -> None:
    """Rare ones are told as they come."""
    async with open_bench() as bench:
        await bench.start()
        for _ in range(3):
            await bench.say(GARBAGE)
            await trio.sleep(TELL_S + 1)
        assert told(bench) == [1, 1, 1]


async def test_a_flood_is_told_once_a_period_and_counted_whole(autojump_clock: MockClock) -> None:
    """However many come, and also while no turn runs."""
    async with open_bench() as bench:
        await bench.start()
        for _ in range(600):
            await bench.say(*[GARBAGE] * 20)
            await trio.sleep(0.1)
        await trio.sleep(TELL_S)
        counts = told(bench)
    assert sum(counts) == 12_000
    assert len(counts) <= 2 + 60 / TELL_S


async def test_what_is_counted_is_told_before_the_end_of_the_turn(autojump_clock: MockClock) -> None:
    """So whoever reads how it ended has read that before."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        await bench.say(GARBAGE)
        await bench.say(GARBAGE, GARBAGE)
        await bench.finish(turn)
        assert told(bench) == [1, 2]
        assert bench.log[-2:] == ["notice", "turn.finished"]
        await trio.sleep(2 * TELL_S)
        assert told(bench) == [1, 2]


async def test_what_is_counted_is_told_at_the_end_of_the_agent(autojump_clock: MockClock) -> None:
    """Before the end of its turn; the next agent's first one is told at once again."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.say(GARBAGE, GARBAGE, GARBAGE)
        await bench.lose()
        assert told(bench)[:2] == [1, 2]
        assert bench.log.index("turn.finished") > bench.log.index("notice")
        before = len(told(bench))
        await bench.start()
        await bench.say(GARBAGE)
        assert told(bench)[before:] == [1]


@pytest.mark.parametrize("untold", [None, Unreadable(WHY, 5, 7)])
def test_what_an_earlier_run_has_counted_is_told_by_the_next(untold: Unreadable | None) -> None:
    """What is known of an agent that outlives the daemon has it; what was written before there was that has none."""
    holding = Holding("", 0.0, WriterState.IDLE, "", {}, [], False, False, None, False, None, None, 0, 0, [], untold)
    written = msgspec.json.encode(holding)
    lines = UnreadableLines()
    lines.inherit(msgspec.json.decode(written, type=Holding).unreadable, 100.0)
    lines.note(Unreadable(WHY, 9))
    due = lines.take_due(100.0)
    if untold is None:
        assert due == f"the agent wrote 9 bytes that are {WHY}"
    else:
        assert due is None
        assert "8 lines" in (lines.take_due(100.0 + TELL_S) or "")
    earlier = msgspec.json.decode(written)
    del earlier["unreadable"]
    assert msgspec.convert(earlier, Holding).unreadable is None
