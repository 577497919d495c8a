"""
What the agent asked for beyond what a room takes: told at once when it is rare, together when it is not.

Plain and synchronous, in monotonic seconds. Laws: every such request is in one notice's count; between two notices
passes the period, unless a turn or the agent ends meanwhile.
"""

from concordiad.room.approvals import OPEN_MOST
from concordiad.room.patience import NEVER
from concordiad.room.unreadable import TELL_S


def words_for(requests: int) -> str:
    """Say what was denied."""
    asked = "an approval" if requests == 1 else f"{requests} approvals"
    were = "it was" if requests == 1 else "they were"
    return f"the agent asked for {asked} more than may wait for people in a room ({OPEN_MOST}): {were} denied at once"


class RefusedRequests:
    """
    The requests of one incarnation that nobody was asked.

    Attributes:
        untold: how many there are of which no notice has told.
    """

    def __init__(self) -> None:
        self.untold = 0
        self._next_at = -NEVER

    def begin(self) -> None:
        """Know nothing of the last incarnation."""
        self.untold, self._next_at = 0, -NEVER

    def inherit(self, untold: int, now: float) -> None:
        """Go on with what an earlier run of the daemon has counted and not told."""
        self.untold = untold
        self._next_at = now + TELL_S if untold else -NEVER

    def note(self) -> None:
        """Count a request."""
        self.untold += 1

    def deadline(self) -> float:
        """Tell when what is counted is to be told."""
        return self._next_at if self.untold else NEVER

    def take_due(self, now: float) -> str | None:
        """Give what is to be told by now, if there is anything; it is told then."""
        return None if now < self.deadline() else self.take(now)

    def take(self, now: float) -> str | None:
        """Give what was not told yet, if there is anything, because something ends; it is told then."""
        if not self.untold:
            return None
        words, self.untold = words_for(self.untold), 0
        self._next_at = now + TELL_S
        return words
