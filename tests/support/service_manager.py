"""
A service manager as systemd is one: it listens beforehand, passes sockets on, keeps descriptors, hears how things are.

What it is told is worked off by a thread, in order, as by the real one's loop.
"""

import contextlib
import os
import queue
import select
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S

PASS_ON: Final = """
import os, sys
numbers = [int(number) for number in sys.argv[1].split(",") if number]
# First out of the way: one of them may be where another one is to be, and none is to be there twice.
aside = [os.dup(number) for number in numbers]
for number in numbers:
    os.close(number)
high = [os.dup2(number, 200 + place) for place, number in enumerate(aside)]
for place, number in enumerate(high):
    os.dup2(number, 3 + place)
    os.close(number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


class ServiceManager:
    """
    Starts daemons of one site and hears what they say.

    Attributes:
        sockets: what it listens on and passes on.
        stored: the descriptors that it keeps from one run to the next, by their names.
    """

    def __init__(self, site: Site, directory: Path, places: int = 0) -> None:
        self.site = site
        self.sockets: list[socket.socket] = []
        self.stored: dict[str, int] = {}
        self._places = places
        self._heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(directory / "notify"))
        site.environment["NOTIFY_SOCKET"] = str(directory / "notify")
        if places:
            site.environment["FDSTORE"] = str(places)
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._work, name="service-manager")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stop)
        self._thread.join()
        os.close(self._stopped)
        self.drop_store()
        for each in (self._ear, *self.sockets):
            each.close()

    def drop_store(self) -> None:
        """Forget what is stored, as a stop does that no start follows."""
        for name in list(self.stored):
            os.close(self.stored.pop(name))

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
        numbers = [*(each.fileno() for each in self.sockets), *self.stored.values()]
        names = ":".join([*("socket" for _ in self.sockets), *self.stored])
        under = [sys.executable, "-IS", "-c", PASS_ON, ",".join(map(str, numbers)), names]
        return self.site.start(under=under, passed=numbers)

    def hear(self) -> dict[str, str]:
        """Wait for the next message."""
        return _words(self._heard.get(timeout=PATIENCE_S))

    def hear_of(self, word: str) -> dict[str, str]:
        """Wait for the next message that has a word."""
        while word not in (message := self.hear()):
            pass
        return message

    def forget(self) -> None:
        """Leave what was said so far unheard."""
        with contextlib.suppress(queue.Empty):
            while self._heard.get_nowait():
                pass

    def _work(self) -> None:
        while self._ear.fileno() in select.select([self._stopped, self._ear.fileno()], [], [])[0]:
            message, descriptors, _, _ = socket.recv_fds(self._ear, 4096, 16)
            words = _words(message)
            if words.get("FDSTORE") == "1" and len(self.stored) < self._places:
                self.stored[words["FDNAME"]] = descriptors.pop()
            elif words.get("FDSTOREREMOVE") == "1" and words["FDNAME"] in self.stored:
                os.close(self.stored.pop(words["FDNAME"]))
            # A barrier's, and what there is no place for.
            for descriptor in descriptors:
                os.close(descriptor)
            if not words.keys() & {"FDSTORE", "FDSTOREREMOVE", "BARRIER"}:
                self._heard.put(message)


def _words(message: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in message.decode().splitlines())


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
