"""
A client's place in the transcript of a room that it follows.

Laws: it is given every event behind its place, once and in order, and what is not recorded only while it has missed
nothing; whoever reads too slowly is dropped, given what it missed from memory or else by the page from the journal, and
follows live again in the synchronous step that finds nothing missing.
"""

from typing import Final, Protocol

import trio

from concordiad.core.model import Author
from concordiad.core.wire import encode_line
from concordiad.errors import JournalError
from concordiad.journal import Journal
from concordiad.journal.events import read_events
from concordiad.room.fanout import PIECE_BYTES, Encoding, Transcript

PAGE_EVENTS: Final = 500
"""Events read from the journal at once for a reader that catches up."""


class Box(Protocol):
    """What takes the bytes for the client: its outbox."""

    @property
    def waiting_bytes(self) -> int:
        """How much of them waits."""

    @property
    def has_room(self) -> bool:
        """Whether more may be put without waiting."""

    @property
    def limit_bytes(self) -> int:
        """The bound on what waits."""

    def push(self, data: bytes) -> None:
        """Add messages without waiting."""

    def wake(self) -> None:
        """Have whoever lags caught up."""


class Page:
    """Encoded events from the journal, and the number that they bring a reader to."""

    __slots__ = ("chunk", "seq")

    def __init__(self, chunk: bytes, seq: int) -> None:
        self.chunk = chunk
        self.seq = seq


class Follower:
    """
    One client's place in one room's transcript.

    Attributes:
        encoding: how the client's transport writes lines.
        host: as whom the client could ask something, and is here; None for a guest, who sits in the guestbook.
        hosts_known: the version of the hosts who are here that the client was told of; None if it is told of none.
        seq: the last event that the client was given.
        is_live: whether it is given what is published; else it lags and is caught up.
    """

    __slots__ = ("_outbox", "_transcript", "encoding", "host", "hosts_known", "is_live", "seq")

    def __init__(
        self,
        outbox: Box,
        transcript: Transcript,
        encoding: Encoding,
        seq: int,
        host: Author | None = None,
        hosts_known: int | None = None,
    ) -> None:
        self._outbox = outbox
        self._transcript = transcript
        self.encoding: Final = encoding
        self.host: Final = host
        self.hosts_known = hosts_known
        self.seq = seq
        self.is_live = False

    @property
    def room(self) -> str:
        """Whose transcript it is."""
        return self._transcript.room

    @property
    def asker(self) -> str | None:
        """The id of the author as whom the client could ask something; None for a client that may not."""
        return None if self.host is None else self.host.id

    @property
    def is_told_of_hosts(self) -> bool:
        """Whether the client is told which hosts are here."""
        return self.hosts_known is not None

    @property
    def lag_events(self) -> int:
        """How many events the client was not given yet."""
        return max(self._transcript.cursor.seq - self.seq, 0)

    def deliver(self, chunk: bytes, seq: int) -> bool:
        """Take live lines, or be dropped because the client reads too slowly."""
        outbox = self._outbox
        if outbox.waiting_bytes and not outbox.has_room:
            self.is_live = False
            outbox.wake()
            return False
        outbox.push(chunk)
        self.seq = seq
        return True

    def enter(self) -> None:
        """Be here, until `leave`."""
        if self.host is not None:
            self._transcript.enter_host(self.host)

    def leave(self) -> None:
        """Follow no more."""
        self._transcript.unsubscribe(self)
        if self.host is not None:
            self._transcript.leave_host(self.host)

    def try_live(self) -> bool:
        """Take what is still in memory, and follow live if that was all; tells whether it was in memory."""
        missed = self._transcript.subscribe(self, self.seq, min(self._outbox.limit_bytes, PIECE_BYTES))
        if missed is None:
            return False
        if missed.lines:
            self._outbox.push(self.encoding(missed.lines))
        self.seq = missed.seq
        self.is_live = missed.is_live
        if self.is_live and self.hosts_known not in (None, self._transcript.hosts_version):
            self.hosts_known = self._transcript.hosts_version
            self._outbox.push(self.encoding([self._transcript.hosts_line()]))
        return True

    async def read_page(self, journal: Journal) -> Page | None:
        """Read what comes next from the journal; None if there is nothing, or nothing can be read any more."""
        limit = min(self._outbox.limit_bytes // 2, PIECE_BYTES)
        try:
            page = await journal.read(read_events, self.room, self.seq + 1, PAGE_EVENTS, limit)
        except JournalError:
            return None
        # What is recorded but not published yet comes live.
        page = [event for event in page if event.seq <= self._transcript.cursor.seq]
        if not page:
            return None
        lines = [encode_line(event.json) for event in page]
        is_long = sum(map(len, lines)) > PIECE_BYTES
        if is_long:
            # Of what is long each writing is a step, and so is giving it to the socket.
            await trio.lowlevel.checkpoint()
        chunk = self.encoding(lines)
        if is_long:
            await trio.lowlevel.checkpoint()
        return Page(chunk, page[-1].seq)
