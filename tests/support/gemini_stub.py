"""
A stub of the Gemini API on loopback: a real HTTP server, in threads of its own.

It serves POST /v1beta/models/MODEL:generateContent and GET /v1beta/models/MODEL as the API does, with the same errors.
What it answers is ordered by `then`, request by request, and by `otherwise` after that; at first it is a model that
does its work: prompts that end with the same word mean the same, and the longest of them is what is asked.

By hand: `python -m tests.support.gemini_stub [--port N]`; it says what to configure.
"""

import argparse
import contextlib
import json
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tests.support.patience import PATIENCE_S

KEY: Final = "stub-key-0123456789"
STOP_POLL_S: Final = 0.02
DRIP_S: Final = 0.05
PATH: Final = re.compile(r"/v1beta/models/(?P<model>[\w.-]+)(?P<verb>:generateContent)?")
STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass(frozen=True)
class Right:
    """Group what ends with the same word."""


@dataclass(frozen=True)
class Says:
    """Let the model say this, whatever it was asked."""

    text: str
    finish: str = "STOP"


@dataclass(frozen=True)
class Obey:
    """Be a model that obeys what stands in a prompt: it says what the first one wants that has `SAY:` in it."""


@dataclass(frozen=True)
class Fail:
    """Answer with an error as the API words it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    retry_delay: str | None = None


@dataclass(frozen=True)
class Raw:
    """Answer 200 with these bytes."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Endless:
    """Answer with bytes that never end, as fast as they are read."""


@dataclass(frozen=True)
class Drip:
    """Answer rightly, but a byte at a time, with a pause after each."""


@dataclass(frozen=True)
class Hang:
    """Say nothing until the client goes away."""


@dataclass(frozen=True)
class Cut:
    """Cut the connection in the middle of the answer."""


Behaviour = Right | Says | Obey | Fail | Raw | Endless | Drip | Hang | Cut


@dataclass(frozen=True)
class Request:
    """
    One request that the stub got.

    Attributes:
        line: the request line, so that a key in it would be seen.
        headers: names in lower case, without the key's.
        body: as it came.
    """

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def prompts(self) -> list[dict[str, str]]:
        """What the model is asked about."""
        return prompts_in(json.loads(self.body))


class GeminiStub(ThreadingHTTPServer):
    """
    The stub; a context manager, serving from entering until leaving.

    Attributes:
        requests: all of them, in the order of their arrival.
        otherwise: what it does when nothing else was ordered.
        keys: which keys are good.

    With `tls`, a certificate for localhost and its key, it speaks that.
    """

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int = 0, keys: Sequence[str] = (KEY,), tls: tuple[Path, Path] | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._host = "http://127.0.0.1"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self._host = "https://localhost"
        self.requests: list[Request] = []
        self.otherwise: Behaviour = Right()
        self.keys = list(keys)
        self._orders: list[Behaviour] = []
        self._connections: list[socket.socket] = []
        self._changed = threading.Condition()
        self._stopped, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self.serve_forever, args=(STOP_POLL_S,), name="gemini-stub")

    @property
    def url(self) -> str:
        """What base_url has to be."""
        return f"{self._host}:{self.server_port}"

    def then(self, *behaviours: Behaviour) -> None:
        """Do these for the next requests, one each."""
        with self._changed:
            self._orders += behaviours

    def wait_for(self, condition: Callable[[list[Request]], bool], within_s: float = PATIENCE_S) -> None:
        """Block until `requests` meet a condition; AssertionError if they do not in time."""
        with self._changed:
            met = self._changed.wait_for(lambda: condition(self.requests), within_s)
        assert met, f"the API was not asked as expected within {within_s} s: {self.requests}"

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

    def take_order(self, request: Request) -> Behaviour:
        """Keep a request, and tell what to do with it."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            return self._orders.pop(0) if self._orders else self.otherwise

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and remember it so that leaving can wake the thread that reads from it."""
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """A client that hangs up in the middle is what many a test is about."""

    def is_over(self, connection: socket.socket, seconds: float | None) -> bool:
        """Block for so long (None: for ever), but no longer than the client is there and the stub serves."""
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))


class Handler(BaseHTTPRequestHandler):
    """One connection to the stub, in a thread of its own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GeminiStub
    connection: socket.socket

    def handle(self) -> None:
        """Serve requests until the connection ends."""
        with contextlib.suppress(OSError):
            super().handle()

    def do_POST(self) -> None:
        """Record and answer one request."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        key = headers.pop("x-goog-api-key", None)
        request = Request(self.requestline, headers, body)
        order = self.server.take_order(request)
        path = PATH.fullmatch(urlsplit(self.path).path)
        if isinstance(order, Fail):
            self.fail(order)
        elif isinstance(order, Raw) and self.command == "GET":
            # A login page asks for no key.
            self.send(200, order.body, order.headers)
        elif key not in self.server.keys:
            self.fail(Fail(400, reason="API_KEY_INVALID") if key else Fail(403))
        elif path is None or (self.command == "POST") != bool(path["verb"]) or not path["model"].startswith("gemini"):
            self.fail(Fail(404))
        elif self.command == "GET":
            self.send(200, json.dumps({"name": f"models/{path['model']}", "version": "1"}).encode())
        else:
            self.act(order, request)

    do_GET = do_POST

    def act(self, order: Behaviour, request: Request) -> None:
        """Answer a question as ordered."""
        match order:
            case Says(text, finish):
                self.send(200, response(text, finish))
            case Obey():
                wanted = [each["text"].partition("SAY:")[2] for each in request.prompts if "SAY:" in each["text"]]
                self.send(200, response(wanted[0] if wanted else group_rightly(request.prompts)))
            case Raw(body, headers):
                self.send(200, body, headers)
            case Hang():
                self.server.is_over(self.connection, None)
                self.close_connection = True
            case Endless():
                self.begin(200, {"transfer-encoding": "chunked"})
                while True:
                    self.wfile.write(b"%x\r\n%s\r\n" % (65536, b" " * 65536))
            case Drip():
                whole = response(group_rightly(request.prompts))
                self.begin(200, {"content-length": str(len(whole))})
                for at in range(len(whole)):
                    self.wfile.write(whole[at : at + 1])
                    if self.server.is_over(self.connection, DRIP_S):
                        break
                self.close_connection = True
            case Cut():
                self.begin(200, {"content-length": "1000"})
                self.wfile.write(b'{"candidates":')
                self.close_connection = True
            case _:
                self.send(200, response(group_rightly(request.prompts)))

    def fail(self, order: Fail) -> None:
        """Send an error."""
        details: list[dict[str, object]] = []
        if order.reason is not None:
            details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": order.reason})
        if order.retry_delay is not None:
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": order.retry_delay})
        error = {"code": order.status, "message": "no", "status": STATUSES.get(order.status, ""), "details": details}
        self.send(order.status, json.dumps({"error": error}).encode(), order.headers)

    def send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response."""
        self.begin(status, {"content-length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send a response's status and headers."""
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is its own, and every request is recorded."""


def hang_up(connection: socket.socket) -> None:
    """End a connection in both directions, if it still is one."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def prompts_in(question: Mapping[str, Any]) -> list[dict[str, str]]:
    """Read the prompts out of a question, as a model does."""
    read: list[dict[str, str]] = json.loads(question["contents"][0]["parts"][0]["text"])["prompts"]
    return read


def group_rightly(prompts: Sequence[Mapping[str, str]]) -> str:
    """Group what ends with the same word, but never two prompts of one author."""
    groups: list[list[Mapping[str, str]]] = []
    for prompt in prompts:
        fit = (group for group in groups if _means(group[0]) == _means(prompt))
        group = next((group for group in fit if prompt["author"] not in [each["author"] for each in group]), None)
        if group is None:
            groups.append([prompt])
        else:
            group.append(prompt)
    return json.dumps(
        {
            "groups": [
                {
                    "ids": [each["id"] for each in group],
                    "wording": max((each["text"] for each in group), key=len) if len(group) > 1 else "",
                    "similarity": 0.95 if len(group) > 1 else 1,
                }
                for group in groups
            ]
        }
    )


def _means(prompt: Mapping[str, str]) -> str:
    words = re.findall(r"\w+", prompt["text"].casefold())
    return words[-1] if words else ""


def response(said: str, finish: str = "STOP") -> bytes:
    """Write what the API sends when the model has said this."""
    answered = {"content": {"role": "model", "parts": [{"text": said}]}, "finishReason": finish, "index": 0}
    return json.dumps({"candidates": [answered], "usageMetadata": {"totalTokenCount": 1}}).encode()


def main() -> None:
    """Serve until interrupted, and say what to configure."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.gemini_stub", description="A stub of the API.")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: any free one)")
    with GeminiStub(parser.parse_args().port) as api:
        print(f'A stub of the Gemini API. The key is {KEY}; in the configuration:\n\n[gemini]\nbase_url = "{api.url}"')
        print("\nCtrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
