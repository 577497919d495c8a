"""
F1 to F4: what it takes to say something to all guests of a room, and how soon the last of them has it.

Four servers, a process each, take turns at the same events for the same number of guests (bench.guest_peers): ours is
the whole daemon, whose guests have come by its door (bench.guest_house); measured is from `Transcript.publish` to the
last byte in the guests' sockets. The guests are this process; every byte that comes is compared. A delivery is one
event for one guest; processor time is that of all of a server's threads, from the command until everybody has all.

- F1: one event at a time, a turn of the loop between two; 100 and 1000 guests.
- F2: 32 events at once.
- F3: 200 events a second: how long from saying an event until the last guest has read it. The guests have a processor
  of their own, if there are two, and ask again and again: whose guests are elsewhere has nobody to wake, and does not
  share a processor with them.
- F4: as F1, for one guest.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from statistics import median
from typing import Final

from attrs import evolve

from bench.guest_crowd import Crowd
from bench.guest_events import frames
from bench.guest_server import Server, raise_descriptors
from bench.peers import peers_python
from bench.table import Row, milliseconds, percentile
from tests.support.daemon import Site, Tables

WAYS: Final = ("ours", "ws_uv", "picows", "raw")
EVENTS: Final = 192
"""Said in one go: they fit into the sockets' buffers, so that nobody's way of waiting is measured."""
BURST: Final = 32
PACED: Final = 400
PACE_S: Final = 1 / 200
DOOR: Final[Tables] = {
    "guests": {
        "listen": "127.0.0.1:0",
        "connections": 2000,
        "half_open": 1200,
        "half_open_per_source": 1200,
        "joins_burst": 100_000,
        "keepalive_s": 3600.0,
    }
}
"""A thousand guests from one address, and nobody asked meanwhile whether it is there."""


class Fan:
    """One server with all its guests."""

    def __init__(self, server: Server, guests: int, *, is_raw: bool) -> None:
        self._server = server
        self.crowd = Crowd(server.port)
        self._guests = guests
        self._first = 0
        if is_raw:
            server.tell(do="meet", guests=guests)
        self.crowd.join([server.token] * guests, batch=1 if is_raw else 100)
        assert len(self.crowd.guests) == guests
        self.crowd.settle()

    def keep_to(self, processors: Set[int]) -> None:
        """Let the server run on some processors only."""
        self._server.keep_to(processors)

    def say(self, events: int, burst: int, pace_s: float = 0.0) -> tuple[float, list[float]]:
        """Say events; returns seconds of processor time a delivery, and how long each took to reach the last guest."""
        self._server.tell(do="prepare", first=self._first, events=events, burst=burst)
        self._server.hear()
        self.crowd.expect(frames(self._first, events))
        self._first += events
        before_s = self._server.watched.cpu_s()
        self._server.tell(do="publish", pace_s=pace_s)
        self.crowd.until_whole(is_awake=pace_s > 0)
        said_at = self._server.hear()["said_at"]
        cpu_s = (self._server.watched.cpu_s() - before_s) / events / self._guests
        waits = [came - said for came, said in zip(self.crowd.arrived_at[burst - 1 :: burst], said_at, strict=True)]
        return cpu_s, waits


@contextlib.contextmanager
def _apart(fans: Iterable[Fan]) -> Iterator[None]:
    """Give the guests, who are this process, a processor that no server runs on, if there are two."""
    usual = os.sched_getaffinity(0)
    own = {max(usual)}
    if usual - own:
        for fan in fans:
            fan.keep_to(usual - own)
        os.sched_setaffinity(0, own)
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


@contextlib.contextmanager
def open_servers(guests: int, ways: Sequence[str] = WAYS) -> Iterator[dict[str, Fan]]:
    """Start all servers, with so many guests each."""
    raise_descriptors()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as servers:
        site = Site(Path(name), DOOR)
        servers.callback(site.clear)
        fans = {}
        for way in ways:
            if way == "ours":
                places = [str(site.config), str(site.state), str(site.runtime)]
                command = [sys.executable, "-m", "bench.guest_house", *places]
            else:
                python = sys.executable if way == "raw" else peers_python()
                command = [python, "-m", "bench.guest_peers", way]
            fans[way] = Fan(servers.enter_context(Server(command)), guests, is_raw=way == "raw")
            servers.callback(fans[way].crowd.close)
        yield fans


def _take(fans: dict[str, Fan], rounds: int, events: int, burst: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {way: [] for way in fans}
    for _ in range(rounds):
        for way, fan in fans.items():
            # What the others' turns have left in the processor's caches is none of this one's.
            fan.say(BURST, burst)
            taken[way].append(fan.say(events, burst)[0])
    return taken


def _compare(
    name: str,
    what: str,
    taken: dict[str, list[float]],
    peer: str,
    *,
    most: float | None = None,
    gain: float | None = None,
    way: str = "ours",
) -> Row:
    """Compare processor time of a way, ours as a rule; as `gain`, how many times as much the peer takes."""
    ours, theirs = median(taken[way]), median(taken[peer])
    ratio = median(mine / other for mine, other in zip(taken[way], taken[peer], strict=True))
    is_reached = None if most is None else ratio <= most
    target = "–" if most is None else f"≤ {most:g}×"
    shown = f"{ratio:.2f}×"
    if gain is not None:
        is_reached, target, shown = ratio * gain <= 1, f"≥ {gain:g}× less", f"{1 / ratio:.2f}× less"
    return Row(
        name,
        f"{what} : {peer}",
        ours=f"{ours * 1e6:.2f} µs",
        peer=f"{theirs * 1e6:.2f} µs",
        ratio=shown,
        target=target,
        is_reached=is_reached,
        figures={f"{way}_s": ours, f"{peer}_s": theirs},
    )


LIMIT: Final = "the limit, {}: the raw loop itself"
"""A row of what could be had at most: a `send` for each delivery, and nothing besides."""


def _limit(name: str, what: str, taken: dict[str, list[float]], gain: float | None = None) -> Row:
    row = _compare(name, LIMIT.format(what), taken, "ws_uv", gain=gain, way="raw")
    return evolve(row, target="–", is_reached=None)


def _added(name: str, what: str, taken: dict[str, list[float]]) -> Row:
    """Compare what a server adds to the bare loop, whose part is the kernel's, with what ws_uv adds."""
    ours, theirs = (
        median(way_s - bare_s for way_s, bare_s in zip(taken[way], taken["raw"], strict=True))
        for way in ("ours", "ws_uv")
    )
    return Row(
        name,
        f"what is added to the raw loop, {what} : ws_uv",
        ours=f"{ours * 1e6:.2f} µs",
        peer=f"{theirs * 1e6:.2f} µs",
        ratio=f"{ours / theirs:.2f}×",
        figures={"ours_s": ours, "ws_uv_s": theirs},
    )


def measure_fan_out() -> Sequence[Row]:
    """F1."""
    rows = []
    for guests, rounds in ((100, 15), (1000, 7)):
        with open_servers(guests) as fans:
            taken = _take(fans, rounds, EVENTS if guests == 100 else EVENTS // 2, 1)
        what = f"CPU a delivery, one event at a time, {guests} guests"
        rows += [
            _compare("F1", what, taken, "ws_uv", most=0.50),
            _compare("F1", what, taken, "raw", most=1.2),
            _compare("F1", what, taken, "picows"),
            _limit("F1", f"{guests} guests", taken),
            _added("F1", f"{guests} guests", taken),
        ]
    return rows


def measure_bursts() -> Sequence[Row]:
    """F2."""
    with open_servers(100) as fans:
        taken = _take(fans, 15, EVENTS, BURST)
    what = f"CPU a delivery, {BURST} events at once, 100 guests"
    return [
        _compare("F2", what, taken, "ws_uv", gain=30),
        _compare("F2", what, taken, "raw", most=1.3),
        _compare("F2", what, taken, "picows"),
        _limit("F2", f"{BURST} events at once", taken, gain=30),
        _added("F2", f"{BURST} events at once", taken),
    ]


def measure_latency() -> Sequence[Row]:
    """F3."""
    waits: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    with open_servers(100) as fans, _apart(fans.values()):
        for _ in range(5):
            for way, fan in fans.items():
                waits[way].append(fan.say(PACED, 1, PACE_S)[1])
    middles = {way: median(percentile(each, 0.5) for each in rounds) for way, rounds in waits.items()}
    far = {way: median(percentile(each, 0.99) for each in rounds) for way, rounds in waits.items()}
    what = "200 events/s, 100 guests, until the last has it"

    def compare(part: str, values: dict[str, float], peer: str, most: float | None, way: str = "ours") -> Row:
        ratio = values[way] / values[peer]
        return Row(
            "F3",
            f"{what if way == 'ours' else LIMIT.format('p50')}{part} : {peer}",
            ours=milliseconds(values[way]),
            peer=milliseconds(values[peer]),
            ratio=f"{ratio:.2f}×",
            target="–" if most is None else f"≤ {most:g}×",
            is_reached=None if most is None else ratio <= most,
        )

    return [
        compare(", p50", middles, "ws_uv", 0.65),
        compare(", p50", middles, "raw", 1.15),
        compare(", p50", middles, "picows", None),
        compare("", middles, "ws_uv", None, way="raw"),
        compare(", p99", far, "ws_uv", 1.0),
        compare(", p99", far, "raw", None),
    ]


def measure_one_guest() -> Sequence[Row]:
    """F4."""
    with open_servers(1) as fans:
        taken = _take(fans, 31, EVENTS, 1)
    what = "CPU a delivery, one event at a time, one guest"
    return [
        _compare("F4", what, taken, "ws_uv", gain=1),
        _compare("F4", what, taken, "raw"),
        _compare("F4", what, taken, "picows"),
        _limit("F4", "one guest", taken, gain=1),
    ]
