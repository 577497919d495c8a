"""
One person in a room, over one connection after the other.

Laws: a recorded event is given once and in order, whatever becomes of the connections; a prompt that was handed in here
is sent, by its key, until it is answered; no more is asked of the daemon than it allows a guest; at most one message is
held for an audience that is slow, and the daemon keeps the rest.

Tasks of a connection: this one, which reads; the one that writes; the one that asks whether anybody is there.
"""

import json
import secrets
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Final, Protocol

import trio
from trio_websocket import WebSocketConnection

from concordiad.core.codes import EXIT_NO_DAEMON, INVALID_PARAMS
from ctl.connection import EVENT_HEAD, Event
from ctl.cursor import Cursor
from ctl.failures import ConnectionLost, Failure, Refused, TimedOut
from ctl.joining.link import Link
from ctl.joining.places import Place, Places, invite_of
from ctl.joining.socket import Away, NotAdmitted, TooLong, converse
from ctl.lines import REPLY_LIMIT_S
from ctl.quantities import duration

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
HELLO_S: Final = 20.0
PING_S: Final = 30.0
"""How often a silent daemon is asked whether it is there: a laptop that slept has connections that nobody knows of."""
PONG_S: Final = 20.0
WINDOW: Final = 16
"""Prompts on their way at once."""
BURST: Final = 30
PER_S: Final = 8.0
"""Requests at once, and later in a second: less than the daemon allows a guest (50 and 10)."""
DRAFTS: Final = 100
"""Prompts that wait to be sent; more than anybody types while a daemon is away."""

Json = dict[str, Any]
_EVENT_HEAD: Final = EVENT_HEAD.decode()
_RANDOM: Final = secrets.SystemRandom()


class Draft:
    """A prompt that the daemon has not answered yet."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.key = secrets.token_urlsafe(16)
        self.is_on_its_way = False


class Audience(Protocol):
    """Who is told what happens; each of these is quick and does not wait, but `pace`."""

    def welcome(self, hello: Json) -> None:
        """Take note that the person is in, for the first time or again, and of the answer to its hello."""

    def event(self, event: Event) -> None:
        """Take an event that was not given before."""

    def missed(self) -> None:
        """Take note that something between the last event and the next one is missing."""

    def away(self, why: str) -> None:
        """Take note that the connection is gone, and that another one is sought."""

    def accepted(self, draft: Draft, result: Json) -> None:
        """Take note that a prompt was kept."""

    def refused(self, draft: Draft, refusal: Refused) -> None:
        """Take note that a prompt was not kept."""

    def warn(self, sentence: str) -> None:
        """Tell the person something about this program."""

    async def pace(self) -> None:
        """Wait until what was told before is not too much."""


class Session:
    """
    The conversation with one room.

    Args:
        link: where the room is, and what opens it.
        tls: whom to trust; None for those that the system trusts.
        places: where it is kept who this person is.
        name: what the others see; None for the name of before, else `usual_name`.
        patience_s: how long the daemon may be away, once it was there.
        last: how many recorded events to begin with.
    """

    def __init__(
        self,
        link: Link,
        tls: ssl.SSLContext | None,
        places: Places,
        audience: Audience,
        *,
        name: str | None,
        usual_name: str,
        patience_s: float,
        last: int,
    ) -> None:
        self._link = link
        self._tls = tls
        self._places = places
        self._audience = audience
        self._patience_s = patience_s
        self._last = last
        self._cursor = Cursor()
        self._place = places.find(link, name) or self._new_place(usual_name if name is None else name)
        self._drafts: dict[str, Draft] = {}
        self._calls: deque[str] = deque()
        self._answers: dict[int, Callable[[Json | Failure], None]] = {}
        self._last_id = 0
        self._work = trio.Event()
        self._settled = trio.Event()
        self._is_connected = self._has_been_in = False

    @property
    def waiting(self) -> int:
        """How many prompts the daemon has not answered."""
        return len(self._drafts)

    @property
    def is_connected(self) -> bool:
        """Whether the person is in the room at this moment."""
        return self._is_connected

    def submit(self, text: str) -> Draft | None:
        """Hand in a prompt, now or as soon as there is a connection; None if too many wait already."""
        if len(self._drafts) >= DRAFTS:
            return None
        draft = Draft(text)
        self._drafts[draft.key] = draft
        self._work.set()
        return draft

    async def call(self, method: str, **params: Any) -> Json:
        """
        Make a request and wait for its result.

        Raises:
            Refused: the daemon answered with an error.
            ConnectionLost: there is no connection, or it broke before the answer.
            TimedOut: no answer came.
        """
        if not self._is_connected:
            raise ConnectionLost("there is no connection at the moment: try again in a while")
        answered = trio.Event()
        answers: list[Json | Failure] = []

        def take(answer: Json | Failure) -> None:
            answers.append(answer)
            answered.set()

        self._calls.append(self._request(method, params, take))
        self._work.set()
        with trio.move_on_after(REPLY_LIMIT_S):
            await answered.wait()
        if not answers:
            raise TimedOut(f"the daemon did not answer {method} within {REPLY_LIMIT_S:g} seconds")
        if isinstance(answers[0], Failure):
            raise answers[0]
        return answers[0]

    async def until_sent(self) -> None:
        """Wait until the daemon has answered every prompt, or is away."""
        while self._drafts and self._is_connected:
            self._settled = trio.Event()
            await self._settled.wait()

    async def run(self) -> None:
        """
        Stay in the room until cancelled.

        Raises:
            Failure: the person may not be there, or the daemon is away for too long.
        """
        pause_s, away_since = FIRST_PAUSE_S, 0.0
        while True:
            left_s = away_since + self._patience_s - trio.current_time() if self._has_been_in else inf
            try:
                await converse(self._link, self._tls, self._talk, max(left_s, FIRST_PAUSE_S))
            except NotAdmitted:
                # A seat that was lost may be taken anew by the invite; but not by somebody who was just put out.
                if self._has_been_in or self._place.member_token is None:
                    raise
                self._place = self._new_place(self._place.name)
                continue
            except Away as away:
                if not self._has_been_in:
                    raise
                now = trio.current_time()
                if self._was_in():
                    pause_s, away_since = FIRST_PAUSE_S, now
                    self._audience.away(away.message)
                if isinstance(away, TooLong):
                    self._give_up_what_was_sent(away)
                if now - away_since >= self._patience_s:
                    sentence = f"the daemon has been away for {duration(now - away_since)}: {away.message}"
                    raise Failure(sentence, EXIT_NO_DAEMON) from away
                # Everybody comes back at once after a restart: a little chance spreads them.
                wait_s = max(_RANDOM.uniform(pause_s / 2, pause_s), away.retry_after_s)
                await trio.sleep(min(wait_s, max(away_since + self._patience_s - now, 0.0)))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _was_in(self) -> bool:
        """Clear up after a connection; tells whether the person was in the room by it."""
        was_connected, self._is_connected = self._is_connected, False
        self._calls.clear()
        answers, self._answers = self._answers, {}
        for take in answers.values():
            take(ConnectionLost("the connection broke before the answer came: look whether it was done"))
        for draft in self._drafts.values():
            draft.is_on_its_way = False
        self._settled.set()
        return was_connected

    def _give_up_what_was_sent(self, away: TooLong) -> None:
        for draft in [draft for draft in self._drafts.values() if len(draft.text) >= 4096][:WINDOW]:
            del self._drafts[draft.key]
            self._audience.refused(draft, Refused(INVALID_PARAMS.number, f"the prompt is too long: {away.message}"))

    async def _talk(self, websocket: WebSocketConnection) -> None:
        with trio.move_on_after(HELLO_S) as asking:
            hello = await self._introduce(websocket)
        if asking.cancelled_caught:
            raise Away("the daemon does not answer")
        missed = self._cursor.take_start(hello)
        self._is_connected = self._has_been_in = True
        self._audience.welcome(hello)
        if hello["resync"]:
            self._audience.missed()
        for body in missed:
            self._audience.event(Event(json.dumps(body, ensure_ascii=False), body))
        await self._audience.pace()
        self._work.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, websocket)
            nursery.start_soon(self._keep_alive, websocket)
            while True:
                self._take(await websocket.get_message())
                await self._audience.pace()

    async def _introduce(self, websocket: WebSocketConnection) -> Json:
        """
        Say who asks to come in, and return the answer.

        Raises:
            Refused: a name that will not do.
        """
        params: Json = {"token": self._place.member_token or self._link.token, "name": self._place.name}
        params |= {"last": self._last} if self._cursor.after is None else {"after": self._cursor.after}
        params |= {} if self._link.room is None else {"room": self._link.room}
        if self._place.member_token is None:
            # On the disk first: an answer that gets lost can then be asked for again, also by the next program.
            self._keep(self._place)
            params["key"] = self._place.key
        self._last_id += 1
        await websocket.send_message(_message(self._last_id, "hello", params))
        answer = _read(await websocket.get_message())
        if "error" in answer:
            self._forget()
            raise _refusal(answer)
        hello: Json = answer["result"]
        if hello["member_token"] is not None:
            self._place = self._place._replace(room=hello["room"], member_token=hello["member_token"])
            self._keep(self._place)
        return hello

    def _new_place(self, name: str) -> Place:
        return Place(self._link.origin, invite_of(self._link), name, self._link.room, secrets.token_urlsafe(24))

    def _keep(self, place: Place) -> None:
        try:
            self._places.keep(place)
        except Failure as failure:
            self._audience.warn(f"{failure.message}: joining again may take another use of the invite")

    def _forget(self) -> None:
        with suppress(Failure):
            self._places.forget(self._place)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith(_EVENT_HEAD) and message.endswith("}"):
            raw = message[len(_EVENT_HEAD) : -1]
            event = Event(raw, _parse(raw))
        else:
            body = _read(message)
            if body.get("method") != "event":
                self._take_answer(body)
                return
            event = Event(json.dumps(body["params"], ensure_ascii=False), body["params"])
        if self._cursor.is_new(event.body):
            self._audience.event(event)

    def _take_answer(self, body: Json) -> None:
        take = self._answers.pop(body.get("id", -1), None)
        if take is not None:
            take(_refusal(body) if "error" in body else body["result"])

    def _request(self, method: str, params: Json, take: Callable[[Json | Failure], None]) -> str:
        self._last_id += 1
        self._answers[self._last_id] = take
        return _message(self._last_id, method, params)

    def _next(self) -> str | None:
        """Choose what is sent next: what somebody waits for, then the prompts in their order."""
        if self._calls:
            return self._calls.popleft()
        waiting = [draft for draft in self._drafts.values() if not draft.is_on_its_way]
        if not waiting or len(self._drafts) - len(waiting) >= WINDOW:
            return None
        draft = waiting[0]
        draft.is_on_its_way = True

        def take(answer: Json | Failure) -> None:
            if isinstance(answer, ConnectionLost):
                return
            del self._drafts[draft.key]
            self._work.set()
            self._settled.set()
            if isinstance(answer, Refused):
                self._audience.refused(draft, answer)
            elif not isinstance(answer, Failure):
                self._audience.accepted(draft, answer)

        return self._request("prompt.submit", {"text": draft.text, "key": draft.key}, take)

    async def _write(self, websocket: WebSocketConnection) -> None:
        allowed, at = float(BURST), trio.current_time()
        while True:
            self._work = trio.Event()
            text = self._next()
            if text is None:
                await self._work.wait()
                continue
            now = trio.current_time()
            allowed, at = min(allowed + (now - at) * PER_S, BURST) - 1, now
            if allowed < 0:
                await trio.sleep(-allowed / PER_S)
            await websocket.send_message(text)

    async def _keep_alive(self, websocket: WebSocketConnection) -> None:
        while True:
            await trio.sleep(PING_S)
            with trio.move_on_after(PONG_S) as patience:
                await websocket.ping()
            if patience.cancelled_caught:
                raise Away("the daemon gives no sign of life")


def _message(request_id: int, method: str, params: Json) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}, ensure_ascii=False)


def _read(message: str | bytes) -> Json:
    body = _parse(message)
    if not ("method" in body or isinstance(body.get("error"), dict) or isinstance(body.get("result"), dict)):
        raise Failure("what answers there does not speak JSON-RPC: is it a Concordia?")
    return body


def _parse(text: str | bytes) -> Json:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure("what answers there does not speak JSON: is it a Concordia?") from error
    if not isinstance(body, dict):
        raise Failure("what answers there does not speak JSON-RPC: is it a Concordia?")
    return body


def _refusal(body: Json) -> Refused:
    error = body["error"]
    data = error.get("data") or {}
    return Refused(error["code"], error["message"], data.get("retry_after_s"))
