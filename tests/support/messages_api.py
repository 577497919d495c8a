"""
A stub of the Anthropic Messages API on loopback, so that the real Claude Code CLI can run without a network.

It serves POST /v1/messages (streamed or whole) and POST /v1/messages/count_tokens, and does what the prompts
order (concordiad/agent/orders.py): messages_script.py finds out what, messages_answer.py makes the answer.
Any other request gets 404 and is kept in `unexpected`, so that a test can fail on it.

By hand: `python -m tests.support.messages_api [--port N]`.
"""

import argparse
import contextlib
import json
import os
import select
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tests.support.messages_answer import (
    Die,
    Event,
    Fail,
    Gate,
    Hang,
    Pause,
    Step,
    assemble,
    error_body,
    play,
)
from tests.support.messages_script import Scene, read_scene
from tests.support.patience import PATIENCE_S

SECRET_HEADERS: Final = frozenset({"authorization", "x-api-key", "cookie"})
GATE_POLL_S: Final = 0.01
STOP_POLL_S: Final = 0.02
LAST_CHUNK: Final = b"0\r\n\r\n"


class BreakOff(Exception):
    """The connection ends before the answer does; its argument is the outcome."""


@dataclass
class Request:
    """
    One request that the stub got.

    Attributes:
        path: without the query.
        headers: names in lower case; without those that carry credentials.
        body: the parsed JSON.
        at: time.monotonic() when it had been read.
        scene: what it was understood to ask for; None if it was no message.
        outcome: "open", "answered", an HTTP status such as "529", "broken off" (an error event), "cut" (the
            connection), "abandoned" (by the client) or "closed" (the stub).
    """

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float
    scene: Scene | None = None
    outcome: str = "open"


class MessagesApi(ThreadingHTTPServer):
    """
    The stub; a context manager, serving from entering until leaving.

    Attributes:
        requests: all requests for messages, in the order of their arrival.
        unexpected: all requests that the CLI has no business to make.
    """

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.requests: list[Request] = []
        self.unexpected: list[Request] = []
        # Ids of messages and tool calls are kept in a session's history, which may outlive this stub.
        self._name = uuid.uuid4().hex[:8]
        self._otherwise: str | None = None
        self._failures: dict[tuple[object, ...], int] = {}
        self._connections: list[socket.socket] = []
        self._changed = threading.Condition()
        self._stopped, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self.serve_forever, args=(STOP_POLL_S,), name="messages-api")

    @property
    def url(self) -> str:
        """What ANTHROPIC_BASE_URL has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def behave(self, orders: str | None) -> None:
        """Do this for prompts without orders from now on; None: echo them, as at first."""
        self._otherwise = orders

    def wait_for(self, condition: Callable[[list[Request]], bool], within_s: float = PATIENCE_S) -> None:
        """Block until `requests` meet a condition; AssertionError if they do not in time."""
        with self._changed:
            met = self._changed.wait_for(lambda: condition(self.requests), within_s)
            seen = [(request.path, request.scene, request.outcome) for request in self.requests]
        assert met, f"the API was not asked as expected within {within_s} s, but so: {seen}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        self.shutdown()
        for connection in self._connections:
            hang_up(connection)
        self.server_close()
        self._thread.join()
        self._stopped.close()

    def note(self, request: Request) -> str:
        """Keep a request, see what it asks for, and return a name for its answer."""
        with self._changed:
            if request.path == "/v1/messages":
                request.scene = read_scene(request.body["messages"], self._otherwise)
            kept = self.requests if request.path.startswith("/v1/messages") else self.unexpected
            kept.append(request)
            self._changed.notify_all()
            return f"{self._name}{len(kept):04}"

    def note_outcome(self, request: Request, outcome: str) -> None:
        """Keep how a request ended."""
        with self._changed:
            request.outcome = outcome
            self._changed.notify_all()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and remember it so that leaving can wake the thread that reads from it."""
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def is_failing(self, request: Request, fail: Fail) -> bool:
        """Count one more occasion for a failure, and say whether it was one of those that were ordered."""
        assert request.scene is not None
        session = request.headers.get("x-claude-code-session-id")
        key = (session, request.scene.prompt, fail.place)
        with self._changed:
            self._failures[key] = self._failures.get(key, 0) + 1
            return fail.times is None or self._failures[key] <= fail.times

    def wait_silently(self, connection: socket.socket, seconds: float | None) -> None:
        """Block for so long (None: for ever); BreakOff as soon as the client is gone or the stub is closed."""
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)}
        if ready:
            # A client that waits for its answer sends nothing, so what there is to read is the end.
            raise BreakOff("closed" if self._stopped.fileno() in ready else "abandoned")


class Handler(BaseHTTPRequestHandler):
    """One connection to the stub, in a thread of its own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: MessagesApi
    connection: socket.socket

    def handle(self) -> None:
        """Serve requests until the connection ends; that a client cuts it is nothing to report."""
        with contextlib.suppress(OSError):
            super().handle()

    def do_POST(self) -> None:
        """Record and answer one request."""
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        kept = {name: value for name, value in headers.items() if name not in SECRET_HEADERS}
        request = Request(path, kept, json.loads(body or b"{}"), time.monotonic())
        name = self.server.note(request)
        try:
            outcome = self.answer(request, name)
        except (BreakOff, OSError) as end:
            outcome = end.args[0] if isinstance(end, BreakOff) else "abandoned"
            self.close_connection = True
            hang_up(self.connection)
        self.server.note_outcome(request, outcome)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST

    def answer(self, request: Request, name: str) -> str:
        """Answer a request and return its outcome."""
        if request.scene is not None and self.command == "POST":
            return self.act(request, play(request.scene.orders, name, request.body["model"]))
        if request.path == "/v1/messages/count_tokens":
            self.send_json(200, {"input_tokens": len(json.dumps(request.body)) // 4})
            return "answered"
        return self.send_failure(404)

    def act(self, request: Request, steps: Iterator[Step]) -> str:
        """Do the steps, sending each event as it comes or the message at the end; return the outcome."""
        is_stream = bool(request.body.get("stream"))
        events: list[Event] = []
        for step in steps:
            match step:
                case Fail(status, _, _, message) if self.server.is_failing(request, step):
                    if not is_stream or not events:
                        return self.send_failure(status, message)
                    self.send_event(error_body(status, message))
                    self.wfile.write(LAST_CHUNK)
                    return "broken off"
                case dict():
                    if is_stream and not events:
                        self.send_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
                    events.append(step)
                    if is_stream:
                        self.send_event(step)
                case _:
                    self.pass_over(step)
        if is_stream:
            self.wfile.write(LAST_CHUNK)
        else:
            self.send_json(200, assemble(events))
        return "answered"

    def pass_over(self, step: Step) -> None:
        """Do a step that sends nothing; a failure that is no longer due is none."""
        match step:
            case Pause(seconds):
                self.server.wait_silently(self.connection, seconds)
            case Gate(path):
                while not os.path.exists(path):
                    self.server.wait_silently(self.connection, GATE_POLL_S)
            case Hang():
                self.server.wait_silently(self.connection, None)
            case Die():
                raise BreakOff("cut")

    def send_event(self, event: Event) -> None:
        """Send one server-sent event as one chunk."""
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def send_failure(self, status: int, message: str = "") -> str:
        """Send an error as the API words it, and return the outcome."""
        self.send_json(status, error_body(status, message), {"retry-after": "1"} if status == 429 else {})
        return str(status)

    def send_json(self, status: int, body: Event, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response."""
        data = json.dumps(body).encode()
        length = {"content-type": "application/json", "content-length": str(len(data))}
        self.send_head(status, length | dict(headers or {}))
        self.wfile.write(b"" if self.command == "HEAD" else data)

    def send_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send a response's status and headers."""
        self.send_response(status)
        for name, value in {"request-id": "req_stub", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is its own, and every request is recorded."""


def hang_up(connection: socket.socket) -> None:
    """End a connection in both directions, if it still is one."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Serve until interrupted, and say what to set for a CLI to use it."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.messages_api", description="A stub of the API.")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: any free one)")
    with MessagesApi(parser.parse_args().port) as api:
        print(f"A stub of the Messages API serves at {api.url}. For Claude Code to use it:")
        print(f"  export ANTHROPIC_BASE_URL={api.url} ANTHROPIC_API_KEY=stub CLAUDE_CODE_MAX_RETRIES=2")
        print("  export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_TELEMETRY=1 DISABLE_AUTOUPDATER=1")
        print("Ctrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
