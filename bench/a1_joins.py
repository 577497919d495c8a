"""
A1: a thousand who come at once, with a good token and with a bad one.

All connect, ask for a WebSocket, and say hello once they have one; it ends when the last is answered. Ours are members
then, in the journal, durably, and each is told of those who came after it; the peers look at the token and answer. Who
is refused has been upgraded too: the token comes in the hello.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from bench.guest_crowd import Crowd
from bench.guest_daemon import NOT_ASKED, open_daemon
from bench.guest_server import Server, Watched, raise_descriptors
from bench.peers import peers_python
from bench.table import Row

JOINS: Final = 1000
ROUNDS: Final = 3
ACCEPTED: Final = 0.65
REFUSED: Final = 2.0
REFUSED_BYTES: Final = 500
BAD: Final = "x" * 32


def measure_joins() -> Sequence[Row]:
    """Take the servers in turn, each new for every round."""
    raise_descriptors()
    taken: dict[str, list[tuple[float, float, float]]] = {"ours": [], "ws_uv": [], "picows": []}
    for _ in range(ROUNDS):
        with open_daemon(**NOT_ASKED) as hosted:
            taken["ours"].append(_measure(hosted.crowd, hosted.token, hosted.watched))
        for way in ("ws_uv", "picows"):
            with Server([peers_python(), "-m", "bench.guest_peers", way]) as server:
                crowd = Crowd(server.port)
                taken[way].append(_measure(crowd, server.token, server.watched))
                crowd.close()
    refused_bytes = median(each[2] for each in taken["ours"])
    rows = []
    for place, (what, target) in enumerate((("accepted", ACCEPTED), ("refused", REFUSED))):
        rates = {way: median(JOINS / each[place] for each in rounds) for way, rounds in taken.items()}
        for peer, least in (("ws_uv", target), ("picows", None)):
            ratio = rates["ours"] / rates[peer]
            rows.append(
                Row(
                    "A1",
                    f"{JOINS} joins at once, {what} : {peer}",
                    ours=f"{rates['ours']:,.0f} /s",
                    peer=f"{rates[peer]:,.0f} /s",
                    ratio=f"{ratio:.2f}×",
                    target="–" if least is None else f"≥ {least:g}×",
                    is_reached=None if least is None else ratio >= least,
                )
            )
    rows.append(
        Row(
            "A1",
            "memory a refused join",
            ours=f"{refused_bytes / 1000:.2f} KB",
            peer=f"{median(each[2] for each in taken['ws_uv']) / 1000:.2f} KB",
            ratio="–",
            target=f"≤ {REFUSED_BYTES / 1000} KB",
            is_reached=refused_bytes <= REFUSED_BYTES,
        )
    )
    return rows


def _measure(crowd: Crowd, token: str, watched: Watched) -> tuple[float, float, float]:
    """Return the seconds of accepted and of refused joins, and the bytes that a refused one leaves."""
    began = time.perf_counter()
    crowd.join([token] * JOINS, batch=JOINS)
    accepted_s = time.perf_counter() - began
    assert len(crowd.guests) == JOINS
    crowd.settle()
    _refuse(crowd)
    before = watched.memory_bytes()
    seconds = [_refuse(crowd) for _ in range(ROUNDS)]
    left_bytes = (watched.memory_bytes() - before) / JOINS / ROUNDS
    return accepted_s, median(seconds), left_bytes


def _refuse(crowd: Crowd) -> float:
    began = time.perf_counter()
    refused = crowd.join([BAD] * JOINS, batch=JOINS)
    seconds = time.perf_counter() - began
    assert all(guest.closed == 4401 for guest in refused)
    crowd.settle()
    return seconds
