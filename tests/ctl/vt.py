"""
A program on a pseudo-terminal, and a reader of its screen: what stands where after all the cursor has done.

It understands what prompt_toolkit and our own output use of a VT100, and answers where the cursor is when asked. What
it does not understand fails the test.
"""

import contextlib
import os
import pty
import re
import select
import subprocess
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.ctl.program import command, environment
from tests.support.patience import PATIENCE_S

ROWS: Final = 24
COLUMNS: Final = 100
ENTER: Final = "\r"
_SEQUENCE: Final = re.compile(r"\x1b\[([?>=]?)([0-9;]*)([ -/]*)([@-~])|\x1b[()][0-9A-B]|\x1b[=>78M]")
_BEGINNING: Final = re.compile(r"\x1b(\[[?>=]?[0-9;]*[ -/]*|[()])?\Z")


class Screen:
    """
    Rows of characters, and what has scrolled off.

    Attributes:
        gone: rows that have left the screen at its top.
        bells: how often the program rang.
        strange: escapes that are not understood.
    """

    def __init__(self) -> None:
        self.gone: list[str] = []
        self.bells = 0
        self.strange: list[str] = []
        self.reports = 0
        self._rows = [[" "] * COLUMNS for _ in range(ROWS)]
        self._row = self._column = 0

    @property
    def rows(self) -> list[str]:
        """What stands on the screen now."""
        return ["".join(row).rstrip() for row in self._rows]

    @property
    def text(self) -> str:
        """All that was written and not overwritten, also what has scrolled off."""
        return "\n".join([*self.gone, *self.rows])

    def feed(self, text: str) -> str:
        """Take output; returns the beginning of an escape that is not whole yet."""
        while text:
            if text[0] == "\x1b":
                found = _SEQUENCE.match(text)
                if found is None:
                    if _BEGINNING.match(text):
                        return text
                    self.strange.append(text[:10])
                    text = text[1:]
                    continue
                if found[4]:
                    self._obey(found[1], found[2], found[4])
                text = text[found.end() :]
                continue
            self._put(text[0])
            text = text[1:]
        return ""

    def cursor_report(self) -> bytes:
        """Say where the cursor is, as a terminal does."""
        return f"\x1b[{self._row + 1};{min(self._column, COLUMNS - 1) + 1}R".encode()

    def _put(self, character: str) -> None:
        match character:
            case "\n":
                self._line_feed()
            case "\r":
                self._column = 0
            case "\b":
                self._column = max(self._column - 1, 0)
            case "\a":
                self.bells += 1
            case _ if not character.isprintable():
                self.strange.append(repr(character))
            case _:
                if self._column >= COLUMNS:
                    self._column = 0
                    self._line_feed()
                self._rows[self._row][self._column] = character
                self._column += 1

    def _line_feed(self) -> None:
        if self._row < ROWS - 1:
            self._row += 1
            return
        self.gone.append("".join(self._rows.pop(0)).rstrip())
        self._rows.append([" "] * COLUMNS)

    def _obey(self, private: str, parameters: str, final: str) -> None:
        numbers = [int(number or 0) for number in parameters.split(";")]
        many = max(numbers[0], 1)
        match final:
            case "A":
                self._row = max(self._row - many, 0)
            case "B":
                self._row = min(self._row + many, ROWS - 1)
            case "C":
                self._column = min(self._column + many, COLUMNS - 1)
            case "D":
                self._column = max(min(self._column, COLUMNS - 1) - many, 0)
            case "G":
                self._column = many - 1
            case "H":
                self._row, self._column = many - 1, max(numbers[-1], 1) - 1 if len(numbers) > 1 else 0
            case "J":
                self._erase_line(numbers[0])
                rows = range(self._row + 1, ROWS) if numbers[0] == 0 else range(ROWS)
                for row in rows:
                    self._rows[row] = [" "] * COLUMNS
            case "K":
                self._erase_line(numbers[0])
            case "n" if numbers == [6]:
                self.reports += 1
            case "m" | "h" | "l" | "q" | "t":
                pass
            case _:
                self.strange.append(f"{private}{parameters}{final}")

    def _erase_line(self, which: int) -> None:
        first = self._column if which == 0 else 0
        last = COLUMNS if which in (0, 2) else self._column + 1
        for column in range(first, last):
            self._rows[self._row][column] = " "


class Typist:
    """
    Types into a program and reads its screen.

    Attributes:
        modes_before: the terminal's local modes before the program could change them.
    """

    def __init__(self, child: "subprocess.Popen[bytes]", terminal: int, modes_before: int) -> None:
        self.child = child
        self.modes_before = modes_before
        self.screen = Screen()
        self._terminal = terminal
        self._decoder = getincrementaldecoder("utf-8")()
        self._kept = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    def paste(self, text: str) -> None:
        """Paste a text, as a terminal that brackets it does."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def wait_for(self, text: str) -> None:
        """Read until a text stands on the screen, or has."""
        self.wait_until(lambda screen: text in screen.text, repr(text))

    def wait_until(self, condition: Callable[[Screen], bool], what: str = "it") -> None:
        """Read until something is true of the screen; AssertionError shows the screen."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition(self.screen):
            assert self._read(deadline), f"{what} did not come; the screen has:\n{self.screen.text}"
        assert self.screen.strange == []

    def read_to_the_end(self) -> int:
        """Read until the program has ended; returns its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self.child.wait(PATIENCE_S)

    def modes(self) -> int:
        """Return the terminal's local modes: whether it echoes, and edits lines."""
        return _modes(self._terminal)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return False
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # how Linux says that the last writer has closed a terminal
            return False
        self._kept = self.screen.feed(self._kept + self._decoder.decode(data))
        while self.screen.reports:
            self.screen.reports -= 1
            os.write(self._terminal, self.screen.cursor_report())
        return bool(data)


def _modes(terminal: int) -> int:
    modes = termios.tcgetattr(terminal)[3]
    assert isinstance(modes, int)
    return modes


@contextmanager
def on_terminal(home: Path, *arguments: str, **variables: str) -> Iterator[Typist]:
    """Run concordiactl on a terminal of its own; killed at the end, if it has not ended by then."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
    modes = _modes(ours)
    with subprocess.Popen(
        command(*arguments),
        env=environment(home, **variables),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as child:
        os.close(theirs)
        try:
            yield Typist(child, ours, modes)
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.wait()
            os.close(ours)
