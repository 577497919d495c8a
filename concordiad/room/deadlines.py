"""
By when the agent is to have done what it owes, and what is said when it has not.

Plain and synchronous, in monotonic seconds; the writer says what happened and asks what is overdue.
"""

from concordiad.config.limits import Graces
from concordiad.core.faults import Fault
from concordiad.core.turns import WriterState
from concordiad.room.controls import Controls
from concordiad.room.desk import Desk
from concordiad.room.hold import Hold
from concordiad.room.patience import NEVER, NO_LIMIT, Limit, Patience


class Deadlines:
    """
    What the agent owes.

    Args:
        graces: how long it may take.
        hold: the agent.
        desk: the turns with it.
        controls: the requests that it has not answered.

    Attributes:
        patience: what is known of its silence.
    """

    def __init__(self, graces: Graces, hold: Hold, desk: Desk, controls: Controls) -> None:
        self._graces = graces
        self._hold = hold
        self._desk = desk
        self._controls = controls
        self._start = NEVER
        self._settle = NEVER
        self.patience = Patience(graces)

    def begin(self, now: float) -> None:
        """Count anew for another incarnation."""
        self.patience.begin()
        self._start = now + self._graces.start_s

    def note_ready(self) -> None:
        """Note that the agent has given its first answers, or has ended."""
        self._start = NEVER

    def note_move(self, before: WriterState, after: WriterState, now: float) -> None:
        """Note a move of the writer: the agent owes the end of a line from its result on."""
        if after is not WriterState.SETTLING:
            self._settle = NEVER
        elif before is not WriterState.SETTLING:
            self._settle = now + self._graces.settle_s

    def turn_limit(self, state: WriterState, *, is_asking: bool) -> Limit:
        """Tell when the running turn is stopped if it goes on as it does; one that was stopped already is not again."""
        running = self._desk.running
        if running is None or running.stop_deadline < NEVER or self._hold.is_closed:
            return NO_LIMIT
        # An agent that has not even given its first answers has a deadline for those.
        if state is WriterState.STARTING:
            return NO_LIMIT
        has_output = running.ttft_s is not None
        is_acknowledged = running.is_acknowledged or running.has_begun or has_output
        return self.patience.limit(is_asking=is_asking, is_acknowledged=is_acknowledged, has_output=has_output)

    def next(self) -> float:
        """Tell when the agent itself will have missed a deadline."""
        return min(self._start, self._settle, self._controls.deadline, self._interrupt())

    def missed(self, now: float) -> tuple[Fault, str] | None:
        """Tell what the agent has missed, if anything, so that it is to be ended; told once."""
        graces = self._graces
        if now >= self._start:
            missed = Fault.NO_START, f"gave no first answer within {graces.start_s:g} s"
        elif now >= self._settle:
            missed = (
                Fault.RESULT_WITHOUT_IDLE,
                f"did not say that it is done within {graces.settle_s:g} s of its result",
            )
        elif now >= self._interrupt():
            missed = Fault.INTERRUPT_IGNORED, f"went on for {graces.interrupt_s:g} s after it was interrupted"
        elif now >= self._controls.deadline:
            missed = Fault.INTERRUPT_IGNORED, f"did not answer an interrupt within {graces.interrupt_s:g} s"
        else:
            return None
        self._start = self._settle = self._controls.deadline = NEVER
        return missed

    def _interrupt(self) -> float:
        running = self._desk.running
        return NEVER if running is None or self._hold.is_closed else running.stop_deadline
