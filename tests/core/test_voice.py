"""What leaves for guests: frames, masked, the same bytes for all."""

import tracemalloc

import pytest
from wsproto.frame_protocol import FrameProtocol

from concordiad.core.voice import Voice

SECRET = "sk-ant-api03-0123456789"
LONG = 250_000


def whole_payload(frame: bytes) -> bytes:
    """Read a server's frame of more than 64 KiB: two bytes and eight of length stand before what it says."""
    assert len(frame) - 10 == int.from_bytes(frame[2:10])
    return frame[10:]


def test_lines_and_answers_are_masked_frames() -> None:
    """A frame a line, without its newline."""
    voice = Voice([SECRET])
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(
        voice.encoding([b'{"a":1}\n', f'{{"b":"{SECRET}"}}\n'.encode()]) + voice.answer(SECRET.encode())
    )
    stars = "*" * len(SECRET)
    assert [frame.payload for frame in reader.received_frames()] == ['{"a":1}', f'{{"b":"{stars}"}}', stars]


@pytest.mark.parametrize(("key", "copies"), [(b"null", 1), (b'"k"', 2)])
def test_a_long_line_is_written_once_for_all_guests(key: bytes, copies: int) -> None:
    """As its frame; and once more where a key is taken out of it."""
    event = b'{"type":"prompt.accepted","prompt":{"text":"%b","key":%b}}' % (b"x" * LONG, key)
    line, voice = event + b"\n", Voice([SECRET])
    tracemalloc.start()
    try:
        frame = voice.encoding([line])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert whole_payload(frame) == event.replace(key, b"null")
    assert most < (copies + 0.1) * LONG


def test_all_guests_share_one_encoding() -> None:
    """One object, however often it is asked for: by it the fan-out knows for whom to write only once."""
    voice = Voice([])
    assert voice.encoding is voice.encoding
