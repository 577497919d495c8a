"""How a room speaks to guests: with its secrets masked, less what is for hosts alone, each message a frame."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from concordiad.core.discretion import event_for_guests
from concordiad.core.frames import text_frame, text_frames
from concordiad.core.masking import LiveMasker, Masker


class Voice:
    """
    One room's voice, the same for all of its guests.

    Args:
        secrets: values that guests must not read.

    Attributes:
        encoding: writes published lines as frames; always the same object, so that whoever follows by it is given
            the same bytes, written once.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._masker = Masker(secrets)
        self._live = LiveMasker(self._masker)
        self.encoding: Final[Callable[[Sequence[bytes]], bytes]] = self._encode

    def _encode(self, lines: Sequence[bytes]) -> bytes:
        return text_frames([_without_end(event_for_guests(line)) for line in self._live.mask(lines)])

    def meant(self, said: str, texts: Iterable[str]) -> str:
        """Find which of some texts a guest means, who has seen them masked; what is none of them is meant as said."""
        return next((text for text in texts if self._masker.mask_text(text) == said), said)

    def answer(self, message: bytes) -> bytes:
        """Write one guest's answer as a frame."""
        return text_frame(self._masker.mask(message))


def _without_end(line: bytes) -> bytes | memoryview:
    """Leave out the end of a line, which may be long, without writing it anew; what was read as JSON has none."""
    return memoryview(line)[:-1] if line.endswith(b"\n") else line
