"""
Other people's text, made safe to show.

A prompt or an answer can hold terminal escapes (which can rewrite what is on the screen, or type for the reader) and
bidirectional overrides (which make code read as what it is not: CVE-2021-42574). In text they become visible signs;
in JSON they become escapes, which mean the same.
"""

import re
from typing import Final

_BIDI: Final = "\u202a-\u202e\u2066-\u2069"
_IN_TEXT: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]")
# Besides: characters at which some readers split lines, and halves of surrogate pairs, which UTF-8 cannot carry.
_IN_JSON: Final = re.compile(f"[\x7f-\x9f\u2028\u2029{_BIDI}\ud800-\udfff]")
_SPACE: Final = re.compile(r"\s+")


def _sign(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number < 0x20:
        return chr(0x2400 + number)
    if number == 0x7F:
        return "\u2421"
    return f"<{number:02X}>" if number < 0x100 else f"<U+{number:04X}>"


def harmless(text: str) -> str:
    """Make a text of any number of lines safe for a terminal; newlines and tabs stay."""
    return _IN_TEXT.sub(_sign, text.replace("\r\n", "\n"))


def first_line(text: str) -> str:
    """Make the first line of a text safe for one line of a terminal; `…` where there is more."""
    line, _, rest = text.strip().partition("\n")
    return _SPACE.sub(" ", harmless(line)).strip() + (" …" if rest else "")


def harmless_json(text: str) -> str:
    """Write what is not harmless in a JSON text as JSON escapes; its meaning stays the same."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class LiveText:
    """
    One block of the agent's text as it comes: every character is given out once, made harmless.

    Offsets count Unicode code points of the block, as `agent.delta` does.
    """

    def __init__(self) -> None:
        self._received = 0
        self._held = ""

    @property
    def has_given(self) -> bool:
        """Whether anything of the block was given out."""
        return self._received > 0

    def delta(self, offset: int, text: str) -> str:
        """Take a piece; one that does not join what came before gives nothing."""
        if offset != self._received:
            return ""
        self._received += len(text)
        text = self._held + text
        # A carriage return at the end may be the first half of a line end: the next piece tells.
        self._held = "\r" if text.endswith("\r") else ""
        return harmless(text.removesuffix("\r"))

    def whole(self, text: str) -> str:
        """Take the whole block and give what was not given yet."""
        rest = self._held + text[self._received :]
        self._received = max(self._received, len(text))
        self._held = ""
        return harmless(rest)
