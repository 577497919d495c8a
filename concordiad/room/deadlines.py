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
from concordiad.room.ledger import InProgress
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

    def watch(self, now: float) -> None:
        """See which turns are with the agent; one whose line is not written to its end yet has a limit of its own."""
        own, ours = self._desk.own, None if self._hold.is_handing_over else self._desk.ours
        self.patience.watch(None if own is None else own.turn.id, None if ours is None else ours.turn.id, now)

    def turn_limit(self, state: WriterState, *, is_asking: bool) -> Limit:
        """Tell when which turn is stopped if all goes on as it does; one that was stopped already is not again."""
        # An agent that has not even given its first answers has a deadline for those.
        if self._hold.is_closed or self._hold.is_handing_over or state is WriterState.STARTING:
            return NO_LIMIT
        return min((self._limit_of(turn, is_asking=is_asking) for turn in self._desk.turns), default=NO_LIMIT)

    def _limit_of(self, turn: InProgress, *, is_asking: bool) -> Limit:
        if turn.stop_deadline < NEVER:
            return NO_LIMIT
        has_output = turn.ttft_s is not None
        is_acknowledged = turn.is_acknowledged or turn.has_begun or has_output
        return self.patience.limit(
            turn.turn.id, is_asking=is_asking, is_acknowledged=is_acknowledged, has_output=has_output
        )

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
        if self._hold.is_closed:
            return NEVER
        return min((turn.stop_deadline for turn in self._desk.turns), default=NEVER)
