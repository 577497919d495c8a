"""
Bytes into lines, bounded: whatever the chunking, the same lines come out, and no line is held beyond the limit.

A line over the limit comes out as `Oversize` with its first and last bytes, so that its reader can still tell what it
was. An empty line is nothing.
"""

from typing import Final, NamedTuple

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

    def feed(self, chunk: bytes) -> list[bytes | Oversize]:
        """Take the next chunk; return the lines that it completes."""
        last = chunk.rfind(b"\n")
        if last < 0:
            self._hold(chunk)
            return []
        lines: list[bytes | Oversize] = []
        first = 0
        if self._parts or self._oversize_bytes:
            first = chunk.find(b"\n") + 1
            self._hold(chunk[: first - 1])
            lines.extend(self._take())
        if first <= last:
            for line in chunk[first:last].split(b"\n"):
                if len(line) > self._limit_bytes:
                    lines.append(Oversize(len(line), line[:HEAD_BYTES], line[-HEAD_BYTES:]))
                elif line:
                    lines.append(line)
        self._hold(chunk[last + 1 :])
        return lines

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

    def _take(self) -> list[bytes | Oversize]:
        if self._oversize_bytes:
            line = Oversize(self._oversize_bytes, self._oversize_head, self._oversize_tail)
            self._oversize_head = self._oversize_tail = b""
            self._oversize_bytes = 0
            return [line]
        parts, self._parts, self._held_bytes = self._parts, [], 0
        return [b"".join(parts)]
