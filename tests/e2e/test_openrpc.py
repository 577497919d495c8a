"""What a running daemon answers and publishes, on both transports, is what its OpenRPC document says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from concordiad.core.event_shapes import EVENTS
from concordiad.core.params import METHODS
from concordiad.core.roles import Role, decide
from concordiad.front.discovery import discover
from tests.support.control_client import ControlClient, Event, Message
from tests.support.daemon import Daemon, Site, Tables
from tests.support.guest_client import GuestClient, join, read_link
from tests.support.json_schema import faults

DOCUMENT = discover()
RESULTS = {method["name"]: method["result"]["schema"] for method in DOCUMENT["methods"]}
NOBODY = "00000000-0000-7000-8000-000000000000"
LINE_BYTES = 65536
RARE = {"turn.returned", "agent.withdrawn"}
"""What the rehearsal agent does not bring about by itself; docs/protocol.md has recorded ones."""


class Checked:
    """
    A client whose every answer is held against the document.

    Attributes:
        called: the methods that were met.
        wrong: what was not as described.
    """

    def __init__(self, client: ControlClient) -> None:
        self.client = client
        self.called: set[str] = set()
        self.wrong: list[str] = []

    def call(self, method: str, **params: Any) -> Message:
        """Make a request that is to be met."""
        return self.take(method, self.client.call(method, **params))

    def take(self, method: str, result: Message) -> Message:
        """Look at the result of a method."""
        self.called.add(method)
        self.wrong += faults(result, RESULTS[method], DOCUMENT, method)
        return result

    def refused(self, method: str, **params: Any) -> str:
        """Make a request that is to be refused; returns the error's name."""
        request = self.client.request(method, **params)
        while (message := self.client.receive()).get("id") != request:
            self.client.events.append(message["params"])
        error = message["error"]
        self.wrong += faults(error, {"$ref": "#/components/schemas/ERROR"}, DOCUMENT, f"the refusal of {method}")
        return str(error["data"]["name"])

    def events(self) -> list[Event]:
        """Look at every event that came, and return them."""
        for event in self.client.events:
            name = f"EVENT.{event['type']}"
            assert name in DOCUMENT["components"]["schemas"]
            self.wrong += faults(event, {"$ref": f"#/components/schemas/{name}"}, DOCUMENT, name)
        return self.client.events


@pytest.fixture
def open_daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Give a daemon with a guests' door."""
    tables: Tables = {"guests": {"listen": "127.0.0.1:0"}, "limits": {"line_bytes": LINE_BYTES}}
    site = Site(tmp_path, tables)
    with site.running() as daemon:
        yield daemon
    site.clear()


def start_waiting(client: Checked, follower: ControlClient) -> tuple[str, str]:
    """Begin a turn that goes on, with a prompt that waits behind it; returns the turn's id and the prompt's."""
    running = client.call("prompt.submit", text="[[text:so]] [[hang]]")["prompt"]["id"]
    turn = follower.until(lambda event: event["type"] == "turn.started" and running in event["turn"]["prompts"])[-1]
    waiting = client.call("prompt.submit", text="later", key=f"key of {running}", priority="low")["prompt"]["id"]
    return turn["turn"]["id"], waiting


def call_all_that_driver_may(client: Checked, follower: ControlClient, other: ControlClient) -> None:
    """Call every method of those who take part, with something to show in each answer; another one asks the same."""
    client.call("rpc.discover")
    asked = client.call("prompt.submit", text="[[think:so]] [[tool:true]] [[text:done]]")["prompt"]["id"]
    approval = follower.next("approval.requested")["approval"]["id"]
    assert client.call("approval.list")["approvals"]
    client.call("approval.answer", id=approval, allow=True)
    follower.finished(asked)
    turn, waiting = start_waiting(client, follower)
    assert client.call("events.subscribe")["snapshot"]["queue"]
    assert client.call("events.subscribe", after={"epoch": 1, "seq": 1})["resync"]
    same = other.call("prompt.submit", text="later")["prompt"]
    assert same["merge"]["leader"] == waiting
    assert client.call("prompt.get", id=waiting)["prompt"]["merge"]
    assert client.call("prompt.split", id=waiting)["prompt"]["alone"]
    other.call("prompt.cancel", id=same["id"])
    client.call("prompt.submit", text="too late", expires_s=0.001)
    follower.next("prompt.expired")
    assert client.call("prompt.list", states=["waiting"])["prompts"]
    assert client.call("prompt.get", id=asked)["turn"]
    client.call("prompt.cancel", id=waiting)
    again = client.call("prompt.retry", id=waiting)["prompt"]
    client.call("prompt.cancel", id=again["id"])
    client.call("turn.interrupt", turn=turn)
    follower.next("turn.finished")
    assert client.call("turn.get", id=turn)["prompts"]
    assert client.call("turn.list", limit=1)["next"]
    assert client.call("events.list", limit=3)["next"]
    client.call("guest.list")


def misbehave(client: Checked, follower: ControlClient) -> None:
    """Let the agent do what makes the rarer events."""
    for orders in ("[[error:529,1]] [[text:so]]", "[[die]]", "[[garbage]]", f"[[line:{LINE_BYTES * 2}]]", "[[crash]]"):
        follower.finished(client.call("prompt.submit", text=orders)["prompt"]["id"])
    follower.next("agent.started")


def test_control_socket(open_daemon: Daemon) -> None:
    """Every method that a host may call, and every event that comes of it."""
    follower = open_daemon.follow()
    host = Checked(open_daemon.connect())
    invite = host.call("invite.create", role="driver", uses=None, name="Ben", may_approve=True)["invite"]
    guest, _ = join(invite["url"], "Ben")
    call_all_that_driver_may(host, follower, guest)
    misbehave(host, follower)
    host.call("room.create", name="garden", workdir=str(open_daemon.site.work), agent="rehearsal")
    host.call("events.subscribe", room="garden")
    for method in ("room.pause", "room.resume", "room.restart", "room.close"):
        host.call(method, room="garden")
    host.call("room.list")
    assert host.call("guest.list", all=True)["guests"]
    host.call("guest.kick", id="Ben", reason="enough")
    assert guest.wait_for_close().code == 4403
    guest.close()
    host.call("invite.list", all=True)
    host.call("invite.revoke", id=invite["id"])
    assert host.call("daemon.status")["rooms"]
    host.call("journal.prune", older_than_s=86_400)
    assert host.call("stats.get", room=None)["total"]["turns"]
    host.call("stats.link")
    host.call("log.tail")
    host.call("daemon.measure")
    follower.next("invite.revoked")
    refusals = [
        host.refused("hello", token="t"),
        host.refused("prompt.submit", text=""),
        host.refused("prompt.submit", text="x", room="nowhere"),
        host.refused("turn.interrupt"),
        host.refused("no.method"),
    ]
    assert refusals == ["not_allowed", "invalid_params", "not_found", "conflict", "unknown_method"]
    assert host.called == METHODS.keys() - {"hello"}
    events = Checked(follower)
    seen = {event["type"] for event in (*events.events(), *host.events())}
    assert host.wrong + events.wrong == []
    assert EVENTS.keys() - seen == {*RARE, "hosts.here"}, "guests alone are told which hosts are here"


def test_websocket(open_daemon: Daemon) -> None:
    """Every method that a guest may call, the refusals of all others, and every event that comes of it."""
    follower, host = open_daemon.follow(), open_daemon.connect()
    invite = host.call("invite.create", role="driver", uses=None, may_approve=True, history="start")["invite"]
    link = read_link(invite["url"])
    guest = Checked(GuestClient(link.host, link.port))
    assert guest.refused("hello", token=link.token, name="") == "invalid_params"
    token = guest.call("hello", token=link.token, name="Ben", last=1000)["member_token"]
    call_all_that_driver_may(guest, follower, host)
    misbehave(guest, follower)
    again = Checked(GuestClient(link.host, link.port))
    assert again.call("hello", token=token, after=_cursor(follower.events))["snapshot"] is None
    viewer, _ = join(host.call("invite.create")["invite"]["url"], "Vic")
    host.call("guest.kick", id="Vic")
    viewer.close()
    forbidden = [method for method in METHODS if decide(method, Role.DRIVER, may_approve=True) is None]
    params: dict[str, dict[str, Any]] = {"room.create": {"name": "n", "workdir": "/"}, "hello": {"token": "t"}}
    params |= {method: {"id": NOBODY} for method in ("invite.revoke", "guest.kick")}
    assert {method: guest.refused(method, **params.get(method, {})) for method in forbidden} == dict.fromkeys(
        forbidden, "not_allowed"
    )
    assert guest.called == (METHODS.keys() - forbidden) | {"hello"}
    guest.client.until(lambda event: event["type"] == "guest.kicked")
    again.client.until(lambda event: event["type"] == "guest.kicked")
    seen = {event["type"] for event in (*guest.events(), *again.events())}
    host.call("invite.revoke", id=invite["id"])
    for client in (guest, again):
        client.client.close()
    assert guest.wrong + again.wrong == []
    assert EVENTS.keys() - seen == RARE | {"room.changed", "invite.revoked"}


def _cursor(events: list[Event]) -> Message:
    last = next(event for event in reversed(events) if "seq" in event)
    return {"epoch": last["epoch"], "seq": last["seq"]}
