"""The journal's disk fills up: what is refused, what goes on, and that nothing is lost."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gate import Gate
from tests.e2e.outages import assert_whole, state_of, submit_until_refused
from tests.support.control_client import types
from tests.support.daemon import READY, Site
from tests.support.guest_client import Closed, GuestClient, read_link
from tests.support.service_manager import ServiceManager
from tests.support.small_disk import SmallDisk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mount a disk for the journal alone."""
    with small_disk(tmp_path / "state") as disk:
        yield disk


@pytest.fixture
def site(tmp_path: Path, disk: SmallDisk) -> Iterator[Site]:
    """Make a site whose state directory is that disk."""
    site = Site(tmp_path)
    yield site
    site.clear()


def test_full_disk_refuses_prompts_at_once_and_serves_what_there_is(site: Site, disk: SmallDisk) -> None:
    """New prompts are refused with the reason, reading goes on, and with room again everything goes on by itself."""
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        first = client.submit("[[text:recorded]]")
        follower.finished(first["id"])
        disk.fill()
        accepted, refusal = submit_until_refused(client)
        assert refusal.name == "not_now"
        assert "full" in str(refusal)
        assert refusal.retry_after_s is not None
        told = follower.next("room.changed", state="journal-failing")
        assert "full" in told["reason"]
        assert "seq" not in told
        assert state_of(client) == ("journal-failing", told["reason"])
        for method, params in (
            ("prompt.submit", {"text": "more"}),
            ("room.pause", {}),
            ("room.create", {"name": "lab", "workdir": str(site.work), "agent": "rehearsal"}),
            ("invite.create", {}),
        ):
            assert client.refused(method, **params).name == "not_now"
        assert client.call("turn.get", id=client.call("turn.list")["turns"][-1]["id"])["turn"]["answer"] == "recorded"
        assert client.call("events.list", since=1, limit=1)["events"][0]["seq"] == 1
        assert client.call("prompt.list", states=["waiting"]) is not None
        assert client.refused("turn.interrupt").name in ("conflict", "not_now")
        disk.free()
        follower.next("room.changed", state="journal-recovered")
        last = client.submit("[[text:afterwards]]")
        assert follower.finished(last["id"])["answer"] == "afterwards"
        taken = [event["prompt"]["id"] for event in follower.events if event["type"] == "prompt.accepted"]
        assert taken == [first["id"], *accepted, last["id"]]
        assert types(follower.events).count("turn.finished") == len(taken)
        assert_whole(client, follower.events)


def test_what_the_agent_says_on_a_full_disk_waits_and_is_recorded(site: Site, disk: SmallDisk, gate: Gate) -> None:
    """A turn that goes on while the disk is full loses nothing of its text, nor its end."""
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        running = client.submit(f"[[text:before]] {gate} [[size:200000]] [[text:behind]]")
        follower.next("agent.text", text="before")
        disk.fill()
        gate.open()
        told = follower.next("room.changed", state="journal-failing")
        assert state_of(client) == ("journal-failing", told["reason"])
        assert client.refused("prompt.submit", text="more").name == "not_now"
        disk.free()
        assert follower.finished(running["id"])["outcome"] == "completed"
        texts = [event["text"] for event in follower.events if event["type"] == "agent.text"]
        assert [len(text) for text in texts] == [len("before"), 200000, len("behind")]
        assert_whole(client, follower.events)


def test_guests_come_back_on_a_full_disk(site: Site, disk: SmallDisk) -> None:
    """Who was in the room is let in again; whose link is new is told to come later, and can; neither has lost it."""
    site.configure({"guests": {"listen": "127.0.0.1:0"}})
    with site.running() as daemon, contextlib.ExitStack() as guests:
        host, follower = daemon.connect(), daemon.follow()
        link = read_link(host.call("invite.create", role="driver", uses=2)["invite"]["url"])

        def come(token: str) -> str | None:
            guest = guests.enter_context(GuestClient(link.host, link.port))
            member_token: str | None = guest.hello(token)["member_token"]
            return member_token

        token = come(link.token)
        assert token is not None
        disk.fill()
        submit_until_refused(host)
        assert come(token) is None
        with pytest.raises(Closed) as refusal:
            come(link.token)
        assert refusal.value.code == 1013
        disk.free()
        follower.next("room.changed", state="journal-recovered")
        assert come(link.token) not in (None, token)


def test_stopping_on_a_full_disk_ends_soon_and_says_what_is_lost(site: Site, disk: SmallDisk, gate: Gate) -> None:
    """The daemon tries a last time, ends with status 1 and the account; the next one knows what was acknowledged."""
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        running = client.submit(f"[[text:before]] {gate} [[text:behind]]")
        follower.next("agent.text", text="before")
        disk.fill()
        submit_until_refused(client)
        gate.open()
        assert daemon.stop() == 1
        assert "not recorded: " in daemon.log
        assert "of room main" in daemon.log
    site.wait_until_empty()
    disk.free()
    with site.running() as daemon:
        turn = daemon.connect().call("prompt.get", id=running["id"])["turn"]
        assert turn["state"] in ("finished", "uncertain")


def test_daemon_does_not_start_on_a_full_disk(site: Site, disk: SmallDisk) -> None:
    """It says so in one sentence, with status 1."""
    disk.fill()
    code, log = site.refuse()
    assert code == 1
    assert "full" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("is_new", [False, True])
def test_a_service_that_starts_on_a_full_disk_goes_on_by_itself(
    site: Site, disk: SmallDisk, tmp_path: Path, *, is_new: bool
) -> None:
    """It waits for space, and says why; the prompts that waited are answered then."""
    waiting = []
    if not is_new:
        with site.running() as daemon:
            client = daemon.follow()
            client.submit("[[hang]]")
            client.next("turn.started")
            waiting = [client.submit(f"[[text:{number}]]")["id"] for number in range(3)]
            daemon.kill()
    disk.fill()
    with ServiceManager(site, tmp_path) as manager, manager.start() as daemon:
        assert "disk" in manager.hear_of("STATUS")["STATUS"]
        daemon.wait_for_log("journal_failing")
        disk.free()
        manager.hear_of("READY")
        client = daemon.follow(since=1)
        for number, prompt in enumerate(waiting):
            assert client.finished(prompt)["answer"] == str(number)
        assert client.call("prompt.submit", text="[[text:new]]")["prompt"]["state"] == "waiting"
        assert daemon.stop() == 0


PAGE_BYTES = 4096
PAGES = 20
"""So many of them are enough for whatever a start records."""


def crash(site: Site) -> tuple[str, str]:
    """Kill a daemon with a prompt that runs and one that waits; return their ids."""
    with site.running() as daemon:
        client = daemon.follow()
        running = client.submit("[[hang]]")["id"]
        client.next("turn.started")
        waiting = client.submit("[[text:after it]]")["id"]
        daemon.kill()
    return running, waiting


def go_back(disk: SmallDisk, kept: Path, left_bytes: int) -> None:
    """Have on the disk what was kept, and so much space."""
    for file in disk.root.iterdir():
        if file.is_file():
            file.unlink()
    shutil.copytree(kept, disk.root, dirs_exist_ok=True)
    disk.fill(left_bytes)


def find_room_for_half(site: Site, disk: SmallDisk, kept: Path) -> int:
    """Find how many bytes let a journal be opened, and not record all that a start records."""
    found = None
    for pages in range(1, PAGES + 1):
        go_back(disk, kept, pages * PAGE_BYTES)
        with site.start() as daemon:
            is_ready = daemon.has_said(READY)
            if is_ready:
                daemon.kill()
            else:
                assert (daemon.wait(), "full" in daemon.log, "Traceback" in daemon.log) == (1, True, False)
                if "journal_opened" in daemon.log:
                    found = found or pages * PAGE_BYTES
        if is_ready and found is not None:
            return found
    raise AssertionError(f"{found}: a start fits as a whole or not at all, or not even with {PAGES} pages")


def test_a_start_that_fits_on_the_disk_by_half_does_not_hang(site: Site, disk: SmallDisk, tmp_path: Path) -> None:
    """At a terminal it is refused; a service waits for space, ends when told to, goes on once there is some."""
    running, waiting = crash(site)
    kept = shutil.copytree(disk.root, tmp_path / "kept")
    room = find_room_for_half(site, disk, kept)
    go_back(disk, kept, room)
    with ServiceManager(site, tmp_path) as manager:
        with manager.start() as daemon:
            assert manager.hear_of("STATUS")["STATUS"].startswith("waits for space")
            assert daemon.stop() == 1
        go_back(disk, kept, room)
        manager.forget()
        with manager.start() as daemon:
            assert manager.hear_of("STATUS")["STATUS"].startswith("waits for space")
            disk.free()
            manager.hear_of("READY")
            client = daemon.follow(since=1)
            assert client.finished(running)["outcome"] == "uncertain"
            assert client.finished(waiting)["answer"] == "after it"
            assert daemon.stop() == 0


def test_a_start_on_a_full_disk_is_refused_at_once_in_a_terminal(site: Site, disk: SmallDisk) -> None:
    """Whoever types is told what is missing, and nothing is changed."""
    with site.running() as daemon:
        daemon.follow().finished(daemon.connect().submit("[[text:kept]]")["id"])
        daemon.kill()
    disk.fill()
    ended = site.refuse()
    assert (ended.code != 0, "full" in ended.log) == (True, True)
    disk.free()
    with site.running() as daemon:
        assert daemon.connect().call("turn.list")["turns"][0]["answer"] == "kept"
