"""The rehearsal agent's misbehaviours: each does what its line in the vocabulary says, and nothing else."""

# ruff: noqa: SIM300 - `expected == actual` is this project's order

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import termios
from pathlib import Path

import pytest

from tests.agent.rehearsing import Rehearsal, essences, texts

BEGINNING = ["running", "queued", "started", "system init"]


@pytest.mark.parametrize(("order", "status"), [("crash", 1), ("crash:7", 7), ("kill", -signal.SIGKILL)])
def test_death(tmp_path: Path, order: str, status: int) -> None:
    """`crash` exits with its status and `kill` dies of SIGKILL, both at once."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt(f"[[{order}]][[text:never]]")
        assert (BEGINNING, status) == (essences(agent.rest()), agent.status())


def test_garbage(tmp_path: Path) -> None:
    """`garbage` writes one line that is no JSON, and the turn goes on."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[garbage]][[text:fine]]")
        agent.until("system init")
        with pytest.raises(json.JSONDecodeError):
            json.loads(agent.read_bytes())
        assert ["fine"] == texts(agent.until("idle"))


def test_half_line(tmp_path: Path) -> None:
    """`half-line` breaks off within a line, and the program with it."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[half-line]]")
        agent.until("system init")
        assert (b'{"type":"assistant","message":{"id":"msg_', b"", 1) == (
            agent.read_bytes(),
            agent.read_bytes(),
            agent.status(),
        )


def test_eof(tmp_path: Path) -> None:
    """`eof` closes standard output while the program stays; SIGTERM ends it."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[eof]]")
        agent.until("system init")
        assert b"" == agent.read_bytes()
        agent.signal(signal.SIGTERM)
        assert 143 == agent.status()


def test_heir(tmp_path: Path) -> None:
    """`heir` ends the program while its standard output stays open."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[heir:3600]]")
        agent.until("system init")
        assert 1 == agent.status()
        assert agent.process.stdout is not None
        assert ([], [], []) == select.select([agent.process.stdout], [], [], 0)
        os.kill(int(agent.stderr.removeprefix("heir ")), signal.SIGKILL)
        assert b"" == agent.read_bytes()


def test_line(tmp_path: Path) -> None:
    """`line` writes one line of exactly so many bytes, of a type that nobody knows."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[line:1000000]][[text:fine]]")
        agent.until("system init")
        line = agent.read_bytes()
        assert (1_000_000, "rehearsal_padding") == (len(line), json.loads(line)["type"])
        assert ["fine"] == texts(agent.until("idle"))


def test_big_result(tmp_path: Path) -> None:
    """`big-result` ends the turn with a result line of exactly so many bytes."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[big-result:1000000]][[text:never]]")
        agent.until("system init")
        line = agent.read_bytes()
        assert (1_000_000, "result success") == (len(line), essences([json.loads(line)])[0])
        assert ["completed", "idle"] == essences(agent.until("idle"))


def test_stderr(tmp_path: Path) -> None:
    """`stderr` writes its line to standard error."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[stderr:something is wrong]]")
        agent.until("idle")
        assert "something is wrong\n" == agent.stderr


def test_deaf(tmp_path: Path) -> None:
    """`deaf` ends its turn and never reads again, not even the end of input; SIGTERM still ends it."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[deaf]]")
        agent.until("idle")
        # More than a pipe holds: if anybody read, this would not stay stuck.
        os.set_blocking(agent.stdin, False)
        written = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                written += os.write(agent.stdin, b" " * 65536)
        agent.signal(signal.SIGTERM)
        assert ([], 143) == (agent.rest(), agent.status())
        (unread,) = struct.unpack("i", fcntl.ioctl(agent.stdin, termios.FIONREAD, b"\0" * 4))
        assert written == unread


def test_no_ack(tmp_path: Path) -> None:
    """`no-ack` works without a word about the prompt's life."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[no-ack]][[text:fine]]")
        assert ["running", "system init", "assistant", "result success", "idle"] == essences(agent.until("idle"))


def test_no_result(tmp_path: Path) -> None:
    """`no-result` goes idle without a result line."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[text:fine]][[no-result]]")
        assert [*BEGINNING, "assistant", "completed", "idle"] == essences(agent.until("idle"))


def test_no_idle(tmp_path: Path) -> None:
    """`no-idle` hangs after its result: it still hears, but neither an interrupt nor the end of input helps."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[no-idle]][[text:fine]]")
        agent.until("result success")
        agent.prompt("[[text:next]]", "u2")
        agent.control("interrupt")
        assert ["queued", "control_response"] == essences([agent.read(), agent.read()])
        agent.close()
        agent.signal(signal.SIGTERM)
        assert ([], 143) == (agent.rest(), agent.status())


def test_stubborn(tmp_path: Path) -> None:
    """`stubborn` acknowledges an interrupt without stopping, and outlives SIGINT, SIGTERM and the end of input."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[stubborn]][[text:mine]][[gate:go]]")
        agent.until("assistant")
        agent.signal(signal.SIGTERM)
        agent.signal(signal.SIGINT)
        agent.control("interrupt")
        assert "control_response" == essences([agent.read()])[0]
        (agent.work / "go").touch()
        assert ["result success", "completed", "idle"] == essences(agent.until("idle"))
        # That it stays for good cannot be seen; that it goes at once would be.
        agent.close()
        agent.signal(signal.SIGTERM)
        agent.signal(signal.SIGKILL)
        assert -signal.SIGKILL == agent.status()


def test_orphan(tmp_path: Path) -> None:
    """`orphan` starts a child in a session of its own that outlives the agent."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[orphan:100]]")
        (text,) = texts(agent.until("idle"))
        agent.signal(signal.SIGTERM)
        assert 143 == agent.status()
        child = int(text.removeprefix("orphan "))
        try:
            assert child == os.getsid(child)
        finally:
            os.kill(child, signal.SIGKILL)


def test_hang(tmp_path: Path) -> None:
    """`hang` is silent in the middle of a message but still hears."""
    with Rehearsal(tmp_path, "--include-partial-messages") as agent:
        agent.prompt("[[hang]]")
        agent.until("stream content_block_delta")
        agent.control("get_usage")
        assert "control_response" == essences([agent.read()])[0]
