"""
A crowd of guests in one process: sockets behind one epoll, and not a byte unchecked.

Each comes in as a page does: a request for a WebSocket, a `hello` with a token once that is answered, and then nothing
but reading. Where the bytes are known beforehand they are compared; else every frame is taken apart, and the numbers of
its events must follow each other.
"""

import json
import select
import socket
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from bench.guest_events import FRAME_BYTES

RECEIVE_BYTES: Final = 256 * 1024
PATIENCE_S: Final = 120.0
_REQUEST: Final = (
    "GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_SEQ: Final = b'"seq":'
_SEQ_WITHIN: Final = 110
"""An event's number stands this near to its frame's beginning."""
_FINISHED: Final = b'"type":"turn.finished"'
_TYPE_WITHIN: Final = 200


class Guest:
    """
    One connection.

    Attributes:
        place: bytes that came since `Crowd.expect`.
        seq: the number of the last recorded event.
        events: recorded events that came, and `crc` over all their frames.
        last: the last recorded event's frame.
        live: frames without a number.
        turns: that have finished.
        kept: chunks as they came, where somebody wants them.
        closed: the code of the close frame that came.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = b""
        self.place = 0
        self.seq = 0
        self.events = 0
        self.crc = 0
        self.last = b""
        self.live = 0
        self.turns = 0
        self.closed: int | None = None
        self.kept: list[bytes] | None = None


class Crowd:
    """
    All guests.

    Args:
        port: the door's, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._take: dict[int, tuple[Guest, Callable[[Guest, bytes], None]]] = {}
        self.guests: list[Guest] = []
        # One for all: a fresh one of this size for every read would cost the guests more than the reading.
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._expected = b""
        self._frame_bytes = FRAME_BYTES
        self._counts: list[int] = []
        self._missing = 0
        self.arrived_at: list[float] = []

    def join(self, tokens: Iterable[str], *, batch: int = 256) -> list[Guest]:
        """Bring in a guest for each token, so many at once; returns them once each is answered or turned away."""
        waiting = list(tokens)
        joined: list[Guest] = []
        while waiting:
            now, waiting = waiting[:batch], waiting[batch:]
            here = [self._knock(token, len(self.guests) + len(joined) + number) for number, token in enumerate(now)]
            self._run(partial(_are_answered, here))
            joined += here
        self.guests += [guest for guest in joined if guest.closed is None]
        return joined

    def _knock(self, token: str, number: int) -> Guest:
        connection = socket.create_connection(("127.0.0.1", self._port))
        connection.setblocking(False)
        guest = Guest(connection)
        params = {"token": token, "name": f"guest {number}", "last": 0}
        hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": params}).encode()

        def answered(guest: Guest, data: bytes) -> None:
            guest.received += data
            if guest.received[:1] == b"\x88" or (len(guest.received) > 1 and guest.received[0] == 0x88):
                guest.closed = int.from_bytes(guest.received[2:4], "big")
                self._leave(guest)
            elif (end := _frame_end(guest.received)) is not None:
                assert b'"result"' in guest.received[:end], guest.received[:300]
                rest, guest.received = guest.received[end:], b""
                guest.place = 1
                self._take[connection.fileno()] = (guest, self._number)
                self._number(guest, rest)

        def upgraded(guest: Guest, data: bytes) -> None:
            guest.received += data
            head, found, rest = guest.received.partition(b"\r\n\r\n")
            if found:
                assert head.startswith(b"HTTP/1.1 101 "), head[:200]
                guest.received = b""
                connection.send(client_frame(hello))
                self._take[connection.fileno()] = (guest, answered)
                if rest:
                    answered(guest, rest)

        connection.send(_REQUEST.format(host=f"127.0.0.1:{self._port}").encode())
        self._take[connection.fileno()] = (guest, upgraded)
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        return guest

    def _leave(self, guest: Guest) -> None:
        number = guest.socket.fileno()
        self._epoll.unregister(number)
        del self._take[number]
        guest.socket.close()

    def stop_reading(self, guest: Guest) -> None:
        """Leave unread what comes for one of them."""
        self._epoll.unregister(guest.socket.fileno())

    def read_again(self, guest: Guest) -> None:
        """Go on reading."""
        self._epoll.register(guest.socket.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Hang up, all of them."""
        for guest, _ in self._take.values():
            guest.socket.close()
        self._epoll.close()

    def settle(self, quiet_s: float = 0.3) -> None:
        """Read until nothing has come for a while."""
        while self._poll(quiet_s):
            continue

    def settle_level(self) -> None:
        """Read until all of them have come to the same event, and nothing more comes; they count from there on."""
        # Who came last has been told of nobody.
        self._run(lambda: len({guest.seq for guest in self.guests if guest.seq}) <= 1)
        self.settle(1.0)
        for guest in self.guests:
            guest.events = guest.crc = 0

    def idle(self, seconds: float) -> None:
        """Read for a while, and answer pings."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            self._poll(left_s)

    def expect(self, expected: bytes, frame_bytes: int = FRAME_BYTES) -> None:
        """Compare what comes from here on with bytes that are frames of that size."""
        self._expected = expected
        self._frame_bytes = frame_bytes
        self._counts = [len(self.guests)] * (len(expected) // frame_bytes)
        self.arrived_at = [0.0] * len(self._counts)
        self._missing = len(self.guests)
        for guest in self.guests:
            guest.place = 0
            self._take[guest.socket.fileno()] = (guest, self._compare)

    def until_whole(self, *, is_awake: bool = False) -> None:
        """
        Read until all of them have all that was expected; the times at which the last one had each are kept.

        Args:
            is_awake: ask again and again instead of being woken.
        """
        self._run(lambda: not self._missing, 0.0 if is_awake else 1.0)

    def until_turns(self, turns: int, guests: Iterable[Guest]) -> None:
        """Read until some guests have seen so many turns finish."""
        left = list(guests)

        def is_enough() -> bool:
            while left and left[-1].turns >= turns:
                left.pop()
            return not left

        self._run(is_enough)

    def _run(self, is_enough: Callable[[], bool], timeout_s: float = 1.0) -> None:
        until = time.monotonic() + PATIENCE_S
        while not is_enough():
            assert self._poll(timeout_s) or time.monotonic() < until, "something did not come"

    def _poll(self, timeout_s: float) -> bool:
        ready = self._epoll.poll(timeout_s, 4096)
        take, buffer = self._take, self._buffer
        for number, _ in ready:
            guest, heard = take[number]
            try:
                size = guest.socket.recv_into(buffer)
            except BlockingIOError:
                continue
            if size:
                heard(guest, bytes(buffer[:size]))
            else:
                self._leave(guest)
        return bool(ready)

    def _compare(self, guest: Guest, data: bytes) -> None:
        place = guest.place
        end = place + len(data)
        assert data == self._expected[place:end], "what came is not what was sent"
        guest.place = end
        counts, size = self._counts, self._frame_bytes
        for number in range(place // size, end // size):
            counts[number] -= 1
            if not counts[number]:
                self.arrived_at[number] = time.monotonic()
        if end == len(self._expected):
            self._missing -= 1

    def _number(self, guest: Guest, data: bytes) -> None:
        if guest.kept is not None:
            guest.kept.append(data)
        data = guest.received + data
        place, size = 0, len(data)
        while True:
            if size < place + 2:
                break
            length, begin = data[place + 1], place + 2
            if length > 125:
                extra = 2 if length == 126 else 8
                begin += extra
                length = int.from_bytes(data[place + 2 : begin], "big")
            if size < begin + length:
                break
            kind = data[place]
            if kind == 0x81:
                found = data.find(_SEQ, begin, begin + _SEQ_WITHIN)
                if found >= 0:
                    seq = int(data[found + len(_SEQ) : data.index(b",", found)])
                    assert guest.seq in (0, seq - 1), f"{seq} came after {guest.seq}"
                    guest.seq = seq
                    guest.events += 1
                    guest.last = data[begin : begin + length]
                    guest.crc = zlib.crc32(guest.last, guest.crc)
                    guest.turns += guest.last.find(_FINISHED, 0, _TYPE_WITHIN) >= 0
                else:
                    guest.live += 1
            elif kind == 0x89:
                guest.socket.send(b"\x8a\x80\x00\x00\x00\x00")
            else:
                raise AssertionError(f"a frame of kind {kind:#x}: {data[begin : begin + length]!r}")
            place = begin + length
        guest.received = data[place:]


def _are_answered(guests: Sequence[Guest]) -> bool:
    return all(guest.socket.fileno() < 0 or guest.place for guest in guests)


def _frame_end(data: bytes | memoryview) -> int | None:
    """Tell where the first frame ends, None if it is not whole."""
    if len(data) < 10:
        return None
    length = data[1]
    end = 2 + length
    if length > 125:
        extra = 2 if length == 126 else 8
        end = 2 + extra + int.from_bytes(data[2 : 2 + extra], "big")
    return end if len(data) >= end else None


def client_frame(text: bytes) -> bytes:
    """Write a text as a client's frame; its mask is zero, which changes nothing."""
    length = len(text)
    if length < 126:
        size = bytes([0x80 | length])
    else:
        size = b"\xfe" + length.to_bytes(2) if length < 1 << 16 else b"\xff" + length.to_bytes(8)
    return b"\x81" + size + bytes(4) + text


def take_texts(data: bytes) -> Iterator[dict[str, Any]]:
    """Take events apart that came in whole frames."""
    view = memoryview(data)
    while (end := _frame_end(view)) is not None:
        begin = 2 if view[1] < 126 else 4 if view[1] == 126 else 10
        yield json.loads(bytes(view[begin:end]))["params"]
        view = view[end:]
