"""
Mistakes that other tools for sharing an agent have made, where no other test of the door has them already.

docs/security.md lists them all, with the tests of each.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site
from tests.support.guest_client import GuestClient, join, make_key, read_link
from tests.support.patience import LATE_S
from tests.support.raw_guest import CLOSE, UPGRADE, RawGuest

AT_ONCE_S = 1.0 + LATE_S
"""Within a second the connections of who was revoked or removed are closed, unless the machine is late."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a place for daemons with an open door."""
    site = Site(tmp_path, {"guests": {"listen": "127.0.0.1:0"}})
    yield site
    site.clear()


@pytest.fixture
def host(daemon: Daemon) -> ControlClient:
    """Give the host."""
    return daemon.follow()


def test_revoking_closes_what_is_open_at_once(host: ControlClient) -> None:
    """No connection outlives its invite (CVE-2026-41356, CVE-2026-40934), nor its guest."""
    revoked, kicked = (host.call("invite.create", uses=None)["invite"] for _ in range(2))
    guests = [join(revoked["url"], "ada")[0], join(revoked["url"], "ben")[0], join(kicked["url"], "cem")[0]]
    began = time.monotonic()
    assert host.call("invite.revoke", id=revoked["id"])["closed"] == 2
    assert host.call("guest.kick", id="cem")["closed"] == 1
    closes = [guest.wait_for_close() for guest in guests]
    assert time.monotonic() - began < AT_ONCE_S
    reasons = ["this invite was revoked"] * 2 + ["a host removed you from the room"]
    assert [(closed.code, closed.reason) for closed in closes] == [(4403, reason) for reason in reasons]
    for guest in guests:
        guest.close()


def test_links_are_nowhere_at_rest(site: Site) -> None:
    """Neither an invite's token nor a guest's nor its key is in any file or in the log, and no command line has one."""
    with site.running() as daemon:
        host = daemon.follow()
        invite = host.call("invite.create", uses=None)["invite"]
        key = make_key()
        guest, answer = join(invite["url"], "ada", key=key)
        secrets = [invite["token"], answer["member_token"], key]
        command_line = Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()
        guest.close()
    kept = [path.read_bytes() for path in site.state.rglob("*") if path.is_file()]
    assert kept
    assert [each for each in secrets if each.encode() in b"".join([*kept, command_line, daemon.log.encode()])] == []


def test_what_is_kept_is_its_owners_alone(site: Site) -> None:
    """Others can read nothing of it, nothing lies where all may write (CVE-2026-46406), and the log tells no text."""
    shared = site.home / "shared"
    shared.mkdir()
    site.environment["TMPDIR"] = str(shared)
    site.configure({"guests": {"listen": "127.0.0.1:0"}, "log": {"level": "debug"}})
    with site.running() as daemon:
        host = daemon.follow()
        guest, _ = join(host.call("invite.create", role="driver")["invite"]["url"], "ada")
        assert guest.finished(guest.submit("Is anything lying about?")["id"])["outcome"] == "completed"
        kept = [path for place in (site.state, site.runtime) for path in (place, *place.rglob("*"))]
        assert {path.name for path in kept} >= {"journal.db", "control.sock"}
        assert [path for path in kept if path.lstat().st_mode & 0o077] == []
        guest.close()
    assert list(shared.iterdir()) == []
    assert "turn_finished" in daemon.log
    assert "lying about" not in daemon.log


def test_a_token_in_the_query_opens_nothing(host: ControlClient, daemon: Daemon) -> None:
    """A link's token is behind the #, which browsers send nobody; in a query it is no token, and in no log."""
    link = read_link(host.call("invite.create")["invite"]["url"])
    lines = (
        f"Host: {link.host}:{link.port}",
        f"Origin: {link.origin}",
        f"Authorization: Bearer {link.token}",
        *UPGRADE,
    )
    with RawGuest(link, lines, f"/ws?token={link.token}") as guest:
        guest.upgrade().request("turn.list")
        guest.read_to_end()
        assert [(each.opcode, each.code) for each in guest.frames] == [(CLOSE, 4401)]
    assert link.token not in daemon.log


def test_two_people_of_one_name_are_two_people(host: ControlClient) -> None:
    """Whoever takes another's name, in whatever letters, is told apart, and has nothing of the other's."""
    invite = host.call("invite.create", role="driver", uses=None)["invite"]
    entered = [join(invite["url"], name) for name in ("Ada", "ada", "\uff21da")]
    assert [answer["guest"]["name"] for _, answer in entered] == ["Ada", "ada (2)", "\uff21da (3)"]
    assert len({answer["guest"]["id"] for _, answer in entered}) == 3
    first, second = entered[0][0], entered[1][0]
    prompt = first.submit("[[hang]]")
    host.next("turn.started")
    assert second.refused("turn.interrupt").name == "not_allowed"
    assert second.refused("prompt.cancel", id=prompt["id"]).name == "not_allowed"
    assert first.call("turn.interrupt")["turn"]["prompts"] == [prompt["id"]]
    for guest, _ in entered:
        guest.close()


def test_the_host_sees_each_join(host: ControlClient) -> None:
    """Who comes in is told to the host with its invite, and where from; whoever has a link for one is the only one."""
    invite = host.call("invite.create")["invite"]
    guest, answer = join(invite["url"], "ada")
    joined = host.next("guest.joined")
    assert (joined["guest"], joined["invite"], joined["role"]) == (answer["guest"], invite["id"], "viewer")
    (seen,) = host.call("guest.list")["guests"]
    assert (seen["address"], seen["invite"], seen["connections"]) == ("127.0.0.1", invite["id"], 1)
    thief = GuestClient(*read_link(invite["url"])[:2])
    thief.request("hello", token=invite["token"], name="eve")
    assert thief.wait_for_close().code == 4401
    for each in (guest, thief):
        each.close()
    assert host.next("guest.left")["guest"] == answer["guest"]


def test_guests_are_told_neither_invites_nor_the_keys_of_others(host: ControlClient) -> None:
    """Not live, not from the record, not in a snapshot; a guest's own key comes back to it, and to hosts everything."""
    invite = host.call("invite.create", role="driver", uses=None, history="start")["invite"]
    spent = host.call("invite.create")["invite"]
    host.call("invite.revoke", id=spent["id"])
    ben, _ = join(invite["url"], "ben")
    vera, _ = join(invite["url"], "vera")
    keys = {"vera": "key-of-vera", "host": "key-of-host"}
    mine = vera.submit("[[hang]]", key=keys["vera"])
    others = host.submit("and this", key=keys["host"])
    host.call("prompt.cancel", id=others["id"])
    ben.next("prompt.cancelled")
    asked: list[tuple[str, dict[str, Any]]] = [
        ("events.list", {"since": 1, "limit": 500}),
        ("events.subscribe", {"after": {"epoch": 1, "seq": 1}}),
        ("events.subscribe", {"since": 1}),
        ("prompt.list", {}),
        ("prompt.get", {"id": others["id"]}),
        ("turn.get", {"id": host.next("turn.started")["turn"]["id"]}),
        ("guest.list", {}),
    ]
    vera.call("turn.interrupt")
    for method, params in asked:
        for guest in (ben, vera):
            guest.call(method, **params)
    for word in (invite["id"], spent["id"], *keys.values()):
        assert word not in ben.received.decode(errors="replace")
    assert keys["host"] not in vera.received.decode(errors="replace")
    assert vera.call("prompt.get", id=mine["id"])["prompt"]["key"] == keys["vera"]
    assert [prompt["key"] for prompt in host.call("prompt.list")["prompts"]] == [keys["host"], keys["vera"]]
    for each in (ben, vera):
        each.close()
