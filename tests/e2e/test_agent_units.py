"""A daemon whose agents run in units of their own: the sockets, the shim and the agents are real."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from concordiad.config.places import AGENT_SOCKET
from tests.support.agent_units import AgentUnits
from tests.support.daemon import READY, REHEARSAL, Site
from tests.support.patience import PATIENCE_S

CONFIG_FAULT = 78


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site whose rehearsal agent has a socket of units."""
    site = Site(tmp_path)
    site.configure({"agents.rehearsal": {**REHEARSAL, "socket": str(tmp_path / "agent.sock")}})
    return site


@pytest.fixture
def units(site: Site, tmp_path: Path) -> Iterator[AgentUnits]:
    """Yield the units; what runs in them has the site's HOME."""
    with AgentUnits(tmp_path / "agent.sock", site.environment) as units:
        yield units


def test_agent_in_a_unit_answers_and_is_drained(site: Site, units: AgentUnits) -> None:
    """A room's agent is the child of its unit's shim; it answers, crashes, comes again, and ends with the daemon."""
    with site.running() as daemon:
        client = daemon.follow()
        pid = client.next("agent.started")["pid"]
        assert f"\nPPid:\t{units.shims[-1].pid}\n" in Path(f"/proc/{pid}/status").read_text()
        assert client.finished(client.submit("hello")["id"])["outcome"] == "completed"
        assert client.finished(client.submit("[[crash:3]]")["id"])["outcome"] != "completed"
        assert client.next("agent.exited")["code"] == 3
        assert client.finished(client.submit("hello again")["id"])["outcome"] == "completed"
        assert daemon.stop() == 0
    assert {shim.wait() for shim in units.shims} == {0}


def test_agents_run_in_the_units_of_the_service(tmp_path: Path) -> None:
    """Where the daemon's own variable names a socket, an agent whose table says nothing of it runs there."""
    site = Site(tmp_path)
    with AgentUnits(tmp_path / "agent.sock", site.environment) as units:
        site.environment[AGENT_SOCKET] = str(units.path)
        with site.running() as daemon:
            pid = daemon.follow().next("agent.started")["pid"]
            assert f"\nPPid:\t{units.shims[-1].pid}\n" in Path(f"/proc/{pid}/status").read_text()
            assert AGENT_SOCKET not in Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.usefixtures("units")
def test_orphan_in_a_unit_is_ended(site: Site) -> None:
    """Without a service manager's hand what an agent leaves behind is still found by its mark."""
    with site.running() as daemon:
        client = daemon.follow()
        assert client.finished(client.submit("[[orphan:600]]")["id"])["outcome"] == "completed"


def test_daemon_without_its_units_refuses_to_start(site: Site, tmp_path: Path) -> None:
    """A socket that is not there is told at the start, with what to do, and under which agent's name."""
    ended = site.refuse()
    assert ended.code == CONFIG_FAULT
    assert (
        f"agents.rehearsal: the socket {tmp_path}/agent.sock of the agent's units is not there: `systemctl enable"
        in ended.log
    )


def test_a_stop_in_the_start_does_not_wait_for_a_unit(site: Site, tmp_path: Path) -> None:
    """Told to stop while an agent's unit does not come up, the daemon ends at once, in order, and blames nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "agent.sock"))
        listener.listen()
        with site.start() as daemon:
            listener.settimeout(PATIENCE_S)
            unit, _ = listener.accept()
            with unit:
                assert daemon.stop() == 0
            assert "gave no answer" not in daemon.log
            assert READY not in daemon.log


def test_a_stop_does_not_wait_for_the_unit_of_a_new_agent(site: Site, units: AgentUnits) -> None:
    """Told to stop while the next agent's unit does not come up, the daemon lets go of it and ends in order."""
    with site.running() as daemon:
        client = daemon.follow()
        client.next("agent.started")
        units.is_held = True
        client.call("room.restart")
        client.next("agent.exited")
        with units.held.get(timeout=PATIENCE_S) as held:
            daemon.send_signal(signal.SIGTERM)
            assert client.next("agent.exited")["reason"].startswith("the room closes")
            assert daemon.stop() == 0
            # The order, and then the end: whoever comes up late has nobody to work for.
            held.settimeout(PATIENCE_S)
            assert b"argv" in held.recv(1024 * 1024)
            assert held.recv(1) == b""
