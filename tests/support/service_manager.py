"""A service manager as systemd is one: it listens beforehand, passes sockets on, and hears how things are."""

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tests.support.daemon import Daemon, Site

PATIENCE_S: Final = 60.0
PASS_ON: Final = """
import os, sys
numbers = [int(number) for number in sys.argv[1].split(",") if number]
# First out of the way: one of them may be where another one is to be.
aside = [os.dup(number) for number in numbers]
high = [os.dup2(number, 200 + place) for place, number in enumerate(aside)]
for place, number in enumerate(high):
    os.dup2(number, 3 + place)
    os.close(number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)))
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServiceManager:
    """
    Starts daemons of one site and hears what they say.

    Attributes:
        sockets: what it listens on and passes on.
    """

    def __init__(self, site: Site, directory: Path) -> None:
        self.site = site
        self.sockets: list[socket.socket] = []
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.settimeout(PATIENCE_S)
        self._ear.bind(str(directory / "notify"))
        site.environment["NOTIFY_SOCKET"] = str(directory / "notify")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._ear, *self.sockets):
            each.close()

    def listen(self, address: Path | tuple[str, int], kind: int = socket.SOCK_STREAM) -> socket.socket:
        """Open a socket that is passed on."""
        family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
        opened = socket.socket(family, kind)
        if isinstance(address, Path):
            address.parent.mkdir(mode=0o700, exist_ok=True)
        opened.bind(str(address) if isinstance(address, Path) else address)
        if kind == socket.SOCK_STREAM:
            opened.listen(128)
        self.sockets.append(opened)
        return opened

    def start(self) -> Daemon:
        """Start a daemon and pass the sockets on."""
        numbers = [each.fileno() for each in self.sockets]
        under = [sys.executable, "-IS", "-c", PASS_ON, ",".join(map(str, numbers))]
        return self.site.start(under=under, passed=numbers)

    def hear(self) -> dict[str, str]:
        """Wait for the next message."""
        return dict(line.split("=", 1) for line in self._ear.recv(4096).decode().splitlines())

    def hear_of(self, word: str) -> dict[str, str]:
        """Wait for the next message that has a word."""
        while word not in (message := self.hear()):
            pass
        return message

    def forget(self) -> None:
        """Leave what was said so far unheard."""
        self._ear.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass
        self._ear.settimeout(PATIENCE_S)


def watched(site: Site, seconds: float) -> None:
    """Have the next daemons of a site watched: they are to say that they turn, at least so often."""
    site.environment["WATCHDOG_USEC"] = str(round(seconds * 1_000_000))


def files_of(pid: int) -> Sequence[str]:
    """List what a process holds open; what it closes meanwhile may be missing."""
    found = []
    for place in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(place))
    return found
