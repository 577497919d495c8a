"""
Lines over a connected socket, of any length; what the quick way and every other command have in common.

Imports nothing that Python has not loaded by itself (see ctl.quick).
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Stream  # noqa: N812  # a class
    from types import TracebackType
    from typing import Self

REPLY_LIMIT_S = 60.0
"""Patience with one answer: nearly everything takes milliseconds."""
CHUNK_BYTES = 256 * 1024
"""One read: about what a Unix socket's buffer holds."""
LONGEST_SLEEP_S = 1.0
"""
One wait of the system's. Python looks for signals before it enters the call, not in it: a Ctrl-C that comes between the
two (about one in five hundred, on a busy machine) is seen when the call returns, so no call may last for ever.
"""


class LineStream:
    """The daemon's lines and ours; closes the socket at the end of a `with`."""

    def __init__(self, stream: Stream, path: str) -> None:
        self.path = path
        self._stream = stream
        self._buffer = bytearray()
        self._searched = 0

    def __enter__(self) -> Self:
        """Use the stream for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the socket."""
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def send(self, line: bytes) -> None:
        """
        Send a line.

        Raises:
            TimedOut: the daemon does not read.
        """
        self._stream.settimeout(REPLY_LIMIT_S)
        try:
            self._stream.sendall(line + b"\n")
        except TimeoutError as error:
            from ctl.failures import TimedOut

            raise TimedOut(f"the daemon at {self.path} does not read its socket") from error
        except ConnectionError:
            # A daemon that refuses a request says so before it hangs up: the answer may be there to read.
            return

    def answer(self, method: str) -> bytes:
        """
        Wait for the line that is the answer to a request for this method.

        Raises:
            ConnectionLost: the daemon went away first.
            TimedOut: it did not answer within REPLY_LIMIT_S.
        """
        line = self.read(time.monotonic() + REPLY_LIMIT_S)
        if line is None:
            from ctl.failures import TimedOut

            raise TimedOut(f"the daemon at {self.path} did not answer {method} within {REPLY_LIMIT_S:g} seconds")
        return line

    def read(self, until: float | None = None) -> bytes | None:
        """
        Wait for the next line.

        Args:
            until: a time of `time.monotonic`; None waits for ever.

        Returns: None once that time has come.

        Raises:
            ConnectionLost: there will be no further one.
        """
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
            self._stream.settimeout(LONGEST_SLEEP_S if left_s is None else min(left_s, LONGEST_SLEEP_S))
            try:
                chunk = self._stream.recv(CHUNK_BYTES)
            except TimeoutError:
                continue
            except ConnectionError as error:
                from ctl.failures import ConnectionLost

                raise ConnectionLost(f"the daemon at {self.path} went away: {error.strerror}") from error
            if not chunk:
                from ctl.failures import ConnectionLost

                raise ConnectionLost(f"the daemon at {self.path} closed the connection")
            self._buffer += chunk
