"""Guests over the real door: the same person over restarts, nothing lost or twice, the slow ones nobody's burden."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_client import ControlClient, cursor
from tests.support.daemon import Daemon, Site
from tests.support.guest_client import Closed, GuestClient, Link, make_key, read_link
from tests.support.patience import LATE_S
from tests.support.ports import steady_port

MIB = 1024 * 1024


class House:
    """A site with an open door, the guests who came through it, and a port that stays the same over restarts."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.guests: list[GuestClient] = []

    def invite(self, host: ControlClient, **more: Any) -> Link:
        """Make an invite for any number of drivers, or as said."""
        wanted = {"role": "driver", "uses": None, **more}
        return read_link(host.call("invite.create", **wanted)["invite"]["url"])

    def knock(self, link: Link) -> GuestClient:
        """Connect somebody who has said nothing yet."""
        self.guests.append(GuestClient(link.host, link.port))
        return self.guests[-1]

    def enter(self, link: Link, token: str = "", **more: Any) -> tuple[GuestClient, dict[str, Any]]:
        """Let somebody in by the link's token or another one."""
        guest = self.knock(link)
        return guest, guest.hello(token or link.token, **more)

    def close(self) -> None:
        """Let everybody go."""
        for guest in self.guests:
            guest.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Make a site whose door is open on a port of its own, and who stops reading is not hung up on meanwhile."""
    house = House(Site(tmp_path, {"guests": {"listen": f"127.0.0.1:{steady_port()}", "keepalive_s": 300}}))
    with contextlib.closing(house):
        yield house


def seqs(guest: ControlClient) -> list[int]:
    """List the numbers that somebody was given."""
    return [event["seq"] for event in guest.events if "seq" in event]


def enter_for_a_moment(house: House, host: ControlClient) -> GuestClient:
    """Let somebody in by an invite that ends soon, but not before anybody is there."""
    for expires_s in (1.5, 10, 60):
        with contextlib.suppress(Closed):
            return house.enter(house.invite(host, expires_s=expires_s))[0]
    raise AssertionError("each invite had ended before anybody could come")


def ask_once(daemon: Daemon, text: str) -> None:
    """Let a host ask something, and wait for the answer."""
    host = daemon.follow(last=0)
    host.finished(host.submit(text)["id"])


def test_guests_see_the_hosts_who_follow(house: House) -> None:
    """From the first to the last connection of each, and as it is by then for whoever comes back."""
    with house.site.running() as daemon:
        host, link = daemon.connect(), house.invite(daemon.connect())
        guest, welcome = house.enter(link, name="ada")
        assert [person["name"] for person in welcome["snapshot"]["people"]] == ["ada"]
        following = [daemon.follow(last=0), daemon.follow(last=0)]
        (seen,) = guest.next("hosts.here")["hosts"]
        listed = guest.call("guest.list")
        assert (seen["kind"], seen["role"], listed["hosts"]) == ("local", "host", [seen])
        assert seen["id"] == host.submit("Who am I?")["author"]["id"]
        _, other = house.enter(link, name="ben")
        assert [person["id"] for person in other["snapshot"]["people"]][::2] == [seen["id"], other["guest"]["id"]]
        place = cursor(guest.next("guest.joined", guest=other["guest"]))
        guest.close()
        following.pop().close()
        back, _ = house.enter(link, welcome["member_token"], after=place)
        assert back.next("hosts.here")["hosts"] == [seen]
        following.pop().close()
        assert back.next("hosts.here")["hosts"] == []


def test_guests_are_told_that_the_daemon_stops(house: House) -> None:
    """They have read the last events by then, and are told by the code that they may come again."""
    with house.site.running() as daemon:
        link = house.invite(daemon.connect())
        guest, _ = house.enter(link)
        prompt = guest.submit("Before you go")
        guest.finished(prompt["id"])
        assert daemon.stop() == 0
        closed = guest.wait_for_close()
        assert (closed.code, closed.reason) == (1001, "concordiad is stopping")


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_guest_goes_on_after_a_restart(house: House, is_killed: bool) -> None:
    """By its member token it is the same person, by its cursor it gets what it missed, once."""
    with house.site.running() as daemon:
        link = house.invite(daemon.connect(), uses=1)
        guest, welcome = house.enter(link, name="ada")
        first = guest.submit("[[size:100]]")
        guest.finished(first["id"])
        last = guest.events[-1]
        ask_once(daemon, "While nobody looks")
        if is_killed:
            daemon.kill()
    with house.site.running() as daemon:
        back, again = house.enter(link, welcome["member_token"], after=cursor(last))
        assert (again["guest"], again["resync"], again["snapshot"]) == (welcome["guest"], False, None)
        second = back.submit("And now?")
        back.finished(second["id"])
        assert seqs(back) == list(range(last["seq"] + 1, back.events[-1]["seq"] + 1))
        assert second["author"] == first["author"] == welcome["guest"]
        # The invite had one use, and that is gone; the member token is not the invite's.
        refused = house.knock(link)
        with pytest.raises(Closed):
            refused.hello(link.token, "eve")


def test_a_cursor_that_cannot_be_continued_gets_a_snapshot(house: House) -> None:
    """With the last events, and what follows comes after it."""
    with house.site.running() as daemon:
        ask_once(daemon, "Earlier")
        link = house.invite(daemon.connect(), history="start")
        _, welcome = house.enter(link, after={"epoch": 12345, "seq": 3})
        assert welcome["resync"]
        shown = [event["seq"] for event in welcome["snapshot"]["events"]]
        assert shown == list(range(1, welcome["cursor"]["seq"] + 1))
        assert [person["name"] for person in welcome["snapshot"]["people"] if person["kind"] == "guest"] == ["ada"]


def test_a_lost_answer_to_hello_is_asked_for_again(house: House) -> None:
    """With the same key, the invite's one use is not lost: the same member, and a token that works."""
    with house.site.running() as daemon:
        host = daemon.connect()
        link, key = house.invite(host, uses=1), make_key()
        guest, first = house.enter(link, key=key)
        guest.close()
        _, second = house.enter(link, key=key)
        assert second["guest"] == first["guest"]
        _, third = house.enter(link, second["member_token"])
        assert third["guest"] == first["guest"]
        with pytest.raises(Closed):
            house.enter(link, key=make_key())


def test_a_bad_name_is_said_to_who_has_a_good_token(house: House) -> None:
    """And it may be said again on the same connection; three times, then the connection ends."""
    with house.site.running() as daemon:
        link = house.invite(daemon.connect())
        guest = house.knock(link)
        refusal = guest.refused("hello", token=link.token, name="x" * 41)
        assert (refusal.name, refusal.field) == ("invalid_params", "name")
        assert guest.hello(link.token, "ada")["guest"]["name"] == "ada"
        stubborn = house.knock(link)
        for _ in range(3):
            assert stubborn.refused("hello", token=link.token, name=" ").field == "name"
        assert stubborn.wait_for_close().code == 4401


def test_two_of_one_name_are_two_people(house: House) -> None:
    """Everybody can tell them apart, and neither can cancel what the other asked."""
    with house.site.running() as daemon:
        link = house.invite(daemon.connect())
        (first, one), (second, two) = house.enter(link, name="ada"), house.enter(link, name="Ada")
        assert (one["guest"]["name"], two["guest"]["name"]) == ("ada", "Ada (2)")
        first.submit("[[hang]]")
        first.next("turn.started")
        waiting = first.submit("mine")
        assert second.refused("prompt.cancel", id=waiting["id"]).name == "not_allowed"
        assert first.call("prompt.cancel", id=waiting["id"])["prompt"]["state"] == "cancelled"
        first.call("turn.interrupt")


@pytest.mark.parametrize("name", ["root", "ROOT", "\uff52oot", "you", "Claude", "asker"])
def test_nobody_passes_for_a_host_or_the_agent(house: House, name: str) -> None:
    """Those names are taken as another guest's is, in whatever way they are written."""
    with house.site.running() as daemon:
        host = daemon.connect()
        mine = host.submit("who am I?")["author"]["name"]
    with house.site.running() as daemon:
        link = house.invite(daemon.connect())
        _, welcome = house.enter(link, name=mine if name == "asker" else name)
        assert welcome["guest"]["name"].endswith(" (2)")


@pytest.mark.parametrize("name", ["\u3164", "\u0301" * 3, "\u200b", "\u2800"])
def test_a_name_shows_something(house: House, name: str) -> None:
    """Fillers, combining marks and zero-width characters alone are as good as no name."""
    with house.site.running() as daemon:
        guest = house.knock(house.invite(daemon.connect()))
        link = read_link(daemon.connect().call("invite.create")["invite"]["url"])
        assert guest.refused("hello", token=link.token, name=name).field == "name"


def test_any_first_message_that_is_no_good_hello_is_refused_alike(house: House) -> None:
    """Also one that is too long, or too much at once: a stranger learns nothing by it."""
    with house.site.running() as daemon:
        link = house.invite(daemon.connect())
        ends = set()
        for message in (b"{}", b'{"a":"%b"}' % (b"x" * 100_000), b"[" * 5000, b'"' + b"x" * 2_000_000):
            stranger = house.knock(link)
            with contextlib.suppress(OSError):
                stranger.send_message(message)
            closed = stranger.wait_for_close()
            ends.add((closed.code, closed.reason))
        assert {code for code, _ in ends} == {4401}


def test_what_a_guest_may_not_do_is_said_before_how(house: House) -> None:
    """A viewer who calls a host's method with bad params is told that it may not, not what is wrong with them."""
    with house.site.running() as daemon:
        guest, _ = house.enter(house.invite(daemon.connect(), role="viewer"))
        assert guest.refused("guest.kick", guest="x").name == "not_allowed"
        assert guest.refused("prompt.submit").name == "not_allowed"
        assert guest.refused("turn.get", nonsense=1).name == "invalid_params"
        assert "concordiactl" not in str(guest.refused("prompt.get", id="0000"))


def test_a_guest_who_reads_nothing_is_nobody_elses_burden(house: House) -> None:
    """While 40 MB stream past, memory stays bounded and others are served; in the end it gets every event once."""
    with house.site.running() as daemon:
        host = daemon.connect()
        link = house.invite(host)
        reader, _ = house.enter(link, name="reader")
        ask_once(daemon, "[[size:2000000]]")
        needed = daemon.memory_bytes()
        lazy, _ = house.enter(link, name="lazy", last=0)
        began = len(seqs(reader))
        for _ in range(20):
            prompt = reader.submit("[[size:2000000]]")
            reader.finished(prompt["id"])
        assert daemon.memory_bytes() - needed < 40 * MIB
        (behind,) = [guest for guest in host.call("guest.list")["guests"] if guest["name"] == "lazy"]
        assert behind["lag_events"] > 0
        last = reader.events[-1]["seq"]
        lazy.until(lambda event: event.get("seq") == last)
        assert seqs(lazy) == list(range(seqs(lazy)[0], last + 1))
        assert seqs(reader)[began:][-1] == last
        text = sum(len(event["text"]) for event in lazy.events if event["type"] == "agent.text")
        assert text == 40_000_000


def test_revoking_closes_within_a_second(house: House) -> None:
    """Every connection of the invite, with the reason; others stay."""
    with house.site.running() as daemon:
        host = daemon.follow()
        revoked, other = house.invite(host), house.invite(host)
        leaving = [house.enter(revoked)[0] for _ in range(3)]
        staying, _ = house.enter(other, name="ben")
        (invite, _) = host.call("invite.list")["invites"]
        began = time.monotonic()
        assert host.call("invite.revoke", id=invite["id"])["closed"] == 3
        assert {guest.wait_for_close().code for guest in leaving} == {4403}
        assert time.monotonic() - began < 1 + LATE_S
        assert [host.next("guest.left")["reason"] for _ in leaving] == ["revoked"] * 3
        assert staying.submit("still here")["state"] == "waiting"


def test_an_invite_that_expires_ends_its_connections(house: House) -> None:
    """By the daemon's own clock, without anybody asking."""
    with house.site.running() as daemon:
        closed = enter_for_a_moment(house, daemon.connect()).wait_for_close()
        assert (closed.code, closed.reason) == (4403, "this invite has expired")


def test_closing_a_room_tells_its_guests(house: House) -> None:
    """After its last events, and by a code that says not to come again."""
    with house.site.running() as daemon:
        host = daemon.connect()
        workdir = house.site.home / "other"
        workdir.mkdir()
        host.call("room.create", name="other", workdir=str(workdir), agent="rehearsal")
        link = house.invite(host, room="other")
        guest, _ = house.enter(link)
        host.call("room.close", room="other")
        assert guest.wait_for_close().code == 4404
        with pytest.raises(Closed):
            house.enter(link)
