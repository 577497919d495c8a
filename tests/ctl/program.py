"""Running concordiactl as a child process, with pipes or on a terminal."""

import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
LIKE_A_PERSON = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all") if os.geteuid() == 0 else ()
)
"""Under what root obeys a file's mode, as everybody else does."""


class Ran(NamedTuple):
    """What a finished child left."""

    code: int
    out: str
    err: str


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Make an environment in which nothing of the machine's own setup is seen; every warning is an error."""
    plain = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm", "TZ": "UTC", "LANG": "C.UTF-8"}
    return plain | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | variables


def command(*arguments: str, module: str = "ctl") -> list[str]:
    """Write the command line."""
    return [sys.executable, "-P", "-m", module, *arguments]


def run(home: Path, *arguments: str, stdin: bytes = b"", module: str = "ctl", **variables: str) -> Ran:
    """Run it with pipes."""
    done = subprocess.run(
        command(*arguments, module=module),
        input=stdin,
        capture_output=True,
        env=environment(home, **variables),
        timeout=PATIENCE_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def start(
    home: Path, *arguments: str, variables: dict[str, str] | None = None, **options: Any
) -> "Iterator[subprocess.Popen[bytes]]":
    """Start it with nothing to read, and pipes, unless the options say otherwise; killed when it takes far too long."""
    streams: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    } | options
    with subprocess.Popen(command(*arguments), env=environment(home, **variables or {}), **streams) as child:
        watchdog = threading.Timer(PATIENCE_S, child.kill)
        watchdog.start()
        try:
            yield child
            child.wait()
        finally:
            watchdog.cancel()


def run_on_terminal(home: Path, *arguments: str, columns: int = 80, **variables: str) -> Ran:
    """Run it with its output and its errors on one terminal; `out` is all that was written there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with start(home, *arguments, variables=variables, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        written = bytearray()
        while chunk := _read(ours):
            written += chunk
        os.close(ours)
    return Ran(child.returncode, written.decode().replace("\r\n", "\n"), "")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the last writer has closed a terminal
        return b""
