"""
The turns that the batcher offers, and how their lines come to the agent.

Laws: the next turn is asked for when a line can be written, and once; the hand-over is durable before the line's first
byte; what the agent has seen nothing of goes back to the queue.
"""

from collections.abc import Sequence

import trio

from concordiad.core.attribution import Askers, lines_like_ours
from concordiad.core.model import Prompt
from concordiad.core.turns import WriterInput, WriterState
from concordiad.errors import RoomError
from concordiad.room.affairs import Affairs
from concordiad.room.patience import NEVER
from concordiad.room.slices import any_of
from concordiad.room.to_batcher import NextTurn, TakeBack, ToBatcher
from concordiad.room.to_fanout import record


class Offers:
    """
    What is asked of the batcher, and what it offers.

    Args:
        affairs: the writer's.
        batcher: its inbox.
        askers: who has asked in the room so far.
    """

    def __init__(self, affairs: Affairs, batcher: trio.MemorySendChannel[ToBatcher], askers: Askers) -> None:
        self._affairs = affairs
        self._batcher = batcher
        self._askers = askers
        self._is_asked = False

    def deadline(self) -> float:
        """Tell when the next turn may be asked for although the API has failed; never where it is asked for already."""
        # Past it the next turn is asked for as soon as there is an agent for it.
        return NEVER if self._is_asked else self._affairs.circuit.deadline(trio.current_time())

    async def ask(self) -> None:
        """Ask the batcher for the next turn."""
        if not self._is_asked and self._affairs.circuit.may_ask(trio.current_time()):
            self._is_asked = True
            await self._batcher.send(NextTurn())

    async def take(self, prompts: Sequence[tuple[Prompt, float]], *, is_ending: bool) -> None:
        """
        Hand a turn over to the agent, or give it back where that cannot be.

        Args:
            prompts: the turn's, with their deadlines.
            is_ending: whether the agent takes nothing more, because it is to end or to be left.
        """
        affairs = self._affairs
        self._is_asked = False
        affairs.rest.note_work()
        is_like_ours = await any_of(lines_like_ours(prompts[0][0].asked))
        agent = affairs.hold.agent
        if agent is None or not affairs.is_free or is_ending:
            await self.give_back(prompts)
            if affairs.rest.is_asleep:
                affairs.rest.wake()
            return
        entry = affairs.desk.open_ours(affairs.new_id(), prompts)
        try:
            held = affairs.to_record_with(None, WriterState.BUSY)
            await record(affairs.fanout, [entry.draft], [*entry.changes, *held])
        except RoomError:
            # The journal cannot record for now: the batcher offers nothing until it can.
            affairs.desk.ours = None
            await self.give_back(prompts)
            return
        affairs.move(WriterInput.HANDED_OVER)
        turn = entry.progress.turn
        words = self._askers.words_for([prompt for prompt, _ in prompts], is_like_ours)
        await affairs.hold.write(agent.codec.prompt(turn.id, words, is_raw=prompts[0][0].is_raw), turn.id)

    async def give_back(self, prompts: Sequence[tuple[Prompt, float]]) -> None:
        """Give a turn back as it was offered."""
        await self._batcher.send(TakeBack(prompts))

    async def see_to_unwritten(self) -> None:
        """Give back what a turn asks of whose line the agent has seen nothing."""
        affairs = self._affairs
        unwritten, affairs.hold.unwritten = affairs.hold.unwritten, None
        if unwritten is None or unwritten.begun or not affairs.desk.is_ours(unwritten.turn):
            return
        returned = affairs.desk.return_ours(unwritten.why)
        await affairs.scribe.write(returned)
        if returned is not None:
            await self.give_back(returned.progress.prompts)
