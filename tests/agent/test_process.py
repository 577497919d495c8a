"""One agent process: its start, its exit, and a stdin that tells whether a line was begun. Real children and pipes."""

import fcntl
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from concordiad.agent.process import AgentProcess, AgentStdin, Exit, spawn
from concordiad.config.limits import Graces
from concordiad.errors import AgentGone, AgentUnfit
from tests.support.patience import PATIENCE_S

BRIEF_S = 0.05


@asynccontextmanager
async def running(program: str, cwd: Path = Path("/"), **variables: str) -> AsyncIterator[AgentProcess]:
    """Run a Python program as an agent; it is killed and reaped at the end."""
    with trio.fail_after(PATIENCE_S):
        process = await spawn([sys.executable, "-ISc", program], cwd, variables, Graces().write_s)
        async with process.stdout, process.stderr:
            try:
                yield process
            finally:
                process.close()
                process.kill()
                with trio.move_on_after(PATIENCE_S, shield=True):
                    await process.wait()


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    """Read to the end of file."""
    return b"".join([bytes(chunk) async for chunk in stream])


@contextmanager
def pipe(grace_s: float = PATIENCE_S) -> Iterator[tuple[AgentStdin, trio.lowlevel.FdStream, int]]:
    """Make a pipe: its write end as an agent's stdin, its read end, and how many bytes it holds."""
    read_end, write_end = os.pipe()
    size = fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ)
    stdin, reader = AgentStdin(trio.lowlevel.FdStream(write_end), grace_s), trio.lowlevel.FdStream(read_end)
    try:
        yield stdin, reader, size
    finally:
        stdin.close()
        reader.close()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory with things in it that are no programs."""
    (tmp_path / "text").write_text("hello")
    (tmp_path / "script").write_text("#!/nonexistent/interpreter\n")
    (tmp_path / "script").chmod(0o700)
    return tmp_path


@pytest.mark.parametrize("program", ["missing", "text", "script", "."])
async def test_program_that_cannot_be_started_is_named(work: Path, program: str) -> None:
    """A program that is not there, is none, or has no interpreter is told by its name, with what to do."""
    command = str(work / program)
    with pytest.raises(AgentUnfit) as caught:
        await spawn([command], work, {}, Graces().write_s)
    assert str(caught.value).startswith(f"the agent {command} cannot be started: ")
    assert str(caught.value).endswith("; check its command")


@pytest.mark.parametrize("place", ["missing", "text"])
async def test_directory_that_is_none_is_named(work: Path, place: str) -> None:
    """A room's directory that is gone is told as such, not as a missing program."""
    with pytest.raises(AgentUnfit, match=f"^the room's directory {work / place} is not there: "):
        await spawn([sys.executable, "-c", ""], work / place, {}, Graces().write_s)


async def test_process_is_what_was_asked_for(tmp_path: Path) -> None:
    """It runs in its directory, in a session of its own, with the variables that it was given and no others."""
    program = "import json, os; print(json.dumps([os.getpid(), os.getsid(0), os.getcwd(), dict(os.environ)]))"
    async with running(program, tmp_path, GIVEN="1", LC_ALL="C") as process:
        pid, session, cwd, environment = json.loads(await read_all(process.stdout))
    assert (pid, session, cwd) == (process.pid, process.pid, str(tmp_path))
    assert environment == {"GIVEN": "1", "LC_ALL": "C"}


async def test_exit_status_is_told() -> None:
    """A process that ends by itself has an exit status."""
    async with running("raise SystemExit(3)") as process:
        assert await process.wait() == Exit(3, None)
        assert process.has_ended()


@pytest.mark.parametrize(
    ("end", "number"), [(AgentProcess.terminate, signal.SIGTERM), (AgentProcess.kill, signal.SIGKILL)]
)
async def test_signal_is_told(end: object, number: int) -> None:
    """A process that is ended has the signal that ended it."""
    async with running("import signal; signal.pause()") as process:
        assert not process.has_ended()
        assert callable(end)
        end(process)
        assert await process.wait() == Exit(None, number)


async def test_ended_process_can_be_ended_again() -> None:
    """Whoever comes too late to end it does nothing."""
    async with running("") as process:
        await process.wait()
        process.terminate()
        process.kill()
        process.close()


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Exit(0, None), "exit status 0"),
        (Exit(143, None), "exit status 143"),
        (Exit(None, 9), "signal SIGKILL"),
        (Exit(None, 99), "signal 99"),
    ],
)
def test_exit_in_words(ended: Exit, words: str) -> None:
    """How a process ended is told by the signal's name, if it has one."""
    assert str(ended) == words


async def test_closed_stdin_is_its_end() -> None:
    """Closing the pipe is how the agent is told that there is no more."""
    async with running("import sys; print(len(sys.stdin.read()))") as process:
        await process.stdin.write(b"abc\n")
        process.stdin.close()
        process.stdin.close()
        assert await read_all(process.stdout) == b"4\n"


async def test_long_line_is_written_whole() -> None:
    """A line longer than the pipe is written as it is read, byte for byte."""
    line = bytes(range(256)) * 8192
    echo = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    read: list[bytes] = []
    async with running(echo) as process, trio.open_nursery() as nursery:

        async def read_output() -> None:
            read.append(await read_all(process.stdout))

        nursery.start_soon(read_output)
        await process.stdin.write(line)
        process.stdin.close()
    assert read == [line]


async def test_dead_agent_saw_nothing() -> None:
    """A line for a process that has ended was not begun: it can be given to the next one."""
    async with running("") as process:
        await process.wait()
        with pytest.raises(AgentGone, match="the agent's stdin is broken: Broken pipe") as caught:
            await process.stdin.write(b"hello\n")
    assert caught.value.begun is False


async def test_agent_that_closed_its_input_saw_nothing() -> None:
    """An agent that lives but will not listen is as good as gone, and saw nothing of the line."""
    async with running("import os, signal; os.close(0); os.write(1, b'.'); signal.pause()") as process:
        assert await process.stdout.receive_some(1) == b"."
        with pytest.raises(AgentGone) as caught:
            await process.stdin.write(b"hello\n" * 100_000)
        assert caught.value.begun is False


async def test_agent_that_dies_while_it_reads_saw_a_part() -> None:
    """A line of which a byte was read may have been understood: nobody knows what came of it."""
    async with running("import os; os.read(0, 1)") as process:
        with pytest.raises(AgentGone, match="Broken pipe") as caught:
            await process.stdin.write(b"x" * 1_000_000)
    assert caught.value.begun is True


async def test_agent_that_never_reads_has_a_grace() -> None:
    """A line that the pipe takes a part of is begun, whether anybody read it or not."""
    with pipe(BRIEF_S) as (stdin, _, size):
        with pytest.raises(AgentGone, match=f"the agent read nothing for {BRIEF_S} s") as caught:
            await stdin.write(b"x" * (size + 1))
        assert caught.value.begun is True


async def test_line_behind_a_full_pipe_was_not_begun() -> None:
    """A line of which not even the pipe took a byte was certainly seen by nobody."""
    with pipe(BRIEF_S) as (stdin, _, size):
        await stdin.write(b"x" * size)
        with pytest.raises(AgentGone) as caught:
            await stdin.write(b"y")
        assert caught.value.begun is False


async def test_cancellation_waits_until_the_line_is_whole() -> None:
    """Half a line would kill the agent, so whoever cancels waits for the other half, and cancels what comes after."""
    with pipe() as (stdin, reader, size):
        line = b"x" * (3 * size)
        whole, after = trio.Event(), trio.Event()
        scope = trio.CancelScope()

        async def write() -> None:
            with scope:
                await stdin.write(line)
                whole.set()
                await trio.lowlevel.checkpoint()
                after.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await wait_all_tasks_blocked()
            scope.cancel()
            await wait_all_tasks_blocked()
            assert not whole.is_set()
            read = b""
            while len(read) < len(line):
                read += await reader.receive_some(size)
        assert read == line
        assert whole.is_set() and not after.is_set()


async def test_cancellation_before_the_line_writes_nothing() -> None:
    """Who is cancelled before the first byte writes none."""
    with pipe() as (stdin, reader, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await stdin.write(b"hello\n")
        assert scope.cancelled_caught
        stdin.close()
        assert await reader.receive_some(100) == b""


@pytest.mark.parametrize(("before", "begun"), [(0, True), (1, False)])
async def test_stdin_that_is_closed_meanwhile(before: int, begun: bool) -> None:
    """When the pipe is closed under a line that waits, its writer is told that the agent is gone, and nothing worse."""
    with pipe() as (stdin, _, size):
        await stdin.write(b"x" * (size * before))
        told: list[bool] = []

        async def write() -> None:
            with pytest.raises(AgentGone) as caught:
                await stdin.write(b"y" * (size + 1))
            told.append(caught.value.begun)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await wait_all_tasks_blocked()
            stdin.close()
        assert told == [begun]


async def test_closed_stdin_takes_nothing() -> None:
    """A line for a pipe that was closed before was not begun."""
    with pipe() as (stdin, _, _):
        stdin.close()
        with pytest.raises(AgentGone) as caught:
            await stdin.write(b"hello\n")
        assert caught.value.begun is False
