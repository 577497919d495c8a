"""
A room's events over one connection after the other: what `tail` and `submit --wait` listen to.

Laws: a recorded event is given once and in order, whatever becomes of the connections; what the daemon cannot give any
more is told of, never passed over in silence; waiting for the daemon to come back ends at the time that was set for it.
"""

import json
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol, Self

from concordiad.core.codes import EXIT_NO_DAEMON, INTERNAL_ERROR, NOT_FOUND, NOT_NOW
from ctl.connection import Connection, Event, Json
from ctl.cursor import Cursor
from ctl.failures import ConnectionLost, Failure, Refused, RoomGone, TimedOut
from ctl.quantities import duration

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
CLOSING_PAUSE_S: Final = 0.5
"""How often a room that was closed is looked for: its last turn may take a while, and its end has no event."""


class Listener(Protocol):
    """Who is told how the daemon can be reached."""

    def away(self, why: str) -> None:
        """Take note that the daemon is away, and that it is looked for."""

    def back(self) -> None:
        """Take note that it is back."""

    def missed(self) -> None:
        """Take note that something between the last event and the next one is missing."""


class Feed:
    """
    The events of one room, and questions about it.

    Args:
        connect: connects to the daemon at a socket, or where it is found; raises Failure with EXIT_NO_DAEMON.
        room: its name.
        patience_s: how long the daemon may be away.
        listener: is told of that.
    """

    def __init__(
        self, connect: Callable[[str | None], Connection], room: str, patience_s: float, listener: Listener
    ) -> None:
        self._connect = connect
        self._path: str | None = None
        self._room = room
        self._patience_s = patience_s
        self._listener = listener
        self._start: Json = {}
        self._connection: Connection | None = None
        self._asking: Connection | None = None
        self._events: deque[Event] = deque()
        self._cursor = Cursor()
        self._room_shown: Json | None = None
        self._away_since = 0.0
        self._next_try = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._closed_by: str | None = None
        self._look_at = 0.0
        self._has_missed = False

    def __enter__(self) -> Self:
        """Use the feed for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hang up."""
        self._hang_up()

    @property
    def last_seq(self) -> int | None:
        """The number of the last event that was given."""
        return None if self._cursor.after is None else self._cursor.seq

    @property
    def room_shown(self) -> Json | None:
        """The room as the daemon showed it last: where it was begun without a place, and after events were missed."""
        return self._room_shown

    def begin(self, **start: Any) -> None:
        """
        Listen from a place on, as `events.subscribe` takes it.

        Raises:
            Failure: no daemon is there, or the room is not.
        """
        self._start = start
        self._connection = self._connect(None)
        self._path = self._connection.path
        try:
            result = self._connection.call("events.subscribe", room=self._room, **start)
        except ConnectionLost as lost:
            self._lose(lost)
        else:
            self._take_start(result)

    def next_event(self, until: float | None = None) -> Event | None:
        """
        Wait for the next event; None once the time `until` (of `time.monotonic`) has come, or where some are missing.

        Raises:
            Failure: with EXIT_NO_DAEMON, when the daemon is away for too long.
            RoomGone: the room was closed.
        """
        while True:
            if self._events:
                return self._events.popleft()
            if self._has_missed:
                # Whoever waits for something looks whether it was among them: there may be no further event.
                self._has_missed = False
                return None
            if self._connection is None:
                if not self._reach(until):
                    return None
                continue
            try:
                event = self._connection.next_event(self._earlier(until))
                if event is None and not self._has_come(until):
                    self._look_for_room()
            except ConnectionLost as lost:
                self._lose(lost)
                continue
            if event is None:
                if self._has_come(until):
                    return None
            elif self._is_new(event.body):
                return event

    def ask(self, method: str, until: float | None = None, **params: Any) -> Json:
        """
        Make a request that may be repeated, until it is answered.

        Raises:
            Refused: the daemon answered with an error.
            TimedOut: the time `until` has come.
            Failure: the daemon is away for too long.
        """
        while True:
            while self._connection is None:
                if not self._reach(until):
                    raise TimedOut("the time to wait is over")
            try:
                return self._connection.call(method, **params)
            except ConnectionLost as lost:
                self._lose(lost)

    def ask_once(self, method: str, **params: Any) -> Json:
        """Make a request that must not be repeated; raises what `Connection.call` raises."""
        while self._connection is None:
            self._reach(None)
        return self._connection.call(method, **params)

    def _hang_up(self) -> None:
        for connection in (self._connection, self._asking):
            if connection is not None:
                connection.close()
        self._connection = self._asking = None

    def _earlier(self, until: float | None) -> float | None:
        if self._closed_by is None:
            return until
        return self._look_at if until is None else min(self._look_at, until)

    def _has_come(self, until: float | None) -> bool:
        return until is not None and time.monotonic() >= until

    def _is_new(self, event: Json) -> bool:
        if not self._cursor.is_new(event):
            return False
        if event.get("seq") is None:
            return True
        if event["type"] == "room.changed" and event["state"] == "closed":
            self._closed_by = event["by"]["name"] if event.get("by") else "somebody"
            self._look_at = time.monotonic() + CLOSING_PAUSE_S
        elif event["type"] == "agent.started":
            self._closed_by = None
        return True

    def _look_for_room(self) -> None:
        """
        Look whether a room that was closed is still there, and go on after the last event if it is.

        Raises:
            RoomGone: it is not.
        """
        if self._closed_by is None or self._connection is None:
            return
        self._look_at = time.monotonic() + CLOSING_PAUSE_S
        try:
            self._connection.call("events.subscribe", room=self._room, after=self._cursor.after)
        except Refused as refused:
            if refused.code != NOT_FOUND.number:
                raise
            # Events that were on their way before the refusal are given first.
            while (event := self._connection.next_event(time.monotonic())) is not None:
                if self._is_new(event.body):
                    self._events.append(event)
            if not self._events:
                raise RoomGone(f"room {self._room} was closed by {self._closed_by}") from refused

    def _lose(self, lost: Failure) -> None:
        self._hang_up()
        self._away_since = time.monotonic()
        self._pause_s = FIRST_PAUSE_S
        self._next_try = self._away_since + FIRST_PAUSE_S
        if self._patience_s <= 0:
            raise lost
        self._listener.away(lost.message)

    def _reach(self, until: float | None) -> bool:
        """
        Try to reach the daemon again, at most until a time; tells whether there is something new.

        Raises:
            Failure: it has been away for too long.
            RoomGone: the room is not there any more.
        """
        try:
            result = self._try(until)
        except (ConnectionLost, TimedOut) as error:
            self._fail(error)
            return True
        except Refused as refused:
            if refused.code == NOT_FOUND.number:
                raise RoomGone(refused.message) from refused
            if refused.code not in (NOT_NOW.number, INTERNAL_ERROR.number):
                raise
            self._fail(refused)
            return True
        except Failure as error:
            if error.exit_code != EXIT_NO_DAEMON:
                raise
            self._fail(error)
            return True
        if result is None:
            return False
        self._connection, self._asking = self._asking, None
        self._listener.back()
        self._take_start(result)
        return True

    def _try(self, until: float | None) -> Json | None:
        # The daemon answers once its rooms are open: a time that comes before that is no reason to hang up.
        deadline = self._away_since + self._patience_s
        if self._asking is None:
            target = min(self._next_try, deadline)
            if until is not None and until < target:
                time.sleep(max(until - time.monotonic(), 0))
                return None
            time.sleep(max(target - time.monotonic(), 0))
            self._asking = self._connect(self._path)
            start = self._start if self._cursor.after is None else {"after": self._cursor.after}
            self._asking.request("events.subscribe", room=self._room, **start)
        limit = max(deadline, time.monotonic() + FIRST_PAUSE_S)
        result = self._asking.answer(limit if until is None else min(until, limit))
        if result is None and time.monotonic() >= limit:
            raise TimedOut(f"the daemon at {self._asking.path} does not answer")
        return result

    def _fail(self, error: Failure) -> None:
        self._hang_up()
        now = time.monotonic()
        if now - self._away_since >= self._patience_s:
            away = duration(now - self._away_since)
            raise Failure(f"the daemon has been away for {away}: {error.message}", EXIT_NO_DAEMON) from error
        self._next_try = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _take_start(self, result: Json) -> None:
        if result["resync"]:
            self._listener.missed()
            self._has_missed = True
        if result["snapshot"] is not None:
            self._room_shown = result["snapshot"]["room"]
        missed = self._cursor.take_start(result)
        self._events.extend(Event(json.dumps(body, ensure_ascii=False), body) for body in missed)
