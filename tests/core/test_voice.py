"""What leaves for guests: frames, masked, the same bytes for all."""

from wsproto.frame_protocol import FrameProtocol

from concordiad.core.voice import Voice

SECRET = "sk-ant-api03-0123456789"


def test_lines_and_answers_are_masked_frames() -> None:
    """A frame a line, without its newline."""
    voice = Voice([SECRET])
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(
        voice.encoding([b'{"a":1}\n', f'{{"b":"{SECRET}"}}\n'.encode()]) + voice.answer(SECRET.encode())
    )
    stars = "*" * len(SECRET)
    assert [frame.payload for frame in reader.received_frames()] == ['{"a":1}', f'{{"b":"{stars}"}}', stars]


def test_all_guests_share_one_encoding() -> None:
    """One object, however often it is asked for: by it the fan-out knows for whom to write only once."""
    voice = Voice([])
    assert voice.encoding is voice.encoding
