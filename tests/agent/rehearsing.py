"""An agent as a child process, driven line by line; every wait has an end."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
CLI_FLAGS = (
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--permission-prompt-tool=stdio",
)
Line = dict[str, Any]


class AgentProcess:
    """One process that speaks stream-json, its standard error in a file, its working directory under `home`."""

    def __init__(self, home: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.work = home / "work"
        self.work.mkdir(exist_ok=True)
        self._errors = home / "stderr"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.work,
                env=environment,
                bufsize=0,
            )
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def stdin(self) -> int:
        """The file descriptor that this process writes its input to."""
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    @property
    def stderr(self) -> str:
        """What it has written to standard error."""
        return self._errors.read_text()

    def write(self, data: bytes) -> None:
        """Write to its input."""
        while data:
            data = data[os.write(self.stdin, data) :]

    def send(self, *lines: Line) -> None:
        """Write lines in one piece."""
        self.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def prompt(self, text: str, uuid: str | None = "u1") -> None:
        """Write a prompt as a daemon does."""
        self.send(prompt(text, uuid))

    def control(self, subtype: str, **fields: object) -> None:
        """Write a control request."""
        self.send({"type": "control_request", "request_id": f"c-{subtype}", "request": {"subtype": subtype, **fields}})

    def answer(self, request: Line, **response: object) -> None:
        """Answer a permission request."""
        answer = {"subtype": "success", "request_id": request["request_id"], "response": response}
        self.send({"type": "control_response", "response": answer})

    def read_bytes(self) -> bytes:
        """Return the next line without its newline, or b"" at the end of output."""
        assert self.process.stdout is not None
        parts = [self._unread]
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in parts[-1]:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no line within {PATIENCE_S} s; standard error: {self.stderr}"
            parts.append(os.read(self.process.stdout.fileno(), 1 << 20))
            if not parts[-1]:
                break
        line, _, self._unread = b"".join(parts).partition(b"\n")
        return line

    def read(self) -> Line:
        """Return the next line."""
        raw = self.read_bytes()
        assert raw, f"the output has ended; standard error: {self.stderr}"
        line = json.loads(raw)
        assert isinstance(line, dict)
        return line

    def until(self, wanted: str) -> list[Line]:
        """Return the lines up to and with the first one of that essence."""
        lines = [self.read()]
        while essence(lines[-1]) != wanted:
            lines.append(self.read())
        return lines

    def last(self, wanted: str) -> Line:
        """Return the next line of that essence."""
        return self.until(wanted)[-1]

    def rest(self) -> list[Line]:
        """Return the lines up to the end of output."""
        return list(self._rest())

    def _rest(self) -> Iterator[Line]:
        while raw := self.read_bytes():
            yield json.loads(raw)

    def close(self) -> None:
        """End its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def status(self) -> int:
        """Wait for its end and return its exit status, negative for a signal."""
        return self.process.wait(PATIENCE_S)

    def finish(self) -> int:
        """End its input, take the rest of its output, and return its exit status."""
        self.close()
        self.rest()
        return self.status()


class Rehearsal(AgentProcess):
    """The rehearsal agent, its memory under `home` too."""

    def __init__(self, home: Path, *flags: str, **variables: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "CLAUDE_CONFIG_DIR": str(home / "config"),
            "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
            "CONCORDIA_REHEARSAL_PACE_MS": "0",
        }
        command = [sys.executable, "-P", "-m", "concordiad.agent.rehearsal", *CLI_FLAGS, *flags]
        super().__init__(home, command, environment | variables)


def prompt(text: str, uuid: str | None = "u1", **more: object) -> Line:
    """Return a prompt's line."""
    line = {"type": "user", "message": {"role": "user", "content": text}, "client_composed": True}
    return line | ({"uuid": uuid} if uuid else {}) | more


def essence(line: Line) -> str:
    """Return what a line is about, in two words at most."""
    match line:
        case {"type": "system", "subtype": "session_state_changed"}:
            return str(line["state"])
        case {"type": "command_lifecycle"}:
            return str(line["state"])
        case {"type": "stream_event"}:
            return f"stream {line['event']['type']}"
        case {"type": "result" | "system"}:
            return f"{line['type']} {line['subtype']}"
        case _:
            return str(line["type"])


def essences(lines: Sequence[Line]) -> list[str]:
    """Return what the lines are about."""
    return [essence(line) for line in lines]


def texts(lines: Sequence[Line]) -> list[str]:
    """Return the agent's finished texts."""
    blocks = [line["message"]["content"][0] for line in lines if line["type"] == "assistant"]
    return [block["text"] for block in blocks if block["type"] == "text"]


class Lifeline:
    """A FIFO that a tool holds open: its end is the end of whoever holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._reader)

    def wait_for_life(self) -> None:
        """Wait until the holder has written something."""
        self._wait()
        assert os.read(self._reader, 100)

    def wait_for_death(self) -> None:
        """Wait until nobody holds it any more."""
        self._wait()
        assert os.read(self._reader, 100) == b""

    def _wait(self) -> None:
        ready, _, _ = select.select([self._reader], [], [], PATIENCE_S)
        assert ready, f"nothing came within {PATIENCE_S} s"
