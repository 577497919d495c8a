"""
Text that is broken between words at a terminal's edge and stands behind a margin, also while it is still coming.

A word is held until its end is seen, so nothing that was shown has to be taken back. A word longer than the line is
left to the terminal: a link or a path can then be selected whole.
"""

import re
from typing import Final

from ctl.screen import display_width

_PIECES: Final = re.compile(r"\n|[ \t]+|[^ \t\n]+")
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")
NARROWEST: Final = 20
"""Columns that a line has at least, however narrow the terminal is."""


class Wrapper:
    """One text behind a margin of so many columns; without a width, only its own line ends count."""

    def __init__(self, width: int | None, margin: int) -> None:
        self._room = None if width is None else max(width - margin, NARROWEST)
        self._new_line = "\n" + " " * margin
        self._column = 0
        self._spaces = ""
        self._word = ""

    def feed(self, text: str) -> str:
        """Take a piece; gives what can be written by now."""
        *whole, last = _PIECES.findall(self._word + text) or [""]
        self._word = ""
        written = "".join(map(self._place, whole))
        if last.isspace():
            return written + self._place(last)
        self._word = last
        return written

    def end(self) -> str:
        """Give the word that was held; a text that comes later begins a new line of its own."""
        word, self._word = self._word, ""
        written = self._place(word) if word else ""
        self._column, self._spaces = 0, ""
        return written

    def _place(self, piece: str) -> str:
        if piece == "\n":
            self._column, self._spaces = 0, ""
            return self._new_line
        if piece.isspace():
            self._spaces += piece
            return ""
        spaces, self._spaces = self._spaces, ""
        columns = display_width(_ESCAPES.sub("", piece))
        if self._room is not None and self._column > 0 and self._column + len(spaces) + columns > self._room:
            self._column = columns
            return self._new_line + piece
        self._column += len(spaces) + columns
        return spaces + piece
