"""
Every method of the wire for every role, state of its token and Origin, on both transports.

The matrix is made of the table of methods and the table of rights, so that whoever adds a method has it tested here.
What is forbidden is told so, and leaves the room as it was.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from concordiad.core.params import METHODS
from concordiad.core.roles import RIGHTS, Role, decide
from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, Message, Refused
from tests.support.daemon import Site
from tests.support.guest_client import GuestClient, Link, Rejected, join, join_for_a_moment, read_link
from tests.support.raw_guest import CLOSE, TEXT, UPGRADE, RawGuest, encode, frame

GUESTS: Final = {
    "listen": "127.0.0.1:0",
    "joins_burst": 100_000,
    "requests_per_s": 10_000,
    "request_burst": 10_000,
    "keepalive_s": 300,
}
NOBODY: Final = "00000000-0000-7000-8000-000000000000"
PARAMS: Final[dict[str, dict[str, Any]]] = {
    "prompt.submit": {"text": "[[text:hi]]"},
    "approval.answer": {"id": NOBODY, "allow": True},
    "room.create": {"name": "new", "workdir": "/", "agent": "rehearsal"},
    "invite.create": {"role": "driver", "uses": None},
    "hello": {"token": "t"},
    **{
        name: {"id": NOBODY}
        for name in (
            "prompt.get",
            "prompt.retry",
            "prompt.cancel",
            "prompt.split",
            "turn.get",
            "invite.revoke",
            "guest.kick",
        )
    },
}
"""What a method needs to do something, where it needs anything; or, for one thing, that of nobody."""
KINDS: Final[dict[str, dict[str, Any]]] = {
    "driver": {"role": "driver"},
    "approver": {"role": "driver", "may_approve": True},
    "viewer": {"role": "viewer"},
}
"""The kinds of guests, as their invites make them."""
STATES: Final = ("good", "none", "wrong", "expired", "revoked", "used up", "kicked", "for another room")
ORIGINS: Final = ("ours", "foreign", "missing")


class Scene:
    """A daemon with two rooms and tokens of every kind in every state."""

    def __init__(self, host: ControlClient) -> None:
        self.host = host
        self.guests: dict[str, GuestClient] = {}
        self.tokens: dict[tuple[str, str], str | None] = {}
        ending = []
        for kind in KINDS:
            good = self._invite(kind, uses=None)
            self.link: Link = read_link(good["url"])
            self.guests[kind], answer = join(good["url"], kind)
            self._note(kind, good=answer["member_token"], none=None, wrong="A" * 32)
            expired, guest, _ = join_for_a_moment(partial(self._invite, kind), "gone")
            ending.append(guest)
            revoked, used_up, kicked = (self._invite(kind, **more) for more in ({"uses": 2}, {}, {"uses": 2}))
            for invite in (revoked, used_up, kicked):
                guest, answer = join(invite["url"], "gone")
                ending.append(guest)
                if invite is kicked:
                    self._note(kind, kicked=answer["member_token"])
                    host.call("guest.kick", id=answer["guest"]["id"])
            host.call("invite.revoke", id=revoked["id"])
            self._note(kind, expired=expired["token"], revoked=revoked["token"])
            self.tokens[kind, "used up"] = used_up["token"]
            self.tokens[kind, "for another room"] = self._invite(kind, room="lab", uses=None)["token"]
            # All but the one whose invite is merely used up.
            assert [ending[number].wait_for_close().code for number in (-4, -3, -1)] == [4403] * 3
        for guest in ending:
            guest.close()
        for _ in KINDS:
            host.next("guest.left", reason="left")

    def _invite(self, kind: str, **more: Any) -> Message:
        return dict(self.host.call("invite.create", **KINDS[kind], **more)["invite"])

    def _note(self, kind: str, **tokens: str | None) -> None:
        self.tokens |= {(kind, state): token for state, token in tokens.items()}

    def look(self) -> list[Any]:
        """Tell all that a call may change."""
        host = self.host
        rooms = [
            [room["name"], room["cursor"], room["paused"], room["agent"]] for room in host.call("room.list")["rooms"]
        ]
        return [
            rooms,
            host.call("prompt.list")["prompts"],
            host.call("invite.list", all=True)["invites"],
            [[guest["id"], guest["connections"]] for guest in host.call("guest.list")["guests"]],
        ]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run the daemon of the matrix."""
    root = tmp_path_factory.mktemp("matrix")
    (root / "lab").mkdir()
    site = Site(root, {"guests": GUESTS, "rooms.lab": {"workdir": str(root / "lab"), "agent": "rehearsal"}})
    with site.running() as daemon:
        scene = Scene(daemon.follow())
        yield scene
        for guest in scene.guests.values():
            guest.close()


def name_of_refusal(client: ControlClient, method: str, **more: Any) -> str | None:
    """Call a method, and see a prompt to its end; the name of the error, None if it was met."""
    try:
        result = client.call(method, **{**PARAMS.get(method, {}), **more})
    except Refused as refusal:
        return refusal.name
    if method == "prompt.submit":
        client.finished(result["prompt"]["id"])
    return None


def test_matrix_is_complete() -> None:
    """The table of rights has every method, and the matrix every role."""
    assert RIGHTS.keys() == METHODS.keys()
    assert {"host", *(params["role"] for params in KINDS.values())} == set(Role)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_guest_may_do_what_its_role_says(scene: Scene, method: str, kind: str) -> None:
    """A guest without the right is told so and nothing happens; with it, it is never told that it may not."""
    right = decide(method, Role(KINDS[kind]["role"]), may_approve=kind == "approver")
    before = scene.look() if right is None else None
    refusal = name_of_refusal(scene.guests[kind], method)
    assert (refusal == "not_allowed") == (right is None), refusal
    assert before is None or scene.look() == before


@pytest.mark.parametrize("method", METHODS)
def test_host_may_do_everything(scene: Scene, method: str) -> None:
    """On the control socket a host is refused nothing but the guests' hello."""
    more = {"room": "nowhere"} if method in ("room.close", "room.pause", "room.restart") else {}
    more |= {"name": "lab"} if method == "room.create" else {}
    refusal = name_of_refusal(scene.host, method, **more)
    assert (refusal == "not_allowed") == (method == "hello"), refusal


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_method_without_a_good_token_or_origin(scene: Scene, method: str, kind: str) -> None:
    """Nothing is done for anybody in any state but the good one, nor for a page that is not ours."""
    before = scene.look()
    port = f"{scene.link.host}:{scene.link.port}"
    lines = {
        "ours": (f"Host: {port}", f"Origin: {scene.link.origin}", *UPGRADE),
        "foreign": (f"Host: {port}", "Origin: http://evil.example", *UPGRADE),
        "missing": (f"Host: {port}", *UPGRADE),
    }
    wrong = []
    for state, origin in itertools.product(STATES, ORIGINS):
        if (state, origin) == ("good", "ours"):
            continue
        token = scene.tokens[kind, state]
        presented = {} if token is None else {"token": token, "name": "eve", "room": "main"}
        with RawGuest(scene.link, lines[origin]) as guest:
            guest.upgrade()
            guest.send(
                frame(TEXT, encode("hello", **presented)) + frame(TEXT, encode(method, **PARAMS.get(method, {})))
            )
            guest.read_to_end()
            if origin == "ours":
                is_right = [(each.opcode, each.code) for each in guest.frames] == [(CLOSE, 4401)]
            else:
                is_right = guest.received.startswith(b"HTTP/1.1 403 ") and b"\x88" not in guest.received
            if not is_right:
                wrong.append((state, origin, guest.received))
    assert wrong == []
    assert scene.look() == before


@pytest.mark.parametrize("kind", KINDS)
def test_guest_has_one_room(scene: Scene, kind: str) -> None:
    """Another room is to a guest what no room is, for every method that it may call."""
    guest = scene.guests[kind]
    for method in METHODS:
        right = decide(method, Role(KINDS[kind]["role"]), may_approve=kind == "approver")
        if right is not None and hasattr(METHODS[method], "room"):
            refusals = []
            for room in ("lab", "nowhere"):
                with pytest.raises(Refused) as caught:
                    guest.call(method, **{**PARAMS.get(method, {}), "room": room})
                refusals.append((caught.value.name, str(caught.value).replace(room, "ROOM")))
            assert refusals[0] == refusals[1]
            assert refusals[0][0] == "not_found", method


def test_driver_may_not_reach_beyond_its_own(scene: Scene, gate: Gate) -> None:
    """Raw prompts, a higher place, others' prompts, others' turns and approvals: refused, and nothing happens."""
    driver, host = scene.guests["driver"], scene.host
    running = host.submit(f"{gate} [[tool:true]]")
    host.next("turn.started")
    waiting = host.submit("[[text:later]]")
    before = scene.look()
    for method, params in (
        ("prompt.submit", {"text": "/clear", "raw": True}),
        ("prompt.submit", {"text": "me first", "priority": "high"}),
        ("prompt.cancel", {"id": waiting["id"]}),
        ("prompt.cancel", {"id": running["id"]}),
        ("prompt.split", {"id": waiting["id"]}),
        ("turn.interrupt", {}),
        ("guest.list", {"all": True}),
    ):
        assert name_of_refusal(driver, method, **params) == "not_allowed", method
        assert scene.look() == before
    gate.open()
    approval = host.next("approval.requested")["approval"]
    for kind in ("driver", "viewer"):
        assert name_of_refusal(scene.guests[kind], "approval.answer", id=approval["id"]) == "not_allowed"
    assert name_of_refusal(scene.guests["approver"], "approval.answer", id=approval["id"]) is None
    assert host.next("approval.resolved")["by"]["name"] == "approver"
    assert host.finished(waiting["id"])["outcome"] == "completed"


def test_upgrade_needs_our_origin(scene: Scene) -> None:
    """What the matrix says byte by byte, a WebSocket library sees as well: the upgrade is refused."""
    with pytest.raises(Rejected) as rejected:
        GuestClient(scene.link.host, scene.link.port, origin="http://evil.example")
    assert rejected.value.args == (403,)
