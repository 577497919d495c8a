"""Spans on their way to a collector: how many wait, and that nobody waits for them."""

import logging
import threading
from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest
import structlog
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from concordiad.core.spans import Span
from concordiad.ops.traces import BATCH, WAITING, Traces
from tests.core.test_spans import FIRST, met
from tests.support.patience import PATIENCE_S

MORE = 100


class StuckSender:
    """A way to a collector that takes nothing before it is let go; then it takes everything."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.go = threading.Event()
        self.fault: str | None = None

    def send(self, spans: Sequence[Span]) -> str | None:
        """Wait, and count."""
        assert self.go.wait(PATIENCE_S)
        # Who sees that it was sent may order what is said of the next ones.
        fault = self.fault
        self.sent.append(len(spans))
        return fault

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def _told() -> Iterator[None]:
    """Have the log tell what it tells a person."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield
    structlog.configure(wrapper_class=before)


def submit_many(traces: Traces, count: int) -> None:
    """Note so many submissions, each of which is a span."""
    for number in range(count):
        traces.note(met(str(UUID(int=UUID(FIRST).int + number))))


async def test_what_finds_no_place_is_counted() -> None:
    """As many wait as there is place, in the order in which they came, and whoever logs does not wait at all."""
    sender = StuckSender()
    traces = Traces(sender)
    submit_many(traces, WAITING + MORE)
    with capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            await nursery.start(traces.run)
            sender.go.set()
            traces.close()
    assert sender.sent == [BATCH] * (WAITING // BATCH)
    assert logged == [{"event": "traces_lost", "spans": MORE, "log_level": "warning"}]


async def test_a_collector_that_fails_is_told_of_once() -> None:
    """And what it did not take, when it takes something again."""
    sender = StuckSender()
    sender.go.set()
    sender.fault = "away"
    traces = Traces(sender)
    with capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            submit_many(traces, BATCH + MORE)
            await nursery.start(traces.run)
            with trio.fail_after(PATIENCE_S):
                while len(sender.sent) < 2:  # noqa: ASYNC110 - a thread counts, and has no event
                    await trio.lowlevel.checkpoint()
                await wait_all_tasks_blocked()
            sender.fault = None
            submit_many(traces, 1)
            traces.close()
    failing, lost = logged
    assert (failing["event"], failing["why"]) == ("traces_failing", "away")
    assert (lost["event"], lost["spans"]) == ("traces_lost", BATCH + MORE)


async def test_the_end_does_not_wait_for_a_collector_that_hangs() -> None:
    """What is on its way then is lost, and is said to be."""
    sender = StuckSender()
    traces = Traces(sender)
    submit_many(traces, 3)
    with capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            await nursery.start(traces.run)
            await wait_all_tasks_blocked()
            traces.close()
            nursery.cancel_scope.cancel()
    sender.go.set()
    assert logged == [{"event": "traces_lost", "spans": 3, "log_level": "warning"}]
