"""The guests' port of the real daemon: opened as configured, or the daemon says at the start why it cannot be."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S
from tests.support.service_manager import files_of

CONFIG_FAULT = 78
PORT = 8765


@pytest.fixture
def taken() -> Iterator[str]:
    """Give an address that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield "{}:{}".format(*other.getsockname())


def url_of(daemon: Daemon) -> str:
    """Return the page's address from what the daemon announces."""
    return daemon.wait_for_log("  guests: http://").partition("guests: ")[2].partition(",")[0]


def get(url: str, path: str) -> tuple[int, bytes]:
    """Ask for a path."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def sentence(site: Site, *options: str) -> str:
    """Return the one sentence that a daemon refuses with."""
    ended = site.refuse(*options)
    (line,) = [line for line in ended.log.splitlines() if line.startswith("concordiad: ")]
    assert (ended.code, "Traceback" in ended.log) == (CONFIG_FAULT, False)
    return line


def test_configured_door(site: Site) -> None:
    """A daemon with the table says where guests come in and what to type next, and is there once it says so."""
    site.configure({"guests": {"listen": "127.0.0.1:0"}})
    with site.running() as daemon:
        url = url_of(daemon)
        daemon.wait_for_log(" invite create")
        assert get(url, "/healthz") == (200, b"ok\n")
        # A disk that stalls for seconds is told, too.
        deadline = time.monotonic() + PATIENCE_S
        while (answer := get(url, "/readyz")) != (200, b"ok\n"):
            assert time.monotonic() < deadline, answer
        assert get(url, "/nothing")[0] == 404
        silent = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))
        with silent:
            # A stranger who says nothing holds up no stop.
            assert daemon.stop() == 0
            assert silent.recv(1) == b""


def test_no_door_without_the_table(site: Site) -> None:
    """Without the table no port is open, and nobody is told to invite."""
    with site.running() as daemon:
        assert "guests:" not in daemon.log
        assert "invite create" not in daemon.log
        assert listening(daemon) == set()


def test_try_opens_a_door(site: Site) -> None:
    """With --try there is a door on loopback without the table, on another port if its own is taken, which is told."""
    with site.running("--try") as first:
        assert listening(first) == {port_of(first)}
        other = Site(site.home)
        with other.running("--try") as second:
            # Who else on this machine has the port, and for how long, is not known: one of these two does not have it.
            assert port_of(first) != port_of(second)
            for daemon in (first, second):
                assert get(url_of(daemon), "/healthz")[0] == 200
                assert ("door_moved" in daemon.log) == (port_of(daemon) != PORT)


def port_of(daemon: Daemon) -> int | None:
    """Return the port of its door."""
    return urlsplit(url_of(daemon)).port


def listening(daemon: Daemon) -> set[int]:
    """Return the TCP ports that a daemon listens on, as the kernel knows them."""
    names = files_of(daemon.process.pid)
    ports = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{daemon.process.pid}/net/{table}", encoding="ascii") as lines:
            for fields in map(str.split, list(lines)[1:]):
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in names:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def test_port_that_is_taken(site: Site, taken: str) -> None:
    """A configured port that is taken is named, with --try too: its user has chosen it."""
    site.configure({"guests": {"listen": taken}})
    for options in ([], ["--try"]):
        assert f"guests.listen: cannot listen on {taken}: Address already in use" in sentence(site, *options)


def test_port_that_others_reach_without_tls(site: Site) -> None:
    """A port that other machines reach is not opened without TLS, and the reason is said."""
    site.configure({"guests": {"listen": "0.0.0.0:0", "public_url": "https://a.example"}})
    assert "without TLS everybody on the way could read along" in sentence(site)


def test_certificate_that_is_not_there(site: Site) -> None:
    """A certificate that cannot be read is named before any room is opened."""
    site.configure({"guests": {"listen": "127.0.0.1:0", "tls_certificate": "/no/such.pem", "tls_key": "/no/such.key"}})
    assert "guests.tls_certificate /no/such.pem and guests.tls_key /no/such.key cannot be read" in sentence(site)


def test_check_shows_the_door(site: Site) -> None:
    """What is in force for guests can be looked at without starting anything."""
    site.configure({"guests": {"listen": "127.0.0.1:0", "connections": 7}})
    command = [sys.executable, "-P", "-m", "concordiad", f"--config={site.config}", "--check"]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, env=site.environment).stdout)
    assert (shown["guests"]["connections"], shown["guests"]["half_open"]) == (7, 256)


def test_first_configuration_opens_the_door(site: Site) -> None:
    """The configuration that --try writes for somebody who has none has the table, and is one that is understood."""
    command = [sys.executable, "-P", "-m", "concordiad", "--try", "--check"]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, env=site.environment).stdout)
    assert "[guests]" in (site.home / ".config/concordia/concordiad.toml").read_text()
    assert shown["guests"]["listen"] == "127.0.0.1:8765"


def test_query_is_in_no_log(site: Site) -> None:
    """A token that somebody put into a URL or a header by mistake is in no log, with --verbose neither."""
    site.configure({"guests": {"listen": "127.0.0.1:0"}})
    with site.running("--verbose") as daemon:
        for path in ("/?token=hush-hush", "/hush-hush", "/ws?token=hush-hush", "http://hush-hush/"):
            get(url_of(daemon), path)
        assert daemon.stop() == 0
        assert "hush-hush" not in daemon.log


def test_links_in_plain_text_are_warned_of(site: Site) -> None:
    """A proxy that speaks plain text to the world shows every token to whoever carries it."""
    site.configure({"guests": {"listen": "127.0.0.1:0", "public_url": "http://a.example"}})
    with site.running() as daemon:
        assert "https" in daemon.wait_for_log("guests_in_plain_text")
