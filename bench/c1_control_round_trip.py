"""
C1: a request over the control socket and its answer, against what a socket costs at all.

One client with blocking sockets asks four servers in turn, each a process of its own, the same request:
- refused: a real daemon, `approval.list` of a room that is not there: read, parse, look up, answer; the floor of ours;
- answered: the same daemon, `approval.list` of its room: the task that owns the approvals is asked;
- uvloop: asyncio on uvloop, a line parsed as JSON and one written;
- trio: one task of Trio that sends back the bytes that came: what the daemon's loop takes before there is a daemon;
- raw: blocking sockets that do the same.
"""

import contextlib
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench.peers import peers_python
from bench.table import Row, spread
from tests.support.daemon import Site

ROUNDS: Final = 30
CALLS: Final = 300
"""Round trips of each way in a round."""
OF_RAW: Final = 1.75
PATIENCE_S: Final = 10.0


class Asking:
    """One connection, and the request that it makes."""

    def __init__(self, path: Path, room: str) -> None:
        self._socket = _connect(path)
        request = {"jsonrpc": "2.0", "id": 1, "method": "approval.list", "params": {"room": room}}
        self._line = json.dumps(request).encode() + b"\n"

    def __call__(self) -> float:
        """Make one round trip; returns its seconds."""
        began = time.perf_counter()
        self._socket.sendall(self._line)
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._socket.recv(65536)
        return time.perf_counter() - began

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _connect(path: Path) -> socket.socket:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(path))
        except OSError:
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return client


@contextlib.contextmanager
def _echo(root: Path, kind: str) -> Iterator[Path]:
    path = root / f"{kind}.sock"
    python = peers_python() if kind == "uvloop" else sys.executable
    server = subprocess.Popen([python, Path(__file__).with_name("echo_servers.py"), kind, path])
    try:
        yield path
    finally:
        server.kill()
        server.wait()


def measure_control_round_trip() -> Sequence[Row]:
    """Take the ways in turn and compare the medians of their round trips."""
    taken: dict[str, list[float]] = {"refused": [], "answered": [], "uvloop": [], "trio": [], "raw": []}
    with (
        # Where a test shows a daemon's log, the table has its place.
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        _echo(Path(name), "raw") as raw,
        _echo(Path(name), "trio") as trio,
        _echo(Path(name), "uvloop") as uvloop,
    ):
        site = Site(Path(name))
        with site.running() as daemon, contextlib.ExitStack() as clients:
            ways = {
                "refused": Asking(site.socket, "nowhere"),
                "answered": Asking(site.socket, "main"),
                "uvloop": Asking(uvloop, "main"),
                "trio": Asking(trio, "main"),
                "raw": Asking(raw, "main"),
            }
            for client in ways.values():
                clients.callback(client.close)
            for _ in range(ROUNDS):
                for way, client in ways.items():
                    taken[way] += [client() for _ in range(CALLS)]
            assert daemon.is_running()
    return [
        _compare(taken, "refused", "raw", OF_RAW),
        _compare(taken, "answered", "raw", OF_RAW),
        _compare(taken, "refused", "uvloop", None),
        _compare(taken, "answered", "uvloop", None),
        _compare(taken, "refused", "trio", None),
        _compare(taken, "trio", "raw", None),
        _compare(taken, "uvloop", "raw", None),
    ]


def _compare(taken: dict[str, list[float]], way: str, peer: str, target: float | None) -> Row:
    ours, theirs = median(taken[way]), median(taken[peer])
    ratio = ours / theirs
    return Row(
        "C1",
        f"control round trip, median, {way} : {peer}",
        ours=f"{ours * 1e6:.0f} µs",
        peer=f"{theirs * 1e6:.0f} µs",
        ratio=f"{ratio:.2f}×",
        target="–" if target is None else f"≤ {target:.2f}×",
        is_reached=None if target is None else ratio <= target,
        figures={**spread(way, taken[way]), **spread(peer, taken[peer])},
    )
