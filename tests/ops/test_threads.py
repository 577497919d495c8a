"""Blocking work where no thread can be had: in a process of its own, whose system calls are made to fail."""

import shutil
import subprocess
import sys

from tests.support.daemon import ROOT
from tests.support.patience import PATIENCE_S
from tests.support.small_disk import cannot

PROGRAM = """
import threading

import trio

from concordiad.ops.threads import in_thread, long_in_thread


def is_here() -> bool:
    return threading.current_thread() is threading.main_thread()


async def main() -> None:
    short = [await in_thread(is_here), await in_thread(is_here, limiter=trio.CapacityLimiter(1))]
    print(*short, await long_in_thread(is_here))


trio.run(main)
"""


def where_it_is_done(without: str) -> str:
    """Tell of two short works and a long one whether they are done in the main thread; `without`: strace's choice."""
    strace = shutil.which("strace")
    if strace is None:
        cannot("strace is not installed")
        return ""
    faults = ["-f", "-o", "/dev/null", "-e", "trace=clone,clone3", "-e", f"inject=clone,clone3:error=ENOMEM:{without}"]
    command = [strace, *faults, sys.executable, "-P", "-c", PROGRAM]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_a_thread_it_is_done_here_or_waits() -> None:
    """What is short is not held up, what may be long holds nobody up: it is done once there is a thread."""
    assert where_it_is_done("when=1..4") == "True True False"


def test_where_there_are_threads_they_are_taken() -> None:
    """As ever."""
    assert where_it_is_done("when=1000+") == "False False False"
