"""Joining a room from its beginning to its end, with Trio as the host."""

import signal
import ssl
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import trio

from concordiad.core.codes import EXIT_CTRL_C, EXIT_DONE
from ctl.failures import Failure
from ctl.joining.link import Link
from ctl.joining.piped import LineReader, PipedRoom
from ctl.joining.places import Places, state_directory
from ctl.joining.session import Audience, Session

STANDARD_INPUT: Final = 0
BY_SIGNAL: Final = 128
"""What shells add to the number of the signal that ended a program."""


ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wishes(NamedTuple):
    """What was asked for on the command line; see ctl.joining.session.Session."""

    link: Link
    tls: ssl.SSLContext | None
    name: str | None
    usual_name: str
    patience_s: float
    last: int

    def begin(self, audience: Audience) -> Session:
        """Begin a session."""
        return Session(
            self.link,
            self.tls,
            Places.usual(),
            audience,
            name=self.name,
            usual_name=self.usual_name,
            patience_s=self.patience_s,
            last=self.last,
        )


def join_room(wishes: Wishes, *, is_typed: bool, is_json: bool) -> int:
    """
    Be in a room until the person leaves, or all is done.

    Returns: the exit code.

    Raises:
        Failure: it did not come about, or ended badly.
    """
    ended: list[Exception] = []
    try:
        return trio.run(_typed, wishes) if is_typed else trio.run(_piped, wishes, is_json)
    except* (Failure, OSError) as group:
        ended += _leaves(group)
    raise ended[0]


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    leaves: list[Exception] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return leaves


async def _piped(wishes: Wishes, is_json: bool) -> int:
    room = PipedRoom(is_json=is_json)
    session = wishes.begin(room)
    codes: list[int] = []
    with trio.open_signal_receiver(*ENDING) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_by_signal, signals, codes, nursery.cancel_scope)
            nursery.start_soon(session.run)
            await room.feed(session, LineReader(STANDARD_INPUT))
            codes.append(EXIT_DONE)
            nursery.cancel_scope.cancel()
    return codes[0]


async def _typed(wishes: Wishes) -> int:
    from ctl.joining.terminal import Terminal
    from ctl.joining.typed import TypedRoom

    history = state_directory() / "history"
    room = TypedRoom(lambda commands, state: Terminal(history, commands, state))
    session = wishes.begin(room)
    codes: list[int] = []
    with trio.open_signal_receiver(*ENDING) as signals:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_by_signal, signals, codes, nursery.cancel_scope)
                nursery.start_soon(session.run)
                codes.append(await room.run(session))
                nursery.cancel_scope.cancel()
        finally:
            room.terminal.flush()
    return codes[0]


async def _end_by_signal(signals: AsyncIterator[int], codes: list[int], whole: trio.CancelScope) -> None:
    """End all in good order; an interrupt that Python raises somewhere could be any task's last word."""
    async for number in signals:
        codes.append(EXIT_CTRL_C if number == signal.SIGINT else BY_SIGNAL + number)
        whole.cancel()
