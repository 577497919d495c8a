"""
G1: a thousand guests in one room: all come in, and ten thousand events are streamed to every one of them.

The real daemon; its agent says finished blocks, each of which is recorded, as fast as they are taken. Every frame of
every guest is taken apart: the numbers follow each other, and what they hold is the same for all.
"""

import time
from collections.abc import Sequence
from typing import Final

from bench.cli_output import write_finished
from bench.guest_daemon import NOT_ASKED, open_daemon
from bench.table import Row

GUESTS: Final = 1000
EVENTS: Final = 10_000
TEXT: Final = "x" * 60
MIB: Final = 2**20


def measure_thousand_guests() -> Sequence[Row]:
    """Bring them in, and let the agent talk."""
    with open_daemon(**NOT_ASKED) as hosted:
        path = hosted.place / "said"
        write_finished(path, EVENTS, TEXT)
        crowd, watched = hosted.crowd, hosted.watched
        before = watched.memory_bytes()
        crowd.join([hosted.token] * GUESTS, batch=GUESTS)
        crowd.settle_level()
        joined = watched.memory_bytes()
        first = max(guest.seq for guest in crowd.guests)
        cpu_s = watched.cpu_s()
        began = time.perf_counter()
        hosted.say(path)
        crowd.until_turns(1, crowd.guests)
        seconds = time.perf_counter() - began
        cpu_s = watched.cpu_s() - cpu_s
        after = watched.memory_bytes()
        here = len(hosted.host.call("guest.list")["guests"])
        events = crowd.guests[0].seq - first
    whole = len(crowd.guests) == here == GUESTS and events >= EVENTS
    same = {(guest.events, guest.crc) for guest in crowd.guests} == {(events, crowd.guests[0].crc)}
    deliveries = events * GUESTS
    return [
        Row(
            "G1",
            f"{GUESTS} guests join; {events:,} events reach each, in order and alike",
            ours="all" if whole and same else "not all",
            peer="–",
            ratio=f"{deliveries / seconds / 1000:,.0f} k deliveries/s, {cpu_s / deliveries * 1e6:.2f} µs CPU each",
            target="all",
            is_reached=whole and same,
            figures={"seconds": seconds, "cpu_s": cpu_s},
        ),
        Row(
            "G1",
            "the same: memory a guest, once here : after the events",
            ours=f"{(joined - before) / GUESTS / 1000:.1f} KB",
            peer=f"{(after - before) / GUESTS / 1000:.1f} KB",
            ratio=f"{after / MIB:.0f} MiB in all",
            figures={"before_bytes": before, "joined_bytes": joined, "after_bytes": after},
        ),
    ]
