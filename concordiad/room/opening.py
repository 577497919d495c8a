"""
What each owner of a room begins with.

Law: an owner begins with what the journal has of its things, read once, here; from then on it alone knows them.
"""

from collections.abc import Sequence

import trio

from concordiad.core.attribution import Askers
from concordiad.core.batching import Queue, Window
from concordiad.core.figures import TurnFigures
from concordiad.core.guestbook import Guestbook
from concordiad.core.judging import Judging
from concordiad.core.model import PromptState, Stage
from concordiad.journal.changes import RoomEpoch, Transaction
from concordiad.journal.circuits import read_api_failing
from concordiad.journal.events import first_seq, last_seq
from concordiad.journal.prompts import read_askers, read_prompts_in
from concordiad.journal.rooms import read_room_epochs
from concordiad.room.batcher import Batcher
from concordiad.room.fanout import Transcript
from concordiad.room.heritage import Heritage, find_heritage
from concordiad.room.keeper import Keeper
from concordiad.room.recovery import Recovery, recover
from concordiad.room.setup import RoomSetup
from concordiad.room.to_fanout import Post
from concordiad.room.writer import Writer, WriterEnds


async def open_transcript(setup: RoomSetup) -> Transcript:
    """Begin the room's epoch. Raises JournalError."""
    journal, name = setup.journal, setup.name
    last = await journal.read(last_seq, name)
    epoch = RoomEpoch(name, journal.epoch, last + 1)
    await journal.record(Transaction(name, changes=[epoch], is_durable=True))
    epochs = await journal.read(read_room_epochs, name)
    return Transcript(name, epochs, last, await journal.read(first_seq, name), setup.now)


async def take_heritage(setup: RoomSetup) -> Heritage | None:
    """Take the agent that an earlier run of the daemon has left, if it can be gone on with."""
    return await find_heritage(setup.keeping, setup.name, setup.spec, setup.journal, setup.graces.kill_s)


async def close_what_was_open(
    setup: RoomSetup,
    heritage: Heritage | None,
    figures: TurnFigures,
    fanout: trio.MemorySendChannel[Post],
) -> list[str]:
    """Close what no agent goes on with; return the ids of the prompts that come before all others: see `recover`."""
    spec, rule = setup.spec, setup.row.after_crash
    about = Recovery(setup.name, spec.kind, spec.environment, rule, setup.journal, setup.new_id, setup.now, figures)
    return await recover(about, fanout, None if heritage is None else heritage.incarnation)


async def make_batcher(setup: RoomSetup, transcript: Transcript, guestbook: Guestbook, first: Sequence[str]) -> Batcher:
    """Give the batcher the prompts that wait, those in `first` before the others. Raises JournalError."""

    def has_company(author: str) -> bool:
        return transcript.is_followed_by_another(author) or guestbook.has_another(author)

    merging = setup.merging
    queue = Queue(merging.stages or (), Window(merging.window_s, merging.window_max_s))
    has_judge = setup.grouper is not None and Stage.MEANING in queue.stages
    waiting = await setup.journal.read(read_prompts_in, setup.name, [PromptState.WAITING])
    # What ran before the others waits before them again.
    waiting.sort(key=lambda prompt: prompt.id not in first)
    return Batcher(
        setup.name,
        waiting,
        queue,
        setup.limits,
        setup.journal,
        setup.new_id,
        setup.now,
        has_company,
        Judging(queue, setup.judgement_s) if has_judge else None,
        is_paused=setup.row.is_paused,
    )


async def make_writer(setup: RoomSetup, ends: WriterEnds, figures: TurnFigures) -> Writer:
    """Tell the writer who has asked in the room so far, and whether the agent's API failed. Raises JournalError."""
    askers = Askers(setup.merging.attribution, await setup.journal.read(read_askers, setup.name))
    # What a room that was changed since has failed of may be mended.
    failing = None if setup.is_changed else await setup.journal.read(read_api_failing, setup.name)
    about = (setup.row.idle_s, setup.limits, askers, figures, failing)
    return Writer(setup.name, setup.graces, setup.new_id, setup.now, ends, *about)


def make_keeper(setup: RoomSetup, heritage: Heritage | None) -> Keeper:
    """Give the keeper the agent that goes on, if there is one."""
    return Keeper(
        setup.name,
        setup.spec,
        setup.limits,
        setup.graces,
        setup.journal,
        setup.new_id,
        setup.now,
        setup.closing,
        setup.hurry,
        setup.turnstile,
        setup.keeping,
        heritage,
    )
