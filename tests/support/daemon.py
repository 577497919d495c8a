"""
The real daemon as a child process: its directories, its configuration, its runs, and what those leave behind.

A `Site` is what outlives a run; several runs can follow each other on it, or be attempted beside each other. Nothing of
this process's own environment reaches a daemon, and everything that a site's daemons start bears the site's HOME.
"""

import contextlib
import io
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from concordiad.agent.leftovers import read_environment
from tests.support.control_client import ControlClient
from tests.support.patience import PATIENCE_S

ROOT: Final = Path(__file__).parents[2]
MARK: Final = b"CONCORDIA_AGENT="
READY: Final = " is ready, its socket is "
Tables = Mapping[str, Mapping[str, object]]
"""A configuration: the names of its tables, and their keys."""

UNHURRIED: Final[dict[str, object]] = {"interrupt_s": 60, "message_s": 60, "head_s": 60, "hello_s": 60}
"""Graces of a few seconds by default: a stall of the machine must not end what a test is about."""
REHEARSAL: Final[dict[str, object]] = {"kind": "rehearsal", "env": {"CONCORDIA_REHEARSAL_PACE_MS": "0"}}


class Ended(NamedTuple):
    """A daemon that came to an end by itself: its exit status, and what it said on standard error."""

    code: int
    log: str


class Site:
    """
    Where a test's daemons live.

    Attributes:
        home: HOME of the daemon and all that it starts.
        work: the working directory of the room `main`.
        environment: the daemon's.
    """

    def __init__(self, root: Path, tables: Tables | None = None) -> None:
        self.home, self.work = root / "home", root / "work"
        self.state, self.runtime = root / "state", root / "run"
        self.config = root / "concordiad.toml"
        for directory in (self.home, self.work):
            directory.mkdir()
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
        }
        self.configure(tables or {})

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.runtime / "control.sock"

    def configure(self, tables: Tables) -> None:
        """Write the configuration: these tables, besides a room `main` with a rehearsal agent that does not pause."""
        usual: Tables = {
            "rooms.main": {"workdir": str(self.work), "agent": "rehearsal"},
            "agents.rehearsal": REHEARSAL,
            "graces": UNHURRIED,
        }
        whole = {name: {**usual.get(name, {}), **tables.get(name, {})} for name in [*usual, *tables]}
        self.config.write_text(write_toml(whole))

    def start(
        self, *options: str, under: Sequence[str] = (), passed: Sequence[int] = (), stderr: int = subprocess.PIPE
    ) -> "Daemon":
        """
        Start a daemon.

        Args:
            under: the program that starts it.
            passed: descriptors that it inherits.
            stderr: its standard error; by default, what it says there is its log.
        """
        return Daemon(self, options, under, passed, stderr)

    @contextlib.contextmanager
    def running(self, *options: str, under: Sequence[str] = ()) -> Iterator["Daemon"]:
        """Run a daemon that serves; unless it has ended by then, it is to drain, exit with 0, and leave nothing."""
        with self.start(*options, under=under) as daemon:
            daemon.wait_until_ready()
            yield daemon
            if daemon.is_running():
                assert daemon.stop() == 0
                self.wait_until_empty()

    def refuse(self, *options: str, under: Sequence[str] = ()) -> Ended:
        """Start a daemon that is to end by itself, and return how it did."""
        with self.start(*options, under=under) as daemon:
            return Ended(daemon.wait(), daemon.log)

    def leftovers(self) -> dict[int, str]:
        """Return every process that an agent of this site is or started, with its command line."""
        return {number: _command_line(number) for number in _marked(self.home)}

    def wait_until_empty(self, within_s: float = PATIENCE_S) -> None:
        """Wait until no process of any agent of this site is left; AssertionError says which ones are."""
        deadline = time.monotonic() + within_s
        for number in _marked(self.home):
            with contextlib.suppress(ProcessLookupError):
                wait_for_end(number, deadline - time.monotonic())
        assert self.leftovers() == {}

    def clear(self) -> None:
        """End whatever the agents of this site have left: for a test that has failed, or that had no further daemon."""
        for number in _marked(self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


class Daemon:
    """
    One run of concordiad; a context manager that ends it and prints its log.

    Attributes:
        lines: what it has said on standard error.
    """

    def __init__(
        self,
        site: Site,
        options: Sequence[str],
        under: Sequence[str],
        passed: Sequence[int] = (),
        stderr: int = subprocess.PIPE,
    ) -> None:
        self.site = site
        self.lines: list[str] = []
        self._clients: list[ControlClient] = []
        self._said = threading.Condition()
        self._has_said_all = False
        places = (f"--config={site.config}", f"--state-dir={site.state}", f"--runtime-dir={site.runtime}")
        self.process = subprocess.Popen(
            [*under, sys.executable, "-P", "-m", "concordiad", *places, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=site.work,
            env=site.environment,
            pass_fds=passed,
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name="daemon-log")
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self.kill()
        print(f"--- concordiad, process {self.process.pid}, status {self.process.returncode}, said:\n{self.log}")

    @property
    def log(self) -> str:
        """All that it has said on standard error."""
        return "\n".join(self.lines)

    def wait_until_ready(self) -> None:
        """Wait until it says that it serves."""
        self.wait_for_log(READY)

    def wait_until_it_answers(self) -> None:
        """Wait until it serves, where nobody can read what it says."""
        deadline = time.monotonic() + PATIENCE_S
        while self.is_running():
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                self.connect().call("room.list")
                return
            assert time.monotonic() < deadline, "concordiad does not answer"
            time.sleep(0.05)
        raise AssertionError(f"concordiad has ended with {self.process.returncode}")

    def has_said(self, text: str) -> bool:
        """Wait for a line with that text on its standard error, or for its end; tells whether there was one."""
        with self._said:
            self._said.wait_for(lambda: self._find(text) is not None or self._has_said_all, PATIENCE_S)
            return self._find(text) is not None

    def wait_for_log(self, text: str) -> str:
        """Wait for a line with that text on its standard error, and return it."""
        found = self._find(text) if self.has_said(text) else None
        assert found is not None, f"concordiad has not said {text!r}, but:\n{self.log}"
        return found

    def connect(self) -> ControlClient:
        """Connect a client; it is closed with the daemon."""
        client = ControlClient(self.site.socket)
        self._clients.append(client)
        return client

    def follow(self, **params: Any) -> ControlClient:
        """Connect a client that follows the room from its first event, or as `params` say."""
        client = self.connect()
        client.call("events.subscribe", **(params or {"since": 0}))
        return client

    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self.process.poll() is None

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Hang up every client, ask it to stop, and return its exit status."""
        for client in self._clients:
            client.close()
        self.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended and has said all; returns its exit status."""
        code = self.process.wait(PATIENCE_S)
        self._listener.join(PATIENCE_S)
        assert not self._listener.is_alive(), "concordiad has ended, but something holds its standard error"
        return code

    def kill(self) -> None:
        """End it with SIGKILL, if it has not ended yet."""
        self.process.kill()
        self.wait()

    def memory_bytes(self) -> int:
        """Return what it has of physical memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def _find(self, text: str) -> str | None:
        return next((line for line in self.lines if text in line), None)

    def _listen(self) -> None:
        with self.process.stderr or io.BytesIO() as stderr:
            for line in stderr:
                self._say(line.decode(errors="replace").rstrip("\n"))
        with self._said:
            self._has_said_all = True
            self._said.notify_all()

    def _say(self, line: str) -> None:
        with self._said:
            self.lines.append(line)
            self._said.notify_all()


def write_toml(tables: Tables) -> str:
    """Write tables of strings, numbers, booleans, lists and string-to-string tables as TOML."""
    parts = []
    for name, table in tables.items():
        parts.append(f"[{name}]")
        parts += [f"{key} = {_value(value)}" for key, value in table.items()]
    return "\n".join([*parts, ""])


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def wait_for_end(number: int, within_s: float = PATIENCE_S) -> None:
    """Wait until a process that is not a child has ended; AssertionError if it has not in time."""
    try:
        descriptor = os.pidfd_open(number)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([descriptor], [], [], max(within_s, 0))
    finally:
        os.close(descriptor)
    assert ended, f"process {number} still runs: {_command_line(number)}"


def _marked(home: Path) -> list[int]:
    """List the processes that bear an agent's mark and this HOME."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            variables = read_environment(int(name))
        except OSError:
            continue
        if f"HOME={home}".encode() in variables and any(variable.startswith(MARK) for variable in variables):
            found.append(int(name))
    return found


def _command_line(number: int) -> str:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"
