"""
Chromedriver, which opens headless Chromium for tests: where both are, what they may see of this machine, how they end.

Every browser has a fresh profile, so two of them are two people. It looks up no name, so it reaches nothing but
loopback, and it sees nothing of whoever runs the tests.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.support.browser import SCRIPT_S, Browser, command
from tests.support.daemon import wait_for_end
from tests.support.patience import PATIENCE_S

FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # which neither root nor a container without user namespaces can have; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",  # no port by which others on this machine could take the browser over
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE ::1",
)
BLANK_AT_FIRST: Final = {"session": {"restore_on_startup": 4, "startup_urls": ["about:blank"]}}
"""Preferences: the usual first page, with search and news, would take as long to load as all the rest."""


def require_browser() -> tuple[str, str]:
    """Return the paths of Chromium and chromedriver, or skip the test; with CONCORDIA_REQUIRE_BROWSER=1 fail it."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is not None and chromedriver is not None:
        return chromium, chromedriver
    message = "Chromium or chromedriver is missing: install both (Debian: apt install chromium chromium-driver)"
    if os.environ.get("CONCORDIA_REQUIRE_BROWSER") == "1":
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def run_chromedriver() -> Iterator["Chromedriver"]:
    """Run chromedriver; at the end, however that comes, it and every browser that it has opened are gone."""
    chromium, chromedriver = require_browser()
    # The name is short, because Chromium makes a socket below it.
    with TemporaryDirectory(prefix="concordia-", ignore_cleanup_errors=True) as home:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
        with subprocess.Popen(
            [chromedriver, "--port=0", f"--log-path={home}/chromedriver.log"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        ) as process:
            try:
                yield Chromedriver(_read_port(process), chromium, Path(home))
            finally:
                _end(process.pid, home)


def _read_port(process: subprocess.Popen[bytes]) -> int:
    """Wait until chromedriver says which port it listens on; AssertionError says what it said instead."""
    assert process.stdout is not None
    said, deadline = b"", time.monotonic() + PATIENCE_S
    while (found := re.search(rb"started successfully on port (\d+)", said)) is None:
        ready, _, _ = select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))
        data = os.read(process.stdout.fileno(), 1 << 12) if ready else b""
        assert data, f"chromedriver did not start, but said {said.decode(errors='replace')!r}"
        said += data
    return int(found[1])


def _end(leader: int, home: str) -> None:
    """End chromedriver and its browsers, which are one group of processes, and wait until all have ended."""
    numbers = [number for number in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_in(number, leader, home)]
    os.killpg(leader, signal.SIGKILL)
    for number in numbers:
        wait_for_end(number)


def _is_in(number: int, leader: int, home: str) -> bool:
    """Tell whether a process is of that group, or one that left it: what reports crashes ends when its browser does."""
    try:
        return os.getpgid(number) == leader or home.encode() in Path(f"/proc/{number}/cmdline").read_bytes()
    except (ProcessLookupError, FileNotFoundError):
        return False


class Chromedriver:
    """
    Opens browsers.

    Attributes:
        home: HOME of the browsers, with their profiles and chromedriver's log.
    """

    def __init__(self, port: int, chromium: str, home: Path) -> None:
        self.home = home
        self._port = port
        self._chromium = chromium
        self._opened = 0

    def open(self, url: str = "about:blank", width: int = 1280, height: int = 800, *, mobile: bool = False) -> Browser:
        """Open a page in a new browser, which shows it in an area of that many CSS pixels."""
        self._opened += 1
        profile = self.home / f"profile-{self._opened}"
        capabilities = {
            "goog:chromeOptions": {
                "binary": self._chromium,
                "args": [*FLAGS, f"--user-data-dir={profile}"],
                "prefs": BLANK_AT_FIRST,
            },
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 1000 * SCRIPT_S, "pageLoad": 1000 * PATIENCE_S},
        }
        session = command(self._port, "POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        browser = Browser(self._port, session["sessionId"])
        browser.resize(width, height, mobile=mobile)
        browser.goto(url)
        return browser
