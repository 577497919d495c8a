"""The real daemon with its door open for a crowd, and an agent that says what is in a file."""

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.guest_crowd import Crowd
from bench.guest_server import Watched, raise_descriptors
from tests.support.control_client import ControlClient
from tests.support.daemon import ROOT, Site
from tests.support.guest_client import read_link

DOOR: Final[dict[str, object]] = {
    "listen": "127.0.0.1:0",
    "connections": 2000,
    "half_open": 1200,
    "half_open_per_source": 1200,
    "joins_burst": 100_000,
    "joins_per_minute": 100_000.0,
}
"""A thousand guests from one address."""
NOT_ASKED: Final[dict[str, object]] = {"keepalive_s": 3600.0}
"""Nobody is asked meanwhile whether it is there."""


class Hosted:
    """
    A daemon, and who takes part.

    Attributes:
        place: a directory for files.
        host: its control socket.
        token: what lets guests in, as many as come.
    """

    def __init__(self, place: Path, host: ControlClient, watched: Watched) -> None:
        self.place = place
        self.host = host
        self.watched = watched
        link = read_link(host.call("invite.create", role="viewer", uses=None)["invite"]["url"])
        self.token = link.token
        self.crowd = Crowd(link.port)

    def say(self, path: Path) -> None:
        """Let the agent say what is in a file."""
        self.host.submit(f"say:{path}")


@contextlib.contextmanager
def open_daemon(**door: object) -> Iterator[Hosted]:
    """Run a daemon."""
    raise_descriptors()
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory(prefix="bench-") as name:
        agent: dict[str, object] = {
            "kind": "claude-code",
            "command": [sys.executable, "-m", "bench.burst_agent"],
            "env": {"PYTHONPATH": str(ROOT)},
        }
        tables: dict[str, dict[str, object]] = {
            "agents.burst": agent,
            "rooms.main": {"agent": "burst"},
            "guests": {**DOOR, **door},
        }
        site = Site(Path(name), tables)
        with site.running() as daemon:
            hosted = Hosted(Path(name), daemon.connect(), Watched(daemon.process.pid))
            try:
                yield hosted
            finally:
                hosted.crowd.close()
