"""
The real Claude Code CLI for tests: where it is, what it may see of this machine, how to talk to it.

The binary comes with the wheel claude-agent-sdk. PATH is not consulted: a test must depend neither on what a
developer has installed nor on that developer's account.
"""

import importlib.util
import json
import os
import select
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import pytest

from tests.support.patience import PATIENCE_S

Line = dict[str, Any]
"""One line of the CLI's protocol, parsed."""

STREAMING: Final = (
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--permission-prompt-tool=stdio",
)
CHUNK_BYTES: Final = 1 << 16


def find_cli() -> Path | None:
    """Return the wheel's binary, or None where it is not installed."""
    found = importlib.util.find_spec("claude_agent_sdk")
    if found is None or found.origin is None:
        return None
    binary = Path(found.origin).parent / "_bundled" / "claude"
    return binary if os.access(binary, os.X_OK) else None


def require_cli() -> Path:
    """Return the wheel's binary, or skip the test; with CONCORDIA_REQUIRE_REAL_CLI=1 fail it."""
    binary = find_cli()
    if binary is not None:
        return binary
    message = "the real Claude Code CLI is missing: `make test` installs it, from constraints-claude.txt"
    if os.environ.get("CONCORDIA_REQUIRE_REAL_CLI") == "1":
        pytest.fail(message)
    pytest.skip(message)


def cli_environment(home: Path, api_url: str) -> dict[str, str]:
    """
    Return a whole environment for the CLI, with nothing of this process's own in it.

    `home` may be empty: without a terminal the CLI neither greets nor asks for trust, whoever runs it.
    """
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "TMPDIR": str(home),
        "ANTHROPIC_BASE_URL": api_url,
        "ANTHROPIC_API_KEY": "stub",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
    }


class RealCli:
    """
    One process of the CLI, driven line by line; a context manager that ends it.

    Attributes:
        lines: everything that was read from its stdout so far.
        errors: the file that its stderr goes to.
    """

    def __init__(self, home: Path, api_url: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        work = home / "work"
        work.mkdir(parents=True, exist_ok=True)
        self.lines: list[Line] = []
        self.errors = home / f"stderr-{uuid.uuid4().hex[:8]}"
        self._returned = 0
        self._partial = bytearray()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [require_cli(), *STREAMING, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=work,
                env=cli_environment(home, api_url) if env is None else env,
                bufsize=0,
            )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._stdin = self.process.stdin
        self._stdout = self.process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # SIGTERM, because only then does the CLI take the processes of its tools with it.
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self._stdin.close()
            self._stdout.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line."""
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[self._stdin.write(data) or 0 :]

    def prompt(self, text: str) -> str:
        """Hand in a prompt and return its uuid: verbatim, with a turn and a result of its own."""
        name = str(uuid.uuid4())
        message = {"role": "user", "content": text}
        given = {
            "type": "user",
            "message": message,
            "uuid": name,
            "client_composed": True,
            "priority": "later",
        }
        self.write(given)
        return name

    def request(self, subtype: str, **fields: Any) -> Line:
        """Make a control request and return its answer's `response`; lines before that count as returned."""
        name = f"test-{uuid.uuid4()}"
        self.write({"type": "control_request", "request_id": name, "request": {"subtype": subtype, **fields}})
        answer = self.read_until(lambda line: line.get("response", {}).get("request_id") == name)[-1]
        return dict(answer["response"])

    def reply(self, request: Line, response: Mapping[str, Any]) -> None:
        """Answer a control request of the CLI's."""
        answer = {"subtype": "success", "request_id": request["request_id"], "response": response}
        self.write({"type": "control_response", "response": answer})

    def allow(self, request: Line, **more: Any) -> None:
        """Allow a tool's use as it was asked for, with `more` in its input."""
        self.reply(request, {"behavior": "allow", "updatedInput": request["request"]["input"] | more})

    def read_until(self, is_last: Callable[[Line], bool], within_s: float = PATIENCE_S) -> list[Line]:
        """
        Return the lines not yet returned, up to and with the first for which `is_last`.

        Raises:
            AssertionError: that line did not come in time, or the output ended; says what came instead.
        """
        first = self._returned
        deadline = time.monotonic() + within_s
        while True:
            while self._returned < len(self.lines):
                self._returned += 1
                if is_last(self.lines[self._returned - 1]):
                    return self.lines[first : self._returned]
            if not self._read_chunk(deadline - time.monotonic()):
                came = [(line["type"], line.get("subtype"), line.get("state")) for line in self.lines[first:]]
                raise AssertionError(f"not what was waited for, but {came}; stderr: {self.errors.read_text()!r}")

    def read_request(self) -> Line:
        """Return the next control request of the CLI's: that a tool may be used."""
        return self.read_until(lambda line: line["type"] == "control_request")[-1]

    def read_turn(self) -> list[Line]:
        """Return the lines up to and with the next that says it is idle."""
        return self.read_until(lambda line: line.get("state") == "idle")

    def end(self) -> int:
        """Close its input, read the rest of its output, and return its exit status."""
        self._stdin.close()
        while self._read_chunk(PATIENCE_S):
            pass
        return self.process.wait(PATIENCE_S)

    def _read_chunk(self, within_s: float) -> bool:
        """Take in what there is to read; False at the end of the output, and when nothing came in time."""
        ready, _, _ = select.select([self._stdout], [], [], max(within_s, 0))
        data = os.read(self._stdout.fileno(), CHUNK_BYTES) if ready else b""
        self._partial += data
        if b"\n" in data:
            *whole, self._partial = self._partial.split(b"\n")
            self.lines += [json.loads(line) for line in whole]
        return bool(data)
