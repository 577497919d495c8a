"""
What becomes of that which an earlier run of the daemon left open in a room.

Laws: whatever was open is closed, and what that means is recorded with it; nothing is asked again in silence, and
nothing twice: a prompt that was asked again already is left.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import trio
from msgspec.structs import replace

from concordiad.agent.history import find_answer
from concordiad.core.agents import Kind
from concordiad.core.figures import TurnFigures
from concordiad.core.model import (
    AfterCrash,
    Merge,
    OrderKey,
    Outcome,
    Prompt,
    PromptState,
    Standing,
    Turn,
    is_session_id,
)
from concordiad.core.order import just_before
from concordiad.core.views import members, prompt_view
from concordiad.errors import RoomError
from concordiad.journal import Journal
from concordiad.journal.changes import ApprovalResolved
from concordiad.journal.incarnations import read_approvals, read_session
from concordiad.journal.prompts import read_prompts_in, read_prompts_of
from concordiad.journal.turns import read_running_turns
from concordiad.ops.threads import in_thread
from concordiad.room.approvals import Resolution, resolved
from concordiad.room.ledger import InProgress, close_turn
from concordiad.room.scribe import lost_conversation, tell_end
from concordiad.room.to_fanout import Draft, Post, note, record

UNKNOWN = "daemon_died: concordiad ended while the agent worked on it; whether it was done is not known"
FOUND = "from_history: concordiad ended while the agent worked on it; the answer is from the agent's own history"


class Recovery(NamedTuple):
    """
    How one room recovers.

    Attributes:
        room: its name.
        kind: the language of its agent.
        environment: the agent's, which tells where its history is.
        after_crash: what becomes of a turn that was with it.
        new_id: makes ids.
        now: Unix seconds.
        figures: what became of the room's turns: those that are closed here are counted there.
    """

    room: str
    kind: Kind
    environment: Mapping[str, str]
    after_crash: AfterCrash
    journal: Journal
    new_id: Callable[[], str]
    now: Callable[[], float]
    figures: TurnFigures

    @property
    def is_rehearsal(self) -> bool:
        """Whether no model is behind its agent."""
        return self.kind is Kind.REHEARSAL


async def recover(about: Recovery, fanout: trio.MemorySendChannel[Post], spared: str | None = None) -> list[str]:
    """
    Close what the last run left open: nobody waits for its approvals, and nobody knows how its turns ended.

    What is with the incarnation `spared` goes on: its agent has outlived the daemon. Ends when all that is recorded, so
    that whoever asks from then on reads it, or when the journal cannot record: then it does so later.

    Returns:
        The ids of prompts that are asked again, which wait before all others.
    """
    # All approvals are of the last incarnation: those of others were withdrawn when they ended.
    for approval in await about.journal.read(read_approvals, about.room) if spared is None else ():
        withdrawn = Resolution("withdrawn", None)
        draft = resolved(approval, withdrawn, "concordiad ended meanwhile", is_rehearsal=about.is_rehearsal)
        await note(fanout, [draft], [ApprovalResolved(approval.id)])
    again: list[str] = []
    waiting = await about.journal.read(read_prompts_in, about.room, [PromptState.WAITING])
    first = min((prompt.standing.place for prompt in waiting if prompt.standing is not None), default=None)
    for turn in await about.journal.read(read_running_turns, about.room):
        if turn.incarnation == spared:
            continue
        prompts = await about.journal.read(read_prompts_of, turn.prompts)
        again += await _close(about, turn, prompts, first, fanout)
    with suppress(RoomError):
        await record(fanout, ())
    return again


async def _close(
    about: Recovery,
    turn: Turn,
    prompts: list[Prompt],
    first: OrderKey | None,
    fanout: trio.MemorySendChannel[Post],
) -> list[str]:
    answer = await _find_answer(about, turn)
    outcome, reason = (Outcome.UNCERTAIN, UNKNOWN) if answer is None else (Outcome.COMPLETED, FOUND)
    progress = InProgress(turn, 0.0, tuple((prompt, 0.0) for prompt in prompts), partial=answer)
    entry = close_turn(progress, outcome, reason, about.now(), is_rehearsal=about.is_rehearsal)
    new = _ask_again(about, prompts, first) if outcome is Outcome.UNCERTAIN else []
    await note(fanout, [entry.draft], entry.changes)
    tell_end(entry.progress, about.figures)
    await _look_after_conversation(about, turn, answer, fanout)
    if not new:
        return []
    message = "asked again after a crash, as the room is set to (after_crash): it may be done twice"
    told = Draft("notice", members(code="asked_again", message=message, fault=None))
    drafts = [Draft("prompt.accepted", members(prompt=prompt_view(each))) for each in new]
    try:
        await record(fanout, [*drafts, told], new)
    except RoomError:
        # Nothing new is begun while nothing can be recorded: it stays uncertain.
        return []
    return [prompt.id for prompt in new]


async def _look_after_conversation(
    about: Recovery, turn: Turn, answer: str | None, fanout: trio.MemorySendChannel[Post]
) -> None:
    """Go on with a conversation whose first turn the agent has saved, and tell that it is lost where it has not."""
    session = await about.journal.read(read_session, about.room)
    if session is None or session.session_id is None or session.has_history or session.incarnation != turn.incarnation:
        return
    if answer is not None:
        await note(fanout, [], [replace(session, has_history=True)])
        return
    lost = lost_conversation("concordiad ended before its agent had saved anything")
    await note(fanout, [lost], [replace(session, session_id=None)])


async def _find_answer(about: Recovery, turn: Turn) -> str | None:
    if about.after_crash is not AfterCrash.FROM_HISTORY:
        return None
    session = await about.journal.read(read_session, about.room)
    if session is None or session.session_id is None or not is_session_id(session.session_id):
        return None
    return await in_thread(find_answer, about.kind, about.environment, session.session_id, turn.id)


def _ask_again(about: Recovery, prompts: list[Prompt], first: OrderKey | None) -> list[Prompt]:
    """Ask again what ran, before all that waits, of which `first` is the first place: also after the next start."""
    if about.after_crash is not AfterCrash.ASK_AGAIN:
        return []
    wanted = {prompt.id: about.new_id() for prompt in prompts if prompt.retry_of is None}
    return [
        Prompt(
            id=wanted[prompt.id],
            room=prompt.room,
            author=prompt.author,
            text=prompt.text,
            submitted_at=about.now(),
            state=PromptState.WAITING,
            priority=prompt.priority,
            expires_at=prompt.expires_at,
            retry_of=prompt.id,
            is_raw=prompt.is_raw,
            is_alone=prompt.is_alone,
            merge=_merge_again(prompt, wanted),
            standing=_standing_before(first, prompt.standing),
        )
        for prompt in prompts
        if prompt.id in wanted
    ]


def _standing_before(first: OrderKey | None, standing: Standing | None) -> Standing | None:
    if standing is None or first is None:
        return standing
    return Standing(standing.own, min(standing.place, just_before(first)))


def _merge_again(prompt: Prompt, wanted: Mapping[str, str]) -> Merge | None:
    """Merge a prompt with the same others as before; if the one that led them is not asked again, with none."""
    if prompt.merge is None or prompt.merge.leader not in wanted or len(wanted) == 1:
        return None
    return replace(prompt.merge, leader=wanted[prompt.merge.leader])
