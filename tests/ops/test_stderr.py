"""Standard error of a program that logs: what is lost is told, a last traceback is there, no thread is needed."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from concordiad.ops.journald import WAITING_BYTES
from concordiad.ops.stderr import FINISH_S
from tests.support.patience import LATE_S, PATIENCE_S
from tests.support.small_disk import cannot

ROOT: Final = Path(__file__).parents[2]
HUGE_BYTES: Final = 1 << 20
ENTRIES: Final = 2 * WAITING_BYTES // HUGE_BYTES
BEGIN: Final = """
import sys
import structlog
from concordiad.core.logbook import Format
from concordiad.ops.log import Log
where = Log()
where.configure(Format({form!r}))
sys.stderr = where.stream
log = structlog.get_logger("test")
"""
FLOOD: Final = f"""
for number in range({ENTRIES}):
    log.info("flooded", number=number, text="x" * {HUGE_BYTES})
print("full", flush=True)
input()
log.info("flowing")
"""
CRASH: Final = """
log.info("first")
log.info("second")
raise ValueError("no such thing")
"""


def run(program: str, form: str = "json", under: tuple[str, ...] = (), **options: Any) -> "subprocess.Popen[bytes]":
    """Start a program that logs."""
    command = [*under, sys.executable, "-P", "-c", BEGIN.format(form=form) + program]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}, **options)


def test_what_is_lost_is_counted_and_told() -> None:
    """What finds no room costs no time and little memory; how much it was is in the next entry, the rest is whole."""
    with run(FLOOD) as ran:
        assert ran.stdin is not None and ran.stdout is not None and ran.stderr is not None
        assert ran.stdout.readline() == b"full\n"
        memory = int(Path(f"/proc/{ran.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert memory < 100 * HUGE_BYTES
        said = [ran.stderr.readline() for _ in range(4)]
        ran.stdin.write(b"\n")
        ran.stdin.close()
        said += ran.stderr.readlines()
        assert ran.wait(PATIENCE_S) == 0
    *flooded, flowing = map(json.loads, said)
    assert [entry["number"] for entry in flooded] == list(range(len(flooded)))
    assert len(flooded) + flowing["lost_before"] == ENTRIES
    assert len(flooded) >= WAITING_BYTES // HUGE_BYTES - 1


@pytest.mark.parametrize("form", ["json", "text", "journal"])
def test_a_last_traceback_comes_behind_the_log(form: str) -> None:
    """What Python says of a crash is there to its end, in its place, and the status is the one of a crash."""
    with run(CRASH, form) as ran:
        _, said = ran.communicate(timeout=PATIENCE_S)
    assert ran.returncode == 1
    places = [said.index(each) for each in (b"first", b"second", b"Traceback", b"ValueError: no such thing\n")]
    assert places == sorted(places)


def test_a_crash_that_nobody_reads_ends_all_the_same() -> None:
    """A program that cannot say why ends FINISH_S later with the same status."""
    reading, writing = os.pipe()
    with open(reading, "rb"), open(writing, "wb") as stderr:
        began = time.monotonic()
        with run(f"log.info('much', text='x' * {HUGE_BYTES}){CRASH}", stderr=stderr) as ran:
            assert ran.wait(PATIENCE_S) == 1
        assert FINISH_S <= time.monotonic() - began < FINISH_S + LATE_S


def without_threads(when: str) -> tuple[str, ...]:
    """Return what starts a program whose threads cannot be started; `when`: strace's choice."""
    strace = shutil.which("strace")
    if strace is None:
        cannot("strace is not installed")
        return ()
    return (
        *(strace, "-f", "-o", "/dev/null", "-e", "trace=clone,clone3"),
        *("-e", f"inject=clone,clone3:error=EAGAIN:when={when}"),
    )


@pytest.mark.parametrize("when", ["1", "1+"])
def test_without_a_thread_all_is_said(when: str) -> None:
    """Where no thread can be started at first, or ever, what was said is there at the end at the latest, in order."""
    with run(CRASH, under=without_threads(when)) as ran:
        _, said = ran.communicate(timeout=PATIENCE_S)
    assert ran.returncode == 1
    lines = said.splitlines()
    assert [json.loads(line)["event"] for line in lines[:2]] == ["first", "second"]
    assert (lines[2], lines[-1]) == (b"Traceback (most recent call last):", b"ValueError: no such thing")


def test_without_a_thread_and_a_reader_it_ends() -> None:
    """The end waits for FINISH_S then, too."""
    reading, writing = os.pipe()
    with open(reading, "rb"), open(writing, "wb") as stderr:
        program = f"log.info('much', text='x' * {HUGE_BYTES}){CRASH}"
        with run(program, under=without_threads("1+"), stderr=stderr) as ran:
            assert ran.wait(PATIENCE_S) == 1
