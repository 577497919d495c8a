"""The control requests that the agent has not answered, and who waits for the answer to an interrupt."""

from collections.abc import Mapping

from msgspec import Struct

from concordiad.core.agents import Answered
from concordiad.core.model import Turn
from concordiad.errors import RoomError
from concordiad.room.messages import Reply
from concordiad.room.patience import NEVER


class _Interruption(Struct, frozen=True):
    """An interrupt that the agent has not answered yet: the turn it is for, and who waits for the answer."""

    turn: Turn
    reply: Reply[Turn] | None


class Controls:
    """
    What was asked of the agent.

    Attributes:
        deadline: when an interrupt is to be answered, in monotonic seconds.
    """

    def __init__(self) -> None:
        self._asked: dict[str, _Interruption | None] = {}
        self.deadline = NEVER

    def __len__(self) -> int:
        """Count the requests without an answer."""
        return len(self._asked)

    def unanswered(self) -> list[object]:
        """List what carries a question of somebody's."""
        return list(self._asked.values())

    def ask(self, request_id: str) -> None:
        """Note a request that nobody waits for."""
        self._asked[request_id] = None

    def interrupt(self, request_id: str, turn: Turn, reply: Reply[Turn] | None, deadline: float) -> None:
        """Note an interrupt."""
        self._asked[request_id] = _Interruption(turn, reply)
        self.deadline = min(self.deadline, deadline)

    def describe(self) -> dict[str, str | None]:
        """Name the requests, and the turns of the interrupts among them."""
        return {key: None if asked is None else asked.turn.id for key, asked in self._asked.items()}

    def inherit(self, asked: Mapping[str, str | None], turns: Mapping[str, Turn], deadline: float) -> None:
        """Wait for what an earlier run of the daemon has asked; nobody waits for the answers any more."""
        for request_id, turn_id in asked.items():
            if turn_id is None or turn_id not in turns:
                self.ask(request_id)
            else:
                self.interrupt(request_id, turns[turn_id], None, deadline)

    def take(self, answered: Answered) -> bool:
        """Take the agent's answer and pass it on; tells whether it was asked for."""
        if answered.request_id not in self._asked:
            return False
        interruption = self._asked.pop(answered.request_id)
        if not self._asked:
            self.deadline = NEVER
        if interruption is not None and interruption.reply is not None:
            interruption.reply.answer(
                interruption.turn
                if answered.error is None
                else RoomError.conflict(f"the agent refused to be interrupted: {answered.error}")
            )
        return True

    def end(self) -> None:
        """Forget what an agent that has ended will not answer; what was to be stopped has stopped."""
        for interruption in self._asked.values():
            if interruption is not None and interruption.reply is not None:
                interruption.reply.answer(interruption.turn)
        self._asked.clear()
        self.deadline = NEVER
