"""
The way to systemd's journal: entries with their fields (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).

Law: a journal that does not keep up costs entries, and never the daemon's time; how many is told with the next one.
"""

import array
import fcntl
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

ADDRESS: Final = "/run/systemd/journal/socket"
SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
"""The journal maps the file, and takes only one that nobody can change under it."""
WAITING_BYTES: Final = 8 * 1024 * 1024
"""What may wait for the journal: as much as systemd's own programs allow it."""


def is_journals(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Tell whether a descriptor leads to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Unit(NamedTuple):
    """A unit of systemd's, and whether it is one of a person's own manager."""

    name: str
    is_users: bool


def find_unit(cgroups: Path = Path("/proc/self/cgroup")) -> Unit | None:
    """Find the unit that this process is in, by its control group (cgroups(7))."""
    with suppress(OSError):
        for line in cgroups.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            parts = path.split("/")
            if controllers in ("", "name=systemd") and parts[-1].endswith(".service"):
                return Unit(parts[-1], any(part.startswith("user@") for part in parts[:-1]))
    return None


class JournalSocket:
    """The journal's ear; `lost` counts the entries that it had no room for since the last one that it took."""

    def __init__(self, address: str = ADDRESS, waiting_bytes: int = WAITING_BYTES) -> None:
        self.lost = 0
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, waiting_bytes)

    def send(self, message: bytes) -> bool:
        """Hand an entry over; False where there is no journal that could have it."""
        told = b"CONCORDIA_LOST_BEFORE=%d\n" % self.lost if self.lost else b""
        try:
            self._send(message + told)
        except BlockingIOError:
            self.lost += 1
        except OSError:
            return False
        else:
            self.lost = 0
        return True

    def _send(self, message: bytes) -> None:
        try:
            self._socket.sendto(message, self._address)
        except OSError as error:
            if isinstance(error, BlockingIOError | ConnectionError | FileNotFoundError):
                raise
            # Too large for a datagram: the journal reads it from a file.
            self._send_file(message)

    def _send_file(self, message: bytes) -> None:
        file = os.memfd_create("concordiad-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(file, "wb", closefd=False) as writing:
                writing.write(message)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEALS)
            handed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))]
            self._socket.sendmsg([], handed, 0, self._address)
        finally:
            os.close(file)
