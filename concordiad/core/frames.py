"""
WebSocket frames as a server writes them (RFC 6455, 5.2), and a meter over those that a client sends.

Laws: what is written here is whole frames, unmasked and without extensions; the meter looks at lengths and counts only,
what the frames mean is for the WebSocket library.
"""

from collections.abc import Iterable
from typing import Final

_FINAL_TEXT: Final = 0x81
_FINAL_CLOSE: Final = 0x88
_FINAL_PONG: Final = 0x8A
_MASKED: Final = 0x80
_FINAL: Final = 0x80
_MASK_BYTES: Final = 4
_CONTROL: Final = 0x08
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127
_HEAD_MOST: Final = 14
"""The longest head of a frame: two bytes, eight of length, four of the mask."""

PING: Final = b"\x89\x00"
"""A ping without a payload; whatever comes back shows that the other side lives."""


def text_frame(payload: bytes) -> bytes:
    """Write one text message as one frame; the payload is UTF-8."""
    return b"%b%b" % (_text_head(len(payload)), payload)


def text_frames(messages: Iterable[bytes | memoryview]) -> bytes:
    """Write several text messages, a frame each, in one piece."""
    parts: list[bytes | memoryview] = []
    for message in messages:
        parts += (_text_head(len(message)), message)
    return b"".join(parts)


def _text_head(size: int) -> bytes:
    """Write what stands before a text of so many bytes."""
    if size < _TWO_BYTES:
        return b"%c%c" % (_FINAL_TEXT, size)
    if size < 1 << 16:
        return b"%c%c%b" % (_FINAL_TEXT, _TWO_BYTES, size.to_bytes(2))
    return b"%c%c%b" % (_FINAL_TEXT, _EIGHT_BYTES, size.to_bytes(8))


def close_frame(code: int, reason: str) -> bytes:
    """Write a close frame; the reason has at most 123 bytes of UTF-8."""
    payload = code.to_bytes(2) + reason.encode()
    return b"%c%c%b" % (_FINAL_CLOSE, len(payload), payload)


def is_close(data: bytes) -> bool:
    """Tell whether what a library sends begins with a close frame."""
    return data[:1] == b"\x88"


def whole_text(data: bytes) -> str | None:
    """Read a client's bytes that are one text message in one frame and nothing else; None for whatever is not."""
    size, length = _read_head(data[:_HEAD_MOST])
    is_text = size >= 2 + _MASK_BYTES and data[0] == _FINAL_TEXT and data[1] & _MASKED and size + length == len(data)
    if not is_text:
        return None
    mask = data[size - _MASK_BYTES : size]
    repeated = (mask * (length // _MASK_BYTES + 1))[:length]
    payload = int.from_bytes(data[size:]) ^ int.from_bytes(repeated)
    try:
        return payload.to_bytes(length).decode()
    except UnicodeDecodeError:
        return None


class OversizeFrame(Exception):
    """A frame announces more than is allowed."""


class FrameMeter:
    """
    Count the frames of a client and see their lengths before their bytes come.

    Args:
        limit_bytes: the longest payload of one frame.

    Attributes:
        last_frames: how many frames began that are the last, or only, one of their message.
    """

    __slots__ = ("_head", "_is_fragmented", "_left_bytes", "_limit_bytes", "last_frames")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._head = b""
        self._left_bytes = 0
        self._is_fragmented = False
        self.last_frames = 0

    @property
    def has_part(self) -> bool:
        """Tell whether more has to come: of a frame, or of a message in several."""
        return bool(self._head) or self._left_bytes > 0 or self._is_fragmented

    def feed(self, data: bytes) -> int:
        """
        Take what came; return how many frames began in it.

        Raises:
            OversizeFrame: one of them is too long.
        """
        frames = 0
        place = 0
        while place < len(data):
            if self._left_bytes:
                taken = min(self._left_bytes, len(data) - place)
                self._left_bytes -= taken
                place += taken
                continue
            had = len(self._head)
            self._head += data[place : place + _HEAD_MOST - had]
            size, length = _read_head(self._head)
            if size == 0:
                # The rest of the head comes with the next bytes.
                break
            if length > self._limit_bytes:
                raise OversizeFrame(f"a frame of {length} bytes")
            frames += 1
            place += size - had
            # Control frames may stand between a message's fragments (RFC 6455, 5.4).
            if not self._head[0] & _CONTROL:
                self._is_fragmented = not self._head[0] & _FINAL
                self.last_frames += not self._is_fragmented
            self._head = b""
            self._left_bytes = length
        return frames


def _read_head(head: bytes) -> tuple[int, int]:
    """Read the sizes of a frame's head and of its payload; (0, 0) while the head is not whole."""
    if len(head) < 2:
        return 0, 0
    length = head[1] & 0x7F
    extra = {_TWO_BYTES: 2, _EIGHT_BYTES: 8}.get(length, 0)
    size = 2 + extra + (4 if head[1] & _MASKED else 0)
    if len(head) < size:
        return 0, 0
    return size, int.from_bytes(head[2 : 2 + extra]) if extra else length
