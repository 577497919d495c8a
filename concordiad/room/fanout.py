"""
The transcript of one room: numbered, recorded, published, in this order.

Laws: nothing is published before it is recorded; numbers have no gaps; a piece is put into the backlog, and those who
are to be given it are chosen, in one synchronous step, and so is subscribing: a subscriber misses nothing between the
backlog that it is given and the next event, and is given nothing twice. While the journal cannot record, who
waits is refused at once, and what has happened is kept in order.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

import trio

from concordiad.core.backlog import Backlog, EpochStart, can_continue
from concordiad.core.hosts import Hosts
from concordiad.core.model import Author
from concordiad.core.params import Cursor
from concordiad.core.views import envelope, host_view, live_envelope, members
from concordiad.core.wire import encode_line
from concordiad.errors import JournalStalled, RoomError
from concordiad.journal import Journal
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.faults import RETRY_S
from concordiad.room.messages import ROUND_BYTES, close_replies, serve, take_all
from concordiad.room.slices import Slices
from concordiad.room.to_fanout import DRAFTS, Post
from concordiad.room.valve import Valve

PIECE_BYTES: Final = 60 * 1024
"""
Bytes of lines in one piece: with frames around them, too, they are one write (`front/outbox.py:WRITE_BYTES`).

By so much may what waits for a slow reader exceed its limit, if no line is longer.
"""

KEPT_BYTES: Final = 4 * 1024 * 1024
"""What is kept of a room's events while the journal cannot record; then the agent is not read any more."""

DELIVERIES: Final = 64
"""Subscribers that are given a piece in one go."""
DELIVERED_BYTES: Final = 64 * 1024
"""And bytes that they are given: a socket takes so many in 0.1 ms, and in 0.5 ms where the kernel is busy."""

Encoding = Callable[[Sequence[bytes]], bytes]
"""How a transport writes published lines. Whoever has the same one is given the same bytes, written once."""


def plain_lines(lines: Sequence[bytes]) -> bytes:
    """Write lines as they are: the control socket's encoding."""
    return b"".join(lines)


class Subscriber(Protocol):
    """
    Somebody who follows a room's transcript.

    Attributes:
        seq: the last event that it was given.
    """

    seq: int

    @property
    def encoding(self) -> Encoding:
        """How it wants the lines; never changes."""

    @property
    def asker(self) -> str | None:
        """The id of the author as whom it could ask something; None for who may not."""

    @property
    def is_told_of_hosts(self) -> bool:
        """Whether it is told which hosts are here."""

    def deliver(self, chunk: bytes, seq: int) -> bool:
        """Take encoded lines up to the event `seq`; False if they were not taken, then the subscriber is dropped."""


class Missed(NamedTuple):
    """Recorded lines that a reader has not seen, the number that they bring it to, and whether it follows live now."""

    lines: list[bytes]
    seq: int
    is_live: bool


class Numbered(NamedTuple):
    """
    What drafts have become.

    Attributes:
        events: to record.
        lines: to publish, each with the last number that it brings a reader to.
    """

    events: list[Recorded]
    lines: list[tuple[bytes, int]]


class Transcript:
    """
    What the fan-out owns: the numbers, the backlog, the subscribers.

    Args:
        room: its name.
        epochs: where the room's epochs began; the last one is now.
        last_seq: the last number that was recorded.
        first_seq: the first number that was not pruned.
        now: Unix seconds.

    Attributes:
        hosts_version: another one whenever other hosts are here.
    """

    def __init__(
        self,
        room: str,
        epochs: Sequence[EpochStart],
        last_seq: int,
        first_seq: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.room = room
        self.epoch: Final = epochs[-1].epoch
        self._epochs = tuple(epochs)
        self._first_seq = first_seq
        self._backlog = Backlog(last_seq)
        self._subscribers: dict[Encoding, dict[Subscriber, int]] = {}
        # How often somebody has come or left; who comes keeps its number.
        self._changes = 0
        self._now = now
        self._hosts = Hosts()
        self.hosts_version = 0

    @property
    def cursor(self) -> Cursor:
        """The place after the last event."""
        return Cursor(self.epoch, self._backlog.last_seq)

    @property
    def subscribers(self) -> int:
        """How many follow live."""
        return sum(map(len, self._subscribers.values()))

    def is_followed_by_another(self, author: str) -> bool:
        """Tell whether somebody follows live who is not this author and could ask something, too."""
        return any(
            subscriber.asker not in (None, author) for alike in self._subscribers.values() for subscriber in alike
        )

    def hosts(self) -> list[dict[str, Any]]:
        """Show the hosts who follow over the control socket, also those who lag."""
        return [host_view(*here) for here in self._hosts.here()]

    def enter_host(self, host: Author) -> None:
        """Count a host's connection that follows from now on, and tell the guests if that is news."""
        if self._hosts.enter(host, self._now()):
            self._tell_of_hosts()

    def leave_host(self, host: Author) -> None:
        """Count a connection no more, and tell the guests if that is news."""
        if self._hosts.leave(host):
            self._tell_of_hosts()

    def hosts_line(self) -> bytes:
        """Write which hosts are here: an event that is in no record, so whoever could not hear it is told anew."""
        body = members(hosts=self.hosts())
        return encode_line(live_envelope(self.room, self.epoch, self._now(), "hosts.here", body))

    def _tell_of_hosts(self) -> None:
        self.hosts_version += 1
        line = [self.hosts_line()]
        for encoding, subscribers in list(self._subscribers.items()):
            told = [each for each in subscribers if each.is_told_of_hosts]
            chunk = encoding(line) if told else b""
            for slow in [each for each in told if not each.deliver(chunk, each.seq)]:
                self.unsubscribe(slow)

    def can_continue(self, cursor: Cursor) -> bool:
        """Tell whether somebody who saw everything up to a cursor can go on from there."""
        return can_continue(cursor.epoch, cursor.seq, self._epochs, self._backlog.last_seq, self._first_seq)

    def forget_before(self, seq: int) -> None:
        """Note that what is before a number is no longer in the journal, or will soon not be."""
        self._first_seq = max(self._first_seq, seq)

    def subscribe(self, subscriber: Subscriber, after: int, limit_bytes: float = math.inf) -> Missed | None:
        """
        Let somebody follow live after that number.

        Args:
            subscriber: who is to follow.
            after: the last number that it has.
            limit_bytes: of missed lines that it takes at once; if there are more, it does not follow yet.

        Returns:
            What it missed until now; None if that is no longer in memory, then it does not follow.
        """
        lines = self._backlog.after(after, limit_bytes)
        if lines is None:
            return None
        seq = after + len(lines)
        is_live = seq >= self._backlog.last_seq
        if is_live:
            self._changes += 1
            self._subscribers.setdefault(subscriber.encoding, {})[subscriber] = self._changes
        return Missed(lines, seq, is_live)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Let somebody go; does nothing if it does not follow."""
        alike = self._subscribers.get(subscriber.encoding)
        if alike is not None:
            alike.pop(subscriber, None)
            self._changes += 1
            if not alike:
                del self._subscribers[subscriber.encoding]

    def number(self, posts: Sequence[Post], at: float, after: int | None = None) -> Numbered:
        """
        Number the drafts of some posts.

        Args:
            posts: with drafts.
            at: Unix seconds.
            after: the number before the first one; None: the last one that was published.
        """
        numbered = Numbered([], [])
        for _ in self.numbering(posts, at, numbered, after):
            continue
        return numbered

    def numbering(
        self, posts: Sequence[Post], at: float, numbered: Numbered, after: int | None = None
    ) -> Iterator[None]:
        """Number drafts as `number` does, event by event: there may be many large ones."""
        seq = self._backlog.last_seq if after is None else after
        for post in posts:
            for draft in post.drafts:
                if draft.is_live:
                    event = live_envelope(self.room, self.epoch, at, draft.event_type, draft.body)
                else:
                    seq += 1
                    event = envelope(self.room, self.epoch, seq, at, draft.event_type, draft.body)
                    numbered.events.append(Recorded(seq, event))
                    yield
                numbered.lines.append((encode_line(event), seq))
                yield

    def publish(self, lines: Sequence[tuple[bytes, int]]) -> None:
        """Keep and hand out lines that are recorded, in one piece, or in several if they are many bytes."""
        for _ in self.publishing(lines):
            continue

    def publishing(self, lines: Sequence[tuple[bytes, int]]) -> Iterator[None]:
        """Publish lines as `publish` does, letting go in between, when whoever likes may come and go."""
        piece: list[tuple[bytes, int]] = []
        size_bytes = 0
        for line, seq in lines:
            if piece and size_bytes + len(line) > PIECE_BYTES:
                yield from self._hand_out(piece)
                yield
                piece, size_bytes = [], 0
            piece.append((line, seq))
            size_bytes += len(line)
        if piece:
            yield from self._hand_out(piece)

    def _hand_out(self, piece: Sequence[tuple[bytes, int]]) -> Iterator[None]:
        # Whoever follows from here on finds the piece in the backlog; the others are those who are given it.
        for line, seq in piece:
            if seq > self._backlog.last_seq:
                self._backlog.append(line)
        published, seq = [line for line, _ in piece], piece[-1][1]
        chosen = [(encoding, alike, list(alike)) for encoding, alike in self._subscribers.items()]
        latest = self._changes
        for encoding, alike, followers in chosen:
            chunk = encoding(published)
            at_once = min(max(DELIVERED_BYTES // max(len(chunk), 1), 1), DELIVERIES)
            for start in range(0, len(followers), at_once):
                now = followers[start : start + at_once]
                if start or len(chunk) > PIECE_BYTES:
                    yield
                if self._changes != latest:
                    # Whoever has left meanwhile is gone, and if it came again, it has had the piece already.
                    now = [subscriber for subscriber in now if alike.get(subscriber, math.inf) <= latest]
                slow = [subscriber for subscriber in now if not subscriber.deliver(chunk, seq)]
                for subscriber in slow:
                    self.unsubscribe(subscriber)


class _Fanout:
    """What `run_fanout` does, and the posts that wait for a journal that cannot record."""

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Post],
        transcript: Transcript,
        journal: Journal,
        now: Callable[[], float],
        valve: Valve,
    ) -> None:
        self._inbox = inbox
        self._transcript = transcript
        self._journal = journal
        self._now = now
        self._valve = valve
        self._kept: list[Post] = []
        self._kept_bytes = 0

    async def run(self) -> None:
        """Record and publish until nobody can post any more."""
        with serve(self._inbox), self._leaving_nobody():
            async for first in self._inbox:
                self._kept = take_all(self._inbox, [first], DRAFTS, ROUND_BYTES)
                while self._kept:
                    await self._record()

    async def _record(self) -> None:
        """Record and publish what comes first of what is kept; while that cannot be, refuse and keep what comes."""
        posts = self._kept[:DRAFTS]
        events, lines = numbered = Numbered([], [])
        await _in_slices(self._transcript.numbering(posts, self._now(), numbered))
        changes = [change for post in posts for change in post.changes]
        if events or changes:
            is_durable = any(post.is_durable for post in posts)
            transaction = Transaction(self._transcript.room, events, changes, is_durable, is_refusable=True)
            try:
                await self._journal.record(transaction)
            except JournalStalled as fault:
                kept, self._kept = self._kept, []
                for post in kept:
                    self._keep(post, str(fault))
                await self._hold()
                return
        for post in posts:
            if post.reply is not None:
                post.reply.answer(None)
        await self._publish(len(posts), lines)

    async def _publish(self, posts: int, lines: Sequence[tuple[bytes, int]]) -> None:
        await _in_slices(self._transcript.publishing(lines))
        del self._kept[:posts]
        self._turn_valve()

    def _keep(self, post: Post, fault: str | None) -> None:
        """Keep a post until it can be recorded; with a fault, refuse it if somebody waits for it."""
        if post.is_now:
            self._transcript.publish(self._transcript.number([post], self._now())[1])
        elif fault is not None and post.reply is not None:
            post.reply.answer(RoomError.not_now(fault, retry_after_s=RETRY_S))
        else:
            self._kept.append(post)
            self._kept_bytes += post.size_bytes
            if self._kept_bytes >= KEPT_BYTES:
                self._valve.turn(is_open=False)

    def _turn_valve(self) -> None:
        if not self._valve.is_open or self._kept_bytes:
            self._kept_bytes = sum(post.size_bytes for post in self._kept)
            self._valve.turn(is_open=self._kept_bytes < KEPT_BYTES)

    async def _hold(self) -> None:
        """Leave what comes first to the journal until it has recorded it; meanwhile refuse and keep what comes."""
        posts = self._kept[:DRAFTS]
        events, lines = self._transcript.number(posts, self._now())
        changes = [change for post in posts for change in post.changes]
        if not events and not changes:
            return
        is_recorded = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._collect, nursery.cancel_scope)
            await self._journal.record(Transaction(self._transcript.room, events, changes, is_durable=True))
            is_recorded = True
            nursery.cancel_scope.cancel()
        if is_recorded:
            await self._publish(len(posts), lines)
        else:
            self._leave(len(posts), self._transcript.cursor.seq + len(events))

    async def _collect(self, waiting: trio.CancelScope) -> None:
        """Refuse and keep what comes; once nobody can post any more, nobody waits for the journal either."""
        async for post in self._inbox:
            self._keep(post, self._journal.health.fault)
        waiting.cancel()

    @contextmanager
    def _leaving_nobody(self) -> Iterator[None]:
        """At the end, whoever waits for what is kept is told that there is no more."""
        try:
            yield
        finally:
            close_replies(self._kept)

    def _leave(self, sent: int, seq: int) -> None:
        """Leave to the journal what it was not sent yet: it tries a last time, and says what was lost."""
        posts = self._kept[sent:]
        events, _ = self._transcript.number(posts, self._now(), after=seq)
        changes = [change for post in posts for change in post.changes]
        if events or changes:
            self._journal.leave(Transaction(self._transcript.room, events, changes, is_durable=True))
        self._kept.clear()


async def _in_slices(steps: Iterator[None]) -> None:
    """Take many steps; shielded, because what is recorded is published."""
    slices = Slices()
    for _ in steps:
        if slices.is_over():
            await trio.lowlevel.cancel_shielded_checkpoint()
            slices.begin()


async def run_fanout(
    inbox: trio.MemoryReceiveChannel[Post],
    transcript: Transcript,
    journal: Journal,
    now: Callable[[], float],
    valve: Valve | None = None,
) -> None:
    """
    Number, record and publish what everybody has to say to the room.

    While the journal cannot record, it refuses whoever waits for an answer and keeps everything else, in order, and
    with `valve` it stops the reading of the agent before that is too much.

    Owns: the transcript. Ends when: nobody can post any more, and all is published, or left to a journal that cannot
    record. Raises: JournalError.
    """
    await _Fanout(inbox, transcript, journal, now, valve or Valve()).run()
