"""
A client of the control socket for tests: blocking, in plain functions, and no wait of it is without an end.

Messages are read in the order in which the daemon sent them. What comes while an answer is waited for is kept, so that
no event is missed, whatever the test asks in between.
"""

import json
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from tests.support.patience import PATIENCE_S

CHUNK_BYTES: Final = 1 << 20

Message = dict[str, Any]
"""One message of the wire, parsed."""
Event = dict[str, Any]
"""The params of an `event` notification."""


class Refused(Exception):
    """
    The daemon's error answer.

    Attributes:
        code: the number on the wire.
        name: the code's name.
        field: the field that is at fault, or None.
        retry_after_s: when to try again, or None.
    """

    def __init__(self, error: Message) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.name: str = error["data"]["name"]
        self.field: str | None = error["data"]["field"]
        self.retry_after_s: float | None = error["data"]["retry_after_s"]


class HungUp(Exception):
    """The daemon has closed the connection."""


class ControlClient:
    """
    One connection.

    Attributes:
        events: every event that was read so far, live deltas among them.
    """

    def __init__(self, path: Path) -> None:
        self._open(socket.AF_UNIX, str(path))

    def _open(self, family: socket.AddressFamily, address: Any) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.events: list[Event] = []
        self._seen = 0
        self._messages: deque[Message] = deque()
        self._partial = bytearray()
        self._calls = 0
        try:
            # Blocking, with the kernel's own limit: with Python's, a full backlog is an error instead of a wait.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(PATIENCE_S), 0))
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def request(self, method: str, **params: Any) -> int:
        """Send a request without waiting for its answer; returns its id."""
        self._calls += 1
        message = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": params}
        self.send_message(json.dumps(message).encode())
        return self._calls

    def send_message(self, message: bytes) -> None:
        """Send one message."""
        self.send(message + b"\n")

    def answer(self, request_id: int | None) -> Message:
        """
        Wait for the answer to a request; None: the daemon's word about what could not be read as one.

        Raises:
            Refused: it is an error.
            HungUp: it will not come.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            message = self._next(deadline)
            if message.get("method") == "event":
                self.events.append(message["params"])
                continue
            assert message["jsonrpc"] == "2.0"
            assert message["id"] == request_id
            if "error" in message:
                raise Refused(message["error"])
            return dict(message["result"])

    def call(self, method: str, **params: Any) -> Message:
        """Make a request and return its result. Raises Refused."""
        return self.answer(self.request(method, **params))

    def refused(self, method: str, **params: Any) -> Refused:
        """Make a request that is to be refused, and return why it was."""
        try:
            result = self.call(method, **params)
        except Refused as refusal:
            return refusal
        raise AssertionError(f"{method} {params} was met: {result}")

    def submit(self, text: str, **more: Any) -> Message:
        """Hand in a prompt and return it."""
        return dict(self.call("prompt.submit", text=text, **more)["prompt"])

    def until(self, is_last: Callable[[Event], bool]) -> list[Event]:
        """
        Return the events not yet returned, up to and with the first for which `is_last`.

        Raises:
            AssertionError: that event did not come in time, or the daemon hung up; says what came instead.
        """
        first = self._seen
        deadline = time.monotonic() + PATIENCE_S
        while True:
            while self._seen < len(self.events):
                self._seen += 1
                if is_last(self.events[self._seen - 1]):
                    return self.events[first : self._seen]
            try:
                message = self._next(deadline)
            except (HungUp, TimeoutError) as error:
                came = [summary(event) for event in self.events[first:] if event["type"] != "agent.delta"]
                raise AssertionError(f"{type(error).__name__}; not what was waited for, but {came}") from error
            assert message.get("method") == "event", f"not an event: {message}"
            self.events.append(message["params"])

    def next(self, event_type: str, **wanted: Any) -> Event:
        """Return the next event of that type whose members are as wanted; those before it count as returned."""
        return self.until(lambda event: event["type"] == event_type and wanted.items() <= event.items())[-1]

    def finished(self, prompt: str | None = None, **wanted: Any) -> Message:
        """Return the next turn that ends (of that prompt, if one is named), as its event tells it."""

        def is_last(event: Event) -> bool:
            turn = event.get("turn")
            return (
                event["type"] == "turn.finished"
                and isinstance(turn, dict)
                and (prompt is None or prompt in turn["prompts"])
                and wanted.items() <= turn.items()
            )

        return dict(self.until(is_last)[-1]["turn"])

    def forget(self) -> None:
        """Drop every event that was received: what was returned is not needed any more."""
        self.events.clear()
        self._seen = 0

    def receive(self) -> Message:
        """Return the next message, whatever it is. Raises HungUp."""
        return self._next(time.monotonic() + PATIENCE_S)

    def read_to_end(self) -> list[Message]:
        """Return every message until the daemon hangs up."""
        messages = []
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                messages.append(self._next(deadline))
            except HungUp:
                return messages

    def _next(self, deadline: float) -> Message:
        while not self._messages:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"nothing more came within {PATIENCE_S} s")
            self.socket.settimeout(left_s)
            try:
                chunk = self.socket.recv(CHUNK_BYTES)
            except ConnectionResetError:
                chunk = b""
            finally:
                self.socket.settimeout(PATIENCE_S)
            if not chunk:
                raise HungUp
            self._messages.extend(json.loads(message) for message in self._part(chunk))
        return self._messages.popleft()

    def _part(self, chunk: bytes) -> list[bytes | bytearray | str]:
        """Return the messages that a chunk completes. Raises HungUp."""
        self._partial += chunk
        if b"\n" not in chunk:
            return []
        *lines, self._partial = self._partial.split(b"\n")
        return list(lines)


def summary(event: Event) -> str:
    """Say in a few words what an event is, for a failure's message."""
    turn = event.get("turn")
    more = f" {turn['outcome']} ({turn['reason']})" if isinstance(turn, dict) and turn["outcome"] else ""
    return f"{event.get('seq', '-')} {event['type']}{more}"


def types(events: list[Event]) -> list[str]:
    """Name the recorded events among some by their types, in their order."""
    return [event["type"] for event in events if "seq" in event]


def cursor(event: Event) -> Message:
    """Return the place after a recorded event, as a follower gives it to go on from there."""
    return {"epoch": event["epoch"], "seq": event["seq"]}


def numbers(events: list[Event]) -> list[int]:
    """Return the numbers of the recorded events among some."""
    return [event["seq"] for event in events if "seq" in event]
