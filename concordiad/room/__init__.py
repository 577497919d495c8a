"""
One room: all of its tasks, and every channel between them.

    Room.admit ─▶ reception, which posts drafts too
                     ┌────────── next? ──────────┐
    Room.submit ─▶ batcher ──── offer ─────▶ writer ──▶ agent's stdin
                     │                        ▲   │
                     │             facts      │   │        keeper: spawns, watches, ends the agent
                     │      ┌── pump ─────────┘   │            │
                     │      │    ▲ agent's stdout │            │
                     ▼      ▼    │                ▼            ▼
                   drafts ─────────────────▶ fan-out ─▶ journal, then subscribers

Order of ending is the indentation of `run_room`: first the agent's side (drained by the writer), then the batcher,
whose prompts go on waiting in the journal, then the fan-out, when nobody has anything to say any more.
"""

import trio

from concordiad.core.admission import CLOSED, STOPPING
from concordiad.core.figures import TurnFigures
from concordiad.core.voice import Voice
from concordiad.ops.clock import since_boot
from concordiad.room import opening
from concordiad.room.batcher import BatcherEnds, run_batcher
from concordiad.room.closing import pass_on_closing
from concordiad.room.fanout import run_fanout
from concordiad.room.handle import Room
from concordiad.room.keeper import KeeperEnds, run_keeper
from concordiad.room.matcher import MatcherEnds, run_matcher
from concordiad.room.outage import run_outage
from concordiad.room.reception import ReceptionEnds, open_guestbook, run_reception
from concordiad.room.setup import RoomSetup
from concordiad.room.to_batcher import SUBMITTERS, ToBatcher
from concordiad.room.to_fanout import DRAFTS, Post
from concordiad.room.to_matcher import QUESTIONS, Judge
from concordiad.room.to_reception import ARRIVALS, ToReception
from concordiad.room.to_writer import FACTS, ToWriter
from concordiad.room.valve import Valve
from concordiad.room.writer import WriterEnds, run_writer


async def run_room(setup: RoomSetup, task_status: trio.TaskStatus[Room]) -> None:
    """
    Serve one room until it is told to close and what runs has ended.

    Owns: every channel between the room's tasks. Ends when: `setup.closing` is set and the room is drained.
    Raises: JournalError.
    """
    to_batcher, batcher_inbox = trio.open_memory_channel[ToBatcher](SUBMITTERS)
    to_matcher, matcher_inbox = trio.open_memory_channel[Judge](QUESTIONS)
    to_writer, writer_inbox = trio.open_memory_channel[ToWriter](FACTS)
    to_reception, reception_inbox = trio.open_memory_channel[ToReception](ARRIVALS)
    to_fanout, fanout_inbox = trio.open_memory_channel[Post](DRAFTS)

    transcript = await opening.open_transcript(setup)
    guestbook = await open_guestbook(setup.name, setup.journal, setup.new_id, setup.now, since_boot)
    valve, figures = Valve(), TurnFigures()
    batcher_ends = BatcherEnds(batcher_inbox, to_fanout.clone(), to_writer.clone(), to_matcher)
    writer_ends = WriterEnds(writer_inbox, to_batcher.clone(), to_fanout.clone(), valve)
    keeper_ends = KeeperEnds(to_fanout.clone(), to_writer.clone(), valve)
    reception_ends = ReceptionEnds(reception_inbox, to_fanout.clone())

    try:
        async with trio.open_nursery() as lasting:
            with to_fanout, to_batcher, to_writer, to_reception:
                lasting.start_soon(run_fanout, fanout_inbox, transcript, setup.journal, setup.now, valve)
                heritage = await opening.take_heritage(setup)
                first = await opening.close_what_was_open(setup, heritage, figures, to_fanout)
                batcher = await opening.make_batcher(setup, transcript, guestbook, first)
                lasting.start_soon(run_batcher, batcher, batcher_ends)
                if setup.grouper is not None:
                    matcher_ends = MatcherEnds(matcher_inbox, to_batcher.clone())
                    lasting.start_soon(run_matcher, setup.name, setup.grouper, matcher_ends)
                lasting.start_soon(run_reception, guestbook, transcript, setup.journal, reception_ends)
                async with trio.open_nursery() as closers:
                    closers.start_soon(pass_on_closing, setup, heritage, to_batcher, to_writer)
                    closers.start_soon(run_outage, setup.journal.health, to_fanout.clone())
                    async with trio.open_nursery() as agent_side:
                        writer = await opening.make_writer(setup, writer_ends, figures)
                        agent_side.start_soon(run_writer, writer, writer_ends)
                        agent_side.start_soon(run_keeper, opening.make_keeper(setup, heritage), keeper_ends)
                        if heritage is not None:
                            # Who comes now asks for its turn, or answers what it waits for.
                            await heritage.inherited.taken.wait()
                        ways_in = (to_batcher, to_writer, to_reception)
                        task_status.started(Room(setup, transcript, Voice(setup.spec.secrets), guestbook, *ways_in))
                    closers.cancel_scope.cancel()
    finally:
        # Whoever is still here may read the last events before it is hung up on.
        guestbook.dismiss_all(*(CLOSED if guestbook.has_closed else STOPPING))
