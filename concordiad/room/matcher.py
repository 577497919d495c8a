"""
The one task of a room that asks a language model which of its waiting prompts mean the same.

Laws: it changes nothing and holds nothing: what it finds comes back to the batcher as a message, which decides; it
always comes back, with the reason where nothing was found, and within the model's own deadline.
"""

import structlog
import trio
from msgspec import Struct

from concordiad.core.grouping import Grouped
from concordiad.meaning import Grouper, MeaningError
from concordiad.room.messages import serve
from concordiad.room.to_batcher import Judged, ToBatcher
from concordiad.room.to_matcher import Judge

_log = structlog.get_logger("concordiad.matcher")


class MatcherEnds(Struct, frozen=True):
    """The matcher's ends of the room's channels."""

    inbox: trio.MemoryReceiveChannel[Judge]
    batcher: trio.MemorySendChannel[ToBatcher]


async def run_matcher(room: str, grouper: Grouper, ends: MatcherEnds) -> None:
    """
    Ask the model what the batcher wants to know, one question at a time, and tell it what came of it.

    Owns: the room's questions to the model. Ends when: the batcher has closed its end, which it does when it drains,
    because this task is one of those that can send to it; a question that is under way then is given up.
    """
    turn = trio.Lock()
    with serve(ends.inbox) as inbox, ends.batcher:
        async with trio.open_nursery() as asking:
            async for judge in inbox:
                asking.start_soon(_judge, room, grouper, judge, turn, ends.batcher)
            asking.cancel_scope.cancel()


async def _judge(
    room: str, grouper: Grouper, judge: Judge, turn: trio.Lock, batcher: trio.MemorySendChannel[ToBatcher]
) -> None:
    async with turn:
        began = trio.current_time()
        doubt: MeaningError | None = None
        groups: tuple[Grouped, ...] = ()
        try:
            groups = tuple(await grouper.group(judge.candidates))
        except MeaningError as error:
            doubt = error
        took_s = trio.current_time() - began
        about = {"room": room, "prompts": len(judge.candidates), "took_s": round(took_s, 3)}
        if doubt is None:
            _log.info("meaning_asked", groups=len(groups), **about)
        else:
            _log.warning("meaning_unknown", reason=doubt.reason, why=str(doubt), **about)
    try:
        await batcher.send(
            Judged(judge.query, judge.candidates, groups, None if doubt is None else doubt.reason, took_s)
        )
    except trio.BrokenResourceError:
        # Nobody decides any more.
        return
