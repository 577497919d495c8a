"""A fan-out that a test can look into and hold up."""

from collections.abc import Callable

import trio

from concordiad.errors import RoomError
from concordiad.journal import Journal
from concordiad.journal.changes import Transaction
from concordiad.room.to_fanout import DRAFTS, Post


class Recorder:
    """
    Take what is posted and answer it: at once, or, while it is held, once it is let go.

    Args:
        journal: where the ledger's rows are recorded, if anywhere.
        note: told of every post as it is recorded.
    """

    def __init__(self, journal: Journal | None = None, note: Callable[[Post], None] | None = None) -> None:
        self.posts: list[Post] = []
        self.pending: Post | None = None
        self.is_refusing = False
        self._journal = journal
        self._note = note
        self._free = trio.Event()
        self._free.set()
        self._scope = trio.CancelScope()
        self.ends, self._inbox = trio.open_memory_channel[Post](DRAFTS)

    async def work(self) -> None:
        """Record, one post after the other, until nobody can post any more."""
        with self._scope, self._inbox as inbox:
            async for post in inbox:
                self.pending = post
                await self._free.wait()
                await self._record(post)
                self.pending = None

    async def _record(self, post: Post) -> None:
        if self.is_refusing and post.reply is not None:
            post.reply.answer(RoomError.not_now("nothing can be recorded for now"))
            return
        if self._journal is not None:
            await self._journal.record(Transaction("main", changes=post.changes))
        self.posts.append(post)
        if self._note is not None:
            self._note(post)
        if post.reply is not None:
            post.reply.answer(None)

    def hold(self) -> None:
        """Let everything wait from now on, as if the disk were slow."""
        self._free = trio.Event()

    def let_go(self) -> None:
        """Record what waits, and what comes from now on at once."""
        self._free.set()

    def let_one_go(self) -> None:
        """Record what waits, and hold what comes after it."""
        self._free.set()
        self._free = trio.Event()

    def fail(self) -> None:
        """End without an answer, as a fan-out whose journal has failed does."""
        self._scope.cancel()
        if self.pending is not None and self.pending.reply is not None:
            self.pending.reply.close()
