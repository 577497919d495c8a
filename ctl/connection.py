"""
One connection to the daemon: requests and their answers, and the events in between.

Laws: answers come in the order of the requests, so there is never more than one open; an event that arrives while an
answer is awaited is kept for `next_event`, in order; a line may be of any length.
"""

import json
import socket
import time
from collections import deque
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from concordiad.core.codes import EXIT_USAGE
from ctl.failures import INVALID_UNICODE, ConnectionLost, Failure, Refused, TimedOut

Json = dict[str, Any]

REPLY_LIMIT_S: Final = 60.0
"""Patience with one answer: an interrupt waits for the agent, everything else takes milliseconds."""
CHUNK_BYTES: Final = 256 * 1024
"""One read: about what a Unix socket's buffer holds."""
EVENT_HEAD: Final = b'{"jsonrpc":"2.0","method":"event","params":'


class Event(NamedTuple):
    """One event: its JSON as it was received, and the same read."""

    raw: str
    body: Json


class Connection:
    """A conversation with one daemon over a connected stream; closes it at the end of a `with`."""

    def __init__(self, stream: socket.socket, path: str) -> None:
        self.path = path
        self._stream = stream
        self._buffer = bytearray()
        self._searched = 0
        self._events: deque[Event] = deque()
        self._last_id = 0

    def __enter__(self) -> Self:
        """Use the connection for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._stream.close()

    def call(self, method: str, **params: Any) -> Json:
        """
        Make one request and wait for its result.

        Raises:
            Refused: the daemon answered with an error.
            ConnectionLost: it went away before it answered.
            TimedOut: it did not answer within REPLY_LIMIT_S.
        """
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._send(json.dumps(request, ensure_ascii=False))
        until = time.monotonic() + REPLY_LIMIT_S
        while True:
            line = self._read_line(until)
            if line is None:
                raise TimedOut(f"the daemon at {self.path} did not answer {method} within {REPLY_LIMIT_S:g} seconds")
            message = self._decode(line)
            if "method" in message:
                self._keep(message, line)
            elif "error" in message:
                error = message["error"]
                data = error.get("data") or {}
                raise Refused(error["code"], error["message"], data.get("retry_after_s"))
            else:
                result: Json = message["result"]
                return result

    def next_event(self, until: float | None = None) -> Event | None:
        """
        Wait for the next event.

        Args:
            until: a time of `time.monotonic`; None waits for ever.

        Returns: None once that time has come.

        Raises:
            ConnectionLost: there will be no further one.
        """
        while not self._events:
            line = self._read_line(until)
            if line is None:
                return None
            self._keep(self._decode(line), line)
        return self._events.popleft()

    def _send(self, request: str) -> None:
        try:
            line = request.encode() + b"\n"
        except UnicodeEncodeError as error:
            raise Failure(INVALID_UNICODE, EXIT_USAGE) from error
        self._stream.settimeout(REPLY_LIMIT_S)
        try:
            self._stream.sendall(line)
        except TimeoutError as error:
            raise TimedOut(f"the daemon at {self.path} does not read its socket") from error
        except ConnectionError:
            # A daemon that refuses a request says so before it hangs up: the answer may be there to read.
            return

    def _read_line(self, until: float | None) -> bytes | None:
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._searched = 0
                return line
            self._searched = len(self._buffer)
            left_s = None if until is None else until - time.monotonic()
            if left_s is not None and left_s <= 0:
                return None
            self._stream.settimeout(left_s)
            try:
                chunk = self._stream.recv(CHUNK_BYTES)
            except TimeoutError:
                return None
            except ConnectionError as error:
                raise ConnectionLost(f"the daemon at {self.path} went away: {error.strerror}") from error
            if not chunk:
                raise ConnectionLost(f"the daemon at {self.path} closed the connection")
            self._buffer += chunk

    def _decode(self, line: bytes) -> Json:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Failure(f"the daemon at {self.path} sent a line that is not JSON: {error}") from error
        if not isinstance(message, dict):
            raise Failure(f"the daemon at {self.path} does not speak JSON-RPC: is it a concordiad?")
        return message

    def _keep(self, message: Json, line: bytes) -> None:
        if message.get("method") != "event":
            return
        is_plain = line.startswith(EVENT_HEAD) and line.endswith(b"}")
        raw = line[len(EVENT_HEAD) : -1].decode() if is_plain else json.dumps(message["params"], ensure_ascii=False)
        self._events.append(Event(raw, message["params"]))
