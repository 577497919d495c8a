"""
Three state tables: a prompt's, a turn's, and the writer's.

Laws: a pair that is not in its table raises; a prompt or turn that has ended never moves again; the writer hands a turn
over only in state IDLE, so that the agent never holds two lines of ours.
"""

import enum
from typing import Final

from msgspec.structs import replace

from concordiad.core.model import Outcome, Prompt, PromptState, Turn, TurnState
from concordiad.errors import LocalProtocolError


class PromptMove(enum.StrEnum):
    """What can happen to a prompt besides the outcome of its turn."""

    HANDED_OVER = "handed_over"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


PROMPT_TABLE: Final[dict[tuple[PromptState, PromptMove | Outcome], PromptState]] = {
    (PromptState.WAITING, PromptMove.HANDED_OVER): PromptState.RUNNING,
    (PromptState.WAITING, PromptMove.CANCELLED): PromptState.CANCELLED,
    (PromptState.WAITING, PromptMove.EXPIRED): PromptState.EXPIRED,
    (PromptState.RUNNING, PromptMove.RETURNED): PromptState.WAITING,
    (PromptState.RUNNING, Outcome.COMPLETED): PromptState.ANSWERED,
    (PromptState.RUNNING, Outcome.FAILED): PromptState.FAILED,
    (PromptState.RUNNING, Outcome.TIMED_OUT): PromptState.FAILED,
    (PromptState.RUNNING, Outcome.INTERRUPTED): PromptState.CANCELLED,
    (PromptState.RUNNING, Outcome.UNCERTAIN): PromptState.UNCERTAIN,
}


def move_prompt(prompt: Prompt, move: PromptMove | Outcome, turn: str | None = None) -> Prompt:
    """
    Move a prompt on; `turn` is the turn that it then belongs to.

    Raises:
        LocalProtocolError: the prompt's state does not allow that move.
    """
    state = PROMPT_TABLE.get((prompt.state, move))
    if state is None:
        raise LocalProtocolError(f"prompt {prompt.id} is {prompt.state}, it cannot be {move}")
    return replace(prompt, state=state, turn=turn)


class TurnMove(enum.StrEnum):
    """What can happen to a turn besides its outcome."""

    RETURNED = "returned"


TURN_TABLE: Final[dict[tuple[TurnState, TurnMove | Outcome], TurnState]] = {
    (TurnState.RUNNING, TurnMove.RETURNED): TurnState.RETURNED,
    **{(TurnState.RUNNING, outcome): TurnState.FINISHED for outcome in Outcome},
}


def move_turn(turn: Turn, move: TurnMove | Outcome) -> Turn:
    """
    Move a turn on; an outcome is set with the state that follows from it.

    Raises:
        LocalProtocolError: the turn has ended already.
    """
    state = TURN_TABLE.get((turn.state, move))
    if state is None:
        raise LocalProtocolError(f"turn {turn.id} is {turn.state}, it cannot be {move}")
    return replace(turn, state=state, outcome=move if isinstance(move, Outcome) else None)


class WriterState(enum.StrEnum):
    """What the writer knows of the agent."""

    DOWN = "down"
    """There is no agent process, or it takes no more input."""
    STARTING = "starting"
    """The process is there; its first control requests are not answered yet."""
    IDLE = "idle"
    """The agent waits for a line."""
    BUSY = "busy"
    """A line of ours was handed over, its result is not in."""
    SETTLING = "settling"
    """The result is in, the agent has not said yet that it is done with the line."""
    OWN = "own"
    """The agent works on a turn that it started itself."""


class WriterInput(enum.StrEnum):
    """What moves the writer."""

    SPAWNED = "spawned"
    READY = "ready"
    HANDED_OVER = "handed_over"
    RESULT = "result"
    LINE_DONE = "line_done"
    AGENT_IDLE = "agent_idle"
    OWN_BEGAN = "own_began"
    OWN_ENDED = "own_ended"
    GONE = "gone"


_S = WriterState
_I = WriterInput

WRITER_TABLE: Final[dict[tuple[WriterState, WriterInput], WriterState]] = {
    (_S.DOWN, _I.SPAWNED): _S.STARTING,
    (_S.STARTING, _I.READY): _S.IDLE,
    # A resumed agent may report or even work before it has answered; our lines carry "later", so IDLE is safe then.
    (_S.STARTING, _I.AGENT_IDLE): _S.STARTING,
    (_S.STARTING, _I.LINE_DONE): _S.STARTING,
    (_S.STARTING, _I.OWN_BEGAN): _S.STARTING,
    (_S.STARTING, _I.OWN_ENDED): _S.STARTING,
    (_S.IDLE, _I.HANDED_OVER): _S.BUSY,
    (_S.IDLE, _I.AGENT_IDLE): _S.IDLE,
    (_S.IDLE, _I.LINE_DONE): _S.IDLE,
    (_S.IDLE, _I.OWN_BEGAN): _S.OWN,
    (_S.IDLE, _I.OWN_ENDED): _S.IDLE,
    # While a line of ours is with the agent, turns of its own may still begin, end, and leave it idle in between.
    (_S.BUSY, _I.AGENT_IDLE): _S.BUSY,
    (_S.BUSY, _I.LINE_DONE): _S.BUSY,
    (_S.BUSY, _I.OWN_BEGAN): _S.BUSY,
    (_S.BUSY, _I.OWN_ENDED): _S.BUSY,
    (_S.BUSY, _I.RESULT): _S.SETTLING,
    # Idle may never come: a subagent in the background keeps the agent "running". The end of the line is enough.
    (_S.SETTLING, _I.LINE_DONE): _S.IDLE,
    (_S.SETTLING, _I.AGENT_IDLE): _S.IDLE,
    (_S.SETTLING, _I.OWN_BEGAN): _S.OWN,
    (_S.SETTLING, _I.OWN_ENDED): _S.SETTLING,
    (_S.OWN, _I.AGENT_IDLE): _S.IDLE,
    (_S.OWN, _I.LINE_DONE): _S.OWN,
    (_S.OWN, _I.OWN_BEGAN): _S.OWN,
    (_S.OWN, _I.OWN_ENDED): _S.IDLE,
    **{(state, _I.GONE): _S.DOWN for state in WriterState},
}


def move_writer(state: WriterState, move: WriterInput) -> WriterState:
    """
    Move the writer on.

    Raises:
        LocalProtocolError: that input cannot come in that state.
    """
    following = WRITER_TABLE.get((state, move))
    if following is None:
        raise LocalProtocolError(f"the writer is {state}, {move} cannot come then")
    return following
