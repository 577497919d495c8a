"""
The prompts of one room that wait, and the one task that owns them.

Laws: nobody is told of a prompt before it is durable; a prompt is handed to the writer only when the writer asked;
whatever the inbox holds is decided together and recorded in one commit.
"""

from collections.abc import Callable
from typing import Any

import trio
from attrs import frozen

from concordiad.config import Limits
from concordiad.core.batching import NEVER, Queue
from concordiad.core.model import Author, Prompt, PromptState, RoomRow
from concordiad.core.turns import PromptMove, move_prompt
from concordiad.core.views import author_view, members, prompt_view
from concordiad.errors import RoomError
from concordiad.journal import RETRY_S, Journal
from concordiad.journal.rows import read_prompt, read_prompt_by_key
from concordiad.room.messages import (
    SUBMITTERS,
    Cancel,
    CancelAll,
    DescribeQueue,
    Draft,
    Drain,
    ListWaiting,
    NextTurn,
    Offer,
    Placed,
    Post,
    QueueState,
    Reply,
    SetPaused,
    Submission,
    Submit,
    TakeBack,
    ToBatcher,
    ToWriter,
    answering,
    record,
    serve,
    take_all,
)

TURN_GUESS_S = 30.0
"""How long a turn is taken to last when somebody is told when to try again: a middling turn with a tool or two."""


@frozen
class BatcherEnds:
    """The batcher's ends of the room's channels."""

    inbox: trio.MemoryReceiveChannel[ToBatcher]
    fanout: trio.MemorySendChannel[Post]
    writer: trio.MemorySendChannel[ToWriter]


class _Decisions:
    """What one round of the inbox comes to: recorded together, then answered."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.changes: dict[str, Prompt] = {}
        self.rows: list[RoomRow] = []
        self.answers: list[tuple[Reply[Any], object]] = []
        self.by_key: dict[tuple[str, str], Placed] = {}


class Batcher:
    """
    What the batcher owns.

    Args:
        room: its name.
        waiting: prompts that wait since before the daemon's start, next first.
        is_paused: whether they are held back.
        limits: how many may wait.
        new_id: makes ids.
        now: Unix seconds.
    """

    def __init__(
        self,
        room: str,
        waiting: list[Prompt],
        limits: Limits,
        journal: Journal,
        new_id: Callable[[], str],
        now: Callable[[], float],
        *,
        is_paused: bool = False,
    ) -> None:
        self._room = room
        self._limits = limits
        self._journal = journal
        self._new_id = new_id
        self._now = now
        self._queue = Queue()
        self._is_asked = False
        self._offered: tuple[str, ...] = ()
        self._is_draining = False
        self._is_paused = is_paused
        self._refusal: RoomError | None = None
        for prompt in waiting:
            left_s = NEVER if prompt.expires_at is None else prompt.expires_at - now()
            self._queue.add(prompt, trio.current_time() + left_s)

    def next_deadline(self) -> float:
        """Tell when the next prompt expires, or when to look at the journal again, in monotonic seconds."""
        if self._journal.health.fault is not None:
            return trio.current_time() + RETRY_S
        return self._queue.next_deadline()

    async def decide(self, messages: list[ToBatcher], ends: BatcherEnds) -> None:
        """Do what the inbox asks for and what the clock asks for: record it, answer it, offer the next turn."""
        before = self._queue.copy(), self._is_paused, self._is_draining
        decisions = await self._weigh(messages)
        if decisions.drafts:
            try:
                await record(ends.fanout, decisions.drafts, [*decisions.changes.values(), *decisions.rows])
            except RoomError as error:
                # Nothing of it is so: decide again, with that as the answer to whatever would have to be recorded.
                self._queue, self._is_paused, self._is_draining = before
                decisions = await self._weigh(messages, error)
        for answered, answer in decisions.answers:
            answered.answer(answer)
        await self._offer(ends)

    async def _weigh(self, messages: list[ToBatcher], refusal: RoomError | None = None) -> _Decisions:
        """Decide what the messages and the clock come to; with a refusal, nothing that would have to be recorded."""
        self._refusal = refusal
        decisions = _Decisions()
        for message in messages:
            match message:
                case Submit(submission, reply):
                    decisions.answers.append((reply, await self._submit(submission, decisions)))
                case Cancel(prompt_id, by, reply):
                    decisions.answers.append((reply, await self._cancel(prompt_id, by, decisions)))
                case ListWaiting(reply):
                    decisions.answers.append((reply, self._queue.prompts()))
                case DescribeQueue(reply):
                    decisions.answers.append((reply, QueueState(len(self._queue), self._is_paused)))
                case SetPaused(row, by, reply):
                    decisions.answers.append((reply, refusal))
                    if refusal is None:
                        self._set_paused(row, by, decisions)
                case CancelAll(row, by, reply):
                    decisions.answers.append((reply, refusal or self._cancel_all(row, by, decisions)))
                case NextTurn():
                    # Whoever asks for the next turn has brought back by then what it could not hand over.
                    self._queue.forget(prompt for prompt in self._offered if self._queue.find(prompt) is None)
                    self._offered = ()
                    self._is_asked = True
                case TakeBack(prompts):
                    for prompt, deadline in prompts:
                        self._queue.add(prompt, deadline)
                case Drain():
                    self._is_draining = True
        if refusal is None:
            self._expire(decisions)
        return decisions

    async def _submit(self, submission: Submission, decisions: _Decisions) -> Placed | RoomError:
        if submission.key is not None:
            earlier = await self._find_by_key(submission.author, submission.key, decisions)
            if earlier is not None:
                return _repeat(earlier, submission)
        if self._refusal is not None:
            return self._refusal
        if self._is_draining:
            return RoomError.not_now(f"room {self._room} is closing: submit again once it is back")
        if self._is_paused:
            return RoomError.not_now(f"room {self._room} is paused: submit again once a host has resumed it")
        if len(self._queue) >= self._limits.waiting_prompts:
            return RoomError.not_now(
                f"{len(self._queue)} prompts wait in room {self._room} already, the limit is"
                f" {self._limits.waiting_prompts}: try again later",
                retry_after_s=TURN_GUESS_S,
            )
        now = self._now()
        prompt = Prompt(
            id=self._new_id(),
            room=self._room,
            author=submission.author,
            text=submission.text,
            submitted_at=now,
            priority=submission.priority,
            key=submission.key,
            expires_at=None if submission.expires_s is None else now + submission.expires_s,
            retry_of=submission.retry_of,
            is_raw=submission.is_raw,
            is_alone=submission.is_alone,
        )
        deadline = NEVER if submission.expires_s is None else trio.current_time() + submission.expires_s
        placed = Placed(prompt, self._queue.add(prompt, deadline))
        decisions.changes[prompt.id] = prompt
        decisions.drafts.append(Draft("prompt.accepted", members(prompt=prompt_view(prompt, placed.place))))
        if submission.key is not None:
            decisions.by_key[submission.author.id, submission.key] = placed
        return placed

    async def _find_by_key(self, author: Author, key: str, decisions: _Decisions) -> Placed | None:
        if (author.id, key) in decisions.by_key:
            return decisions.by_key[author.id, key]
        prompt = await self._journal.read(read_prompt_by_key, self._room, author.id, key)
        return None if prompt is None else Placed(prompt, self._queue.place(prompt.id))

    async def _cancel(self, prompt_id: str, by: Author, decisions: _Decisions) -> Placed | RoomError:
        if self._refusal is not None and self._queue.find(prompt_id) is not None:
            return self._refusal
        waiting = self._queue.remove(prompt_id)
        if waiting is None:
            prompt = decisions.changes.get(prompt_id) or await self._journal.read(read_prompt, prompt_id)
            if prompt is None or prompt.room != self._room:
                return RoomError.not_found(f"no prompt {prompt_id} in room {self._room}: see `concordiactl queue`")
            if prompt.state in (PromptState.RUNNING, PromptState.WAITING):
                return RoomError.conflict(f"prompt {prompt_id} is running: interrupt its turn to stop it")
            return RoomError.conflict(f"prompt {prompt_id} is {prompt.state} already")
        cancelled = move_prompt(waiting, PromptMove.CANCELLED)
        decisions.changes[prompt_id] = cancelled
        body = members(prompt=prompt_view(cancelled), by=author_view(by))
        decisions.drafts.append(Draft("prompt.cancelled", body))
        return Placed(cancelled, None)

    def _set_paused(self, row: RoomRow, by: Author, decisions: _Decisions) -> None:
        self._is_paused = row.is_paused
        decisions.rows.append(row)
        state = "paused" if row.is_paused else "resumed"
        body = members(state=state, reason=None, by=author_view(by))
        decisions.drafts.append(Draft("room.changed", body))

    def _cancel_all(self, row: RoomRow, by: Author, decisions: _Decisions) -> int:
        self._is_draining = True
        waiting = self._queue.prompts()
        for prompt in waiting:
            self._queue.remove(prompt.id)
            cancelled = move_prompt(prompt, PromptMove.CANCELLED)
            decisions.changes[prompt.id] = cancelled
            body = members(prompt=prompt_view(cancelled), by=author_view(by))
            decisions.drafts.append(Draft("prompt.cancelled", body))
        decisions.rows.append(row)
        body = members(state="closed", reason=None, by=author_view(by))
        decisions.drafts.append(Draft("room.changed", body))
        return len(waiting)

    def _expire(self, decisions: _Decisions) -> None:
        for prompt in self._queue.expire(trio.current_time()):
            expired = move_prompt(prompt, PromptMove.EXPIRED)
            decisions.changes[prompt.id] = expired
            decisions.drafts.append(Draft("prompt.expired", members(prompt=prompt_view(expired))))

    async def _offer(self, ends: BatcherEnds) -> None:
        if not self._is_asked or self._is_draining or self._is_paused or self._journal.health.fault is not None:
            return
        taken = self._queue.take()
        if taken is not None:
            self._is_asked = False
            self._offered = (taken[0].id,)
            await ends.writer.send(Offer([taken]))


def _repeat(earlier: Placed, submission: Submission) -> Placed | RoomError:
    if earlier.prompt.text != submission.text:
        return RoomError.conflict(
            f"the key {submission.key!r} was used for prompt {earlier.prompt.id} with another text: choose a new key"
        )
    return earlier


async def run_batcher(batcher: Batcher, ends: BatcherEnds) -> None:
    """
    Keep the waiting prompts and give the writer the next one when it asks.

    Owns: the prompts that wait. Ends when: nobody can submit any more; what waits stays waiting in the journal.
    """
    with serve(ends.inbox) as inbox, ends.fanout, ends.writer:
        while True:
            messages: list[ToBatcher] = []
            with trio.move_on_at(batcher.next_deadline()):
                try:
                    messages = take_all(inbox, [await inbox.receive()], SUBMITTERS)
                except trio.EndOfChannel:
                    return
            with answering(messages):
                await batcher.decide(messages, ends)
