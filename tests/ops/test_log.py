"""The daemon's log, as a program writes it: for a journal, for people, and as much as was asked for."""

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import structlog
from concordiad.core.logbook import Format, Level
from concordiad.ops.journald import JournalSocket
from concordiad.ops.log import Log
where = Log(journal=lambda: JournalSocket({address!r}, {waiting}))
where.configure(Format({form!r}), Level({level!r}))
where.hide(["sk-very-secret"])
log = structlog.get_logger("test")
log.debug("prompt_read", text="hush")
log.info("agent_started", room="main", pid=7, env={{"KEY": ["sk-very-secret"]}})
log.warning("agent_exited", room="main", stderr="\\x1b]52;c;aGk=\\x07two\\nlines", exit=None)
try:
    raise ValueError("no such\\nthing sk-very-secret")
except ValueError:
    log.exception("agent_lost", huge="x" * {huge})
print("data")
if {is_told}:
    print(*(entry.json.decode() for entry in where.recent.after(0)), sep="\\n")
"""
AUTO = {"form": "auto", "level": "info", "address": "/nowhere", "huge": 0, "waiting": 1 << 20, "is_told": False}


def run(stderr: Any = subprocess.PIPE, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a program that logs."""
    variables = {name: value for name, value in options.items() if name.isupper()}
    program = PROGRAM.format(**{**AUTO, **options})
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )


def test_log_is_a_json_object_a_line() -> None:
    """Where nobody watches, each event is one line that a program can read, with its traceback in it."""
    ran = run()
    started, exited, lost = map(json.loads, ran.stderr.splitlines())
    assert (started["event"], started["level"], started["room"], started["pid"]) == ("agent_started", "info", "main", 7)
    assert started["timestamp"].endswith("Z")
    assert exited["stderr"] == "\x1b]52;c;aGk=\x07two\nlines"
    assert "\x1b" not in ran.stderr
    assert lost["event"] == "agent_lost" and "ValueError: no such\nthing" in lost["exception"]
    assert ran.stdout == "data\n"


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_masked_wherever_they_stand(form: str) -> None:
    """A configured secret is in no form of the log, in a list and in a traceback neither."""
    said = run(form=form).stderr
    assert "sk-very-secret" not in said
    assert said.count("*" * len("sk-very-secret")) == 2


def test_debug_events_are_for_those_who_ask() -> None:
    """What may have a prompt's text in it is written only when somebody wants to know everything."""
    assert "hush" not in run().stderr
    assert json.loads(run(level="debug").stderr.splitlines()[0])["text"] == "hush"
    assert "agent_started" not in run(level="warning").stderr


def on_terminal(**options: Any) -> str:
    """Run it with standard error on a terminal; returns what is shown there."""
    master, slave = pty.openpty()
    try:
        run(slave, **options)
        return os.read(master, 65536).decode()
    finally:
        os.close(master)
        os.close(slave)


def test_log_is_for_people_on_a_terminal() -> None:
    """On a terminal the same events are lines to read, in colour, in which nothing that an agent wrote is a command."""
    shown = on_terminal(NO_COLOR="")
    assert "agent_started" in shown and "room" in shown
    assert not shown.startswith("{")
    assert "\x1b[" in shown
    assert "\x1b]" not in shown and "x1b]52;c;aGk=" in shown


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_is_kept_is_the_same_in_every_form(form: str) -> None:
    """Whoever asks for it gets whole times, also of a daemon that shows the hour alone."""
    ran = run(form=form, is_told=True, TZ="Asia/Kolkata")
    kept = [json.loads(line) for line in ran.stdout.splitlines()[1:]]
    assert [entry["event"] for entry in kept] == ["agent_started", "agent_exited", "agent_lost"]
    at = datetime.fromisoformat(kept[0]["timestamp"])
    assert at.utcoffset() == timedelta(0)
    if form == "text":
        assert ran.stderr.startswith(f"{at.astimezone(ZoneInfo('Asia/Kolkata')):%H:%M:%S} [info ")


def test_colour_can_be_declined() -> None:
    """Who sets NO_COLOR gets none."""
    assert "\x1b" not in on_terminal(NO_COLOR="1")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """Give a socket that listens like the journal's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(0)
        yield listener


def parse(data: bytes) -> dict[str, str]:
    """Read an entry of the native protocol."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


def receive(listener: socket.socket) -> Mapping[str, str]:
    """Take the next entry, out of the datagram or the sealed file that comes with it."""
    data, files, _, _ = socket.recv_fds(listener, 1 << 20, 1)
    for file in files:
        with open(file, "rb") as opened:
            opened.seek(0)
            data += opened.read()
    return parse(data)


@pytest.mark.parametrize("waiting", [1 << 20, 0])
def test_journal_gets_fields(journal: socket.socket, waiting: int) -> None:
    """Where standard error leads to the journal, each entry goes there by its native way, in a datagram or a file."""
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as said, open(writing, "w", encoding="utf-8") as stderr:
        status = os.fstat(stderr.fileno())
        stream = f"{status.st_dev}:{status.st_ino}"
        run(stderr, address=journal.getsockname(), huge=1 << 16, waiting=waiting, JOURNAL_STREAM=stream)
        stderr.close()
        assert said.read() == ""
    started, exited, lost = (receive(journal) for _ in range(3))
    assert started["CONCORDIA_EVENT"] == "agent_started"
    assert started["CONCORDIA_ROOM"] == "main" and started["CONCORDIA_PID"] == "7"
    assert (started["PRIORITY"], started["SYSLOG_IDENTIFIER"]) == ("6", "concordiad")
    assert started["MESSAGE"].startswith("agent_started room=main pid=7 ")
    assert exited["CONCORDIA_STDERR"] == r"\x1b]52;c;aGk=\x07two" + "\nlines"
    assert exited["PRIORITY"] == "4" and "CONCORDIA_EXIT" not in exited
    assert lost["CONCORDIA_HUGE"] == "x" * (1 << 16) and "ValueError" in lost["CONCORDIA_EXCEPTION"]


def test_another_stream_is_not_taken_for_the_journal(journal: socket.socket) -> None:
    """Whoever is started by a service with its variables, but with standard error elsewhere, logs there."""
    ran = run(address=journal.getsockname(), JOURNAL_STREAM="1:2")
    assert len(ran.stderr.splitlines()) == 3
    with pytest.raises(BlockingIOError):
        journal.recv(1)


def test_log_is_kept_where_the_journal_is_gone() -> None:
    """Without a journal at its place, its lines are on standard error with the priorities that systemd reads there."""
    lines = run(form="journal").stderr.splitlines()
    assert [line[:17] for line in lines] == ["<6>agent_started ", "<4>agent_exited r", "<3>agent_lost huge"[:17]]


def test_full_journal_costs_entries_and_no_time(journal: socket.socket) -> None:
    """What the journal has no room for is dropped, and how much that was is told with what comes next."""
    from concordiad.ops.journald import JournalSocket

    way = JournalSocket(journal.getsockname(), 0)
    sent = 0
    while not way.lost:
        assert way.send(b"MESSAGE=%d\n" % sent)
        sent += 1
    assert way.send(b"MESSAGE=lost\n") and way.lost == 2
    journal.recv(100)
    assert way.send(b"MESSAGE=last\n") and way.lost == 0
    way._socket.close()
    for _ in range(sent - 2):
        journal.recv(100)
    assert parse(journal.recv(100)) == {"MESSAGE": "last", "CONCORDIA_LOST_BEFORE": "2"}
