"""
Configured secrets, made unreadable in what leaves for guests.

A courtesy and no wall: what the agent's tools encode (base64, one letter a line) is not recognised. A mask has the
length of what it hides, in characters, so that the offsets of live text stay true.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

SHORTEST: Final = 8
"""Characters of the shortest value that is masked: a shorter one would be found in ordinary words."""
_LIVE_TEXT: Final = b'"type":"agent.delta"'
_HEAD_BYTES: Final = 200
"""An event's type stands this near to its line's beginning: the envelope is written before the body."""
OPEN_MOST: Final = 64
"""Blocks whose live text is followed at once: an agent streams one or two."""


class Masker:
    """
    Replaces secrets in JSON text.

    Args:
        secrets: the values; those shorter than SHORTEST are left alone.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)
        self._secrets: Final = tuple(known)
        forms = [(form, b"*" * len(secret)) for secret in known for form in _forms(secret)]
        self._forms: Final = tuple(dict(forms).items())

    def __bool__(self) -> bool:
        """Tell whether there is anything to mask."""
        return bool(self._forms)

    def mask(self, data: bytes) -> bytes:
        """Mask whole messages."""
        for form, stars in self._forms:
            if form in data:
                data = data.replace(form, stars)
        return data

    def mask_text(self, text: str) -> str:
        """Mask a text that is not written as JSON."""
        for secret in self._secrets:
            text = text.replace(secret, "*" * len(secret))
        return text

    def tail_of(self, text: str) -> int:
        """Tell how many characters at a text's end may be the beginning of a secret."""
        longest = 0
        for secret in self._secrets:
            for size in range(min(len(secret) - 1, len(text)), longest, -1):
                if text.endswith(secret[:size]):
                    longest = size
                    break
        return longest


def _forms(secret: str) -> list[bytes]:
    """Write a value as JSON texts hold it: characters beyond ASCII as they are or escaped, slashes likewise."""
    written = [msgspec.json.encode(secret)[1:-1], json.dumps(secret)[1:-1].encode()]
    return [*written, *(form.replace(b"/", b"\\/") for form in written)]


class LiveMasker:
    """
    Masks the lines of one room as they are published.

    A secret may come in two pieces of live text: what may be the beginning of one is held back until the next piece
    shows what it is. If none comes, the finished block has it, masked. A piece whose block was not seen up to there, as
    nobody followed, may begin with the rest of a secret: it is left out, as clients would do with it.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._open: dict[tuple[Any, Any], tuple[str, int]] = {}

    def mask(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Mask some lines, in the order in which they are published."""
        if not self._masker:
            return lines
        masked = []
        for line in lines:
            if _LIVE_TEXT in line[:_HEAD_BYTES]:
                if (shown := self._mask_live(line)) is not None:
                    masked.append(shown)
            else:
                masked.append(self._masker.mask(line))
        return masked

    def _mask_live(self, line: bytes) -> bytes | None:
        message = msgspec.json.decode(line)
        event = message["params"]
        block = (event.get("turn"), event.get("block"))
        held, end = self._open.pop(block, ("", 0))
        if event["offset"] == 0:
            held, end = "", 0
        if end != event["offset"]:
            return None
        text = held + event["text"]
        tail = self._masker.tail_of(text)
        if len(self._open) >= OPEN_MOST:
            self._open.pop(next(iter(self._open)))
        self._open[block] = (text[len(text) - tail :], end + len(event["text"]))
        shown = self._masker.mask_text(text[: len(text) - tail])
        if not shown:
            return None
        event["text"] = shown
        event["offset"] -= len(held)
        return msgspec.json.encode(message) + b"\n"
