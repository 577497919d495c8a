"""
Spans on their way to an OpenTelemetry collector, over OTLP/HTTP; imported only where [traces] is configured.

Law: neither a collector that is slow or away nor a burst of spans makes anybody wait: what finds no place is counted,
the library works in a thread, and at the end it has STOP_S.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import structlog
import trio
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

import concordiad
from concordiad.core.spans import Place, Span, SpanMaker
from concordiad.ops.log import Log
from concordiad.ops.threads import long_in_thread

WAITING: Final = 4096
"""Spans that wait for the collector: a thousand turns of one prompt each, in 4 MB."""
BATCH: Final = 512
SEND_S: Final = 5.0
"""How long one batch may take, with all its tries."""
STOP_S: Final = 1.0
"""How long the last spans may take when the daemon stops."""

_log = structlog.get_logger("concordiad.traces")


class _Ids(IdGenerator):
    """Gives a span the number that it has already."""

    def __init__(self) -> None:
        self.next = Place(0, 0)

    def generate_trace_id(self) -> int:
        return self.next.trace

    def generate_span_id(self) -> int:
        return self.next.span


class _Collected(SpanProcessor):
    """Keeps what has ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class _LastWords(logging.Handler):
    """Remembers what the library has said last, which would otherwise go to standard error, past our log."""

    said = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.said = record.getMessage()


class Exporter:
    """The library, as far as it is used; each method blocks, and is called by one thread at a time."""

    def __init__(self, endpoint: str) -> None:
        self._ids, self._collected = _Ids(), _Collected()
        self._words = _LastWords(logging.WARNING)
        library = logging.getLogger("opentelemetry")
        library.addHandler(self._words)
        library.propagate = False
        self._sender = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_S)
        about = {"service.name": "concordiad", "service.version": concordiad.__version__}
        provider = TracerProvider(ALWAYS_ON, Resource(about), shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(self._collected)
        self._tracer = provider.get_tracer("concordiad", concordiad.__version__)

    def send(self, spans: Sequence[Span]) -> str | None:
        """Send spans; returns why that has failed, None where it has not."""
        try:
            for span in spans:
                self._tell(span)
            told, self._collected.spans = self._collected.spans, []
            if self._sender.export(told) is SpanExportResult.SUCCESS:
                return None
        except Exception as error:  # noqa: BLE001  # a fault of a library that nobody needs is none of the daemon
            return type(error).__name__
        return self._words.said or "the collector did not take them"

    def _tell(self, span: Span) -> None:
        self._ids.next = span.place
        parent = None if span.parent is None else _context(Place(span.place.trace, span.parent))
        told = self._tracer.start_span(
            span.name,
            None if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(parent)),
            attributes=span.attributes,
            links=[] if span.link is None else [trace.Link(_context(span.link))],
            start_time=span.began_ns,
        )
        if span.fault is not None:
            told.set_status(trace.StatusCode.ERROR, span.fault)
        told.end(span.ended_ns)

    def close(self) -> None:
        """Have done with it; what is being sent is given up."""
        self._sender.shutdown()  # type: ignore[no-untyped-call]  # the library forgot its type
        logging.getLogger("opentelemetry").removeHandler(self._words)


def _context(place: Place) -> trace.SpanContext:
    sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    return trace.SpanContext(place.trace, place.span, is_remote=False, trace_flags=sampled)


class Sender(Protocol):
    """A way to the collector."""

    def send(self, spans: Sequence[Span]) -> str | None:
        """Send spans, and block; returns why that has failed, None where it has not."""


class Traces:
    """The spans that wait for the collector."""

    def __init__(self, exporter: Sender) -> None:
        self._exporter = exporter
        self._maker = SpanMaker()
        self._waiting: deque[Span] = deque()
        self._lost = 0
        self._is_failing = self._is_closed = False
        self._come = trio.Event()

    def note(self, entry: Mapping[str, Any]) -> None:
        """Take an entry of the log; never waits."""
        for span in self._maker.spans_of(entry):
            if len(self._waiting) < WAITING:
                self._waiting.append(span)
            else:
                self._lost += 1
        if self._waiting:
            self._come.set()

    def close(self) -> None:
        """Send what waits, and end."""
        self._is_closed = True
        self._come.set()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """
        Send what comes.

        Owns: the exporter. Ends when: it is closed and has sent what waits, or cancelled; what is on its way is lost.
        """
        task_status.started()
        try:
            while True:
                await self._come.wait()
                self._come = trio.Event()
                await self._send_all()
                if self._is_closed and not self._waiting:
                    return
        finally:
            if self._waiting or self._lost:
                _log.warning("traces_lost", spans=len(self._waiting) + self._lost)

    async def _send_all(self) -> None:
        """Send what waits, a batch at a time; one that the collector does not take is lost."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            # Lost, unless it turns out that it is not.
            self._lost += len(batch)
            fault = await long_in_thread(self._exporter.send, batch, abandon_on_cancel=True)
            self._note(len(batch), fault)

    def _note(self, count: int, fault: str | None) -> None:
        if fault is not None:
            if not self._is_failing:
                _log.warning("traces_failing", why=fault)
        else:
            self._lost -= count
            if self._lost:
                _log.warning("traces_lost", spans=self._lost)
                self._lost = 0
        self._is_failing = fault is not None


@asynccontextmanager
async def open_traces(endpoint: str, log: Log) -> AsyncIterator[None]:
    """Send spans of what is logged, until it is left, and then what waits, for STOP_S at most."""
    exporter = await long_in_thread(Exporter, endpoint)
    traces = Traces(exporter)
    try:
        async with trio.open_nursery() as sending:
            await sending.start(traces.run)
            log.watch(traces.note)
            try:
                yield
            finally:
                log.watch(None)
                traces.close()
                sending.cancel_scope.deadline = trio.current_time() + STOP_S
    finally:
        exporter.close()
