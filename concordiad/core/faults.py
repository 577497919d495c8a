"""
What can be wrong with an agent that is there: each reason with its own limit and what is done about it.

Law: whatever it is, the queue goes on. A turn that is interrupted and does not end takes its agent with it; an agent
that is ended is started again, and what there is of the turn's text is kept.
"""

import enum
from typing import Final, NamedTuple


class Fault(enum.StrEnum):
    """The reason by its name, as it stands in events and in the first word of a turn's reason."""

    NO_START = "no_start"
    """The process gave no first answer."""
    NOT_READING = "not_reading"
    """Its input is full and stays so: a line could not be written."""
    NO_ACKNOWLEDGEMENT = "no_acknowledgement"
    """It has not said that it has a turn's line."""
    NO_FIRST_OUTPUT = "no_first_output"
    """Nothing of a turn has come yet."""
    SILENCE = "silence"
    """It says nothing any more, although nobody but itself could be waited for."""
    TURN_LIMIT = "turn_limit"
    """The turn takes too long in all."""
    INTERRUPT_IGNORED = "interrupt_ignored"
    """It goes on after an interrupt, or does not even answer it."""
    RESULT_WITHOUT_IDLE = "no_idle"
    """It gave a turn's result, and does not say that it is done."""
    IDLE_WITHOUT_RESULT = "no_result"
    """It is done with a turn, and gave no result."""
    EXIT_WITHOUT_RESULT = "agent_exited"
    """It ended in the middle of a turn."""
    STALE_RESULT = "stale_result"
    """It gave a result for a turn that is over already."""


class Action(enum.StrEnum):
    """What is done."""

    INTERRUPT = "interrupt"
    """The turn is interrupted; if that does not end it in time, its agent is ended and started again."""
    END = "end"
    """The agent is ended and started again."""
    CLOSE = "close"
    """The turn is closed as failed, and the agent goes on or is gone already."""
    NOTICE = "notice"
    """It is told, and nothing else."""


class Rule(NamedTuple):
    """The key under [graces] that says how long it may take, None where it is seen at once; and what is done then."""

    limit: str | None
    action: Action


RULES: Final[dict[Fault, Rule]] = {
    Fault.NO_START: Rule("start_s", Action.END),
    Fault.NOT_READING: Rule("write_s", Action.END),
    Fault.NO_ACKNOWLEDGEMENT: Rule("ack_s", Action.INTERRUPT),
    Fault.NO_FIRST_OUTPUT: Rule("first_output_s", Action.INTERRUPT),
    Fault.SILENCE: Rule("silence_s", Action.INTERRUPT),
    Fault.TURN_LIMIT: Rule("turn_limit_s", Action.INTERRUPT),
    Fault.INTERRUPT_IGNORED: Rule("interrupt_s", Action.END),
    Fault.RESULT_WITHOUT_IDLE: Rule("settle_s", Action.END),
    Fault.IDLE_WITHOUT_RESULT: Rule(None, Action.CLOSE),
    Fault.EXIT_WITHOUT_RESULT: Rule(None, Action.CLOSE),
    Fault.STALE_RESULT: Rule(None, Action.NOTICE),
}
"""Fault → limit → action."""


def fault_of(reason: str | None) -> Fault | None:
    """Tell which fault a turn's reason begins with; None if it was none of these."""
    word = (reason or "").partition(":")[0]
    return Fault(word) if word in RULES else None
