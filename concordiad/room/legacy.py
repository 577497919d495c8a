"""
An agent that outlives the daemon: taken over from the last run, and left to the next one.

Laws: it is taken over whole or not at all; it is left only once all that was to be written to it is, and from then on
nothing is done with it; of a line that was perhaps cut the agent is asked for a sign, and ended if it gives none.
"""

import trio

from concordiad.core.faults import Fault
from concordiad.core.turns import WriterState
from concordiad.room.affairs import Affairs
from concordiad.room.holding import CUT_LINE, DOUBT_S, LONG_LINE, PROMPT_LINE, Inherited
from concordiad.room.patience import NEVER
from concordiad.room.to_fanout import Post


class Legacy:
    """
    What is done for an agent that outlives the daemon; what is recorded of it is in `room/holding.py`.

    Args:
        affairs: the writer's.

    Attributes:
        is_outdated: whether an agent would be started with something else by now than the one that was taken over.
        is_leaving: whether the agent is to be left, and so takes no further turn.
        has_handed_over: whether it was left.
    """

    def __init__(self, affairs: Affairs) -> None:
        self._affairs = affairs
        self.is_outdated = False
        self.is_leaving = False
        self.has_handed_over = False

    def begin(self) -> None:
        """Work with another incarnation, which is up to date until more is known."""
        self.is_outdated = False

    async def note_holding(self) -> None:
        """Have it recorded what is known of an agent that may outlive the daemon, if that has changed."""
        if self.has_handed_over:
            return
        changes = self._affairs.to_record()
        if changes:
            await self._affairs.fanout.send(Post([], changes))

    async def inherit(self, inherited: Inherited) -> None:
        """Go on with an agent where the last run of the daemon was."""
        affairs, holding, now = self._affairs, inherited.holding, trio.current_time()
        affairs.inherit(holding)
        affairs.deadlines.patience.note_output(now)
        affairs.deadlines.patience.note_tools(holding.tools)
        affairs.rest.note_background(holding.background)
        self.is_outdated = inherited.is_outdated
        affairs.scribe.inherit(holding.session_id, holding.model, has_history=holding.has_history)
        interrupt_s, ack_s = affairs.graces.interrupt_s, affairs.graces.ack_s
        affairs.desk.inherit(inherited.in_progress(now, affairs.now(), interrupt_s), holding.total_cost_usd)
        turns = {turn.id: turn for turn, _ in inherited.turns}
        if affairs.desk.ours is not None:
            affairs.circuit.inherit()
        affairs.controls.inherit(holding.controls, turns, now + interrupt_s)
        affairs.approvals.inherit(inherited.approvals)
        affairs.memory.inherit(inherited, now + min(DOUBT_S, ack_s or DOUBT_S))
        if affairs.memory.has_cut_line:
            self._give_up_line()
        for line in holding.lines:
            # All of so short a line was written or nothing; the agent passes over what it has got twice.
            if line not in (PROMPT_LINE, LONG_LINE):
                await affairs.hold.write(line.encode())
        if holding.is_closed:
            affairs.hold.end()
        inherited.taken.set()

    def see_to_doubt(self, now: float) -> None:
        """End an agent that has given no sign in time that it has the line that was perhaps cut."""
        if now >= self._affairs.memory.doubt_until:
            self._give_up_line()

    def _give_up_line(self) -> None:
        """End an agent that has perhaps half a line of ours: what becomes of that is not known."""
        hold, desk, memory = self._affairs.hold, self._affairs.desk, self._affairs.memory
        memory.doubt_until = NEVER
        ours = desk.ours
        if memory.has_cut_line:
            desk.note_left(CUT_LINE)
            hold.end()
        elif ours is not None and not (ours.is_acknowledged or ours.has_begun or ours.ttft_s is not None):
            desk.note_left(f"{Fault.NO_ACKNOWLEDGEMENT.value}: {CUT_LINE}")
            hold.end()

    def begin_leaving(self) -> bool:
        """Mean to leave the agent to the next run of the daemon; tells whether it can be left."""
        agent = self._affairs.hold.agent
        is_up = self._affairs.state is not WriterState.STARTING and not self._affairs.hold.is_closed
        self.is_leaving = agent is not None and agent.leave is not None and is_up
        return self.is_leaving

    def leave(self) -> bool:
        """Leave the agent, now that all that was to be written to it is; tells whether it could still be left."""
        agent = self._affairs.hold.agent
        if agent is not None and agent.leave is not None and not self._affairs.hold.is_closed:
            self.has_handed_over = True
            agent.leave.set()
        else:
            self.is_leaving = False
        return self.has_handed_over

    def stay(self) -> None:
        """Go on with an agent that has ended before it was let go: nothing is left to hand over."""
        self.has_handed_over = self.is_leaving = False
