"""Running concordiactl as a child process, with pipes or on a terminal."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0


class Ran(NamedTuple):
    """What a finished child left."""

    code: int
    out: str
    err: str


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Make an environment in which nothing of the machine's own setup is seen; every warning is an error."""
    plain = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm", "TZ": "UTC", "LANG": "C.UTF-8"}
    return plain | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | variables


def command(*arguments: str) -> list[str]:
    """Write the command line."""
    return [sys.executable, "-P", "-m", "ctl", *arguments]


def run(home: Path, *arguments: str, stdin: bytes = b"", **variables: str) -> Ran:
    """Run it with pipes."""
    done = subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        env=environment(home, **variables),
        timeout=LIMIT_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(home: Path, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start it, with nothing to read unless the options say otherwise."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(command(*arguments), env=environment(home), **options)


def run_on_terminal(home: Path, *arguments: str, columns: int = 80, **variables: str) -> Ran:
    """Run it with its output and its errors on one terminal; `out` is all that was written there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment(home, **variables),
    ) as child:
        os.close(theirs)
        written = bytearray()
        while chunk := _read(ours):
            written += chunk
        os.close(ours)
        code = child.wait(LIMIT_S)
    return Ran(code, written.decode().replace("\r\n", "\n"), "")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the last writer has closed a terminal
        return b""
