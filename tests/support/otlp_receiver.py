"""A collector of traces on loopback: OTLP over HTTP, read with the library's own classes."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.patience import PATIENCE_S


class Told(NamedTuple):
    """A span as it arrived; times in nanoseconds since 1970, and `trace` as a prompt's id is written."""

    name: str
    trace: str
    span: bytes
    parent: bytes
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    is_error: bool
    message: str
    links: list[bytes]
    service: str


class Receiver:
    """
    What was received.

    Attributes:
        endpoint: where to send it.
        status: what is answered.
    """

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}/v1/traces"
        self.status = 200
        self.refused: queue.Queue[int] = queue.Queue()
        self._spans: queue.Queue[Told] = queue.Queue()

    def take(self, body: bytes) -> int:
        """Take a request's body, and return the status to answer with."""
        if self.status != 200:
            self.refused.put(self.status)
            return self.status
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._spans.put(_told(span, service))
        return self.status

    def next(self, *names: str) -> dict[str, Told]:
        """Wait for spans of each of these names, and return them; any other one is a failure."""
        found: dict[str, Told] = {}
        while set(names) - set(found):
            told = self._spans.get(timeout=PATIENCE_S)
            assert told.name in names and told.name not in found, told
            found[told.name] = told
        return found

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come that was not asked for."""
        return self._spans.empty()


def _told(span: Any, service: str) -> Told:
    return Told(
        span.name,
        str(UUID(bytes=span.trace_id)),
        span.span_id,
        span.parent_span_id,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _values(span.attributes),
        span.status.code == span.status.STATUS_CODE_ERROR,
        span.status.message,
        [link.span_id for link in span.links],
        service,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            status = receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver = Receiver(server.server_address[1])
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
