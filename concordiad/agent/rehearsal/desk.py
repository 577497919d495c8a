"""
Input, output, signals and tools of the rehearsal agent, in one thread.

Law: whoever waits for anything calls `Desk.wait`, and that serves everything else meanwhile. So an interrupt gets
through in the middle of a turn, and no state is touched by two threads, because there is one.
"""

import contextlib
import enum
import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn
from uuid import uuid4

STDIN: Final = 0
STDOUT: Final = 1
CHUNK_BYTES: Final = 65536
OUTPUT_LIMIT_BYTES: Final = 30_000
"""Of a command's output; as much as the CLI shows to its model."""


class Interrupted(Exception):
    """The turn in progress is to end now."""


class Stop(enum.Enum):
    """What somebody has asked to end."""

    NOTHING = 0
    TURN = 1
    PROGRAM = 2


class Tool:
    """
    A command in a session and process group of its own, its output captured and bounded.

    Attributes:
        pipe: where its output comes from, a file descriptor.
        status: the exit status, negative for a signal; None while it runs.
        ended: called when it has ended by itself.
    """

    def __init__(self, command: str, ended: Callable[["Tool"], None] | None) -> None:
        self.pipe, out = os.pipe()
        os.set_blocking(self.pipe, False)
        self.status: int | None = None
        self.ended = ended
        self._output = bytearray()
        try:
            self.process = subprocess.Popen(
                ["bash", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        except OSError:
            os.close(self.pipe)
            raise
        finally:
            os.close(out)

    def read(self) -> bool:
        """Take what the command has written; False when nothing will come any more."""
        try:
            chunk = os.read(self.pipe, CHUNK_BYTES)
        except BlockingIOError:
            return True
        self._output += chunk[: OUTPUT_LIMIT_BYTES - len(self._output)]
        return bool(chunk)

    @property
    def output(self) -> str:
        """What the command has written, as far as it is kept."""
        text = self._output.decode(errors="replace").rstrip("\n")
        return text + "\n[cut off here]" if len(self._output) == OUTPUT_LIMIT_BYTES else text

    def kill(self) -> None:
        """End the command and whatever is left of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Desk:
    """
    Where the turn sits.

    Attributes:
        session_id: stamped on every line.
        state: idle, running or requires_action, as session_state_changed tells it.
        stop: what is to end; reset by whoever has ended it.
        stubborn: whether interrupts, end of input and SIGTERM are to no avail.
        tools: the commands that run.
    """

    def __init__(self, on_line: Callable[[bytes], None], *, tells_states: bool) -> None:
        self.session_id = ""
        self.state = "idle"
        self.stop = Stop.NOTHING
        self.stubborn = False
        self.tools: list[Tool] = []
        self._on_line = on_line
        self._tells_states = tells_states
        self._lines: deque[bytes] = deque()
        self._partial = bytearray()
        self._at_end = False
        self._question: str | None = None
        self._answer: dict[str, Any] | None = None
        self._is_starting = False
        self._is_terminated = False
        # poll, because epoll refuses an input that is a plain file.
        self._selector = selectors.PollSelector()
        self._selector.register(STDIN, selectors.EVENT_READ, self._read_stdin)
        self._wakes, wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(wakes, False)
        self._selector.register(self._wakes, selectors.EVENT_READ, self._read_signals)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        # SIGTERM does not go through the wake-up pipe: it must work while a write is stuck.
        signal.signal(signal.SIGTERM, self._take_sigterm)

    @property
    def is_at_end(self) -> bool:
        """Whether the input has ended and all of it was taken."""
        return self._at_end and not self._lines

    def wait(self, done: Callable[[], bool], seconds: float | None = None) -> None:
        """
        Serve input, signals and tools until `done()` holds or so many seconds are over (None: never).

        Raises:
            Interrupted: if the turn, or the program, is to stop.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        has_polled = False
        while True:
            if self.stop is not Stop.NOTHING:
                raise Interrupted
            if done():
                return
            if self._lines:
                self._on_line(self._lines.popleft())
                continue
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if left == 0 and has_polled:
                return
            for key, _ in self._selector.select(left):
                key.data()
            has_polled = True

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass; with 0 only look at what has come."""
        self.wait(lambda: False, seconds)

    def write(self, data: bytes) -> None:
        """Write all of it to standard output; BrokenPipeError if nobody will ever read it."""
        left = memoryview(data)
        while left:
            left = left[os.write(STDOUT, left) :]

    def send(self, line: dict[str, Any]) -> None:
        """Write a line as it is; a lone surrogate goes out as its escape, so that the line is UTF-8."""
        self.write(encode(line) + b"\n")

    def tell(self, kind: str, **fields: object) -> None:
        """Write a line with a uuid and the session's id."""
        self.send({"type": kind, **fields, "uuid": str(uuid4()), "session_id": self.session_id})

    def enter(self, state: str) -> None:
        """Change the state and tell it, if such lines are wanted."""
        self.state = state
        if self._tells_states:
            self.tell("system", subtype="session_state_changed", state=state)

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """
        Send a control request and wait for the `response` object of its answer; None if the input ends first.

        Raises:
            Interrupted: if the turn is to stop; the request is taken back then.
        """
        self._question, self._answer = str(uuid4()), None
        self.send({"type": "control_request", "request_id": self._question, "request": request})
        try:
            self.wait(lambda: self._answer is not None or self.is_at_end)
        finally:
            self._question = None
        return self._answer

    def hear_answer(self, response: dict[str, Any]) -> None:
        """Take the answer to the request that is open; it closes with the first one, and others are nobody's."""
        if self._question is not None and response.get("request_id") == self._question:
            self._answer = response

    def interrupt(self, stop: Stop) -> None:
        """Have the turn or the program end, and take back the request that is open."""
        is_late = stop is Stop.TURN and (self.state == "idle" or self.stop is Stop.PROGRAM)
        if self.stubborn or is_late:
            return
        if self._question is not None:
            self.send({"type": "control_cancel_request", "request_id": self._question})
            self._question = None
        self.stop = stop

    def go_deaf(self) -> None:
        """Never read standard input again."""
        if STDIN in self._selector.get_map():
            self._selector.unregister(STDIN)

    def start_tool(self, command: str, ended: Callable[[Tool], None] | None = None) -> Tool:
        """Run a command; OSError if there is no bash."""
        # A SIGTERM in here would miss the command, so it waits. To block it will not do: commands inherit that.
        self._is_starting = True
        try:
            tool = Tool(command, ended)
            self.tools.append(tool)
        finally:
            self._is_starting = False
        if self._is_terminated:
            self._terminate()
        self._selector.register(tool.pipe, selectors.EVENT_READ, lambda: self._read_tool(tool))
        return tool

    def stop_tool(self, tool: Tool) -> None:
        """End a command and its group, now."""
        tool.kill()
        tool.process.wait()
        self._put_away(tool)

    def kill_tools(self) -> None:
        """End every command that runs."""
        for tool in self.tools:
            tool.kill()

    def _read_stdin(self) -> None:
        chunk = os.read(STDIN, CHUNK_BYTES)
        self._partial += chunk
        if not chunk:
            self._selector.unregister(STDIN)
            self._at_end = True
            self._lines.append(bytes(self._partial))
        elif b"\n" in chunk:
            *lines, self._partial = self._partial.split(b"\n")
            self._lines.extend(bytes(line) for line in lines)

    def _read_signals(self) -> None:
        numbers = os.read(self._wakes, CHUNK_BYTES)
        if signal.SIGINT in numbers:
            self.interrupt(Stop.PROGRAM)
        for tool in [tool for tool in self.tools if tool.process.poll() is not None]:
            self._put_away(tool)
            if tool.ended is not None:
                tool.ended(tool)

    def _put_away(self, tool: Tool) -> None:
        # What the shell has left behind may hold the pipe open for ever: take what is there, then close it.
        self._read_tool(tool)
        if tool.pipe in self._selector.get_map():
            self._selector.unregister(tool.pipe)
        os.close(tool.pipe)
        tool.status = tool.process.returncode
        self.tools.remove(tool)

    def _read_tool(self, tool: Tool) -> None:
        # One round of the selector may report a pipe and have its tool put away before it comes to the pipe.
        if tool in self.tools and not tool.read() and tool.pipe in self._selector.get_map():
            self._selector.unregister(tool.pipe)

    def _take_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._is_terminated = not self.stubborn
        if self._is_terminated and not self._is_starting:
            self._terminate()

    def _terminate(self) -> NoReturn:
        self.kill_tools()
        os._exit(128 + signal.SIGTERM)


def encode(line: dict[str, Any]) -> bytes:
    """Return a line as JSON in UTF-8, as compact as the CLI's, without its newline."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")
