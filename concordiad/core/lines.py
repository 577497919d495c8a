"""
Bytes into lines, bounded: whatever the chunking, the same lines come out, and no line is held beyond the limit.

A line over the limit comes out as `Oversize` with its first and last bytes, so that its reader can still tell what it
was. An empty line is nothing.
"""

from typing import Final, NamedTuple

import msgspec

HEAD_BYTES: Final = 64 * 1024
"""How much of the beginning and of the end of an oversize line is kept: many times a result line's figures (~2 kB)."""


class Oversize(NamedTuple):
    """A line over the limit: its length in bytes without the newline, its first and its last bytes."""

    length: int
    head: bytes
    tail: bytes


class LineSplitter:
    """
    Cut a byte stream at newlines.

    Args:
        limit_bytes: the longest line that is handed on whole.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._oversize_head = b""
        self._oversize_tail = b""
        self._oversize_bytes = 0

    @property
    def has_part(self) -> bool:
        """Whether a line was begun that has no newline yet."""
        return bool(self._held_bytes or self._oversize_bytes)

    @property
    def needed_bytes(self) -> int:
        """How many of the last bytes another splitter has to be fed that recalls what this one remembers."""
        return self._held_bytes

    def remember(self) -> bytes:
        """Write down what is known of a line over the limit that has no newline yet; nothing if there is none."""
        if not self._oversize_bytes:
            return b""
        return msgspec.msgpack.encode(Oversize(self._oversize_bytes, self._oversize_head, self._oversize_tail))

    def recall(self, memory: bytes) -> None:
        """Go on where another splitter wrote that down."""
        if memory:
            known = msgspec.msgpack.decode(memory, type=Oversize)
            self._oversize_bytes, self._oversize_head, self._oversize_tail = known

    def feed(self, chunk: bytes) -> list[bytes | Oversize]:
        """Take the next chunk; return the lines that it completes."""
        lines: list[bytes | Oversize] = []
        for block in self.feed_blocks(chunk):
            if isinstance(block, Oversize):
                lines.append(block)
            else:
                lines.extend(line for line in block.split(b"\n") if line)
        return lines

    def feed_blocks(self, chunk: bytes) -> list[bytes | Oversize]:
        """Take the next chunk; return the lines that it completes, neighbours in one piece with newlines between."""
        last = chunk.rfind(b"\n")
        if last < 0:
            self._hold(chunk)
            return []
        blocks: list[bytes | Oversize] = []
        first = 0
        if self.has_part:
            first = chunk.find(b"\n") + 1
            self._hold(chunk[: first - 1])
            blocks.append(self._take())
        whole = chunk[first:last]
        if len(whole) > self._limit_bytes:
            blocks.extend(self._measure(line) for line in whole.split(b"\n") if line)
        elif whole:
            blocks.append(whole)
        self._hold(chunk[last + 1 :])
        return blocks

    def end(self) -> bytes:
        """Take the end of the stream; return the last line's beginning that never got its newline."""
        return self._oversize_head if self._oversize_bytes else b"".join(self._parts)

    def _hold(self, part: bytes) -> None:
        if not part:
            return
        if not self._oversize_bytes and self._held_bytes + len(part) <= self._limit_bytes:
            self._parts.append(part)
            self._held_bytes += len(part)
            return
        if not self._oversize_bytes:
            self._parts.append(part)
            whole = b"".join(self._parts)
            self._parts, self._held_bytes = [], 0
            self._oversize_head, self._oversize_tail = whole[:HEAD_BYTES], whole[-HEAD_BYTES:]
            self._oversize_bytes = len(whole)
            return
        if len(self._oversize_head) < HEAD_BYTES:
            self._oversize_head = (self._oversize_head + part)[:HEAD_BYTES]
        self._oversize_tail = (self._oversize_tail + part)[-HEAD_BYTES:]
        self._oversize_bytes += len(part)

    def _measure(self, line: bytes) -> bytes | Oversize:
        return line if len(line) <= self._limit_bytes else Oversize(len(line), line[:HEAD_BYTES], line[-HEAD_BYTES:])

    def _take(self) -> bytes | Oversize:
        if self._oversize_bytes:
            line = Oversize(self._oversize_bytes, self._oversize_head, self._oversize_tail)
            self._oversize_head = self._oversize_tail = b""
            self._oversize_bytes = 0
            return line
        parts, self._parts, self._held_bytes = self._parts, [], 0
        return b"".join(parts)
