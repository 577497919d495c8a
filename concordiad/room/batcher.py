"""
The prompts of one room that wait, and the one task that owns them.

Laws: nobody is told of a prompt before it is durable; a prompt is handed to the writer only when the writer asked;
whatever the inbox holds, up to ROUND_BYTES, is decided together and recorded in one commit; no other task waits long
for that.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import trio
from msgspec import Struct
from msgspec.structs import replace

from concordiad.config.limits import Limits
from concordiad.core.allowance import Allowance
from concordiad.core.batching import NEVER, Queue
from concordiad.core.judging import Judging
from concordiad.core.model import Author, Prompt, PromptState, RoomRow
from concordiad.core.pace import Pace, Tally
from concordiad.core.similarity import Features, reading
from concordiad.core.turns import PromptMove, move_prompt
from concordiad.errors import RoomError
from concordiad.journal import Journal
from concordiad.journal.faults import RETRY_S
from concordiad.journal.prompts import read_prompt, read_prompt_by_key
from concordiad.journal.sums import RowDamaged
from concordiad.room.decisions import Decisions
from concordiad.room.messages import ROUND_BYTES, Drain, answering, serve, take_all
from concordiad.room.slices import Slices, in_slices
from concordiad.room.to_batcher import (
    SUBMITTERS,
    Cancel,
    CancelAll,
    DescribeQueue,
    Judged,
    ListWaiting,
    NextTurn,
    Placed,
    QueueState,
    SetPaused,
    Split,
    Submission,
    Submit,
    TakeBack,
    ToBatcher,
)
from concordiad.room.to_fanout import Draft, Post, record
from concordiad.room.to_matcher import Judge
from concordiad.room.to_writer import Offer, ToWriter

MOST_AUTHORS: Final = 10_000
"""Authors whose allowances are remembered: whoever is forgotten has been silent for long, so has it all again."""


class BatcherEnds(Struct, frozen=True):
    """The batcher's ends of the room's channels."""

    inbox: trio.MemoryReceiveChannel[ToBatcher]
    fanout: trio.MemorySendChannel[Post]
    writer: trio.MemorySendChannel[ToWriter]
    questions: trio.MemorySendChannel[Judge]


def nobody(_: str) -> bool:
    """Tell that there is no company."""
    return False


class Batcher:
    """
    What the batcher owns.

    Args:
        room: its name.
        waiting: prompts that wait since before the daemon's start, oldest first.
        queue: an empty one, with the room's settings.
        limits: how many may wait, and come.
        new_id: makes ids.
        now: Unix seconds.
        has_company: tells whether somebody besides an author is connected who could ask, too.
        judging: what a language model is asked; None where there is none.
        is_paused: whether the prompts are held back.
    """

    def __init__(
        self,
        room: str,
        waiting: Sequence[Prompt],
        queue: Queue,
        limits: Limits,
        journal: Journal,
        new_id: Callable[[], str],
        now: Callable[[], float],
        has_company: Callable[[str], bool] = nobody,
        judging: Judging | None = None,
        *,
        is_paused: bool = False,
    ) -> None:
        self._room = room
        self._loading = waiting
        self._queue = queue
        self._limits = limits
        self._journal = journal
        self._new_id = new_id
        self._now = now
        self._has_company = has_company
        self._judging = judging
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()
        self._pace = Pace()
        self._tally = Tally()
        self._is_asked = False
        self._offered_at: float | None = None
        self._idle_since: float | None = None
        self._is_idle_for_judgement = False
        self._retry_at = 0.0
        self._is_draining = False
        self._is_paused = is_paused

    async def load(self) -> None:
        """Let those wait again that waited before the daemon's start."""
        slices = Slices()
        now = trio.current_time()
        # They will have turns, so they count as prompts: there are never more of those than of these.
        self._tally.prompts += len(self._loading)
        self._queue.begin(prompt.standing for prompt in self._loading if prompt.standing is not None)
        # A leader may have come later than those whom it leads.
        for prompt in sorted(self._loading, key=_loading_order):
            left_s = NEVER if prompt.expires_at is None else prompt.expires_at - self._now()
            waited_s = max(self._now() - prompt.submitted_at, 0.0)
            known = await self._read(prompt, slices)
            self._queue.restore(prompt, now + left_s, now - waited_s, known=known)
            await slices.rest()
        self._loading = ()

    def next_deadline(self) -> float:
        """Tell when there is something to do that no message brings, in monotonic seconds."""
        now = trio.current_time()
        if self._journal.health.fault is not None:
            return now + RETRY_S
        deadline = self._queue.next_deadline()
        if self._may_offer:
            deadline = min(deadline, self._queue.next_ready(now))
        if self._judging is not None and self._may_ask:
            deadline = min(deadline, self._judging.next_deadline())
        return max(deadline, self._retry_at)

    @property
    def _may_ask(self) -> bool:
        return not (self._is_draining or self._is_paused)

    @property
    def _may_offer(self) -> bool:
        is_held = self._is_draining or self._is_paused or self._journal.health.fault is not None
        return self._is_asked and not is_held

    async def decide(self, messages: list[ToBatcher], ends: BatcherEnds) -> None:
        """Do what the inbox asks for and what the clock asks for: record it, answer it, offer the next turn."""
        slices = Slices()
        for message in messages:
            self._note_turns(message)
        fault = self._journal.health.fault
        if fault is not None:
            decisions = await self._refuse(messages, RoomError.not_now(fault, retry_after_s=RETRY_S), slices)
        else:
            decisions = await self._weigh(messages, slices)
            try:
                await self._record(decisions, ends, slices)
            except RoomError as error:
                # Nothing of it is so; what the clock asks for is tried again a little later.
                self._retry_at = trio.current_time() + RETRY_S
                decisions.undo(self._queue)
                decisions = await self._refuse(messages, error, slices)
        self._is_paused, self._is_draining = decisions.is_paused, decisions.is_draining
        self._tally.prompts += decisions.accepted
        for answered, answer in decisions.answers:
            answered.answer(answer)
        if self._is_draining:
            # The matcher ends by that; it can send to this task, which ends only when nobody can.
            ends.questions.close()
        self._ask(ends)
        await self._offer(ends)

    def _ask(self, ends: BatcherEnds) -> None:
        """Ask the language model what there is to ask; who is new to it is held back until it answers."""
        if self._judging is None or not self._may_ask:
            return
        question = self._judging.ask(trio.current_time())
        if question is not None:
            ends.questions.send_nowait(Judge(*question))

    def _note_turns(self, message: ToBatcher) -> None:
        """Do what the writer asks for, which needs no record."""
        match message:
            case NextTurn():
                # Whoever asks for the next turn has brought back by then what it could not hand over.
                self._note_turn_over()
                self._is_asked = True
            case TakeBack(prompts):
                self._offered_at = None
                self._queue.put_back(prompts)
                self._tally.count_turn([prompt for prompt, _ in prompts], -1)

    async def _weigh(self, messages: list[ToBatcher], slices: Slices) -> Decisions:
        """Decide what the messages and the clock come to."""
        decisions = Decisions(is_paused=self._is_paused, is_draining=self._is_draining)
        for message in messages:
            await self._take(message, decisions, slices)
            await slices.rest()
        for overdue in self._queue.overdue(trio.current_time()):
            self._end(overdue, PromptMove.EXPIRED, None, decisions)
            await slices.rest()
        return decisions

    async def _take(self, message: ToBatcher, decisions: Decisions, slices: Slices) -> None:
        answers = decisions.answers
        match message:
            case Submit(submission, reply):
                answers.append((reply, await self._submit(submission, reply.request, decisions, slices)))
            case Cancel(prompt_id, by, reply):
                cancelled = self._end(prompt_id, PromptMove.CANCELLED, by, decisions)
                answers.append((reply, cancelled or await self._why_not(prompt_id, decisions, _TO_STOP)))
            case Split(prompt_id, by, reply):
                answers.append((reply, await self._split(prompt_id, by, decisions)))
            case SetPaused(row, by, reply):
                decisions.is_paused = row.is_paused
                decisions.change_room(row, "paused" if row.is_paused else "resumed", by)
                answers.append((reply, None))
            case CancelAll(row, by, reply):
                answers.append((reply, await self._cancel_all(row, by, decisions, slices)))
            case Judged() if self._judging is not None:
                self._judging.answer(message.query, message.groups, decisions.changes)
                decisions.tell_changes()
            case _:
                self._tell(message, decisions)

    def _tell(self, message: ToBatcher, decisions: Decisions) -> None:
        """Answer what needs no record."""
        match message:
            case ListWaiting(reply):
                decisions.answers.append((reply, [Placed(*each) for each in self._queue.prompts()]))
            case DescribeQueue(reply):
                oldest_at = self._queue.oldest_at()
                oldest_s = 0.0 if oldest_at is None else trio.current_time() - oldest_at
                state = QueueState(len(self._queue), decisions.is_paused, replace(self._tally), oldest_s)
                decisions.answers.append((reply, state))
            case Drain():
                decisions.is_draining = True

    async def _refuse(self, messages: list[ToBatcher], refusal: RoomError, slices: Slices) -> Decisions:
        """Answer what can be answered without recording anything, and refuse the rest."""
        decisions = Decisions(is_paused=self._is_paused, is_draining=self._is_draining)
        for message in messages:
            match message:
                case Submit(submission, reply):
                    earlier = await self._find_repeated(submission, decisions)
                    decisions.answers.append((reply, earlier or refusal))
                case Cancel(prompt_id, _, reply) | Split(prompt_id, _, reply):
                    remedy = _TO_STOP if isinstance(message, Cancel) else _TO_SPLIT
                    is_here = self._queue.find(prompt_id) is not None
                    why = refusal if is_here else await self._why_not(prompt_id, decisions, remedy)
                    decisions.answers.append((reply, why))
                case SetPaused(_, _, reply) | CancelAll(_, _, reply):
                    decisions.answers.append((reply, refusal))
                case Judged() if self._judging is not None:
                    self._judging.answer(message.query, (), decisions.changes)
                case _:
                    self._tell(message, decisions)
            await slices.rest()
        decisions.place_answers(self._queue.places(decisions.ids()))
        return decisions

    async def _record(self, decisions: Decisions, ends: BatcherEnds, slices: Slices) -> None:
        places = self._queue.places(decisions.ids())
        decisions.place_answers(places)
        if not decisions.has_events:
            return
        drafts: list[Draft] = []
        for index in range(len(decisions)):
            drafts.append(await in_slices(decisions.drafting(index, places), slices))
            await slices.rest()
        await record(ends.fanout, drafts, decisions.rows())

    async def _submit(
        self, submission: Submission, request: str | None, decisions: Decisions, slices: Slices
    ) -> Placed | RoomError:
        author = submission.author
        earlier = await self._find_repeated(submission, decisions)
        if earlier is not None:
            return earlier
        refusal = self._refusal(author, decisions)
        if refusal is not None:
            return refusal
        now, clock = self._now(), trio.current_time()
        prompt = Prompt(
            id=self._new_id(),
            room=self._room,
            author=author,
            text=submission.text,
            submitted_at=now,
            priority=submission.priority,
            key=submission.key,
            expires_at=None if submission.expires_s is None else now + submission.expires_s,
            retry_of=submission.retry_of,
            is_raw=submission.is_raw,
            is_alone=submission.is_alone,
            request=request,
        )
        deadline = NEVER if submission.expires_s is None else clock + submission.expires_s
        known = await self._read(prompt, slices)
        is_hurried = self._queue.is_only(author.id) and not self._has_company(author.id)
        placed = self._queue.add(prompt, clock, decisions.changes, deadline, is_hurried=is_hurried, known=known)
        decisions.accept(placed)
        return Placed(placed, None)

    async def _read(self, prompt: Prompt, slices: Slices) -> Features | None:
        """Read what a prompt is compared by, if it is."""
        return await in_slices(reading(prompt.text), slices) if self._queue.may_merge(prompt) else None

    def _refusal(self, author: Author, decisions: Decisions) -> RoomError | None:
        """Say why a prompt is not accepted now, and when it may be."""
        limits, room = self._limits, self._room
        if decisions.is_draining:
            return RoomError.not_now(f"room {room} is closing: submit again once it is back")
        if decisions.is_paused:
            return RoomError.not_now(f"room {room} is paused: submit again once a host has resumed it")
        waiting = len(self._queue)
        if waiting >= limits.waiting_prompts:
            return RoomError.not_now(
                f"{waiting} prompts wait in room {room} already, the limit is {limits.waiting_prompts}: try again"
                " later",
                retry_after_s=self._pace.wait_s(1),
            )
        mine = self._queue.count_of(author.id)
        if mine >= limits.waiting_prompts_per_author:
            return RoomError.not_now(
                f"{mine} prompts of yours wait in room {room} already, the limit is"
                f" {limits.waiting_prompts_per_author} for each author: try again later",
                retry_after_s=self._pace.wait_s(self._queue.first_place_of(author.id)),
            )
        allowance = self._allowance(author.id)
        if not allowance.take(trio.current_time()):
            return RoomError.not_now(
                f"you have submitted {limits.prompt_burst} prompts at once, then {limits.prompts_per_minute:g} a minute"
                " are the limit: try again later",
                retry_after_s=round(allowance.wait_s(), 3),
            )
        return None

    def _allowance(self, author: str) -> Allowance:
        limits = self._limits
        allowance = self._allowances.pop(author, None) or Allowance(
            limits.prompt_burst, limits.prompts_per_minute / 60, trio.current_time()
        )
        self._allowances[author] = allowance
        if len(self._allowances) > MOST_AUTHORS:
            self._allowances.popitem(last=False)
        return allowance

    async def _find_repeated(self, submission: Submission, decisions: Decisions) -> Placed | RoomError | None:
        """Find the prompt that a submission repeats by its key."""
        author, key = submission.author, submission.key
        if key is None:
            return None
        earlier = decisions.find_by_key(author.id, key)
        if earlier is None:
            try:
                earlier = await self._journal.read(read_prompt_by_key, self._room, author.id, key)
            except RowDamaged as error:
                # Whether it was the same prompt nobody can tell, and it is not to be asked twice.
                return RoomError.conflict(f"an earlier prompt with this key is {error}: use another key")
        if earlier is None:
            return None
        return _repeat(self._queue.find(earlier.id) or decisions.changes.rows.get(earlier.id, earlier), submission)

    def _end(self, prompt_id: str, move: PromptMove, by: Author | None, decisions: Decisions) -> Placed | None:
        """Let a waiting prompt end without a turn; None if it does not wait."""
        how = "was cancelled" if move is PromptMove.CANCELLED else "expired"
        waiting = self._queue.remove(prompt_id, f"the prompt that it was merged with {how}", decisions.changes)
        if waiting is None:
            return None
        ended = move_prompt(waiting, move)
        decisions.end(f"prompt.{move}", ended, by)
        return Placed(ended, None)

    async def _split(self, prompt_id: str, by: Author, decisions: Decisions) -> Placed | RoomError:
        split = self._queue.split(prompt_id, by, decisions.changes)
        if split is None:
            return await self._why_not(prompt_id, decisions, _TO_SPLIT)
        decisions.tell_changes()
        return Placed(split, None)

    async def _why_not(self, prompt_id: str, decisions: Decisions, remedy: str) -> RoomError:
        """Say why nothing can be done to a prompt that does not wait."""
        try:
            prompt = decisions.changes.rows.get(prompt_id) or await self._journal.read(read_prompt, prompt_id)
        except RowDamaged as error:
            return RoomError.conflict(f"prompt {prompt_id} does not wait, and is {error}")
        if prompt is None or prompt.room != self._room:
            return RoomError.not_found(f"no prompt {prompt_id} in room {self._room}: see `concordiactl queue`")
        if prompt.state in (PromptState.RUNNING, PromptState.WAITING):
            return RoomError.conflict(f"prompt {prompt_id} is running: {remedy}")
        return RoomError.conflict(f"prompt {prompt_id} is {prompt.state} already")

    async def _cancel_all(self, row: RoomRow, by: Author, decisions: Decisions, slices: Slices) -> int:
        decisions.is_draining = True
        waiting = self._queue.prompts()
        for prompt, _ in waiting:
            # Nobody need be told who shares a turn with whom where there are none any more.
            self._queue.remove(prompt.id, "", decisions.changes)
            decisions.changes.told.clear()
            decisions.end("prompt.cancelled", move_prompt(replace(prompt, merge=None), PromptMove.CANCELLED), by)
            await slices.rest()
        decisions.change_room(row, "closed", by)
        return len(waiting)

    def _note_turn_over(self) -> None:
        self._queue.forget_taken()
        if self._offered_at is not None:
            self._pace.note(trio.current_time() - self._offered_at)
            self._offered_at = None

    async def _offer(self, ends: BatcherEnds) -> None:
        now = trio.current_time()
        if self._idle_since is not None:
            waited_s = now - self._idle_since
            if self._is_idle_for_judgement:
                self._tally.meaning_wait_s += waited_s
            else:
                self._tally.window_wait_s += waited_s
            self._idle_since = None
        if not self._may_offer:
            return
        taken = self._queue.take(now)
        if taken:
            self._is_asked = False
            self._offered_at = now
            self._tally.count_turn([prompt for prompt, _ in taken])
            await ends.writer.send(Offer(taken))
        elif len(self._queue):
            self._idle_since = now
            self._is_idle_for_judgement = self._queue.is_held(now)


_TO_STOP: Final = "interrupt its turn to stop it"
_TO_SPLIT: Final = "it can be taken out only while it waits"


def _loading_order(prompt: Prompt) -> tuple[bool, float]:
    is_led = prompt.merge is not None and prompt.merge.leader != prompt.id
    return is_led, NEVER if prompt.standing is None else prompt.standing.own.arrival


def _repeat(earlier: Prompt, submission: Submission) -> Placed | RoomError:
    if earlier.text != submission.text:
        return RoomError.conflict(
            f"the key {submission.key!r} was used for prompt {earlier.id} with another text: choose a new key"
        )
    return Placed(earlier, None)


async def run_batcher(batcher: Batcher, ends: BatcherEnds) -> None:
    """
    Keep the waiting prompts and give the writer the next one when it asks.

    Owns: the prompts that wait. Ends when: nobody can submit any more; what waits stays waiting in the journal.
    """
    with serve(ends.inbox) as inbox, ends.fanout, ends.writer, ends.questions:
        await batcher.load()
        while True:
            messages: list[ToBatcher] = []
            with trio.move_on_at(batcher.next_deadline()):
                try:
                    messages = take_all(inbox, [await inbox.receive()], SUBMITTERS, ROUND_BYTES)
                except trio.EndOfChannel:
                    return
            with answering(messages):
                await batcher.decide(messages, ends)
