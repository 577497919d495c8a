"""The pump alone: chunks of output in, messages to the fan-out and to the writer out, in the order of the output."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MemoryReceiveStream, MockClock, memory_stream_one_way_pair, wait_all_tasks_blocked

from concordiad.core.agents import AgentCodec, BrokeOff, Ended, OwnTurnBegan, Unreadable
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.agents.rehearsal import Rehearsal
from concordiad.core.views import envelope, live_envelope
from concordiad.core.wire import encode_line
from concordiad.room.pump import HEARD_S, STDERR_LINE_BYTES, STDERR_LINES, Diagnosis, PumpEnds, run_pump, run_stderr
from concordiad.room.to_fanout import Draft, Post
from concordiad.room.to_writer import FromAgent, Spoke, ToWriter
from tests.room import cli_lines
from tests.room.samples import count_ids

LINE_BYTES = 100_000
CAPACITY = 1000


class BrokenStream(trio.abc.ReceiveStream):
    """A pipe that fails when it is read."""

    def __init__(self) -> None:
        self.is_closed = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError

    async def aclose(self) -> None:
        self.is_closed = True
        await trio.lowlevel.checkpoint()


class Bench:
    """A pump whose messages stay in their inboxes until the test takes them."""

    def __init__(self, codec: AgentCodec, facts: int = CAPACITY) -> None:
        to_fanout, self.posts = trio.open_memory_channel[Post](CAPACITY)
        to_writer, self.messages = trio.open_memory_channel[ToWriter](facts)
        self.ends = PumpEnds(to_fanout, to_writer)
        self.agent, stdout = memory_stream_one_way_pair()
        self.stdout: MemoryReceiveStream = stdout
        self.codec = codec
        self.scope = trio.CancelScope()
        self.has_ended = False

    async def work(self) -> None:
        """Run the pump."""
        with self.scope:
            await run_pump(self.stdout, self.codec, "i1", LINE_BYTES, self.ends)
        self.has_ended = True

    async def say(self, *lines: bytes) -> None:
        """Write lines in one piece."""
        await self.agent.send_all(b"".join(line + b"\n" for line in lines))
        await wait_all_tasks_blocked()

    def take_posts(self) -> list[list[Draft]]:
        """Take what the fan-out was sent: the drafts of each post."""
        posts = []
        while self.posts.statistics().current_buffer_used:
            posts.append(list(self.posts.receive_nowait().drafts))
        return posts

    def take_messages(self) -> list[FromAgent]:
        """Take what the writer was sent."""
        messages = []
        while self.messages.statistics().current_buffer_used:
            message = self.messages.receive_nowait()
            assert isinstance(message, FromAgent)
            messages.append(message)
        return messages

    def take_texts(self) -> list[list[str]]:
        """Take what the fan-out was sent: the texts of each post."""
        return [[json.loads(b"{%b}" % draft.body)["text"] for draft in drafts] for drafts in self.take_posts()]


@asynccontextmanager
async def open_bench(codec: AgentCodec | None = None, facts: int = CAPACITY) -> AsyncIterator[Bench]:
    """Run a pump; it ends with the block."""
    async with trio.open_nursery() as nursery:
        bench = Bench(codec or ClaudeCode(count_ids("own")), facts)
        nursery.start_soon(bench.work)
        yield bench
        nursery.cancel_scope.cancel()


async def answer(message: FromAgent) -> None:
    """Answer a border as the writer does, and let the pump go on."""
    assert message.reply is not None
    message.reply.answer(None)
    await wait_all_tasks_blocked()


async def test_what_is_said_goes_to_the_fanout_and_what_it_means_to_the_writer() -> None:
    """One line may be both."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.text("hello"), cli_lines.life("t1", "completed"))
        assert bench.take_texts() == [["hello"]]
        facts = [fact for message in bench.take_messages() for fact in message.facts]
        assert [type(fact).__name__ for fact in facts] == ["Began", "Spoke", "LineDone"]


async def test_a_chunk_of_blocks_is_one_post() -> None:
    """So the journal commits once for it."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"), *(cli_lines.text(str(number)) for number in range(20)))
        assert bench.take_texts() == [[str(number) for number in range(20)]]


async def test_lines_that_cannot_be_read_are_counted_as_they_come(autojump_clock: MockClock) -> None:
    """A flood of them is one fact a chunk, in its place among the others."""
    async with open_bench() as bench:
        garbage = [b'{"type":"system"'] * 5000
        await bench.say(cli_lines.life("t1", "started"), *garbage, b"at last", cli_lines.life("t1", "completed"))
        # It rests while it reads so many, so that the agent waits.
        await trio.sleep(1)
        facts = [fact for message in bench.take_messages() for fact in message.facts]
        assert [type(fact).__name__ for fact in facts] == ["Began", "Unreadable", "LineDone"]
        assert isinstance(facts[1], Unreadable)
        assert (facts[1].lines, facts[1].size_bytes) == (5001, len(b"at last"))


async def test_a_result_waits_for_the_writer() -> None:
    """What comes after it stays in the pump until the turn's end is recorded."""
    async with open_bench() as bench:
        await bench.say(
            cli_lines.life("t1", "started"),
            cli_lines.text("before"),
            cli_lines.result("t1"),
            cli_lines.life("t2", "started"),
            cli_lines.text("after"),
        )
        assert bench.take_texts() == [["before"]]
        *_, border = bench.take_messages()
        assert isinstance(border.facts[-1], Ended)
        await answer(border)
        assert bench.take_texts() == [["after"]]


async def test_a_turn_of_the_agents_own_waits_for_the_writer() -> None:
    """Its start is recorded before what it says."""
    async with open_bench() as bench:
        await bench.say(cli_lines.init(), cli_lines.text("mine"))
        assert bench.take_posts() == []
        (border,) = bench.take_messages()
        assert isinstance(border.facts[-1], OwnTurnBegan)
        await answer(border)
        assert bench.take_texts() == [["mine"]]


async def test_a_turn_of_ours_does_not_wait() -> None:
    """Its start was recorded before its line was written."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.text("hello"))
        assert all(message.reply is None for message in bench.take_messages())


async def test_what_follows_a_fact_is_not_said_before_it() -> None:
    """While the writer's inbox is full, nothing overtakes what is for the writer."""
    async with open_bench(facts=0) as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.text("hello"))
        assert bench.take_posts() == []
        await bench.messages.receive()
        await wait_all_tasks_blocked()
        assert bench.take_texts() == [["hello"]]


async def test_the_first_output_is_noted_once_for_each_turn(autojump_clock: MockClock) -> None:
    """With the moment at which it came; the API's retries are no output."""
    async with open_bench() as bench:
        started = trio.current_time()
        await bench.say(cli_lines.life("t1", "started"))
        await trio.sleep(1)
        await bench.say(cli_lines.line("system", subtype="api_retry", attempt=1))
        await trio.sleep(1)
        await bench.say(cli_lines.block_start(), cli_lines.delta("hel"))
        await trio.sleep(1)
        await bench.say(cli_lines.delta("lo"), cli_lines.text("hello"))
        facts = [fact for message in bench.take_messages() for fact in message.facts]
        assert [fact for fact in facts if isinstance(fact, Spoke)] == [Spoke("t1", started + 2)]


async def test_the_writer_hears_of_all_output_but_not_too_often(autojump_clock: MockClock) -> None:
    """Of output that means nothing for a turn too; what means something says enough."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.block_start(), cli_lines.delta("hel"))
        assert [len(message.facts) for message in bench.take_messages()] == [2]
        for _ in range(20):
            await trio.sleep(HEARD_S / 10)
            await bench.say(cli_lines.delta("lo"))
        assert [(message.facts, message.reply) for message in bench.take_messages()] in ([((), None)], [((), None)] * 2)
        await trio.sleep(1)
        await bench.say(cli_lines.line("stream_event", event={"type": "input_json_delta"}))
        assert [message.facts for message in bench.take_messages()] == [()]


async def test_the_writer_hears_how_far_a_turn_came() -> None:
    """When the output ends in the middle of it."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.block_start(), cli_lines.delta("so far"))
        bench.take_messages()
        await bench.agent.aclose()
        await wait_all_tasks_blocked()
        (message,) = bench.take_messages()
        assert (message.facts, bench.has_ended) == ([BrokeOff("t1", "so far")], True)


async def test_live_text_keeps_its_place() -> None:
    """Deltas and finished blocks are in one stream, and only the deltas are live; those of one chunk are one."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.block_start())
        await bench.say(cli_lines.delta("hel"), cli_lines.delta("lo"), cli_lines.text("hello"))
        (drafts,) = bench.take_posts()
        assert [(draft.event_type, draft.is_live) for draft in drafts] == [
            ("agent.delta", True),
            ("agent.text", False),
        ]
        assert json.loads(b"{%b}" % drafts[0].body)["text"] == "hello"


async def test_a_rehearsal_is_marked() -> None:
    """Whatever it says."""
    async with open_bench(Rehearsal(count_ids("own"))) as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.text("hello"))
        ((draft,),) = bench.take_posts()
        assert json.loads(b"{%b}" % draft.body)["rehearsal"] is True


async def test_a_line_beyond_the_limit_is_told_and_the_next_ones_are_read() -> None:
    """It is not held in memory, and nothing behind it is lost."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"))
        for _ in range(3):
            await bench.agent.send_all(b"x" * LINE_BYTES)
        await bench.say(b"", cli_lines.text("after"))
        ((oversize, text),) = bench.take_posts()
        assert (oversize.event_type, text.event_type) == ("agent.oversize", "agent.text")
        assert json.loads(b"{%b}" % oversize.body)["bytes"] == 3 * LINE_BYTES


async def test_it_ends_with_the_output() -> None:
    """A last line without its newline may be half of one: it is not read."""
    async with open_bench() as bench:
        await bench.say(cli_lines.life("t1", "started"), cli_lines.text("whole"))
        await bench.agent.send_all(cli_lines.text("half"))
        await bench.agent.aclose()
        await wait_all_tasks_blocked()
        assert (bench.take_texts(), bench.has_ended) == ([["whole"]], True)


async def test_a_pipe_that_breaks_is_the_end_of_the_output() -> None:
    """What was read before counts."""
    stdout = BrokenStream()
    bench = Bench(ClaudeCode(count_ids("own")))
    await run_pump(stdout, bench.codec, "i1", LINE_BYTES, bench.ends)
    assert stdout.is_closed


async def test_being_cancelled_at_a_border_closes_the_output() -> None:
    """A writer that never answers does not hold it."""
    async with open_bench() as bench:
        await bench.say(cli_lines.init())
        bench.scope.cancel()
        await wait_all_tasks_blocked()
        assert bench.has_ended
        with pytest.raises(trio.ClosedResourceError):
            await bench.stdout.receive_some(1)


def conversation() -> list[bytes]:
    """Write two turns of ours around one of the agent's own, with everything that a line can be."""
    return [
        cli_lines.life("t1", "queued"),
        cli_lines.life("t1", "started"),
        cli_lines.init("t1"),
        cli_lines.block_start(),
        cli_lines.delta("naïve "),
        cli_lines.delta("☃"),
        cli_lines.text("naïve ☃"),
        cli_lines.permission("r1"),
        cli_lines.result("t1"),
        cli_lines.life("t1", "completed"),
        cli_lines.idle(),
        cli_lines.finished(),
        cli_lines.init(),
        cli_lines.text("mine"),
        b"no json",
        cli_lines.result(),
        b"",
        cli_lines.text("x" * (LINE_BYTES + 1)),
        cli_lines.life("t2", "started"),
        cli_lines.text("yours"),
        cli_lines.result("t2"),
        cli_lines.idle(),
    ]


def join(first: Draft, second: Draft) -> Draft | None:
    """Make one piece of two that stand together; None if they do not, because another text begins with the second."""
    one, two = (json.loads(b"{%b}" % draft.body) for draft in (first, second))
    if two["offset"] != one["offset"] + len(one["text"]):
        assert two["offset"] == 0
        return None
    body = json.dumps({**one, "text": one["text"] + two["text"]}, ensure_ascii=False, separators=(",", ":"))
    return first._replace(body=body[1:-1].encode())


async def read_in_pieces(output: bytes, cuts: list[int]) -> tuple[list[Draft], list[str], list[int]]:
    """Let the pump read some output in pieces; give drafts, facts, and how many drafts came before each border.

    Pieces of a text that stand together are joined: which ones the pump joins itself depends on the chunks.
    """
    drafts: list[Draft] = []
    facts: list[str] = []
    borders: list[int] = []

    def take(bench: Bench) -> None:
        for draft in (draft for post in bench.take_posts() for draft in post):
            is_delta = drafts and (drafts[-1].event_type, draft.event_type) == ("agent.delta", "agent.delta")
            joined = join(drafts[-1], draft) if is_delta else None
            drafts[-1:] = [*drafts[-1:], draft] if joined is None else [joined]

    async def work_as_writer(bench: Bench) -> None:
        async for message in bench.messages:
            assert isinstance(message, FromAgent)
            facts.extend(str(fact) for fact in message.facts if not isinstance(fact, Spoke))
            if message.reply is not None:
                take(bench)
                borders.append(len(drafts))
                message.reply.answer(None)

    async with open_bench() as bench, trio.open_nursery() as nursery:
        nursery.start_soon(work_as_writer, bench)
        for start, end in pairwise([0, *sorted(cuts), len(output)]):
            await bench.agent.send_all(output[start:end])
            await wait_all_tasks_blocked()
        take(bench)
        nursery.cancel_scope.cancel()
    return drafts, facts, borders


OUTPUT = b"".join(line + b"\n" for line in conversation())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4000) | st.integers(0, len(OUTPUT)), max_size=30))
def test_where_the_chunks_end_does_not_matter(cuts: list[int]) -> None:
    """The same drafts and facts come out, with the same of them before each border."""
    cuts = [min(cut, len(OUTPUT)) for cut in cuts]
    whole = trio.run(read_in_pieces, OUTPUT, [])
    assert trio.run(read_in_pieces, OUTPUT, cuts) == whole
    assert (len(whole[0]), len(whole[2])) == (5, 5)


NASTY = st.text(st.sampled_from('"\\\n\r\u2028{}[]:,a\0é\ud800'), max_size=6)
VALUES = st.recursive(
    NASTY | st.integers() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NASTY, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def nasty_lines(draw: st.DrawFn) -> bytes:
    """Make a line whose every value wants to break out of the event that it becomes."""
    value, more = draw(NASTY), draw(VALUES)
    blocks: list[dict[str, Any]] = [
        {"type": "text", "text": more},
        {"type": "thinking", "thinking": more},
        {"type": "tool_use", "id": value, "name": value, "input": more},
        {"type": "tool_result", "tool_use_id": value, "content": more},
    ]
    content = {"content": [draw(st.sampled_from(blocks))]}
    lines = [
        cli_lines.life(value, "started"),
        cli_lines.init(value, session_id=value, model=value),
        cli_lines.block_start(),
        cli_lines.delta(value),
        cli_lines.line("assistant", message=content, parent_tool_use_id=value),
        cli_lines.line("assistant", message=content),
        cli_lines.line("user", message=content),
        cli_lines.result(answer=value, terminal_reason=value),
        cli_lines.line("system", subtype="api_retry", attempt=1, error=value),
        cli_lines.line("stream_event", event={"type": "message_stop"}),
    ]
    return draw(st.sampled_from(lines))


@settings(max_examples=300, deadline=None)
@given(st.lists(nasty_lines(), max_size=8))
def test_no_line_breaks_out_of_its_event(lines: list[bytes]) -> None:
    """Whatever an agent writes, each event is one line with one JSON object, and says who it is from."""
    drafts, _, _ = trio.run(read_in_pieces, b"".join(line + b"\n" for line in lines), [])
    for draft in drafts:
        if draft.is_live:
            line = encode_line(live_envelope("main", 3, 0.0, draft.event_type, draft.body))
        else:
            line = encode_line(envelope("main", 3, 7, 0.0, draft.event_type, draft.body))
        message = msgspec.json.decode(line)
        assert line.index(b"\n") == len(line) - 1
        assert (message["method"], message["params"]["room"], message["params"]["type"]) == (
            "event",
            "main",
            draft.event_type,
        )


async def diagnose(*chunks: bytes) -> list[str]:
    """Let the reader of standard error read some chunks to their end."""
    diagnosis = Diagnosis()
    agent, stderr = memory_stream_one_way_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_stderr, stderr, diagnosis)
        for chunk in chunks:
            await agent.send_all(chunk)
            await wait_all_tasks_blocked()
        await agent.aclose()
    return str(diagnosis).split("\n")


async def test_the_end_of_stderr_is_kept() -> None:
    """Its last lines, cut to a length that a person reads, with or without the last newline."""
    lines = [b"%d" % number for number in range(STDERR_LINES * 2)]
    assert await diagnose(b"\n".join(lines)) == [str(number) for number in range(STDERR_LINES, STDERR_LINES * 2)]
    assert await diagnose(b"a\n", b"b\nc", b"d") == ["a", "b", "cd"]
    assert await diagnose(b"\xff\n") == ["\ufffd"]


async def test_a_long_line_of_stderr_is_cut() -> None:
    """However long it is."""
    for length in (STDERR_LINE_BYTES + 1, STDERR_LINE_BYTES * 100):
        assert await diagnose(b"x" * length + b"\nrest\n") == ["x" * STDERR_LINE_BYTES, "rest"]


async def test_stderr_that_breaks_is_at_its_end() -> None:
    """What was said before is kept."""
    stderr = BrokenStream()
    await run_stderr(stderr, Diagnosis())
    assert stderr.is_closed


async def test_the_reader_of_stderr_can_be_cancelled() -> None:
    """It closes its pipe."""
    _, stderr = memory_stream_one_way_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_stderr, stderr, Diagnosis())
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.ClosedResourceError):
        await stderr.receive_some(1)
