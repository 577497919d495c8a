"""
One connection to the daemon: requests and their answers, and the events in between.

Laws: answers come in the order of the requests, so there is never more than one open; an event that arrives while an
answer is awaited is kept for `next_event`, in order; a line may be of any length.
"""

import json
import math
import time
from collections import deque
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from concordiad.core.codes import EXIT_USAGE
from ctl.failures import INVALID_UNICODE, Failure, Refused, TimedOut
from ctl.lines import REPLY_LIMIT_S, LineStream

Json = dict[str, Any]

EVENT_HEAD: Final = b'{"jsonrpc":"2.0","method":"event","params":'
EVENTS_HEAD: Final = '"result":{"events":['
"""How the answer to `events.list` begins: behind it stand the events as they were recorded."""


class Event(NamedTuple):
    """One event: its JSON as it was received, and the same read."""

    raw: str
    body: Json


class Page(NamedTuple):
    """Some recorded events, the number that the next page begins with, and the room's last number."""

    events: list[Event]
    following: int | None
    last_seq: int


class Connection:
    """
    A conversation with one daemon; closes it at the end of a `with`.

    Args:
        lines: the stream.
        deadline: a time of `time.monotonic` after which no answer is waited for any more, REPLY_LIMIT_S or not.
    """

    def __init__(self, lines: LineStream, deadline: float = math.inf) -> None:
        self._deadline = deadline
        self.path = lines.path
        self._lines = lines
        self._events: deque[Event] = deque()
        self._last_id = 0

    def __enter__(self) -> Self:
        """Use the connection for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._lines.close()

    def close(self) -> None:
        """Hang up."""
        self._lines.close()

    def call(self, method: str, **params: Any) -> Json:
        """
        Make one request and wait for its result.

        Raises:
            Refused: the daemon answered with an error.
            ConnectionLost: it went away before it answered.
            TimedOut: it did not answer within REPLY_LIMIT_S, or before the deadline.
        """
        self.request(method, **params)
        return read_answer(self._answer(method), self.path)

    def page(self, room: str, **params: Any) -> Page:
        """Read a page of recorded events as the bytes that they were recorded as; raises what `call` raises."""
        self.request("events.list", room=room, **params)
        line = self._answer("events.list")
        result = read_answer(line, self.path)
        return Page(_split_events(line.decode(), result["events"]), result["next"], result["cursor"]["seq"])

    def request(self, method: str, **params: Any) -> None:
        """Make a request whose answer is to be taken with `answer`."""
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        try:
            line = json.dumps(request, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise Failure(INVALID_UNICODE, EXIT_USAGE) from error
        self._lines.send(line)

    def answer(self, until: float | None) -> Json | None:
        """Wait for the answer to the request; None once the time `until` (of `time.monotonic`) has come."""
        line = self._next_answer(until)
        return None if line is None else read_answer(line, self.path)

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
            line = self._lines.read(until)
            if line is None:
                return None
            self._keep(line)
        return self._events.popleft()

    def _answer(self, method: str) -> bytes:
        limit = time.monotonic() + REPLY_LIMIT_S
        line = self._next_answer(min(limit, self._deadline))
        if line is None:
            within = "in time" if self._deadline < limit else f"within {REPLY_LIMIT_S:g} seconds"
            raise TimedOut(f"the daemon at {self.path} did not answer {method} {within}")
        return line

    def _next_answer(self, until: float | None) -> bytes | None:
        while True:
            line = self._lines.read(until)
            if line is None or not self._keep(line):
                return line

    def _keep(self, line: bytes) -> bool:
        """Keep a line if it is an event; tells whether it is no answer."""
        if line.startswith(EVENT_HEAD) and line.endswith(b"}"):
            raw = line[len(EVENT_HEAD) : -1]
            self._events.append(Event(raw.decode(), _decode(raw, self.path)))
            return True
        message = _decode(line, self.path)
        if message.get("method") == "event":
            self._events.append(Event(json.dumps(message["params"], ensure_ascii=False), message["params"]))
        return "method" in message


def read_answer(line: bytes, path: str) -> Json:
    """
    Read the answer to a request.

    Raises:
        Refused: it is an error.
        Failure: it is no answer at all.
    """
    message = _decode(line, path)
    if "error" in message:
        error = message["error"]
        data = error.get("data") or {}
        raise Refused(error["code"], error["message"], data.get("retry_after_s"))
    result: Json = message["result"]
    return result


def _decode(line: bytes, path: str) -> Json:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Failure(f"the daemon at {path} sent a line that is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise Failure(f"the daemon at {path} does not speak JSON-RPC: is it a concordiad?")
    return message


def _split_events(line: str, bodies: list[Json]) -> list[Event]:
    place = line.find(EVENTS_HEAD) + len(EVENTS_HEAD)
    if place < len(EVENTS_HEAD):
        return [Event(json.dumps(body, ensure_ascii=False), body) for body in bodies]
    decoder = json.JSONDecoder()
    events = []
    for _ in bodies:
        body, end = decoder.raw_decode(line, place)
        events.append(Event(line[place:end], body))
        place = end + 1
    return events
