"""
Try to reach what is the daemon's, and print what came of each attempt, as one JSON object.

A value is `done` where the attempt succeeded, else the name of the error. It runs in an agent's unit of a machine, and
so has nothing but Python. Arguments: the number of the daemon's process.
"""

import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

DAEMON = int(sys.argv[1])
STATE = Path("/var/lib/concordia")


def connect(place: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
    """Connect to a socket."""
    with socket.socket(socket.AF_UNIX, kind) as there:
        there.connect(place)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "configuration": lambda: Path("/etc/concordia/concordiad.toml").read_bytes(),
    "credential": lambda: Path("/run/credentials/concordiad.service/anthropic_api_key").read_bytes(),
    "stored credential": lambda: Path("/etc/credstore/concordia.anthropic_api_key").read_bytes(),
    "state": lambda: os.listdir(STATE),
    "journal": (STATE / "journal.db").read_bytes,
    "spool": lambda: os.listdir(STATE / "spool"),
    "control socket": lambda: connect("/run/concordia/control.sock"),
    "units of agents": lambda: connect("/run/concordia-agent.sock", socket.SOCK_SEQPACKET),
    "service manager": lambda: connect("/run/systemd/private"),
    "bus": lambda: connect("/run/dbus/system_bus_socket"),
    "notifications": lambda: connect("/run/systemd/notify", socket.SOCK_DGRAM),
    "signal": lambda: os.kill(DAEMON, 0),
    "command line": lambda: Path(f"/proc/{DAEMON}/cmdline").read_bytes(),
    "environment": lambda: Path(f"/proc/{DAEMON}/environ").read_bytes(),
    "memory": lambda: Path(f"/proc/{DAEMON}/mem").open("rb").close(),
    "descriptors": lambda: os.listdir(f"/proc/{DAEMON}/fd"),
    "its root": lambda: os.listdir(f"/proc/{DAEMON}/root/var/lib/concordia"),
    "a home": lambda: os.listdir("/home/ada"),
}


def attempt(what: Callable[[], object]) -> str:
    """Try one thing and say what came of it."""
    try:
        what()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


print(json.dumps({name: attempt(what) for name, what in ATTEMPTS.items()}))
