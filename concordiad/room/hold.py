"""The agent that the writer has: who it is, and its input, which is closed once and then takes nothing more."""

from concordiad.errors import AgentGone as StdinGone
from concordiad.room.messages import Incarnation


class Hold:
    """
    The writer's hold of the agent.

    Attributes:
        agent: the incarnation; None while there is none.
        is_closed: whether its input is closed, so that it is about to end.
        stuck: why its input was closed, where the pipe was full; taken by whoever tells of it.
    """

    def __init__(self) -> None:
        self.agent: Incarnation | None = None
        self.is_closed = False
        self.stuck: str | None = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is an agent without a model."""
        return self.agent is not None and self.agent.codec.is_rehearsal

    @property
    def incarnation(self) -> str | None:
        """The incarnation's id; None while there is none."""
        return None if self.agent is None else self.agent.id

    def take(self, incarnation: Incarnation) -> None:
        """Work with another incarnation."""
        self.agent, self.is_closed, self.stuck = incarnation, False, None

    def let_go(self) -> None:
        """Forget an agent that has ended."""
        self.agent = None

    async def write(self, line: bytes) -> bool:
        """Write a control line; tells whether the agent took it. If not, the keeper will say that it is gone."""
        if self.agent is None or self.is_closed:
            return False
        try:
            await self.hand_over(self.agent, line)
        except StdinGone:
            return False
        return True

    async def hand_over(self, agent: Incarnation, line: bytes) -> None:
        """
        Write a line; an agent that does not take it is let go.

        Raises:
            AgentGone: it did not; `begun` tells whether it may have seen a part of the line.
        """
        try:
            await agent.stdin.write(line)
        except StdinGone as gone:
            self.end()
            self.stuck = str(gone) if gone.is_stuck else None
            raise

    def end(self) -> None:
        """Let the agent read the end of its input; the keeper sees to the rest."""
        if self.agent is not None and not self.is_closed:
            self.is_closed = True
            self.agent.stdin.close()
            self.agent.end.set()
