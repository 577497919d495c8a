"""
The sockets that systemd opened before the daemon was started (sd_listen_fds(3)), so that nobody is refused meanwhile.

What a socket is for is told by its family, not by its name: a socket unit with two ListenStream= names both alike.
"""

import os
import socket
from collections.abc import Mapping
from typing import Final, NamedTuple

from concordiad.errors import ConfigError
from concordiad.ops.store import Sets, read_name

FIRST: Final = 3
"""The first descriptor that is passed (sd_listen_fds(3), SD_LISTEN_FDS_START)."""


class Passed(NamedTuple):
    """What was passed: a Unix socket for hosts, a TCP socket for guests, and what an earlier run has stored."""

    control: socket.socket | None = None
    guests: socket.socket | None = None
    stored: Sets | None = None


def take_sockets(environment: Mapping[str, str]) -> Passed:
    """
    Take over what was passed to this very process; nothing that it starts inherits them.

    Raises:
        ConfigError: something was passed that is of no use here; the message says what.
    """
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return Passed()
    found: dict[str, socket.socket] = {}
    stored: Sets = {}
    count = _count(environment.get("LISTEN_FDS", ""))
    names = [*environment.get("LISTEN_FDNAMES", "").split(":"), *[""] * count]
    for number, name in zip(range(FIRST, FIRST + count), names, strict=False):
        os.set_inheritable(number, False)
        known = read_name(name)
        if known is not None:
            key, part = known
            stored.setdefault(key, {})[part] = number
            continue
        try:
            passed = socket.socket(fileno=number)
        except OSError as error:
            raise ConfigError(f"systemd passed descriptor {number}, which is no socket: {error.strerror}") from error
        use = _use_of(passed)
        if use in found:
            raise ConfigError(
                f"systemd passed two sockets for {use}: {_name(found[use])} and {_name(passed)}; keep one"
            )
        passed.setblocking(False)
        found[use] = passed
    return Passed(found.get("control"), found.get("guests"), stored or None)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"LISTEN_FDS is {text[:20]!r}, it must be the number of sockets that are passed")
    return int(text)


def _use_of(passed: socket.socket) -> str:
    uses = {socket.AF_UNIX: "control", socket.AF_INET: "guests", socket.AF_INET6: "guests"}
    use = uses.get(socket.AddressFamily(passed.family))
    is_fit = passed.type == socket.SOCK_STREAM and passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if use is None or not is_fit:
        raise ConfigError(
            f"systemd passed the socket {_name(passed)}, which accepts no connections of a kind that Concordia has:"
            " use ListenStream= with a path or an address, and Accept=no"
        )
    return use


def _name(passed: socket.socket) -> str:
    name = passed.getsockname()
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else os.fsdecode(name) or "without a name"
