"""What a session asks of a daemon, in virtual time."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection

from concordiad.config.doors import Guests
from concordiad.core.allowance import Allowance
from ctl.failures import Refused
from ctl.joining.link import read_link
from ctl.joining.places import Places
from ctl.joining.session import DRAFTS, PING_S, PONG_S, Draft, Session
from ctl.joining.socket import Away
from tests.ctl.samples import prompt
from tests.ctl.scripted_door import TOKEN

LINK = read_link(f"http://127.0.0.1:1/#main.{TOKEN}")


class Counting:
    """An audience that counts the prompts that were kept."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def welcome(self, hello: dict[str, Any]) -> None:
        pass

    def event(self, event: Any) -> None:
        pass

    def missed(self) -> None:
        pass

    def away(self, why: str) -> None:
        pass

    def accepted(self, draft: Draft, result: dict[str, Any]) -> None:
        self.kept.append(draft.text)

    def refused(self, draft: Draft, refusal: Refused) -> None:
        pass

    def warn(self, sentence: str) -> None:
        pass

    async def pace(self) -> None:
        await trio.lowlevel.checkpoint()


class EagerDaemon(WebSocketConnection):
    """A connection that answers every prompt at once, and notes when it came."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.times: list[float] = []

    async def send_message(self, message: str | bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.times.append(trio.current_time())
        answer = {"jsonrpc": "2.0", "id": json.loads(message)["id"], "result": {"prompt": prompt(), "turn": None}}
        self._session._take(json.dumps(answer))


class MuteDaemon(WebSocketConnection):
    """A connection whose other end is gone, which nobody has told."""

    def __init__(self) -> None:
        pass

    async def ping(self, payload: bytes | None = None) -> None:
        await trio.sleep_forever()


def make_session(tmp_path: Path) -> tuple[Session, Counting]:
    """Make a session that has not begun."""
    audience = Counting()
    return (
        Session(LINK, None, Places(tmp_path), audience, name=None, usual_name="eve", patience_s=1.0, last=0),
        audience,
    )


async def test_no_more_is_asked_than_a_guest_may(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """However much is handed in: the door would close the connection."""
    session, audience = make_session(tmp_path)
    daemon = EagerDaemon(session)
    session._is_connected = True
    texts = [str(number) for number in range(DRAFTS * 4)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session._write, daemon)
        for first in range(0, len(texts), DRAFTS):
            assert all(session.submit(text) for text in texts[first : first + DRAFTS])
            assert session.submit("one too many") is None
            await session.until_sent()
        nursery.cancel_scope.cancel()
    assert audience.kept == texts
    limits = Guests()
    allowance = Allowance(limits.request_burst, limits.requests_per_s, daemon.times[0])
    assert all(allowance.take(at) for at in daemon.times)


async def test_a_connection_that_died_in_silence_is_noticed(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """After a laptop's sleep nobody else tells."""
    session, _ = make_session(tmp_path)
    with pytest.raises(Away, match="no sign of life"):
        await session._keep_alive(MuteDaemon())
    assert trio.current_time() == pytest.approx(PING_S + PONG_S)
