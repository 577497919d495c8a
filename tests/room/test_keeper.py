"""The keeper, with real child processes: spawned, watched, ended, reaped, and told of in the right order."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trio

from concordiad.agent.spec import AgentSpec
from concordiad.config.limits import Graces, Limits
from concordiad.core.agents import IdSource, Kind, Settings
from concordiad.core.agents.rehearsal import Rehearsal
from concordiad.core.model import AgentSession, is_session_id
from concordiad.journal import Journal, open_memory_journal
from concordiad.journal.changes import Transaction
from concordiad.ops.ids import IdFactory
from concordiad.room.keeper import Keeper, KeeperEnds, run_keeper
from concordiad.room.rest import Rest
from concordiad.room.to_fanout import Post
from concordiad.room.to_writer import (
    AgentGone,
    AgentUp,
    Away,
    Farewell,
    FromAgent,
    Incarnation,
    KeeperEnded,
    Mute,
    Parting,
    ToWriter,
    WantAgent,
)
from concordiad.room.turnstile import Turn, Turnstile
from tests.room.samples import drafts_of
from tests.support.patience import PATIENCE_S

GRACES = Graces(exit_s=0.2, kill_s=0.2)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); time.sleep(600)"
)


FAILS_ONCE = "import os, sys; os.path.exists('failed') or sys.exit(open('failed', 'w').write('3')); sys.stdin.read()"


class Room:
    """
    The other ends of the keeper's channels: a writer that wants an agent for as long as it is told, and a fan-out.

    Attributes:
        said: the messages to the writer, except what was answered to be wanted.
        posted: types of the events, in order.
        exits: the bodies of those that tell of an agent's end.
        changes: state and reason of what was said of the room as such.
    """

    def __init__(
        self,
        journal: Journal,
        code: str,
        workdir: Path,
        *,
        parting: Parting = Parting.DIED,
        words: str | None = None,
        limits: Limits | None = None,
        args: Sequence[str] = (),
        turnstile: Turnstile | None = None,
    ) -> None:
        self.said: list[ToWriter] = []
        self.posted: list[str] = []
        self.exits: list[dict[str, Any]] = []
        self.changes: list[tuple[str, str]] = []
        self._rest = Rest(0.0)
        self.closing, self.hurry = trio.Event(), trio.Event()
        self._parting, self._words = parting, words
        to_writer, self._writer = trio.open_memory_channel[ToWriter](64)
        to_fanout, self._fanout = trio.open_memory_channel[Post](64)
        self.heard = trio.Event()
        self.ends = KeeperEnds(to_fanout, to_writer)
        spec = AgentSpec(
            name="test",
            kind=Kind.REHEARSAL,
            command=[sys.executable, "-c", code],
            workdir=workdir,
            environment=dict(os.environ),
            settings=Settings(args=args),
            make_codec=Rehearsal,
            version=None,
        )
        new_id: IdSource = IdFactory()
        self.keeper = Keeper(
            "main",
            spec,
            limits or Limits(),
            GRACES,
            journal,
            new_id,
            lambda: 0.0,
            self.closing,
            self.hurry,
            turnstile or Turnstile(1),
        )

    async def run_writer(self) -> None:
        """Answer what the keeper asks of the writer, and note the rest."""
        async for message in self._writer:
            match message:
                case WantAgent():
                    self._rest.want(message, is_draining=self.closing.is_set())
                case AgentGone(_, _, reply):
                    self.said.append(message)
                    reply.answer(Farewell(self._parting, has_answered=False, words=self._words))
                case FromAgent(_, _, reply) if reply is not None:
                    reply.answer(None)
                case _:
                    if isinstance(message, AgentUp):
                        self._rest.begin()
                    self.said.append(message)
            self._note()

    def _note(self) -> None:
        heard, self.heard = self.heard, trio.Event()
        heard.set()

    async def run_fanout(self) -> None:
        """Take posts as recorded."""
        async for post in self._fanout:
            self.posted += [draft.event_type for draft in post.drafts]
            self.exits += drafts_of([post], "agent.exited")
            self.changes += [(body["state"], body["reason"]) for body in drafts_of([post], "room.changed")]
            self._note()
            if post.reply is not None:
                post.reply.answer(None)

    async def hear(self, kind: type) -> Any:
        """Wait for the writer's first message of a kind."""
        while True:
            found = [message for message in self.said if isinstance(message, kind)]
            if found:
                return found[0]
            await self.heard.wait()

    def started(self) -> list[Incarnation]:
        """List the agents that the writer was told of."""
        return [message.incarnation for message in self.said if isinstance(message, AgentUp)]

    async def wait_for(self, is_true: Callable[[], bool]) -> None:
        """Wait until what was said or posted makes something true."""
        while not is_true():
            await self.heard.wait()

    async def wait_until_waiting(self) -> None:
        """Wait until the keeper waits to be wanted."""
        await self.wait_for(lambda: bool(self._rest.unanswered()))

    def want(self) -> None:
        """Want an agent at once, as a restart by a host does."""
        self._rest.wish()

    def close(self) -> None:
        """Let the room close: whoever waits to be wanted may go."""
        self.closing.set()
        self._rest.wake()


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    """Give a journal in memory."""
    async with open_memory_journal() as journal:
        yield journal


@pytest.fixture
def make_room(journal: Journal, tmp_path: Path) -> Callable[..., Room]:
    """Give a maker of rooms whose agent runs some Python code."""
    return lambda code, **more: Room(journal, code, tmp_path, **more)


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of that number that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_exit_is_told_after_everything_was_read(make_room: Callable[..., Room]) -> None:
    """The writer hears of an agent, then of what it said, then of its end; the room of its start and its exit."""
    room = make_room("import sys; sys.stderr.write('out of ideas'); sys.exit(3)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        gone = await room.hear(AgentGone)
        assert gone.how == "exit status 3: out of ideas"
        assert (await room.hear(Away)).room_state == "agent-down"
        room.close()
    assert [type(message) for message in room.said] == [AgentUp, Mute, AgentGone, Away, KeeperEnded]
    assert room.posted[:2] == ["agent.started", "agent.exited"]


async def until_deaf(pid: int) -> None:
    """Wait until a process ignores SIGTERM: one that has only been spawned does not yet."""
    with trio.fail_after(PATIENCE_S):
        while True:
            if is_deaf(pid):
                return
            await trio.sleep(0.005)


def is_deaf(pid: int) -> bool:
    """Whether a process ignores SIGTERM."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigIgn"], 16) >> (signal.SIGTERM - 1) & 1)


async def test_drain_ends_a_stubborn_agent(make_room: Callable[..., Room]) -> None:
    """An agent that neither heeds the end of its input nor SIGTERM is killed after the graces, and reaped."""
    room = make_room(STUBBORN, parting=Parting.CLOSED)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        up = (await room.hear(AgentUp)).incarnation
        await until_deaf(up.pid)
        room.close()
        up.stdin.close()
        up.end.set()
        gone = await room.hear(AgentGone)
    assert gone.how == "signal SIGKILL"
    assert isinstance(room.said[-1], KeeperEnded)
    assert not is_alive(up.pid)


@pytest.mark.parametrize(
    ("parting", "words", "told", "is_tried_again"),
    [
        (Parting.ASLEEP, "asleep after 900 s without a prompt", "asleep after 900 s without a prompt", False),
        (Parting.RESTARTED, None, "exit status 3", False),
        (Parting.STUCK, None, "exit status 3", True),
        (Parting.DIED, None, "exit status 3", True),
    ],
)
async def test_exit_says_why_it_was(
    make_room: Callable[..., Room], parting: Parting, words: str | None, told: str, is_tried_again: bool
) -> None:
    """In the writer's words, where it has any; only what was not wanted is tried again after a while."""
    room = make_room("raise SystemExit(3)", parting=parting, words=words)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        while not room.exits:
            await room.heard.wait()
        room.close()
    first = room.exits[0]
    assert (first["status"], first["reason"], first["code"]) == (parting.value, told, 3)
    assert (first["next_attempt_s"] is not None) == is_tried_again


async def test_cancelled_keeper_leaves_no_process(make_room: Callable[..., Room]) -> None:
    """A keeper that is cancelled kills its agent and reaps it."""
    room = make_room(STUBBORN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        up = (await room.hear(AgentUp)).incarnation
        assert is_alive(up.pid)
        nursery.cancel_scope.cancel()
    assert not is_alive(up.pid)


async def test_program_that_is_not_there_is_no_crash(journal: Journal, tmp_path: Path) -> None:
    """An agent that cannot be spawned leaves the room without one, with the reason, and is tried again later."""
    room = Room(journal, "", tmp_path / "nowhere")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        away = await room.hear(Away)
        assert (away.room_state, "nowhere" in away.reason) == ("agent-failing", True)
        await room.wait_until_waiting()
        room.close()
    assert room.posted == ["agent.exited", "room.changed"]
    assert room.changes == [("agent-failing", away.reason)]
    assert room.exits[0]["next_attempt_s"] is None


async def test_agent_that_fails_again_and_again_is_given_up(make_room: Callable[..., Room]) -> None:
    """After so many failures within the period nobody tries any more, until somebody restarts it."""
    room = make_room("raise SystemExit(3)", limits=Limits(agent_failures=3))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await room.wait_for(lambda: len(room.changes) == 1)
        assert [exited["next_attempt_s"] is None for exited in room.exits] == [False, False, True]
        assert room.changes[0][0] == "agent-failing"
        assert "exit status 3; 3 failures in 600 s" in room.changes[0][1]
        await room.wait_until_waiting()
        room.want()
        await room.wait_for(lambda: len(room.changes) == 2)
        assert [exited["next_attempt_s"] is None for exited in room.exits] == [False, False, True] * 2
        await room.wait_until_waiting()
        room.close()


async def test_program_that_refuses_its_flags_is_not_tried_again(make_room: Callable[..., Room]) -> None:
    """It would refuse them again."""
    room = make_room("import sys; sys.exit(\"error: unknown option '--no-such-flag'\")")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await room.wait_for(lambda: len(room.changes) == 1)
        await room.wait_until_waiting()
        room.close()
    assert [exited["next_attempt_s"] for exited in room.exits] == [None]
    assert "--no-such-flag" in room.changes[0][1]
    assert "it would fail again" in room.changes[0][1]


async def test_agent_that_closes_its_output_is_ended(make_room: Callable[..., Room]) -> None:
    """The writer is told, so that it gets no further line, and its process is ended."""
    room = make_room("import os, time; os.close(1); os.close(2); time.sleep(600)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        up = (await room.hear(AgentUp)).incarnation
        assert (await room.hear(Mute)).incarnation == up.id
        gone = await room.hear(AgentGone)
        assert gone.how == "signal SIGTERM"
        room.close()
    assert not is_alive(up.pid)


async def test_exit_is_noticed_while_a_leftover_holds_the_pipes(make_room: Callable[..., Room], tmp_path: Path) -> None:
    """The leftover bears no mark, so it lives on; nobody waits for it."""
    note = tmp_path / "leftover"
    leftover = f"['env', '-i', '/bin/sh', '-c', 'echo $$ > {note}.new; mv {note}.new {note}; exec sleep 600']"
    room = make_room(
        f"import os, subprocess, sys; subprocess.Popen({leftover}, start_new_session=True)\n"
        f"while not os.path.exists('{note}'): pass\n"
        "sys.exit(4)"
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.run_writer)
            nursery.start_soon(room.run_fanout)
            nursery.start_soon(run_keeper, room.keeper, room.ends)
            assert (await room.hear(AgentGone)).how == "exit status 4"
            room.close()
        assert is_alive(int(note.read_text()))
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


async def test_conversation_has_one_owner(make_room: Callable[..., Room]) -> None:
    """Two rooms whose arguments name one session: the second one waits for the first, and says for whom."""
    session = str(uuid4())
    names = [f"--resume={session}"]
    rooms = [make_room("import time; time.sleep(600)", args=names) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        for room in rooms:
            nursery.start_soon(room.run_writer)
            nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, rooms[0].keeper, rooms[0].ends)
        up = (await rooms[0].hear(AgentUp)).incarnation
        nursery.start_soon(run_keeper, rooms[1].keeper, rooms[1].ends)
        away = await rooms[1].hear(Away)
        assert away.room_state == "agent-down"
        assert f"process {up.pid} works on the conversation {session} already" in away.reason
        rooms[0].close()
        up.end.set()
        await rooms[1].hear(AgentUp)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["a\0b", "../../etc/passwd", "--help", "", None])
async def test_a_conversation_is_resumed_only_by_what_can_be_its_name(
    journal: Journal, make_room: Callable[..., Room], name: str | None
) -> None:
    """What an older version recorded of a lying agent is passed over, and told as lost; else no agent could start."""
    is_good = name is None
    # Another one each time: a conversation has one owner on a machine, whoever else runs this test.
    name = str(uuid4()) if name is None else name
    session = AgentSession("main", "rehearsal", name, "i0", has_history=True)
    await journal.record(Transaction("main", changes=[session]))
    room = make_room("import sys; sys.stdin.read()")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        up = (await room.hear(AgentUp)).incarnation
        nursery.cancel_scope.cancel()
    assert (up.session_id == name, up.is_resumed, is_session_id(up.session_id)) == (is_good, is_good, True)
    assert ("notice" in room.posted) is not is_good


QUEUED_S = 0.01


async def until_queued(turnstile: Turnstile) -> None:
    """Wait until somebody waits for a turn."""
    with trio.fail_after(PATIENCE_S):
        while True:
            if turnstile.waiting:
                return
            await trio.sleep(QUEUED_S)


async def test_who_has_failed_starts_again_by_turns(make_room: Callable[..., Room]) -> None:
    """The first start waits for nobody; after a failure the next one waits until whoever starts elsewhere is ready."""
    turnstile = Turnstile(1)
    elsewhere = await turnstile.enter()
    room = make_room("raise SystemExit(3)", turnstile=turnstile)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await until_queued(turnstile)
        assert room.posted.count("agent.started") == 1
        elsewhere.leave()
        await room.wait_for(lambda: room.posted.count("agent.started") == 2)
        # It was never ready, and is gone: the next one's turn comes.
        await turnstile.enter()
        room.close()


async def test_a_host_need_not_wait_for_a_turn(make_room: Callable[..., Room]) -> None:
    """An agent that a host wants starts beside those whose turn it is, and its failures are forgotten."""
    turnstile = Turnstile(1)
    await turnstile.enter()
    room = make_room("raise SystemExit(3)", turnstile=turnstile, limits=Limits(agent_failures=2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await until_queued(turnstile)
        room.want()
        await room.wait_for(lambda: len(room.exits) == 2)
        assert [exited["next_attempt_s"] is None for exited in room.exits] == [False, False]
        await until_queued(turnstile)
        room.close()


class WatchedTurnstile(Turnstile):
    """One that tells when somebody comes to it, which is before the writer can know of that."""

    def __init__(self) -> None:
        super().__init__(1)
        self.somebody_comes = trio.Event()

    async def enter(self) -> Turn:
        self.somebody_comes.set()
        return await super().enter()


async def test_a_host_is_heard_just_when_a_backoff_is_over(make_room: Callable[..., Room]) -> None:
    """The keeper has given up one question, and the next one is on its way."""
    turnstile = WatchedTurnstile()
    await turnstile.enter()
    turnstile.somebody_comes = trio.Event()
    room = make_room("raise SystemExit(3)", turnstile=turnstile, limits=Limits(agent_failures=2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await turnstile.somebody_comes.wait()
        room.want()
        await room.wait_for(lambda: len(room.exits) == 2)
        assert [exited["next_attempt_s"] is None for exited in room.exits] == [False, False]
        room.close()


async def test_a_host_is_heard_while_the_keeper_asks_nothing(make_room: Callable[..., Room]) -> None:
    """It sees to the end of the last agent, which was the last failure that it takes; a wish is met once."""
    room = make_room("raise SystemExit(3)", limits=Limits(agent_failures=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await room.hear(AgentGone)
        room.want()
        await room.wait_for(lambda: len(room.changes) == 2)
        await room.wait_until_waiting()
        assert len(room.started()) == 2
        room.close()


async def test_a_room_that_waits_for_a_turn_can_be_closed(make_room: Callable[..., Room]) -> None:
    """It starts nothing more, and takes nobody's turn."""
    turnstile = Turnstile(1)
    elsewhere = await turnstile.enter()
    room = make_room("raise SystemExit(3)", turnstile=turnstile)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await until_queued(turnstile)
        room.close()
    assert isinstance(room.said[-1], KeeperEnded)
    assert room.posted.count("agent.started") == 1
    elsewhere.leave()
    await turnstile.enter()


async def test_a_ready_agent_lets_the_next_one_start(make_room: Callable[..., Room]) -> None:
    """Its turn is over when it has given its first answers, not when it ends."""
    turnstile = Turnstile(1)
    room = make_room(FAILS_ONCE, turnstile=turnstile, parting=Parting.DIED)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run_writer)
        nursery.start_soon(room.run_fanout)
        nursery.start_soon(run_keeper, room.keeper, room.ends)
        await room.wait_for(lambda: len(room.started()) == 2)
        second = room.started()[1]
        async with trio.open_nursery() as others:
            others.start_soon(turnstile.enter)
            await until_queued(turnstile)
            second.ready.set()
        assert is_alive(second.pid)
        room.close()
        second.stdin.close()
