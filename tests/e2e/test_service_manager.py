"""The daemon under a service manager: what it tells, and the sockets that were open before it."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_client import ControlClient
from tests.support.daemon import READY, Site
from tests.support.patience import PATIENCE_S
from tests.support.service_manager import ServiceManager, files_of, watched

CONFIG_FAULT = 78


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site with a rehearsal agent."""
    return Site(tmp_path)


@pytest.fixture
def manager(site: Site, tmp_path: Path) -> Iterator[ServiceManager]:
    """Yield a service manager for it."""
    with ServiceManager(site, tmp_path) as manager:
        yield manager


def healthz(address: tuple[str, int]) -> int:
    """Ask whether the daemon behind a port turns; returns the HTTP status."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status


def test_ready_is_said_once_it_answers(manager: ServiceManager, site: Site) -> None:
    """At the moment of READY a client that connects is served; the status says how the room is, the log who serves."""
    with manager.start() as daemon:
        said = manager.hear()
        assert said["READY"] == "1"
        assert said["STATUS"].startswith("main ")
        assert daemon.connect().call("daemon.status")["rooms"][0]["name"] == "main"
        daemon.stop()
        assert manager.hear_of("STOPPING")["STOPPING"] == "1"
        assert READY in daemon.log
        # Nobody types where a service's log is read.
        assert "concordiactl" not in daemon.log


def test_nothing_is_said_where_it_cannot_start(manager: ServiceManager, site: Site) -> None:
    """A daemon that refuses to start has not said that it is ready."""
    site.configure({"rooms.main": {"workdir": "/nowhere/at/all"}})
    with manager.start() as daemon:
        assert daemon.wait() == CONFIG_FAULT
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as voice:
        voice.sendto(b"LAST=1", site.environment["NOTIFY_SOCKET"])
    assert manager.hear() == {"LAST": "1"}


def test_status_tells_what_waits(manager: ServiceManager, site: Site) -> None:
    """The status names what a room does for whom, and how many prompts wait."""
    watched(site, 0.3)
    with manager.start() as daemon:
        manager.hear_of("READY")
        client = daemon.follow()
        client.submit("[[hang]]")
        client.next("agent.delta")
        client.submit("[[text:later]]")
        while "1 prompt waits" not in manager.hear_of("STATUS")["STATUS"]:
            pass
        client.call("turn.interrupt")


def test_watchdog_is_fed(manager: ServiceManager, site: Site) -> None:
    """A watched daemon says again and again that it turns."""
    watched(site, 0.3)
    with manager.start():
        for _ in range(5):
            assert manager.hear_of("WATCHDOG")["WATCHDOG"] == "1"


def test_who_connects_before_the_start_is_served(manager: ServiceManager, site: Site) -> None:
    """Connections that were made while there was no daemon are answered by the next one, over two of them."""
    manager.listen(site.socket)
    door = manager.listen(("127.0.0.1", 0)).getsockname()
    site.configure({"guests": {"listen": f"{door[0]}:{door[1]}"}})
    for _ in range(2):
        early = ControlClient(site.socket)
        knocking = socket.create_connection(door)
        knocking.sendall(b"GET /healthz HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (b"127.0.0.1", door[1]))
        with manager.start() as daemon:
            assert early.call("daemon.status")["rooms"][0]["name"] == "main"
            assert knocking.recv(12) == b"HTTP/1.1 200"
            assert healthz(door) == 200
            early.close()
            knocking.close()
            assert daemon.stop() == 0
        assert site.socket.is_socket()


def test_what_is_passed_stays_with_the_daemon(manager: ServiceManager, site: Site) -> None:
    """The agent inherits no socket of ours."""
    manager.listen(site.socket)
    with manager.start() as daemon:
        client = daemon.follow()
        pid = client.next("agent.started")["pid"]
        assert not [place for place in files_of(pid) if place.startswith("socket:")]


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        (["a.sock", "b.sock"], ("two sockets for control", "b.sock")),
        (["door"], ("no table [guests]",)),
        (["datagram"], ("accepts no connections",)),
    ],
)
def test_a_socket_that_is_of_no_use_is_refused_by_name(
    manager: ServiceManager, site: Site, tmp_path: Path, opened: list[str], words: tuple[str, ...]
) -> None:
    """Two of a kind, a door without its table, a socket of a wrong kind: a sentence, and nothing is served."""
    for name in opened:
        match name:
            case "door":
                manager.listen(("127.0.0.1", 0))
            case "datagram":
                manager.listen(tmp_path / "datagram", socket.SOCK_DGRAM)
            case _:
                manager.listen(tmp_path / name)
    with manager.start() as daemon:
        assert daemon.wait() == CONFIG_FAULT
        for word in words:
            assert word in daemon.log


def test_a_door_at_another_address_is_refused(manager: ServiceManager, site: Site) -> None:
    """What the configuration says of the door, its safety above all, is said of that very address."""
    port = manager.listen(("127.0.0.1", 0)).getsockname()[1]
    site.configure({"guests": {"listen": "127.0.0.2:8765"}})
    with manager.start() as daemon:
        assert daemon.wait() == CONFIG_FAULT
        assert f"listens on 127.0.0.1:{port}" in daemon.log
