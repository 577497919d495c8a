"""
A standard stream as people see it: colour and width where it is a terminal, columns that line up everywhere.

Text that comes from elsewhere passes ctl.harmless before it comes here; here only our own escapes are added.
"""

import os
import sys
from typing import Final, Self, TextIO

from ctl.harmless import harmless_json

_STYLES: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
NARROWEST: Final = 24
"""Columns that the last cell of a table needs; with less room it goes on a line of its own."""
SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Screen:
    """One output stream: what it can show, and writing to it at once. A stream that is closed takes nothing."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.is_terminal = stream is not None and stream.isatty()
        self.obeys_escapes = self.is_terminal and os.environ.get("TERM") != "dumb"
        self.has_colour = self.obeys_escapes and not os.environ.get("NO_COLOR")
        if stream is not None:
            # A terminal that cannot show a character gets its number, not a traceback.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]  # a standard stream has it

    @classmethod
    def out(cls) -> Self:
        """Take standard output: the data."""
        return cls(sys.stdout)

    @classmethod
    def err(cls) -> Self:
        """Take standard error: everything else."""
        return cls(sys.stderr)

    @property
    def width(self) -> int | None:
        """The terminal's columns; None where it is no terminal, so nothing is ever cut."""
        if self._stream is None or not self.is_terminal:
            return None
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80

    @property
    def height(self) -> int | None:
        """The terminal's rows; None where it is no terminal."""
        if self._stream is None or not self.is_terminal:
            return None
        try:
            return os.get_terminal_size(self._stream.fileno()).lines or 24
        except OSError:
            return 24

    def style(self, text: str, *styles: str) -> str:
        """Colour a text, where this stream shows colour."""
        if not self.has_colour or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def write(self, text: str) -> None:
        """Write a text at once."""
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()

    def line(self, text: str = "") -> None:
        """Write a line at once."""
        self.write(text + "\n")

    def json(self, text: str) -> None:
        """Write one JSON text as a line of UTF-8, whatever the locale."""
        if self._stream is not None:
            self._stream.buffer.write(harmless_json(text).encode() + b"\n")
            self._stream.flush()


class Progress:
    """One line on a terminal that is written over; on anything else, nothing."""

    def __init__(self, screen: Screen) -> None:
        self.is_shown = screen.obeys_escapes
        self._screen = screen
        self._step = 0
        self._is_dirty = False

    def show(self, text: str) -> None:
        """Replace the line, and turn the spinner by one step."""
        if self.is_shown:
            self._step = (self._step + 1) % len(SPINNER)
            line = cut(f"{SPINNER[self._step]} {text}", (self._screen.width or 80) - 1)
            self._screen.write(f"\r\x1b[K{self._screen.style(line, 'dim')}")
            self._is_dirty = True

    def clear(self) -> None:
        """Take the line away, before anything else is written."""
        if self._is_dirty:
            self._screen.write("\r\x1b[K")
            self._is_dirty = False


def _columns(character: str) -> int:
    from unicodedata import category, east_asian_width

    if category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def display_width(text: str) -> int:
    """Count the terminal columns of a text without control characters."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """Shorten a text to so many columns, with `…` where something was cut."""
    taken = fitting = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:fitting] + "…"
        if taken < width:
            fitting = index + 1
    return text


def pad(text: str, width: int) -> str:
    """Fill a text up to so many columns."""
    return text + " " * (width - display_width(text))


def table(screen: Screen, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """
    Line up rows under a header.

    A column that is empty in every row is left out. The last cell is cut at the terminal's edge; where hardly any room
    is left for it, it gets a line of its own.
    """
    edge = screen.width or sys.maxsize
    used = [n for n in range(len(header)) if any(row[n] for row in rows)]
    widths = [max(display_width(row[n]) for row in [header, *rows]) + 2 for n in used]
    above = len(used) - 1
    is_folded = sum(widths[:above]) + NARROWEST > edge
    while is_folded and above > 1 and sum(widths[:above]) - 2 > edge:
        above -= 1
    text = ""
    for row in [header, *rows]:
        *cells, last = (row[n] for n in used)
        first = "".join(map(pad, cells[:above], widths))
        rest = "".join(map(pad, cells[above:], widths[above:])) + last
        lines = [first, "    " + rest] if is_folded else [first + rest]
        for line in lines:
            shown = cut(line.rstrip(), edge)
            text += f"{screen.style(shown, 'dim') if row is header else shown}\n"
    return text


def fields(screen: Screen, pairs: list[tuple[str, str]]) -> str:
    """Line up names and values, one a line; a pair without a value is left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    return "".join(f"{screen.style(pad(name, width), 'dim')}  {value}\n" for name, value in shown)


def indent(text: str, columns: int) -> str:
    """Move every line that is not empty to the right."""
    return "\n".join(" " * columns + line if line else line for line in text.split("\n"))
