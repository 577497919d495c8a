"""
F5: what a guest who stops reading costs the other nineteen, and the daemon.

The real daemon; its agent says finished blocks, each of which is recorded, as fast as they are taken. Turns in which
all read take turns with those in which one does not, each of them first in every other pair; that one reads again
afterwards, and must miss nothing. The same with `websockets.broadcast`, whose memory is shown.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from bench.cli_output import write_finished
from bench.guest_crowd import Crowd
from bench.guest_daemon import NOT_ASKED, Hosted, open_daemon
from bench.guest_events import frames
from bench.guest_server import Server
from bench.peers import peers_python
from bench.table import Row, milliseconds

GUESTS: Final = 20
EVENTS: Final = 10_000
ROUNDS: Final = 12
OTHERS: Final = 0.95
KEPT_BYTES: Final = 2**20
TEXT: Final = "x" * 150
PEER_EVENTS: Final = 20_000
MIB: Final = 2**20


def measure_stopped_guest() -> Sequence[Row]:
    """Measure both."""
    with open_daemon(**NOT_ASKED) as hosted:
        path = hosted.place / "said"
        write_finished(path, EVENTS, TEXT)
        hosted.crowd.join([hosted.token] * GUESTS)
        hosted.crowd.settle_level()
        _turn(hosted, path, 1, is_stopped=False)
        whole: list[Turn] = []
        part: list[Turn] = []
        for pair in range(ROUNDS):
            for place in (0, 1):
                is_stopped = place != pair % 2
                turn = _turn(hosted, path, 2 + 2 * pair + place, is_stopped=is_stopped)
                (part if is_stopped else whole).append(turn)
        guests = hosted.crowd.guests
        assert len({(guest.events, guest.crc) for guest in guests}) == 1, "somebody has missed something"
    ratio = median(each.seconds / other.seconds for each, other in zip(whole, part, strict=True))
    whole_cpu_s, part_cpu_s = (median(each.cpu_s for each in turns) for turns in (whole, part))
    most = max(each.kept_bytes for each in part)
    peer_ratio, peer_bytes = _measure_peer()
    return [
        Row(
            "F5",
            f"{EVENTS:,} events, one guest of {GUESTS} stops reading: the others' rate : all read",
            ours=f"{EVENTS / median(each.seconds for each in part) / 1000:.1f} k/s",
            peer=f"{EVENTS / median(each.seconds for each in whole) / 1000:.1f} k/s",
            ratio=f"{ratio:.2f}×",
            target=f"≥ {OTHERS:.2f}×",
            is_reached=ratio >= OTHERS,
            figures={"ratio": ratio, "ws_uv_ratio": peer_ratio},
        ),
        Row(
            "F5",
            "the same: processor time of the daemon's a turn : all read",
            ours=milliseconds(part_cpu_s),
            peer=milliseconds(whole_cpu_s),
            ratio=f"{part_cpu_s / whole_cpu_s:.2f}×",
            figures={"ours_s": part_cpu_s, "peer_s": whole_cpu_s},
        ),
        Row(
            "F5",
            f"the same: kept for the one that stopped : ws_uv, {PEER_EVENTS:,} events",
            ours=f"{most / MIB:.2f} MiB",
            peer=f"{peer_bytes / MIB:.1f} MiB",
            ratio=f"{max(each.grown_bytes for each in part) / MIB:+.1f} MiB RSS in a turn at most",
            target="≤ 1 MiB",
            is_reached=most <= KEPT_BYTES,
            figures={"kept_bytes": most, "ws_uv_bytes": peer_bytes},
        ),
        Row("F5", "the same: lost once it reads again", "0", "–", f"{ROUNDS} turns of {EVENTS:,}", "none", True),
    ]


class Turn(NamedTuple):
    """How long the others took, what the daemon did meanwhile, and what it kept and grew by."""

    seconds: float
    cpu_s: float
    kept_bytes: int
    grown_bytes: int


def _turn(hosted: Hosted, path: object, turn: int, *, is_stopped: bool) -> Turn:
    """Let the agent say it all."""
    crowd, watched = hosted.crowd, hosted.watched
    last = crowd.guests[-1]
    before_bytes, before_s = watched.memory_bytes(), watched.cpu_s()
    if is_stopped:
        crowd.stop_reading(last)
    began = time.perf_counter()
    hosted.host.submit(f"say:{path}")
    crowd.until_turns(turn, crowd.guests[:-1])
    seconds, cpu_s = time.perf_counter() - began, watched.cpu_s() - before_s
    shown = hosted.host.call("guest.list")["guests"]
    kept_bytes = max(guest["lag_bytes"] for guest in shown)
    grown_bytes = watched.memory_bytes() - before_bytes
    if is_stopped:
        assert last.turns < turn, "the one that stopped has not fallen behind"
        crowd.read_again(last)
    crowd.until_turns(turn, crowd.guests)
    return Turn(seconds, cpu_s, kept_bytes, grown_bytes)


def _measure_peer() -> tuple[float, int]:
    with Server([peers_python(), "-m", "bench.guest_peers", "ws_uv"]) as server:
        crowd = Crowd(server.port)
        crowd.join([server.token] * GUESTS)
        crowd.settle()
        seconds = []
        server.tell(do="prepare", first=0, events=PEER_EVENTS, burst=1)
        server.hear()
        before = server.watched.memory_bytes()
        for is_stopped in (False, True):
            if is_stopped:
                crowd.stop_reading(crowd.guests.pop())
            crowd.expect(frames(0, PEER_EVENTS))
            began = time.perf_counter()
            server.tell(do="publish", pace_s=0.0)
            crowd.until_whole()
            seconds.append(time.perf_counter() - began)
            server.hear()
            if not is_stopped:
                before = server.watched.memory_bytes()
        more = server.watched.memory_bytes() - before
        crowd.close()
    return seconds[0] / seconds[1], more
