"""
The holes of trio-websocket 0.12.2, each contained: one test a hole, which fails without the containment.

Every test has a second guest, who must not notice anything, and ends with a look at the daemon's log.
"""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site
from tests.support.guest_client import GuestClient, Link, Rejected, read_link
from tests.support.patience import LATE_S, PATIENCE_S

SOON_S = 5.0 + LATE_S
"""What is closed is closed within five seconds."""


class Scene:
    """A daemon with a host, a guest who behaves, and the means to let more in."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.host: ControlClient = daemon.follow()
        self.invite = self.host.call("invite.create", role="driver", uses=None)["invite"]
        self.link: Link = read_link(self.invite["url"])
        self._guests: list[GuestClient] = []
        self.good = self.enter("good")

    def enter(self, name: str) -> GuestClient:
        """Let somebody in."""
        guest = self.knock()
        guest.hello(self.link.token, name)
        return guest

    def knock(self, **more: Any) -> GuestClient:
        """Connect somebody who has said nothing yet."""
        self._guests.append(GuestClient(self.link.host, self.link.port, **more))
        return self._guests[-1]

    def close(self) -> None:
        """Let everybody go."""
        for guest in self._guests:
            guest.close()

    def check(self) -> None:
        """See that nobody else has noticed anything."""
        prompt = self.good.submit("Still there?")
        assert self.good.finished(prompt["id"])["outcome"] == "completed"
        assert "guest_failed" not in self.daemon.log
        assert "Traceback" not in self.daemon.log


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Run a daemon with an open door; a parameter is its keepalive_s."""
    guests = {"listen": "127.0.0.1:0", "message_bytes": 400_000, "keepalive_s": getattr(request, "param", 30)}
    with Site(tmp_path, {"guests": guests}).running() as daemon:
        scene = Scene(daemon)
        with contextlib.closing(scene):
            yield scene


def frame(opcode: Opcode, payload: bytes = b"") -> bytes:
    """Write a client's frame."""
    protocol = FrameProtocol(client=True, extensions=[])
    if opcode is Opcode.PING:
        return bytes(protocol.ping(payload))
    return bytes(protocol.send_data(payload, fin=True))


def seconds_to_end(guest: GuestClient) -> float:
    """Read, and answer nothing, until the daemon has closed the connection; returns how long that took."""
    began = time.monotonic()
    # A reset is an end, too: what was sent behind the daemon's back may be answered so.
    with contextlib.suppress(ConnectionError):
        while guest.socket.recv(65536):
            assert time.monotonic() - began < PATIENCE_S
    return time.monotonic() - began


def test_a_ping_during_the_close_takes_nothing_down(scene: Scene) -> None:
    """Hole 1: the library's reader raises, and with its own server all guests are gone."""
    guest = scene.enter("pinging")
    scene.host.call("guest.kick", id="pinging")
    for _ in range(50):
        try:
            guest.send(frame(Opcode.PING, b"x"))
        except OSError:
            break
    assert (guest.wait_for_close().code, seconds_to_end(guest) < SOON_S) == (4403, True)
    leaving = scene.enter("leaving")
    leaving.send(b"\x88\x82\0\0\0\0\x03\xe8" + frame(Opcode.PING, b"y") * 50)
    assert leaving.wait_for_close().code == 1000
    scene.check()


def test_a_frame_in_progress_is_finished(scene: Scene) -> None:
    """Hole 2: a cancelled send leaves half a frame, and the next one lands inside it."""
    slow = scene.enter("slow")
    # More than the sockets hold: the last frame that fits is cut, while the guest reads nothing.
    for _ in range(6):
        scene.good.submit("[[size:1000000]]")
        scene.good.finished()
    scene.host.call("guest.kick", id="slow")
    # Whatever of it arrived is whole frames; a cut one would be read as a broken message or as a wrong opcode.
    closed = slow.wait_for_close()
    assert closed.code in (4403, None)
    scene.check()


def test_a_mute_guest_is_hung_up_on(scene: Scene) -> None:
    """Hole 3: the library's close waits for ever for somebody who answers nothing."""
    mute = scene.enter("mute")
    scene.host.call("guest.kick", id="mute")
    assert seconds_to_end(mute) < SOON_S
    scene.check()


@pytest.mark.parametrize("scene", [1], indirect=True)
def test_who_answers_no_ping_is_hung_up_on(scene: Scene) -> None:
    """Hole 3: the library's ping waits for ever too; here one wheel asks everybody, and lets go who did not answer."""
    # Nobody reads in the name of this one, so it answers no ping either.
    assert seconds_to_end(scene.good) < SOON_S
    assert scene.host.next("guest.left")["guest"]["name"] == "good"
    assert scene.host.finished(scene.host.submit("Still there?")["id"])["outcome"] == "completed"
    assert "guest_failed" not in scene.daemon.log


@pytest.mark.parametrize("parts", [1, 30])
def test_too_long_a_message_ends_the_connection(scene: Scene, parts: int) -> None:
    """Hole 4: after 1009 the library leaves the socket open."""
    guest = scene.enter("verbose")
    protocol = FrameProtocol(client=True, extensions=[])
    piece = b"x" * (500_000 // parts)
    try:
        for number in range(parts):
            guest.send(bytes(protocol.send_data(piece, fin=number == parts - 1)))
    except OSError:
        assert parts >= 1
    assert (guest.wait_for_close().code, seconds_to_end(guest) < SOON_S) == (1009, True)
    scene.check()


def test_sixteen_gibibytes_are_refused_by_their_announcement(scene: Scene) -> None:
    """Hole 5: the library notices only once the limit has passed; and it counts characters."""
    guest = scene.enter("giant")
    guest.send(b"\x81\xff" + (16 << 30).to_bytes(8) + b"mask")
    assert guest.wait_for_close().code == 1009
    scene.check()


def test_pings_are_answered_while_requests_wait(scene: Scene) -> None:
    """Hole 6: with its queue of messages full, the library answers neither pings nor the close."""
    running = scene.good.submit("[[hang]]")
    scene.good.next("turn.started")
    busy = scene.enter("busy")
    # A host's `[[deaf]]` agent would take seconds to answer an interrupt; here enough requests wait to fill the queue.
    for _ in range(40):
        busy.request("turn.list")
    busy.send(frame(Opcode.PING, b"are you there?"))
    while b"\x8a\x0eare you there?" not in busy.received:
        busy.receive_some()
    assert scene.host.call("turn.interrupt")["turn"]["prompts"] == [running["id"]]
    scene.check()


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Host": "evil.example"}],
)
def test_its_defaults_are_not_ours(scene: Scene, headers: dict[str, str]) -> None:
    """Hole 7: it takes any Origin and Host, and lets a handshake take a minute."""
    with pytest.raises(Rejected) as rejected:
        scene.knock(headers=headers)
    assert rejected.value.args == (403,)
    scene.check()


def test_what_is_no_upgrade_is_answered(scene: Scene) -> None:
    """Hole 8: it waits for ever for a request that never becomes a WebSocket."""
    head = ("GET /ws HTTP/1.1", f"Host: {scene.link.host}:{scene.link.port}", f"Origin: {scene.link.origin}", "", "")
    began = time.monotonic()
    with socket.create_connection((scene.link.host, scene.link.port), timeout=PATIENCE_S) as client:
        client.sendall("\r\n".join(head).encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 426 ")
    assert time.monotonic() - began < SOON_S
    scene.check()


def test_no_extension_is_negotiated(scene: Scene) -> None:
    """Hole 9, a good one: no compression, so no bombs, and frames that are the same for everybody."""
    guest = scene.knock(headers={"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"})
    head = guest.received.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-extensions" not in head
    assert guest.hello(scene.link.token)["role"] == "driver"
    # A compressed frame (RSV1) is garbage then.
    guest.send(b"\xc1\x81\0\0\0\0x")
    assert guest.wait_for_close().code == 1002
    scene.check()
