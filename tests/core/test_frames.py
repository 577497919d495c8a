"""Frames as a server writes them, read back by wsproto; the meter over frames that wsproto's client wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from concordiad.core.frames import (
    PING,
    FrameMeter,
    OversizeFrame,
    close_frame,
    is_close,
    text_frame,
    text_frames,
    whole_text,
)


def read_back(data: bytes) -> list[tuple[Opcode, object]]:
    """Let another implementation read what a server sent."""
    protocol = FrameProtocol(client=True, extensions=[])
    protocol.receive_bytes(data)
    return [(frame.opcode, frame.payload) for frame in protocol.received_frames()]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_a_text_of_any_size_is_read_back(size: int) -> None:
    """The three ways to write a length meet at these sizes."""
    assert read_back(text_frame(b"x" * size)) == [(Opcode.TEXT, "x" * size)]


def test_several_messages_are_a_frame_each() -> None:
    """In one piece, in their order."""
    assert read_back(text_frames([b"a", b"", b"c"])) == [(Opcode.TEXT, "a"), (Opcode.TEXT, ""), (Opcode.TEXT, "c")]


def test_control_frames_are_read_back() -> None:
    """A ping, and a close with its code and reason."""
    closing = close_frame(4401, "not admitted")
    assert (read_back(PING), is_close(closing), is_close(PING)) == ([(Opcode.PING, b"")], True, False)
    ((opcode, payload),) = read_back(closing)
    assert (opcode, payload) == (Opcode.CLOSE, (4401, "not admitted"))


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_frames_are_counted_however_they_are_cut(sizes: list[int], cuts: list[int]) -> None:
    """A client's masked frames, in pieces of any size."""
    client = FrameProtocol(client=True, extensions=[])
    data = b"".join(bytes(client.send_data(b"x" * size, fin=True)) for size in sizes)
    meter, counted, place = FrameMeter(70_000), 0, 0
    for index in range(40):
        step = cuts[index % len(cuts)]
        counted += meter.feed(data[place : place + step])
        place += step
    counted += meter.feed(data[place:])
    assert counted == len(sizes)


@pytest.mark.parametrize("head", [b"\x82\xff" + (16 << 30).to_bytes(8), b"\x82\xfe" + (2000).to_bytes(2)])
def test_a_long_frame_is_seen_by_its_head(head: bytes) -> None:
    """Before one byte of it has come, and whatever piece its head comes in."""
    meter = FrameMeter(1000)
    assert meter.feed(head) == 0
    with pytest.raises(OversizeFrame, match="a frame of"):
        meter.feed(b"mask")


@given(st.text(max_size=300) | st.integers(65_500, 65_600).map("x".__mul__))
def test_a_whole_text_is_read(text: str) -> None:
    """One frame that wsproto's client wrote gives its text; less or more than that gives nothing."""
    frame = bytes(FrameProtocol(client=True, extensions=[]).send_data(text, fin=True))
    assert [whole_text(frame), whole_text(frame[:-1]), whole_text(frame + b"\x89")] == [text, None, None]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x81",
        b"\x81\x02hi",
        b"\x01\x82\x00\x00\x00\x00hi",
        b"\xc1\x82\x00\x00\x00\x00hi",
        b"\x82\x82\x00\x00\x00\x00hi",
        b"\x89\x82\x00\x00\x00\x00hi",
        b"\x81\x81\x00\x00\x00\x00\xff",
        b"\x81\xff" + bytes(8),
    ],
    ids=["nothing", "a byte", "unmasked", "a part", "compressed", "binary", "a ping", "no UTF-8", "half a head"],
)
def test_what_is_no_whole_text_is_left_to_the_library(frame: bytes) -> None:
    """Nothing is guessed."""
    assert whole_text(frame) is None
