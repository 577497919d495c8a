"""The wall clock is set while the daemon runs, forth and back by a day: nothing ends by that or changes its place."""

from contextlib import closing
from pathlib import Path

from tests.e2e.gate import Gate
from tests.e2e.outages import assert_whole
from tests.support.daemon import Site
from tests.support.guest_client import GuestClient, Link, read_link
from tests.support.wall_clock import WallClock

HOUR_S = 3600
DAY_S = 24 * HOUR_S


def come_in(link: Link) -> GuestClient:
    """Come in by a link."""
    guest = GuestClient(link.host, link.port)
    guest.hello(link.token)
    return guest


def test_a_clock_that_jumps_ends_nothing_and_changes_no_order(site: Site, gate: Gate, tmp_path: Path) -> None:
    """What is good for an hour, or to be forgotten after one, is so by the true hour, also over a kill and a start."""
    site.configure({"guests": {"listen": "127.0.0.1:0"}})
    clock = WallClock(tmp_path / "clock")
    with site.running(under=clock.under) as daemon:
        host = daemon.follow()
        wanted = {"role": "driver", "uses": None, "expires_s": HOUR_S}
        link = read_link(host.call("invite.create", **wanted)["invite"]["url"])
        asked = [host.submit(str(gate), expires_s=HOUR_S)["id"]]
        host.next("turn.started")
        with closing(come_in(link)) as guest:
            for off_s in (DAY_S, -DAY_S, 0):
                clock.set_off(off_s)
                asked.append(host.submit(f"[[text:{off_s}]]", expires_s=HOUR_S)["id"])
                come_in(link).close()
                (invite,) = host.call("invite.list")["invites"]
                assert (invite["state"], host.call("invite.list", all=True)["invites"]) == ("open", [invite])
                assert guest.call("guest.list")["guests"]
                assert 0 <= host.call("daemon.status")["daemon"]["uptime_s"] < HOUR_S
                assert [room["events"] for room in host.call("journal.prune", older_than_s=HOUR_S)["rooms"]] == [0]
            waiting = host.call("prompt.list", states=["waiting"])["prompts"]
            assert [prompt["id"] for prompt in sorted(waiting, key=lambda each: each["place"])] == asked[1:]
        gate.open()
        assert [host.finished(each)["outcome"] for each in asked] == ["completed"] * 4
        assert_whole(host, host.events)
        clock.set_off(-DAY_S)
        daemon.kill()
    with site.running(under=clock.under) as daemon:
        host = daemon.follow()
        asked.append(host.submit("[[text:a day before]]")["id"])
        assert host.finished(asked[-1])["answer"] == "a day before"
        assert_whole(host, host.events)
        turns = host.call("turn.list")["turns"]
        assert [turn["prompts"] for turn in turns] == [[each] for each in reversed(asked)]
        assert [turn["outcome"] for turn in turns] == ["completed"] * 5
