"""
One agent process as a plain child: its streams, its exit, and how it is ended.

Laws: it gets a session of its own, so that a Ctrl-C meant for the daemon is not meant for it; its stdin tells whether a
line was begun; it is always reaped.
"""

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import trio

from concordiad.errors import AgentError, AgentGone, AgentUnfit
from concordiad.ops.threads import in_thread, is_want_of_threads

SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ETXTBSY)
"""What keeps a program from being started today and not tomorrow: all else would be met again."""


class Exit(NamedTuple):
    """How a process ended: its exit code, or the number of the signal that ended it."""

    code: int | None
    signal: int | None

    def __str__(self) -> str:
        """Say it in words."""
        if self.signal is None:
            return f"exit status {self.code}"
        try:
            return f"signal {signal.Signals(self.signal).name}"
        except ValueError:
            return f"signal {self.signal}"


class LineWriter(Protocol):
    """The agent's stdin as the writer needs it."""

    async def write(self, line: bytes) -> None:
        """Write a whole line or raise AgentGone."""

    def close(self) -> None:
        """Let the agent read the end of its input."""


class AgentStdin:
    """
    The write end of the agent's stdin.

    Args:
        stream: Trio's stream of the pipe; it stays the owner of the descriptor.
        grace_s: how long one line may take.
        forget: has whoever else holds the pipe close it, too: the agent reads the end only when nobody does.
    """

    def __init__(
        self, stream: trio.lowlevel.FdStream, grace_s: float, forget: Callable[[], None] = lambda: None
    ) -> None:
        self._stream = stream
        self._grace_s = grace_s
        self._forget = forget

    async def write(self, line: bytes) -> None:
        """
        Write a whole line; a cancellation waits until it is written, because half a line would kill the agent.

        Raises:
            AgentGone: the agent reads no more; `begun` tells whether it may have seen a part of the line.
        """
        await trio.lowlevel.checkpoint()
        written = 0
        view = memoryview(line)
        with trio.move_on_after(self._grace_s, shield=True):
            try:
                while written < len(line):
                    try:
                        written += os.write(self._stream.fileno(), view[written:])
                    except BlockingIOError:
                        await trio.lowlevel.wait_writable(self._stream.fileno())
            except OSError as error:
                raise AgentGone(f"the agent's stdin is broken: {error.strerror}", begun=written > 0) from error
            except trio.ClosedResourceError as error:
                raise AgentGone("the agent's stdin was closed meanwhile", begun=written > 0) from error
            return
        raise AgentGone(f"the agent read nothing for {self._grace_s:g} s", begun=written > 0, is_stuck=True)

    def close(self) -> None:
        """Close the pipe; the agent reads the end of its input."""
        self._stream.close()
        self._forget()

    def leave(self) -> None:
        """Close our end only: somebody else goes on writing."""
        self._stream.close()


class AgentProcess:
    """
    A spawned agent.

    Attributes:
        is_kept: a child of ours does not outlive us.
    """

    is_kept = False

    def __init__(self, process: trio.Process, write_s: float) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AgentError("the agent was spawned without pipes")
        self._process = process
        self.pid = process.pid
        self.stdin = AgentStdin(process.stdin, write_s)  # type: ignore[arg-type]  # on Unix it is an FdStream
        self.stdout: trio.abc.ReceiveStream = process.stdout
        self.stderr: trio.abc.ReceiveStream = process.stderr

    async def wait(self) -> Exit:
        """Wait until the process has ended and is reaped."""
        status = await self._process.wait()
        return Exit(status, None) if status >= 0 else Exit(None, -status)

    def has_ended(self) -> bool:
        """Tell whether the process has ended; reaps it if so."""
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._process.terminate()

    def kill(self) -> None:
        """End it (SIGKILL)."""
        self._process.kill()

    def close(self) -> None:
        """Let it read the end of its input; who reads its output lets go of that."""
        self.stdin.close()

    def leave(self) -> None:
        """Let it go on without us, which a child does not; its input ends here, too."""
        self.close()

    def release(self) -> None:
        """Let go of what has ended: a plain child was reaped, and nothing else is held."""


async def spawn(command: Sequence[str], cwd: Path, environment: Mapping[str, str], write_s: float) -> AgentProcess:
    """
    Start an agent with three pipes; one line to it may take so many seconds to be written.

    Raises:
        AgentUnfit: the program or the directory is not there, or may not be used; the message names it.
        AgentError: the machine has no room for it at the moment.
    """
    if not await in_thread(cwd.is_dir):
        raise AgentUnfit(f"the room's directory {cwd} is not there: create it, or change workdir")
    try:
        process = await trio.lowlevel.open_process(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        kind = AgentError if error.errno in SCARCE else AgentUnfit
        raise kind(f"the agent {command[0]} cannot be started: {error.strerror}; check its command") from error
    except ValueError as error:
        raise AgentUnfit(f"the agent {command[0]} cannot be started: {error}; check its settings") from error
    except RuntimeError as error:
        if not is_want_of_threads(error):
            raise
        raise AgentError(f"the agent {command[0]} cannot be started: {error}") from error
    return AgentProcess(process, write_s)
