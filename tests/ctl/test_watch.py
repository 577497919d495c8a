"""`status --watch`: figures looked at again and again, in place on a terminal, one behind the other elsewhere."""

import json
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import run, start
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def figures(**changed: Any) -> dict[str, Any]:
    """Make what a daemon measures."""
    daemon = {"version": "0.1.0", "uptime_s": 64.0, "loop_lag_s": 0.0001, "journal_fault": None, "commits": 5}
    outcomes = {"completed": 7, "failed": 1, "interrupted": 0, "timed_out": 0, "uncertain": 0}
    room = {
        "name": "main",
        "state": "busy",
        "agent_up": True,
        "agent_restarts": 2,
        "waiting": 3,
        "oldest_s": 75.0,
        "approvals": 1,
        "guests": 4,
        "detached": 1,
        "followers": 2,
        "prompts": 12,
        "merged": 4,
        "outcomes": outcomes,
        "duration_p50_s": 4.0,
        "duration_p95_s": 9.5,
        "ttft_p50_s": 0.5,
        "ttft_p95_s": 1.5,
        "input_tokens": 1200,
        "output_tokens": 340,
        "cost_usd": 0.25,
        "api_retries": 0,
    }
    return {"daemon": {**daemon, "commit_p50_s": 0.002, "commit_p99_s": 0.0048}, "rooms": [{**room, **changed}]}


def look(**changed: Any) -> Script:
    """Answer one look."""

    def script(client: Client) -> None:
        client.answer("daemon.measure", figures(**changed))

    return script


def hang_up(client: Client) -> None:
    """Go away before answering."""
    client.request("daemon.measure")


class Watched:
    """A terminal on which it runs; `written` is all that was written there."""

    def __init__(self, ours: int, child: "subprocess.Popen[bytes]") -> None:
        self.child = child
        self.written = ""
        self._ours = ours

    def wait_for(self, text: str, times: int = 1) -> None:
        """Read until a text was written so often."""
        while self.written.count(text) < times:
            assert self._read(), f"{text!r} was not written, but {self.written!r}"

    def resize(self, rows: int, columns: int) -> None:
        """Change the terminal's size, as a window does."""
        termios.tcsetwinsize(self._ours, (rows, columns))
        self.child.send_signal(signal.SIGWINCH)

    def end(self, number: signal.Signals) -> int:
        """End it, and return its exit status."""
        self.child.send_signal(number)
        while self._read():
            pass
        return self.child.wait()

    def _read(self) -> bool:
        try:
            data = os.read(self._ours, 65536).decode()
        except OSError:  # how Linux says that the last writer has closed a terminal
            return False
        self.written += data
        return bool(data)


@contextmanager
def watching(home: Path, every: str) -> Iterator[Watched]:
    """Run it on a terminal of 24 rows and 160 columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 160))
    words = ("status", "--watch", "--every", every)
    with start(home, *words, stdout=theirs, stderr=theirs, variables={"NO_COLOR": "1"}) as child:
        os.close(theirs)
        try:
            yield Watched(ours, child)
        finally:
            child.kill()
            os.close(ours)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_figures_are_drawn_over_and_the_terminal_is_left_right(
    tmp_path: Path, control_socket: Path, number: signal.Signals, status: int
) -> None:
    """On a screen of its own, also while the daemon is away; however it is ended, the terminal is as before."""
    with ExitStack() as stack:
        with scripted_daemon(control_socket, look(), look(state="idle")):
            watched = stack.enter_context(watching(tmp_path, "0.1s"))
            watched.wait_for("idle")
        watched.wait_for("away for ")
        assert watched.end(number) == status
    assert watched.written.startswith(ENTER)
    assert LEAVE in watched.written.rpartition("\x1b[J")[2]
    first = watched.written.removeprefix(ENTER).partition("\x1b[J")[0]
    rows = [line.removesuffix("\x1b[K") for line in first.removeprefix("\x1b[H").split("\r\n")]
    assert rows[0].startswith("concordiad 0.1.0, up 1m 04s; a commit takes 2.0 ms, one in a hundred more than 4.8 ms")
    assert [cell.strip() for cell in rows[3].split("  ") if cell.strip()] == [
        *("main", "busy", "3", "1m 15s", "1", "8", "1 failed", "4.0s · 9.5s", "0.5s · 1.5s", "4", "1.2k/340"),
        *("$0.2500", "up, 2 restarts", "4, 1 detached"),
    ]


def test_another_size_of_the_terminal_is_drawn_at_once(tmp_path: Path, control_socket: Path) -> None:
    """Whoever makes the window smaller does not wait for the next look, and no line is longer than the window."""
    with scripted_daemon(control_socket, look(), look(state="draining")), watching(tmp_path, "1h") as watched:
        watched.wait_for("\x1b[J")
        watched.resize(3, 40)
        watched.wait_for("\x1b[J", times=2)
        assert watched.end(signal.SIGINT) == 130
    last = watched.written.split("\x1b[H")[2].partition("\x1b[J")[0]
    lines = [line.removesuffix("\x1b[K") for line in last.split("\r\n")]
    assert len(lines) == 3 and max(map(len, lines)) <= 40


def test_a_pipe_gets_one_look_behind_the_other(tmp_path: Path, control_socket: Path) -> None:
    """For a program an object a line; it ends with the daemon."""
    with scripted_daemon(control_socket, look(), look(state="idle"), hang_up):
        ran = run(tmp_path, "status", "--watch", "--every", "0.1s", "-o", "json")
    assert [json.loads(line)["rooms"][0]["state"] for line in ran.out.splitlines()] == ["busy", "idle"]
    assert ran.code == 69
    control_socket.unlink()
    with scripted_daemon(control_socket, look(), hang_up):
        ran = run(tmp_path, "status", "--watch", "--every", "0.1s")
    assert ran.out.count("concordiad 0.1.0") == 1 and "\x1b" not in ran.out


def test_a_room_can_be_chosen(tmp_path: Path, control_socket: Path) -> None:
    """One that is not there is a failure, and no terminal is touched."""
    with scripted_daemon(control_socket, look()):
        ran = run(tmp_path, "--room", "mian", "status", "--watch")
    assert ran.code == 1 and "did you mean main?" in ran.err and ran.out == ""
