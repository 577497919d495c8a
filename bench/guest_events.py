"""What the servers that fan out send to every guest: numbered events of 300 bytes, a frame each, the same for all."""

from collections.abc import Iterator
from typing import Final

EVENT_BYTES: Final = 300
FRAME_BYTES: Final = EVENT_BYTES + 4
FIRST: Final = 1_000_000_000
"""The first number: all have as many digits."""
_HEAD: Final = (
    b'{"jsonrpc":"2.0","method":"event","params":{"room":"main","epoch":1,"seq":%d,"at":"2026-11-20T23:44:12.922Z",'
    b'"type":"agent.text","turn":"019ab6f5-7c3e-7000-8000-000000000000","block":0,"text":"'
)
_TAIL: Final = b'"}}'


def event_text(number: int) -> bytes:
    """Write one event as JSON."""
    head = _HEAD % (FIRST + number)
    return head + b"x" * (EVENT_BYTES - len(head) - len(_TAIL)) + _TAIL


def frame(text: bytes) -> bytes:
    """Write a text of 126 to 65,535 bytes as a server's WebSocket frame."""
    return b"\x81\x7e" + len(text).to_bytes(2, "big") + text


def frames(first: int, events: int) -> bytes:
    """Write what every guest is to get."""
    return b"".join(frame(event_text(first + number)) for number in range(events))


def chunks(first: int, events: int, burst: int) -> Iterator[range]:
    """Divide the numbers of some events into bursts."""
    for start in range(first, first + events, burst):
        yield range(start, min(start + burst, first + events))
