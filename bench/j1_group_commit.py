"""
J1: durable events a second when many record at once, against a commit for each and against an append with fdatasync.

Three ways are taken in turn, on one disk and in one process; an event has 300 bytes and is on the disk when its
recorder goes on:
- ours: 32 recorders, each of which records its next event as soon as its last one is durable: `Journal.record`, whose
  task commits all that wait together as one transaction, with the checkpointer beside it; all in one room, as what 32
  people submit is, then each in a room of its own, which makes SQLite write a page of its index for each;
- alone: the same journal with one recorder, so a commit for each event;
- append: the same bytes by one `write` and one `fdatasync` for 32 events, in this thread: what the disk allows.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

import trio

from bench.j2_journal_latency import EVENT
from bench.table import Row
from concordiad.journal import Journal, open_journal
from concordiad.journal.changes import Recorded, Transaction

RECORDERS: Final = 32
ROUNDS: Final = 15
TICKS: Final = 100
"""Groups that a round takes of each way; of `alone`, as many events."""
OF_THE_LIMIT: Final = 0.35
GAIN: Final = 12.0


class _Bench:
    """One journal, and one file that is appended to."""

    def __init__(self, journal: Journal, descriptor: int) -> None:
        self._journal = journal
        self._descriptor = descriptor
        self._numbers = [count(1) for _ in range(RECORDERS)]

    async def record(self, recorders: int, events_each: int, rooms: int = 1) -> float:
        """Let so many record one event after the other; returns events a second."""
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number in range(recorders):
                nursery.start_soon(self._record, number % rooms, events_each)
        return recorders * events_each / (time.perf_counter() - began)

    def append(self, times: int) -> float:
        """Append as many events at once as there are recorders, so many times; returns events a second."""
        began = time.perf_counter()
        for _ in range(times):
            os.write(self._descriptor, EVENT * RECORDERS)
            os.fdatasync(self._descriptor)
        return RECORDERS * times / (time.perf_counter() - began)

    async def _record(self, room: int, events: int) -> None:
        for _ in range(events):
            event = Recorded(next(self._numbers[room]), EVENT)
            await self._journal.record(Transaction(f"room-{room}", [event], is_durable=True))


def measure_group_commit() -> Sequence[Row]:
    """Take the ways in turn and compare the medians of their rates."""
    place = Path("build")
    place.mkdir(exist_ok=True)
    # Not in /tmp, which may be memory: there fdatasync does nothing.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as name:
        return trio.run(_measure, Path(name))


async def _measure(root: Path) -> list[Row]:
    descriptor = os.open(root / "append", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    rates: dict[str, list[float]] = {"ours": [], "rooms": [], "alone": [], "append": []}
    try:
        async with open_journal(root / "journal.db") as journal:
            bench = _Bench(journal, descriptor)
            for _ in range(ROUNDS):
                rates["ours"].append(await bench.record(RECORDERS, TICKS))
                rates["append"].append(bench.append(TICKS))
                rates["alone"].append(await bench.record(1, TICKS))
                rates["rooms"].append(await bench.record(RECORDERS, TICKS, RECORDERS))
    finally:
        os.close(descriptor)
    return [
        _compare(rates, f"durable events, {RECORDERS} recorders : write + fdatasync", "ours", "append", OF_THE_LIMIT),
        _compare(rates, f"durable events, {RECORDERS} recorders : a commit each", "ours", "alone", GAIN),
        _compare(rates, f"the same in {RECORDERS} rooms : write + fdatasync", "rooms", "append", None),
        _compare(rates, f"the same in {RECORDERS} rooms : a commit each", "rooms", "alone", None),
    ]


def _compare(rates: dict[str, list[float]], what: str, way: str, peer: str, target: float | None) -> Row:
    ours, theirs = median(rates[way]), median(rates[peer])
    ratio = median(mine / other for mine, other in zip(rates[way], rates[peer], strict=True))
    return Row(
        "J1",
        what,
        ours=f"{ours / 1000:.1f} k/s",
        peer=f"{theirs / 1000:.1f} k/s",
        ratio=f"{ratio:.2f}×",
        target="–" if target is None else f"≥ {target:.2f}×",
        is_reached=None if target is None else ratio >= target,
        figures={f"{way}_per_s": ours, f"{peer}_per_s": theirs, "ratio_of_medians": ours / theirs},
    )
