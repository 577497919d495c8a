"""
What the agent wrote that is no line of its protocol: told at once when it is rare, together when it is not.

Plain and synchronous, in monotonic seconds. Laws: every such line is in one notice's count; between two notices passes
the period, unless a turn or the agent ends meanwhile; so an agent that writes nothing else costs a notice a period.
"""

from typing import Final

from concordiad.core.agents import Unreadable
from concordiad.room.patience import NEVER

TELL_S: Final = 10.0
"""So seldom is told what cannot be read: a flood of 80,000 lines a second would otherwise be as many notices."""


def words_for(said: Unreadable) -> str:
    """Say what could not be read."""
    if said.lines == 1:
        return f"the agent wrote {said.size_bytes} bytes that are {said.why}"
    return (
        f"the agent wrote {said.lines} lines that are not of its protocol; "
        f"the last one is {said.size_bytes} bytes that are {said.why}"
    )


class UnreadableLines:
    """
    The lines of one incarnation that could not be read.

    Attributes:
        untold: those that no notice has told of; None: there are none.
    """

    def __init__(self) -> None:
        self.untold: Unreadable | None = None
        self._next_at = -NEVER

    def begin(self) -> None:
        """Know nothing of the last incarnation."""
        self.untold, self._next_at = None, -NEVER

    def inherit(self, untold: Unreadable | None, now: float) -> None:
        """Go on with what an earlier run of the daemon has counted and not told."""
        self.untold = untold
        self._next_at = -NEVER if untold is None else now + TELL_S

    def note(self, lines: Unreadable) -> None:
        """Count lines."""
        self.untold = lines if self.untold is None else lines.after(self.untold)

    def deadline(self) -> float:
        """Tell when what is counted is to be told."""
        return NEVER if self.untold is None else self._next_at

    def take_due(self, now: float) -> str | None:
        """Give what is to be told by now, if there is anything; it is told then."""
        return None if now < self.deadline() else self.take(now)

    def take(self, now: float) -> str | None:
        """Give what was not told yet, if there is anything, because something ends; it is told then."""
        if self.untold is None:
            return None
        words, self.untold = words_for(self.untold), None
        self._next_at = now + TELL_S
        return words
