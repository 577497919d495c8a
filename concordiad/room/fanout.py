"""
The transcript of one room: numbered, recorded, published, in this order.

Laws: nothing is published before it is recorded; numbers have no gaps; publishing and subscribing are synchronous, so a
subscriber misses nothing between the backlog that it is given and the next event.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import trio

from concordiad.core.backlog import Backlog, EpochStart, can_continue
from concordiad.core.views import envelope, live_envelope
from concordiad.core.wire import Cursor, encode_event
from concordiad.journal import Journal
from concordiad.journal.rows import Recorded, Transaction
from concordiad.room.messages import DRAFTS, Post, answering, serve, take_all


class Subscriber(Protocol):
    """Somebody who follows a room's transcript."""

    def deliver(self, lines: bytes, seq: int) -> bool:
        """Take lines up to the event `seq`; False if they were not taken, then the subscriber is dropped."""


class Transcript:
    """
    What the fan-out owns: the numbers, the backlog, the subscribers.

    Args:
        room: its name.
        epochs: where the room's epochs began; the last one is now.
        last_seq: the last number that was recorded.
        first_seq: the first number that was not pruned.
    """

    def __init__(self, room: str, epochs: Sequence[EpochStart], last_seq: int, first_seq: int) -> None:
        self.room = room
        self.epoch: Final = epochs[-1].epoch
        self._epochs = tuple(epochs)
        self._first_seq = first_seq
        self._backlog = Backlog(last_seq)
        self._subscribers: dict[Subscriber, None] = {}

    @property
    def cursor(self) -> Cursor:
        """The place after the last event."""
        return Cursor(self.epoch, self._backlog.last_seq)

    @property
    def subscribers(self) -> int:
        """How many follow live."""
        return len(self._subscribers)

    def can_continue(self, cursor: Cursor) -> bool:
        """Tell whether somebody who saw everything up to a cursor can go on from there."""
        return can_continue(cursor.epoch, cursor.seq, self._epochs, self._backlog.last_seq, self._first_seq)

    def forget_before(self, seq: int) -> None:
        """Note that what is before a number is no longer in the journal, or will soon not be."""
        self._first_seq = max(self._first_seq, seq)

    def subscribe(self, subscriber: Subscriber, after: int) -> list[bytes] | None:
        """
        Let somebody follow live after that number.

        Returns:
            The lines that it misses until now; None if they are no longer in memory, then it was not subscribed.
        """
        missed = self._backlog.after(after)
        if missed is not None:
            self._subscribers[subscriber] = None
        return missed

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Let somebody go; does nothing if it does not follow."""
        self._subscribers.pop(subscriber, None)

    def number(self, posts: Sequence[Post], at: float) -> tuple[list[Recorded], list[tuple[bytes, int]]]:
        """
        Number the drafts of some posts.

        Returns:
            The events to record, and every line to publish with the last number that it brings a reader to.
        """
        seq = self._backlog.last_seq
        events: list[Recorded] = []
        lines: list[tuple[bytes, int]] = []
        for post in posts:
            for draft in post.drafts:
                if draft.is_live:
                    event = live_envelope(self.room, self.epoch, at, draft.event_type, draft.body)
                else:
                    seq += 1
                    event = envelope(self.room, self.epoch, seq, at, draft.event_type, draft.body)
                    events.append(Recorded(seq, event))
                lines.append((encode_event(event) + b"\n", seq))
        return events, lines

    def publish(self, lines: Sequence[tuple[bytes, int]]) -> None:
        """Keep and hand out lines that are recorded, in one piece a subscriber."""
        for line, seq in lines:
            if seq > self._backlog.last_seq:
                self._backlog.append(line)
        if not lines or not self._subscribers:
            return
        chunk = b"".join(line for line, _ in lines)
        seq = lines[-1][1]
        slow = [subscriber for subscriber in self._subscribers if not subscriber.deliver(chunk, seq)]
        for subscriber in slow:
            self.unsubscribe(subscriber)


async def run_fanout(
    inbox: trio.MemoryReceiveChannel[Post], transcript: Transcript, journal: Journal, now: Callable[[], float]
) -> None:
    """
    Number, record and publish what everybody has to say to the room.

    Owns: the transcript. Ends when: nobody can post any more, and all is published. Raises: JournalError.
    """
    with serve(inbox):
        async for first in inbox:
            posts = take_all(inbox, [first], DRAFTS)
            with answering(posts):
                events, lines = transcript.number(posts, now())
                changes = [change for post in posts for change in post.changes]
                if events or changes:
                    is_durable = any(post.is_durable for post in posts)
                    await journal.record(Transaction(transcript.room, events, changes, is_durable))
                for post in posts:
                    if post.reply is not None:
                        post.reply.answer(None)
                transcript.publish(lines)
