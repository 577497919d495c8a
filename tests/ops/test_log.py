"""The daemon's log, as a program writes it: for a journal, for people, and as much as was asked for."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import structlog
from concordiad.ops.log import configure_logging
configure_logging(is_verbose={is_verbose})
log = structlog.get_logger("test")
log.debug("prompt_read", text="hush")
log.info("agent_started", room="main", pid=7)
try:
    raise ValueError("no such\\nthing")
except ValueError:
    log.exception("agent_lost")
print("data")
"""


def run(*, is_verbose: bool) -> tuple[str, str]:
    """Run a program that logs; return what it wrote to standard output and to standard error."""
    program = PROGRAM.format(is_verbose=is_verbose)
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stdout, ended.stderr


def test_log_is_a_json_object_a_line() -> None:
    """Where nobody watches, each event is one line that a program can read, with its traceback in it."""
    output, errors = run(is_verbose=False)
    started, lost = map(json.loads, errors.splitlines())
    assert (started["event"], started["level"], started["room"], started["pid"]) == ("agent_started", "info", "main", 7)
    assert started["timestamp"].endswith("Z")
    assert lost["event"] == "agent_lost" and lost["exception"].endswith("ValueError: no such\nthing")
    assert output == "data\n"


def test_debug_events_are_for_those_who_ask() -> None:
    """What may have a prompt's text in it is written only when somebody wants to know everything."""
    assert "hush" not in run(is_verbose=False)[1]
    assert json.loads(run(is_verbose=True)[1].splitlines()[0])["text"] == "hush"


def test_log_is_for_people_on_a_terminal() -> None:
    """On a terminal the same events are lines to read."""
    master, slave = pty.openpty()
    try:
        program = PROGRAM.format(is_verbose=False)
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=slave, check=True)
        shown = os.read(master, 65536).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert "agent_started" in shown and "room" in shown
    assert not shown.startswith("{")
