"""
J2: what it costs a chunk of the agent's output to be in the journal before anybody sees it.

Four ways are taken in turn, one after the other, on one disk and in one process:
- ours: `Journal.record` as the fan-out calls it, with the checkpointer beside it;
- append: the same bytes by `write` and `fdatasync` to the end of a file, in this thread;
- hop: the same append in another thread, as everything must that may block a Trio program: what the hop alone costs;
- inline: the journal's own task without the checkpointer, so that commits do all checkpoints: SQLite's default.

Each way takes a chunk (32 events of 300 bytes, recorded), then a single event (300 bytes, durable).
"""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import trio

from bench.table import Row, milliseconds, percentile
from concordiad.journal import Journal, Reader, open_journal
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.faults import Health
from concordiad.journal.recorder import INBOX, run_journal
from concordiad.journal.schema import LOG_PAGES, open_reader, open_writer
from concordiad.journal.store import Store

EVENT: Final = b'{"room":"main","type":"agent.text","text":"'.ljust(298, b"x") + b'"}'
CHUNK_EVENTS: Final = 32
SEGMENTS: Final = 5
"""Parts of the run whose far ends are taken apart, so that one bad moment of the machine spoils one of them only."""
ROUNDS: Final = 2000
"""Chunks, and single events, that each way takes in a segment."""
HOP_CHUNKS: Final = 200
LEAST_LOGS: Final = 10
"""How often the log must have begun anew for the run to count as one with checkpoints."""
FAR: Final = 0.999
MORE_S: Final = 0.001
HOPS: Final = 1.0

Take = Callable[[int], Awaitable[None]]
"""One chunk of so many events, taken to where it is safe; a single one is durable."""


class _Recorder:
    """Record chunks, numbered on."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seq = 0

    async def __call__(self, events: int) -> None:
        first, self._seq = self._seq, self._seq + events
        chunk = [Recorded(seq, EVENT) for seq in range(first, self._seq)]
        await self._journal.record(Transaction("main", chunk, is_durable=events == 1))


class _Appender:
    """Append chunks to a file."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    async def here(self, events: int) -> None:
        """Append in this thread."""
        self._append(events)

    async def in_a_thread(self, events: int) -> None:
        """Append in another thread."""
        await trio.to_thread.run_sync(self._append, events)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _append(self, events: int) -> None:
        os.write(self._descriptor, EVENT * events)
        os.fdatasync(self._descriptor)


@asynccontextmanager
async def _open_inline(path: Path) -> AsyncIterator[Journal]:
    """Open a journal whose commits do all checkpoints themselves."""
    writer = open_writer(path)
    writer.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    store = Store(path, writer, open_reader(path), None)
    send_ask, asks = trio.open_memory_channel[Any](INBOX)
    # Nobody takes what is asked for here.
    send_full, full = trio.open_memory_channel[None](0)
    try:
        with full:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_journal, store, asks, send_full, Health())
                with send_ask:
                    yield Journal("bench", store.begin_epoch()[1], send_ask, Reader(store))
    finally:
        store.close()


class _Samples:
    """Seconds by way and number of events, a list for each segment."""

    def __init__(self) -> None:
        self._segments: dict[tuple[str, int], list[list[float]]] = {}

    async def take(self, way: str, take: Take, events: int, segment: int) -> None:
        """Take and time a chunk."""
        segments = self._segments.setdefault((way, events), [[] for _ in range(SEGMENTS)])
        began = time.perf_counter()
        await take(events)
        segments[segment].append(time.perf_counter() - began)

    def middle(self, way: str, events: int) -> float:
        """Find the median of all."""
        return median(sample for segment in self._segments[way, events] for sample in segment)

    def far(self, way: str, events: int) -> list[float]:
        """Find each segment's far end."""
        return [percentile(segment, FAR) for segment in self._segments[way, events]]


@contextmanager
def _counting_hops() -> Iterator[dict[str, int]]:
    """Count what is sent to a thread through Trio, by the name of its function."""
    counts: dict[str, int] = {}
    run_sync = trio.to_thread.run_sync

    async def counted(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        name = getattr(function, "func", function).__name__
        counts[name] = counts.get(name, 0) + 1
        return await run_sync(function, *args, **options)

    vars(trio.to_thread)["run_sync"] = counted
    try:
        yield counts
    finally:
        vars(trio.to_thread)["run_sync"] = run_sync


def _times_begun_anew(journal: Path) -> int:
    """Read the checkpoint sequence number in the log's header (sqlite.org/walformat)."""
    with journal.with_name(journal.name + "-wal").open("rb") as log:
        return int.from_bytes(log.read(16)[12:], "big")


def measure_journal_latency() -> list[Row]:
    """Take the ways in turn and compare their far ends."""
    # Not in /tmp, which may be memory: there fdatasync does nothing.
    place = Path("build")
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as name:
        root = Path(name)
        with closing(_Appender(root / "append")) as append, closing(_Appender(root / "hop")) as hop:
            return trio.run(_measure, root, append, hop)


async def _measure(root: Path, append: _Appender, hop: _Appender) -> list[Row]:
    path = root / "journal.db"
    samples = _Samples()
    async with open_journal(path) as journal, _open_inline(root / "inline.db") as inline:
        record = _Recorder(journal)
        ways: dict[str, Take] = {
            "ours": record,
            "append": append.here,
            "hop": hop.in_a_thread,
            "inline": _Recorder(inline),
        }
        first = _times_begun_anew(path)
        for segment in range(SEGMENTS):
            for _ in range(ROUNDS):
                for events in (CHUNK_EVENTS, 1):
                    for way, take in ways.items():
                        await samples.take(way, take, events, segment)
        logs = _times_begun_anew(path) - first
        log_bytes = path.with_name(path.name + "-wal").stat().st_size
        assert logs >= LEAST_LOGS, f"the log began anew {logs} times only: this was no run with checkpoints"
        with _counting_hops() as hops:
            for _ in range(HOP_CHUNKS):
                await record(CHUNK_EVENTS)
    checkpoints = hops.pop("checkpoint", 0)
    hops_a_chunk = sum(hops.values()) / HOP_CHUNKS
    figures = {"checkpoints_a_chunk": checkpoints / HOP_CHUNKS, "log_begun_anew": logs, "log_most_bytes": log_bytes}
    return [
        Row(
            "J2",
            f"thread hops a chunk of {CHUNK_EVENTS} events (peer: one an event)",
            ours=f"{hops_a_chunk:.2f}",
            peer=f"{CHUNK_EVENTS}",
            ratio=f"{CHUNK_EVENTS / hops_a_chunk:.0f}× fewer",
            target=f"≤ {HOPS:.0f}",
            is_reached=hops_a_chunk <= HOPS,
            figures={"hops_a_chunk": hops_a_chunk, **figures},
        ),
        _compare_far(samples, "a chunk recorded, p99.9 : write + fdatasync", CHUNK_EVENTS),
        _compare_far(samples, "an event durable, p99.9 : write + fdatasync", 1),
        _explain_far(samples, "a chunk recorded, p99.9 : the same in a thread", CHUNK_EVENTS, "hop"),
        _explain_far(samples, "an event durable, p99.9 : the same in a thread", 1, "hop"),
        _explain_far(samples, "a chunk recorded, p99.9 : checkpoints inline", CHUNK_EVENTS, "inline"),
        _explain_far(samples, "an event durable, p99.9 : checkpoints inline", 1, "inline"),
        _explain_middle(samples, "a chunk recorded, median : write + fdatasync", CHUNK_EVENTS, "append"),
        _explain_middle(samples, "an event durable, median : write + fdatasync", 1, "append"),
        _explain_middle(samples, "an event durable, median : the same in a thread", 1, "hop"),
    ]


def _compare_far(samples: _Samples, what: str, events: int) -> Row:
    ours, append = samples.far("ours", events), samples.far("append", events)
    differences = [mine - theirs for mine, theirs in zip(ours, append, strict=True)]
    more_s = median(differences)
    return Row(
        "J2",
        what,
        ours=milliseconds(median(ours)),
        peer=milliseconds(median(append)),
        ratio=f"{more_s * 1000:+.2f} ms",
        target=f"≤ +{MORE_S * 1000:.0f} ms",
        is_reached=more_s <= MORE_S,
        figures={f"difference_{number}_s": difference for number, difference in enumerate(differences)},
    )


def _explain_far(samples: _Samples, what: str, events: int, way: str) -> Row:
    ours, theirs = median(samples.far("ours", events)), median(samples.far(way, events))
    return Row("J2", what, milliseconds(ours), milliseconds(theirs), f"{ours / theirs:.2f}×")


def _explain_middle(samples: _Samples, what: str, events: int, way: str) -> Row:
    ours, theirs = samples.middle("ours", events), samples.middle(way, events)
    return Row("J2", what, milliseconds(ours), milliseconds(theirs), f"{ours / theirs:.2f}×")
