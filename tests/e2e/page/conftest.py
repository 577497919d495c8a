"""What the tests of the guests' page share: browsers, a daemon with a door, people who come in by links."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.page.guest_page import GuestPage, Invite, Visit
from tests.support.browser import Browser
from tests.support.chromedriver import Chromedriver, run_chromedriver
from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site


@pytest.fixture(scope="session")
def chromedriver() -> Iterator[Chromedriver]:
    """Give what opens browsers."""
    with run_chromedriver() as chromedriver:
        yield chromedriver


@pytest.fixture(scope="module")
def page(chromedriver: Chromedriver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give a browser at the page, from which the modules can be imported."""
    site = Site(tmp_path_factory.mktemp("modules"), {"guests": {"listen": "127.0.0.1:0"}})
    with site.running() as daemon:
        url = daemon.wait_for_log("  guests: http://").partition("guests: ")[2].partition(",")[0]
        with chromedriver.open(url) as browser:
            yield browser
    site.clear()


@pytest.fixture
def site(site: Site) -> Site:
    """Give a place for a daemon with a door for guests."""
    site.configure({"guests": {"listen": "127.0.0.1:0"}})
    return site


@pytest.fixture
def host(daemon: Daemon) -> ControlClient:
    """Give the host's connection."""
    return daemon.connect()


@pytest.fixture
def invite(host: ControlClient) -> Invite:
    """Give what makes links: of a driver unless it is said otherwise."""

    def make(**params: Any) -> str:
        answer = host.call("invite.create", **{"room": "main", "role": "driver", **params})
        return str(answer["invite"]["url"])

    return make


@pytest.fixture
def visit(chromedriver: Chromedriver, invite: Invite) -> Iterator[Visit]:
    """Give what lets somebody in with a new link."""
    pages = []

    def come(name: str, *, is_phone: bool = False, **params: Any) -> GuestPage:
        page = GuestPage(chromedriver, invite(**params), is_phone=is_phone)
        pages.append(page)
        page.join(name)
        return page

    yield come
    for page in pages:
        page.browser.close()
