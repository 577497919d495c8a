"""SIGHUP: the configuration is read again; what it does not change goes on, and a bad one changes nothing."""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ctl.health.units import REFUSED
from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient
from tests.support.daemon import REHEARSAL, Daemon, Site
from tests.support.service_manager import ServiceManager

AT_A_TERMINAL = """
import os, sys
far_end, terminal = os.openpty()
os.set_inheritable(far_end, True)
os.dup2(terminal, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site with a second room."""
    site = Site(tmp_path)
    site.configure({"rooms.docs": room_of(site)})
    return site


def room_of(site: Site, **keys: Any) -> dict[str, Any]:
    """Make the table of a room."""
    return {"workdir": str(site.home), "agent": "rehearsal", **keys}


def reload(daemon: Daemon, word: str = "configuration_reloaded") -> str:
    """Have the configuration read again; returns what the log says of it."""
    daemon.send_signal(signal.SIGHUP)
    return daemon.wait_for_log(word)


def rooms(client: ControlClient) -> dict[str, Any]:
    """Return the open rooms by name."""
    return {room["name"]: room for room in client.call("room.list")["rooms"]}


def test_a_room_is_added_one_is_removed_and_one_goes_on(site: Site) -> None:
    """The turn that runs in a room that is not touched runs on, in the same process."""
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[hang]]")
        client.next("agent.delta")
        before = rooms(client)
        site.configure({"rooms.lab": room_of(site)})
        said = reload(daemon)
        assert '"opened": ["lab"], "closed": ["docs"], "changed": []' in said
        client.call("prompt.submit", room="lab", text="[[text:hello]]")
        after = rooms(client)
        assert "lab" in after
        assert after["main"]["agent"] == before["main"]["agent"]
        assert after["main"]["turn"]["id"] == before["main"]["turn"]["id"]
        client.call("turn.interrupt")
        assert client.finished()["outcome"] == "interrupted"


def test_a_changed_room_ends_its_turn_and_keeps_what_waits(site: Site) -> None:
    """Its agent is another one afterwards, and the prompts that waited are answered by it."""
    site.configure({"rooms.main": {"agent": "other"}, "agents.other": REHEARSAL, "graces": {"turn_s": 0}})
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[hang]]")
        client.next("agent.delta")
        later = client.submit("[[text:later]]")
        site.configure({"graces": {"turn_s": 0}})
        assert '"changed": ["main"]' in reload(daemon)
        assert client.finished()["outcome"] == "interrupted"
        anew = daemon.connect()
        while "main" not in (now := rooms(anew)) or now["main"]["agent"]["name"] == "other":
            pass
        anew.call("events.subscribe", since=0)
        assert anew.finished(later["id"])["answer"] == "later"


def test_a_changed_room_tries_an_api_that_failed(site: Site) -> None:
    """What it failed of may be mended by the change, so nobody waits for what is left of the wait."""
    graces = {"api_wait_s": 600}
    site.configure({"rooms.main": {"agent": "other"}, "agents.other": REHEARSAL, "graces": graces})
    with site.running() as daemon:
        client = daemon.follow()
        for _ in range(3):
            client.submit("[[error:529]]")
        waiting = client.submit("[[text:mended]]")
        client.next("room.changed", state="api-failing")
        site.configure({"graces": graces})
        assert '"changed": ["main"]' in reload(daemon)
        anew = daemon.connect()
        while "main" not in (now := rooms(anew)) or now["main"]["agent"]["name"] == "other":
            pass
        anew.call("events.subscribe", since=0)
        assert anew.finished(waiting["id"])["answer"] == "mended"


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"rooms.docs": {"workdir": "/", "agnt": "rehearsal"}}, "agnt"),
        ({"rooms.docs": {"workdir": "/nowhere/at/all", "agent": "rehearsal"}}, "/nowhere/at/all"),
        ({"rooms.docs": {"workdir": "/", "agent": "nobody"}}, "nobody"),
    ],
)
def test_a_bad_configuration_changes_nothing(site: Site, tables: dict[str, Any], words: str) -> None:
    """It is said why, and every room is as it was."""
    with site.running() as daemon:
        client = daemon.connect()
        before = rooms(client)
        site.configure(tables)
        assert words in reload(daemon, "configuration_refused")
        assert {name: room["workdir"] for name, room in rooms(client).items()} == {
            name: room["workdir"] for name, room in before.items()
        }
        site.configure({"rooms.docs": room_of(site)})
        reload(daemon)


def test_what_only_a_restart_changes_is_named(site: Site) -> None:
    """The guests' port stays as it was bound."""
    with site.running() as daemon:
        site.configure({"rooms.docs": room_of(site), "guests": {"listen": "127.0.0.1:0"}})
        assert '"at_restart": ["guests"]' in reload(daemon)
        daemon.wait_for_log("needs_a_restart")


def test_created_and_paused_rooms_stay_as_they_are(site: Site) -> None:
    """What was done by command is not undone by a file that does not know of it."""
    with site.running() as daemon:
        client = daemon.connect()
        client.call("room.create", name="mine", workdir=str(site.work), agent="rehearsal")
        client.call("room.pause", room="docs")
        site.configure({"rooms.docs": room_of(site, idle_s=60.0)})
        assert '"changed": ["docs"]' in reload(daemon)
        while "docs" not in (now := rooms(client)) or now["docs"]["state"] == "draining":
            pass
        assert now["docs"]["paused"]
        assert "mine" in now


def test_a_room_that_is_closed_while_it_is_replaced_stays_closed(site: Site, gate: Gate) -> None:
    """Whichever hears first of the old room's end: that it is closed for good was acknowledged."""
    names = [f"lab-{number}" for number in range(6)]
    with site.running() as daemon, ExitStack() as connections:
        host = daemon.connect()
        hosts = [connections.enter_context(daemon.connect()) for _ in names]
        for name, closer in zip(names, hosts, strict=True):
            host.call("room.create", name=name, workdir=str(site.home), agent="rehearsal")
            closer.call("events.subscribe", room=name, last=0)
            closer.submit(f"{gate} [[text:late]]", room=name)
            closer.next("turn.started")
            closer.submit("[[text:waits]]", room=name)
        site.configure({"rooms.docs": room_of(site), "agents.rehearsal": {**REHEARSAL, "args": ["--verbose"]}})
        reload(daemon)
        numbers = []
        for name, closer in zip(names, hosts, strict=True):
            numbers.append(closer.request("room.close", room=name))
            closer.next("prompt.cancelled")
        gate.open()
        for number, closer in zip(numbers, hosts, strict=True):
            closer.answer(number)
        assert not rooms(host).keys() & set(names)
    with site.running() as daemon:
        assert sorted(rooms(daemon.connect())) == ["docs", "main"]


def test_the_service_manager_is_told(site: Site, tmp_path: Path) -> None:
    """That it is read again, and what came of it."""
    with ServiceManager(site, tmp_path) as manager, manager.start() as daemon:
        manager.hear_of("READY")
        site.configure({"rooms.docs": {"nonsense": 1}})
        daemon.send_signal(signal.SIGHUP)
        assert manager.hear_of("RELOADING")["MONOTONIC_USEC"].isdigit()
        assert manager.hear_of("READY")["STATUS"].startswith(REFUSED)
        site.configure({})
        daemon.send_signal(signal.SIGHUP)
        manager.hear_of("RELOADING")
        assert manager.hear_of("READY")["STATUS"] == "the configuration was read again"


def test_the_end_of_a_terminal_is_the_wish_to_stop(site: Site) -> None:
    """A daemon in the foreground drains when its terminal goes."""
    with site.start(under=[sys.executable, "-IS", "-c", AT_A_TERMINAL]) as daemon:
        daemon.wait_until_ready()
        daemon.send_signal(signal.SIGHUP)
        assert daemon.wait() == 0
        assert "draining" in daemon.log
