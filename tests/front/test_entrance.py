"""The guests' port before anybody is let in: what it is bound to, what links are made of, and its descriptors."""

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from concordiad.config.doors import Guests
from concordiad.errors import ConfigError
from concordiad.front.entrance import bind_door, fit_to_descriptors, most_connections


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """Give a socket that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other


def place_of(listening: socket.socket) -> str:
    """Return a socket's address as the configuration has it."""
    return "{}:{}".format(*listening.getsockname())


def test_bound_port_does_not_answer_yet() -> None:
    """What is bound waits in the kernel for whoever accepts, does not block, and is not inherited by any child."""
    with (
        bind_door(Guests(listen="127.0.0.1:0"), may_move=False) as entrance,
        socket.create_connection(entrance.listening.getsockname()),
    ):
        assert (entrance.listening.gettimeout(), entrance.listening.get_inheritable()) == (0.0, False)


def test_port_can_be_bound_again_at_once() -> None:
    """A daemon that is started anew has its port, though the kernel remembers a connection that the old one closed."""
    with bind_door(Guests(listen="127.0.0.1:0"), may_move=False) as entrance:
        place = place_of(entrance.listening)
        with socket.create_connection(entrance.listening.getsockname()) as client:
            entrance.listening.accept()[0].close()
            assert client.recv(1) == b""
    with bind_door(Guests(listen=place), may_move=False):
        pass


@pytest.mark.parametrize("may_move", [False, True])
def test_port_that_is_taken(taken: socket.socket, may_move: bool) -> None:
    """A port that somebody asked for and that is taken is named, with --try as well."""
    with (
        pytest.raises(ConfigError, match=f"guests.listen: cannot listen on {place_of(taken)}: Address already in use"),
        bind_door(Guests(listen=place_of(taken)), may_move=may_move),
    ):
        pass


def test_default_port_that_is_taken(taken: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """To try Concordia, any free port will do instead of the default one; otherwise it is refused."""
    monkeypatch.setattr("concordiad.front.entrance.DEFAULT_LISTEN", place_of(taken))
    settings = Guests(listen=place_of(taken))
    with bind_door(settings, may_move=True) as entrance:
        port = entrance.listening.getsockname()[1]
        assert port not in (0, taken.getsockname()[1])
        assert entrance.url == f"http://127.0.0.1:{port}"
        assert f"127.0.0.1:{port}".encode() in entrance.names.hosts
    with pytest.raises(ConfigError), bind_door(settings, may_move=False):
        pass


def test_address_of_somebody_else() -> None:
    """An address that is not this machine's is named."""
    with (
        pytest.raises(ConfigError, match=r"guests.listen: cannot listen on 192\.0\.2\.1:1: Cannot assign"),
        bind_door(Guests(listen="192.0.2.1:1", behind_proxy=True), may_move=True),
    ):
        pass


@pytest.mark.parametrize(
    ("public_url", "url"),
    [
        ("https://a.example", "https://a.example"),
        ("https://A.Example:443/", "https://a.example"),
        ("http://a:8000", "http://a:8000"),
    ],
)
def test_public_url_is_what_links_are_made_of(public_url: str, url: str) -> None:
    """Where one is configured, links are made of it, in the form that browsers give it."""
    with bind_door(Guests(listen="127.0.0.1:0", public_url=public_url), may_move=False) as entrance:
        assert entrance.url == url


@pytest.fixture
def descriptors() -> Iterator[tuple[int, int]]:
    """Give the limits of this process back as they were."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_limit_of_descriptors_is_raised(descriptors: tuple[int, int]) -> None:
    """A soft limit that is too low is raised as far as it is needed; one that suffices is left alone."""
    settings = Guests(connections=100, half_open=50)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, descriptors[1]))
    assert fit_to_descriptors(settings, 10) == settings
    enough = most_connections(settings) + 10 + 256
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == enough
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough + 7, descriptors[1]))
    assert fit_to_descriptors(settings, 10) == settings
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == enough + 7


def test_hard_limit_of_descriptors_costs_guests_their_places() -> None:
    """Where the limit cannot be raised, there are fewer guests, and the control socket keeps what it needs."""
    program = """if True:
        import resource
        from concordiad.config.doors import Guests
        from concordiad.front.entrance import fit_to_descriptors
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 1024))
        for half_open in (50, 500):
            print("places", fit_to_descriptors(Guests(connections=600, half_open=half_open), 512).connections)
        print("limit", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    """
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    lines = [line for line in said.splitlines() if line.startswith(("places", "limit"))]
    assert lines == [f"places {1024 - 512 - 256 - 2 * 50}", "places 1", "limit 1024"]
