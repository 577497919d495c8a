"""
When a room lets its agent go because there is nothing to do, and who waits until it wants one again.

Plain and synchronous, in monotonic seconds. Law: a host's wish for an agent is kept until the keeper has said that it
knows of it, or there is an agent; it comes at any time, also while the keeper waits for nothing, or no longer.
"""

from concordiad.room.patience import NEVER
from concordiad.room.to_writer import WantAgent


class Rest:
    """
    The agent's idle time.

    Args:
        idle_s: so long after its last turn the agent is let go; 0: never.

    Attributes:
        is_asleep: whether the agent was let go, and nothing has come since.
        background: how many tasks of the agent run in the background.
    """

    def __init__(self, idle_s: float) -> None:
        self.idle_s = idle_s
        self.is_asleep = False
        self._since: float | None = None
        self.background = 0
        self._wanting: list[WantAgent] = []
        self._wishes = 0
        self._unmet = 0

    def unanswered(self) -> list[object]:
        """List who waits for the room to want an agent."""
        return list(self._wanting)

    def begin(self) -> None:
        """Count anew for another incarnation, which meets every wish; whoever waited for one has stopped waiting."""
        self._since, self.background = None, 0
        self._unmet = 0
        self._answer_all()

    def note_work(self) -> None:
        """Note that there is something to do: the idle time begins anew after it."""
        self._since = None

    def note_background(self, tasks: int) -> None:
        """Note what runs in the background: the agent has something to say when the last of it ends."""
        self.background, self._since = tasks, None

    def deadline(self) -> float:
        """Tell when the agent has been idle for long enough."""
        if not self.idle_s or self._since is None or self.background:
            return NEVER
        return self._since + self.idle_s

    def is_over(self, now: float) -> bool:
        """Count an idle moment; tells whether the agent is to be let go."""
        if self._since is None:
            self._since = now
            return False
        return now >= self.deadline()

    def want(self, want: WantAgent, *, is_draining: bool) -> None:
        """
        Let the keeper wait until the room wants an agent; it does unless it sleeps, or is to wait for a restart.

        Where that is at once, whoever waited before waits no longer: there is one keeper, and it asks one at a time.
        """
        if want.known >= self._unmet:
            self._unmet = 0
        self._wanting.append(want)
        if is_draining or self._unmet or not (want.is_urgent or self.is_asleep):
            self._answer_all()

    def wish(self) -> None:
        """Note that a host wants an agent where there is none."""
        self._wishes += 1
        self._unmet = self._wishes
        self.wake()

    def wake(self) -> None:
        """Let the keeper go on now, whether it waits to be wanted or for the end of a backoff."""
        self.is_asleep = False
        self._answer_all()

    def _answer_all(self) -> None:
        for want in self._wanting:
            want.reply.answer(self._unmet or want.known)
        self._wanting.clear()
