"""A daemon that is killed while it hears an agent: the next one goes on exactly where what is recorded ends."""

import json
import os
import re
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio

from concordiad.agent import spool
from concordiad.agent.spool import SpooledOutput, files_of
from concordiad.core.agents import Ended, OwnTurnBegan, Said, WentIdle
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.journal.changes import Change, Heard, Held
from concordiad.room import bookmark, pipes
from concordiad.room.bookmark import Bookmark
from concordiad.room.pump import PumpEnds, run_pump
from concordiad.room.to_fanout import Post
from concordiad.room.to_writer import FromAgent, Spoke, ToWriter
from tests.room import cli_lines
from tests.support.patience import PATIENCE_S

LINE_BYTES = 4096
OUTPUT = b"".join(
    line + b"\n"
    for line in (
        cli_lines.life("t1", "queued"),
        cli_lines.life("t1", "started"),
        cli_lines.init("t1"),
        *(cli_lines.text(f"first {number}") for number in range(4)),
        cli_lines.result("t1"),
        cli_lines.idle(),
        cli_lines.text("of my own"),
        cli_lines.text("still my own"),
        cli_lines.idle(),
        cli_lines.text("again my own"),
        cli_lines.result(),
        cli_lines.life("t2", "started"),
        cli_lines.text("second"),
        cli_lines.text("x" * (2 * LINE_BYTES)),
        b"no line at all",
        cli_lines.result("t2"),
        cli_lines.idle(),
    )
)


class Record(NamedTuple):
    """What a journal has of the room."""

    said: list[tuple[str, dict[str, Any]]]
    facts: list[str]
    heard: Heard
    held: Held


class Killed(Exception):
    """The daemon is no more."""


class Run:
    """One run of the daemon, which is killed when so many posts are recorded; the posts are recorded in order."""

    def __init__(self, record: Record, posts: float, new_id: Any) -> None:
        self.said, self.facts, self.heard, self.held = list(record.said), list(record.facts), record.heard, record.held
        self._posts = posts
        self._new_id = new_id
        self._own = json.loads(record.held.holding)[0]

    @property
    def record(self) -> Record:
        """What is in the journal by now."""
        return Record(self.said, self.facts, self.heard, self.held)

    async def hear(self, output: int, directory: Path, line_bytes: int = LINE_BYTES) -> None:
        """Hear the agent to the end of what it says, or until the kill."""
        to_fanout, posts = trio.open_memory_channel[Post](0)
        to_writer, messages = trio.open_memory_channel[ToWriter](0)
        pipe = trio.lowlevel.FdStream(os.dup(output))
        stream = SpooledOutput(pipe, directory, "i1", self.heard.place)
        place = Bookmark(self.heard, self.held.facts, self._own, self._new_id, stream)
        codec = ClaudeCode(place.name_turn)
        if self.heard.memory:
            codec.recall(self.heard.memory)
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, messages, to_fanout.clone())
                nursery.start_soon(self._fan_out, posts)
                with to_writer, to_fanout:
                    await run_pump(stream, codec, "i1", line_bytes, PumpEnds(to_fanout, to_writer), place)

    def note(self, change: Change) -> None:
        """Record a row."""
        match change:
            case Heard():
                self.heard = change
            case Held():
                self.held = change
                self.facts.append(json.loads(change.holding)[1])

    async def _write(self, messages: trio.MemoryReceiveChannel[ToWriter], fanout: trio.MemorySendChannel[Post]) -> None:
        taken = self.held.facts
        with fanout:
            async for message in messages:
                assert isinstance(message, FromAgent)
                for fact, number in zip(message.facts, message.numbers, strict=bool(message.numbers)):
                    if isinstance(fact, Spoke):
                        continue
                    if isinstance(fact, OwnTurnBegan):
                        self._own = fact.turn
                    elif isinstance(fact, Ended | WentIdle):
                        self._own = None
                    taken = number
                    holding = json.dumps([self._own, str(fact)]).encode()
                    await fanout.send(Post([], [Held("main", "i1", taken, holding)]))
                if message.reply is not None:
                    message.reply.answer(None)

    async def _fan_out(self, posts: trio.MemoryReceiveChannel[Post]) -> None:
        async for post in posts:
            if self._posts <= 0:
                raise Killed
            self._posts -= 1
            drafts = [draft for draft in post.drafts if not draft.is_live]
            self.said += [(draft.event_type, json.loads(b"{%b}" % draft.body)) for draft in drafts]
            for change in post.changes:
                self.note(change)
            if post.reply is not None:
                post.reply.answer(None)


def hear_with_kills(directory: Path, kills: list[int], output: bytes = OUTPUT) -> Record:
    """Hear the whole output in runs that end after so many posts, the last one at its end."""
    record = Record([], [], Heard("main", "i1"), Held("main", "i1", 0, b"[null]"))
    numbers = count(1)
    read_end, write_end = os.pipe()
    os.write(write_end, output)
    os.close(write_end)
    for posts in [*kills, float("inf")]:
        run = Run(record, posts, lambda: f"id-{next(numbers)}-")
        try:
            trio.run(run.hear, read_end, directory)
        except* Killed:
            pass
        record = run.record
    os.close(read_end)
    return record


def with_names(record: Record) -> str:
    """Give what was said and meant, the agent's own turns named in their order."""
    text = json.dumps([record.said, record.facts], indent=1)
    names = list(dict.fromkeys(re.findall(r"id-\d+-", text)))
    for number, name in enumerate(names):
        text = text.replace(name, f"#{number}")
    return text


@pytest.mark.parametrize("chunk_bytes", [50, 333, 1 << 20])
def test_nothing_is_lost_or_doubled_wherever_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    """After any number of recorded posts, once and twice: the whole transcript, and every fact, once and in order."""
    monkeypatch.setattr(pipes, "READ_BYTES", chunk_bytes)
    monkeypatch.setattr(spool, "FILE_BYTES", 700)
    monkeypatch.setattr(spool, "MOVE_BYTES", 300)
    monkeypatch.setattr(bookmark, "PAGE_BYTES", 700)
    whole = hear_with_kills(tmp_path / "whole", [])
    assert len(whole.said) == 9
    assert len(files_of(tmp_path / "whole")) <= 2
    for first in range(60):
        kills = [first, first % 4]
        record = hear_with_kills(tmp_path / str(first), kills)
        assert with_names(record) == with_names(whole), kills


@pytest.mark.parametrize("chunk_bytes", [50, 333, 1 << 20])
def test_lines_that_cannot_be_read_are_counted_once_wherever_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    """Although they are counted by the chunk: whoever has taken the last of some has taken all of them."""
    monkeypatch.setattr(pipes, "READ_BYTES", chunk_bytes)
    garbage = b'{"type":"system"\n' * 40
    output = cli_lines.life("t1", "started") + b"\n" + garbage + cli_lines.text("in between") + b"\n" + garbage
    for first in range(12):
        record = hear_with_kills(tmp_path / str(first), [first, first % 4], output)
        assert sum(int(lines) for lines in re.findall(r"lines=(\d+)", str(record.facts))) == 80, first
        assert len(record.said) == 1


def test_live_text_that_a_recorded_block_holds_is_not_said_again() -> None:
    """What was shown as it came, and then recorded whole, is passed over with it."""
    heard = Heard("main", "i1", said=1)
    place = Bookmark(heard, 0, None, str, None)  # type: ignore[arg-type]  # no output is read
    delta = Said("agent.delta", b"", "t1", is_live=True)
    assert [place.count(delta), place.count(Said("agent.text", b"", "t1")), place.count(delta)] == [None, None, 0]


@pytest.mark.parametrize("piece", [b"x" * 50, b'{"type":"unheard_of"}\n'])
def test_output_that_states_nothing_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    """Of a line without end, and of lines without meaning, no more is kept than of a line that is handled whole."""
    monkeypatch.setattr(pipes, "READ_BYTES", 100)
    monkeypatch.setattr(spool, "FILE_BYTES", 500)
    monkeypatch.setattr(spool, "MOVE_BYTES", 200)
    monkeypatch.setattr(bookmark, "PAGE_BYTES", 500)
    kept: list[int] = []

    class Watched(Run):
        async def hear(self, output: int, directory: Path, line_bytes: int = 1000) -> None:
            await super().hear(output, directory, line_bytes)

        def note(self, change: Change) -> None:
            super().note(change)
            kept.append(sum(path.stat().st_size for path in files_of(tmp_path)))

    output = piece * (40_000 // len(piece))
    read_end, write_end = os.pipe()
    os.write(write_end, output + b"\n")
    os.close(write_end)
    record = Record([], [], Heard("main", "i1"), Held("main", "i1", 0, b"[null]"))
    run = Watched(record, float("inf"), str)
    trio.run(run.hear, read_end, tmp_path)
    os.close(read_end)
    assert len(kept) > 50
    assert max(kept) < 1000 + 4 * 500
    oversize = [body["bytes"] for kind, body in run.said if kind == "agent.oversize"]
    assert oversize == ([len(output)] if b"\n" not in piece else [])
