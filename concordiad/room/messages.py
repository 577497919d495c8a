"""
How the tasks of a room talk: one asks, another answers; what each can be told is in the module named after it.

Law: whoever owns an inbox answers every question in it, at the latest when it ends; an answer never waits.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

import trio
from msgspec import Struct

from concordiad.errors import RoomError
from concordiad.ops.requests import REQUEST

T = TypeVar("T")
M = TypeVar("M")
ROUND_BYTES: Final = 1024 * 1024
"""Of prompts that are decided together, and of posts that are recorded together, besides the one that makes it more: to
give the memory of more than some megabytes back at once would hold the loop."""
UNREAD: Final = 100_000
"""More than any inbox and all its waiting senders hold."""


class Reply(Generic[T]):
    """The way back to whoever asked; used once, or closed. `request` is the one that is met by asking, if any is."""

    def __init__(self, channel: trio.MemorySendChannel[T | RoomError]) -> None:
        self._channel = channel
        self.request = REQUEST.get()

    def answer(self, value: T | RoomError) -> None:
        """Answer; does nothing if nobody waits any more."""
        with self._channel:
            try:
                self._channel.send_nowait(value)
            except trio.BrokenResourceError:
                return

    def close(self) -> None:
        """Give no answer: whoever asked is told that the room is closing."""
        self._channel.close()


async def ask(inbox: trio.abc.SendChannel[M], make_message: Callable[[Reply[T]], M]) -> T:
    """
    Send a question and wait for its answer.

    Raises:
        RoomError: the owner's refusal, or that the room is closing.
    """
    send, receive = trio.open_memory_channel[T | RoomError](1)
    with receive:
        try:
            await inbox.send(make_message(Reply(send)))
            answer = await receive.receive()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.EndOfChannel) as closed:
            raise RoomError.not_now("the room is closing: try again once the daemon is back") from closed
    if isinstance(answer, RoomError):
        raise answer
    return answer


@contextmanager
def serve(inbox: trio.MemoryReceiveChannel[M]) -> Iterator[trio.MemoryReceiveChannel[M]]:
    """Own an inbox; on leaving, the questions that are still in it are closed."""
    with inbox:
        try:
            yield inbox
        finally:
            close_replies(take_all(inbox, [], UNREAD))


@contextmanager
def answering(messages: Sequence[object]) -> Iterator[None]:
    """Handle messages that were taken out of an inbox; on leaving, their questions that have no answer are closed."""
    try:
        yield
    finally:
        close_replies(messages)


def close_replies(messages: Sequence[object]) -> None:
    """Close the questions among some messages; does nothing to those that are answered."""
    for message in messages:
        reply = getattr(message, "reply", None)
        if reply is not None:
            reply.close()


def take_all(inbox: trio.MemoryReceiveChannel[M], taken: list[M], limit: int, limit_bytes: float = math.inf) -> list[M]:
    """
    Take what an inbox holds without waiting, after what was taken already.

    Args:
        limit: how many there are at most.
        limit_bytes: once they are so large together, nothing more is taken.
    """
    left_bytes = limit_bytes - sum(map(size_of, taken))
    while len(taken) < limit and left_bytes > 0:
        try:
            message = inbox.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            break
        taken.append(message)
        left_bytes -= size_of(message)
    return taken


def size_of(message: object) -> int:
    """Tell about how many bytes a message carries, if it may be large; else 0."""
    return getattr(message, "size_bytes", 0)


class Drain(Struct, frozen=True):
    """No new turns from now on."""
