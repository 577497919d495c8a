"""An answer on standard output, and beside it on standard error a line that is written over, and remarks."""

from ctl.screen import Progress, Screen


class StatusLine:
    """
    Both standard streams, kept out of each other's way, and what is said of the daemon's coming and going.

    Attributes:
        is_away: whether the daemon is looked for.
        has_missed: whether events were missed; who reads it takes it back.
    """

    def __init__(self) -> None:
        self.out = Screen.out()
        self.err = Screen.err()
        self.progress = Progress(self.err)
        self.is_away = False
        self.has_missed = False
        self.is_mid_line = False

    def print(self, text: str) -> None:
        """Write a part of the answer."""
        self.progress.clear()
        self.out.write(text)
        self.is_mid_line = not text.endswith("\n")

    def note(self, text: str) -> None:
        """Write a line beside the answer."""
        self.clear()
        self.err.line(text)

    def clear(self) -> None:
        """Leave the terminal at the start of a line."""
        self.progress.clear()
        if self.is_mid_line:
            self.is_mid_line = False
            self.out.line()

    def away(self, why: str) -> None:
        """Say that the daemon is looked for."""
        self.is_away = True
        if self.err.is_terminal:
            self.note(self.err.style(f"{why}: looking for it again", "yellow"))

    def back(self) -> None:
        """Say that it was found."""
        self.is_away = False
        if self.err.is_terminal:
            self.note(self.err.style("the daemon is back", "dim"))

    def missed(self) -> None:
        """Remember that something is missing."""
        self.has_missed = True
