"""The page of the statistics in a browser: its figures, its plots, and what it says where there are none."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.page.guest_page import DESKTOP, OVERFLOW, PHONE, run
from tests.support.browser import Browser
from tests.support.chromedriver import Chromedriver
from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon

pytestmark = pytest.mark.browser

BARS = "[...document.querySelectorAll('.card')].map((card) => card.querySelectorAll('.bar').length)"
CELLS = """[...document.querySelectorAll("tbody")].map(
  (body) => [...body.rows].map((row) => [...row.cells].map((cell) => cell.innerText)))"""
HEIGHTS = """[...document.querySelectorAll(".card:nth-of-type(1) .bar")].map(
  (bar) => Number(bar.getAttribute("height")))"""


@pytest.fixture
def asked(daemon: Daemon, host: ControlClient) -> ControlClient:
    """Have turns of two kinds in the room."""
    with daemon.follow() as follower:
        for text in ("one", "two", "[[error:400]] three"):
            follower.finished(host.submit(text)["id"])
    return host


@pytest.fixture
def link(asked: ControlClient) -> str:
    """Give the address of the page."""
    return str(asked.call("stats.link")["url"])


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def stats(request: pytest.FixtureRequest, chromedriver: Chromedriver, link: str) -> Iterator[Browser]:
    """Give a browser that has the page open, with figures."""
    width, height = request.param
    with chromedriver.open(link, width, height, mobile=width == PHONE[0]) as browser:
        browser.find("#report .plot")
        yield browser


def test_page_shows_what_the_turns_came_to(stats: Browser, asked: ControlClient) -> None:
    """By person and by day, as numbers and as plots, on a screen of any size."""
    figures = asked.call("stats.get")
    people, days = stats.evaluate(CELLS)
    assert [row[1:3] for row in people] == [["3", "3"]]
    assert [row[1:4] for row in days] == [["3", "3", "1 failed"]]
    assert people[0][0] == figures["people"][0]["author"]["name"]
    # A bar for each outcome that there was, and one for each person.
    assert stats.evaluate(BARS)[:3] == [2, 1, 1]
    completed, failed = stats.evaluate(HEIGHTS)
    assert completed == pytest.approx(2 * failed, rel=0.01)
    assert stats.evaluate(OVERFLOW) <= 0
    assert stats.complaints() == []
    assert stats.screenshot(f"statistics-{stats.evaluate('innerWidth')}").exists()


def test_token_leaves_the_address_bar_and_stays_in_the_tab(chromedriver: Chromedriver, link: str) -> None:
    """So that the page can be loaded again, and the address be shown around."""
    with chromedriver.open(link, *DESKTOP) as browser:
        browser.find("#report .plot")
        assert browser.url == link.partition("#")[0]
        browser.reload()
        browser.find("#report .plot")


def test_bad_link_is_told(chromedriver: Chromedriver, link: str) -> None:
    """One that is none, or not good any more."""
    with chromedriver.open(link.partition("#")[0] + "#none", *DESKTOP) as browser:
        browser.find("#problem", "not good any more")
        assert browser.evaluate("document.getElementById('report').hidden")


def figures(**more: Any) -> dict[str, Any]:
    """Make figures of nothing."""
    return {
        "since": "2026-11-18T23:00:00.000Z",
        "until": "2026-11-20T22:59:59.000Z",
        "utc_offset_s": 3600,
        "days": [],
        "people": [],
        "shares": [],
        **more,
    }


def test_every_day_of_the_time_is_there(page: Browser) -> None:
    """As the daemon counts days; a time that ends at midnight has nothing of the day that begins there."""
    body = "return [...args].map((found) => it.datesOf(found));"
    both = run(page, "stats/figures.js", body, figures(), figures(until="2026-11-19T23:00:00.000Z"))
    assert both == [["2026-11-19", "2026-11-20"], ["2026-11-19"]]


def test_people_beyond_the_first_are_one(page: Browser) -> None:
    """Their values are added up; the sum of all is the whole."""
    people = [{"author": None if number == 2 else {"id": f"p{number}", "name": f"P{number}"}} for number in range(9)]
    shares = [
        {"day": "2026-11-20", "author_id": None if number == 2 else f"p{number}", "cost_usd": number + 1}
        for number in range(9)
    ]
    body = "return it.byPerson(args[0], ['2026-11-19', '2026-11-20'], (share) => share.cost_usd);"
    series = run(page, "stats/figures.js", body, figures(people=people, shares=shares))
    assert [each["name"] for each in series] == ["P0", "P1", None, "P3", "P4", "P5", "others"]
    assert [each["values"][1] for each in series] == [1, 2, 3, 4, 5, 6, 7 + 8 + 9]
    seven = run(page, "stats/figures.js", body, figures(people=people[:7], shares=shares[:7]))
    assert [each["name"] for each in seven] == ["P0", "P1", None, "P3", "P4", "P5", "P6"]


@pytest.mark.parametrize(
    ("largest", "step", "top"),
    [(0, 1, 0), (1, 0.25, 1), (4, 1, 4), (7, 2, 8), (0.0123, 0.005, 0.015), (1000, 250, 1000), (1e6 + 1, 5e5, 1.5e6)],
)
def test_scales_are_round(page: Browser, largest: float, step: float, top: float) -> None:
    """And reach over the largest value."""
    found = run(page, "stats/figures.js", "return it.scaleOf(args[0]);", largest)
    assert (found["step"], found["top"]) == (pytest.approx(step), pytest.approx(top))


def test_spreadsheet_computes_nothing_of_a_name(page: Browser) -> None:
    """Names are anybody's; a cell that could end early is quoted."""
    people = [{"author": {"id": "m", "name": '=1+1,"\n', "kind": "guest"}}]
    shares = [{"day": "2026-11-20", "author_id": "m", "prompts": 1, "turns": 1, "cost_usd": -0.5}]
    text = run(page, "stats/documents.js", "return it.toCsv(args[0]);", figures(people=people, shares=shares))
    assert text.partition("\n")[2] == '2026-11-20,m,"\'=1+1,""\n",guest,1,1,,,,-0.5\n'
