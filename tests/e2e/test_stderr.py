"""The daemon's own standard error is full, stopped, unread or closed: nobody in the room notices anything of it."""

import contextlib
import fcntl
import json
import os
import pty
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import READY, Daemon, Site
from tests.support.patience import LATE_S, PATIENCE_S
from tests.support.small_disk import small_disk

PROMPTS = 200
"""They take 200 KB of the log, and a pipe holds 64 KiB."""
STOP = b"\x13"
GO_ON = b"\x11"
"""Ctrl-S and Ctrl-Q."""


@contextlib.contextmanager
def saying(site: Site, stderr: int) -> Iterator[Daemon]:
    """Run a daemon that serves with that standard error."""
    with site.start(stderr=stderr) as daemon:
        daemon.wait_until_it_answers()
        yield daemon


def ask(daemon: Daemon, prompts: int) -> list[str]:
    """Ask so many things, and see each of them answered; returns the prompts."""
    client, follower = daemon.connect(), daemon.follow()
    ids = []
    for number in range(prompts):
        ids.append(client.submit(f"[[text:answer {number}]]")["id"])
        assert follower.finished(ids[-1])["answer"] == f"answer {number}"
    return ids


def stop(daemon: Daemon) -> None:
    """Have it drain: with status 0, and not much later than if it had nothing left to say."""
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < LATE_S
    daemon.site.wait_until_empty()


def told(log: bytes) -> list[str]:
    """Read which prompts a log tells of, in its order; every line of it is whole."""
    lines = [line for line in log.decode().splitlines() if line.startswith("{")]
    turns = [entry for entry in map(json.loads, lines) if entry["event"] == "turn_finished"]
    return [prompt for turn in turns for prompt in turn["prompts"]]


def test_full_device(site: Site) -> None:
    """Where each write fails because there is no room, the daemon goes on and ends as ever."""
    with open("/dev/full", "wb") as full, saying(site, full.fileno()) as daemon:
        ask(daemon, 20)
        stop(daemon)


@pytest.mark.parametrize("has_held", [False, True])
def test_closed_pipe(site: Site, has_held: bool) -> None:
    """Whoever read the log has gone, before the daemon came or while it runs."""
    reading, writing = os.pipe()
    with open(reading, "rb") as reader, open(writing, "wb") as stderr:
        if not has_held:
            reader.close()
        with saying(site, writing) as daemon:
            stderr.close()
            ask(daemon, 5)
            reader.close()
            ask(daemon, 20)
            stop(daemon)


def test_unread_pipe(site: Site) -> None:
    """Somebody holds the other end and never reads it: prompts are answered, and a stop drains."""
    reading, writing = os.pipe()
    with open(reading, "rb"), open(writing, "wb") as stderr, saying(site, writing) as daemon:
        stderr.close()
        ask(daemon, PROMPTS)
        stop(daemon)


def test_pipe_that_is_read_late(site: Site) -> None:
    """What nobody has read for a while is there afterwards, whole and in order, also of a non-blocking pipe."""
    reading, writing = os.pipe()
    with open(reading, "rb") as reader, open(writing, "wb") as stderr:
        fcntl.fcntl(writing, fcntl.F_SETFL, fcntl.fcntl(writing, fcntl.F_GETFL) | os.O_NONBLOCK)
        with saying(site, writing) as daemon:
            stderr.close()
            asked = ask(daemon, 100)
            said = b""
            while len(told(said[: said.rfind(b"\n") + 1])) < len(asked):
                said += os.read(reading, 65536)
            stop(daemon)
            said += reader.read()
    assert told(said) == asked
    assert READY in said.decode()
    assert json.loads(said.splitlines()[-1])["event"] == "stopped"


def test_stopped_terminal(site: Site) -> None:
    """Somebody has pressed Ctrl-S: everything goes on, and what was said in the meantime is shown after Ctrl-Q."""
    site.configure({"log": {"format": "json"}})
    master, slave = pty.openpty()
    with open(master, "r+b", buffering=0) as keys, open(slave, "wb") as stderr, saying(site, slave) as daemon:
        stderr.close()
        keys.write(STOP)
        asked = ask(daemon, 100)
        keys.write(GO_ON)
        said, deadline = b"", time.monotonic() + PATIENCE_S
        while len(told(said[: said.rfind(b"\n") + 1])) < len(asked):
            assert select.select([keys], [], [], deadline - time.monotonic())[0], said
            said += os.read(master, 65536)
        assert told(said[: said.rfind(b"\n") + 1]) == asked
        keys.write(STOP)
        ask(daemon, 50)
        stop(daemon)


def test_closed_terminal(site: Site) -> None:
    """Somebody has closed the window, and the daemon does not belong to it."""
    master, slave = pty.openpty()
    with open(master, "rb", buffering=0) as window, open(slave, "wb") as stderr, saying(site, slave) as daemon:
        stderr.close()
        ask(daemon, 2)
        window.close()
        ask(daemon, 20)
        stop(daemon)


def test_full_disk(site: Site, tmp_path: Path) -> None:
    """The log's disk is full for a while: what was said in the meantime is there afterwards, whole and in order."""
    with small_disk(tmp_path / "logs") as disk:
        log = disk.root / "log"
        with open(log, "ab") as file, saying(site, file.fileno()) as daemon:
            asked = ask(daemon, 5)
            disk.fill()
            asked += ask(daemon, 50)
            assert len(told(log.read_bytes()[: log.read_bytes().rfind(b"\n") + 1])) < len(asked)
            disk.free()
            stop(daemon)
        assert told(log.read_bytes()) == asked
        assert json.loads(log.read_bytes().splitlines()[-1])["event"] == "stopped"


def test_no_standard_error_at_all(site: Site) -> None:
    """Whoever starts it with standard error closed has none of its files written into: it serves as ever."""
    with site.start(under=("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")) as daemon:
        daemon.wait_until_it_answers()
        ask(daemon, 5)
        stop(daemon)
    with site.running() as daemon:
        assert len(daemon.connect().call("turn.list")["turns"]) == 5
