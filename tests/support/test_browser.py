"""Chromium as the tests drive it, against a small page with the strictest policy."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.browser import BrowserError, Key, Node
from tests.support.chromedriver import Chromedriver, require_browser, run_chromedriver

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
)
PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="page.css"><title>A page</title><h1>A page</h1>
<label>Name <input></label><button>Greet</button><p hidden>Hello, nobody</p><output aria-live="polite"></output>
<script type="module" src="page.js"></script>"""
STYLE = """
body { background: white; color: black }
@media (prefers-color-scheme: dark) { body { background: black; color: white } }
"""
SCRIPT = """
const [field, button, output] = ["input", "button", "output"].map((name) => document.querySelector(name));
button.onclick = () => setTimeout(() => { output.textContent = `Hello, ${field.value}`; }, 30);
field.onkeydown = (event) => { if (event.key === "Enter" && event.ctrlKey) button.click(); };
"""
FILES = {
    "/": ("text/html", PAGE),
    "/page.css": ("text/css", STYLE),
    "/page.js": ("text/javascript", SCRIPT),
    "/favicon.ico": ("image/png", ""),
}


class SmallSite(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with one of the files."""
        kind, text = FILES.get(self.path, ("text/plain", "no such file"))
        self.send_response(200 if self.path in FILES else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Give the address of the page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SmallSite) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("required", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_missing_browser_is_loud(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, required: str, outcome: type[BaseException]
) -> None:
    """Without Chromium a test says how to get it: as a skip, or as a failure where none is allowed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CONCORDIA_REQUIRE_BROWSER", required)
    with pytest.raises(outcome, match="apt install chromium"):
        require_browser()


def test_click_and_type(chromedriver: Chromedriver, url: str) -> None:
    """A field takes what is typed, a button is clicked, and what comes of it later is waited for."""
    page = chromedriver.open(url)
    page.find("input").type("Ada")
    page.find("button", "Greet").click()
    assert (page.find("output", "Hello").text, page.find("input").value) == ("Hello, Ada", "Ada")
    assert page.complaints() == []


def test_keys_go_where_the_focus_is(chromedriver: Chromedriver, url: str) -> None:
    """Tab walks through the page, and keys can be pressed together."""
    page = chromedriver.open(url)
    page.press(Key.TAB)
    page.press("a")
    page.press(Key.CONTROL, Key.ENTER)
    assert page.find("output", "Hello").text == "Hello, a"


def test_only_what_is_shown_is_found(chromedriver: Chromedriver, url: str) -> None:
    """What is hidden is not found, and the failure tells what the page showed instead."""
    page = chromedriver.open(url)
    assert page.find_all("p") == []
    with pytest.raises(AssertionError, match=r"Greet"):
        page.find("p", within_s=0.1)
    page.evaluate("args[0].hidden = false", page.evaluate("document.querySelector('p')"))
    assert [(found.text, found.attribute("hidden")) for found in page.find_all("p", "Hello")] == [
        ("Hello, nobody", None)
    ]


def test_covered_button_is_not_clicked(chromedriver: Chromedriver, url: str) -> None:
    """A click is one that a person could do."""
    page = chromedriver.open(url)
    page.evaluate("document.body.appendChild(document.createElement('dialog')).showModal()")
    with pytest.raises(BrowserError, match="not clickable"):
        page.find("button").click()


def test_waiting_outlives_a_reload(chromedriver: Chromedriver, url: str) -> None:
    """Whoever waits need not know that the page is loaded anew meanwhile."""
    page = chromedriver.open(url)
    page.evaluate("void setTimeout(() => { location.hash = 'room'; location.reload(); }, 30)")
    page.wait_until("performance.getEntriesByType('navigation')[0].type === 'reload'")
    assert page.url == f"{url}#room"


def test_waiting_outlives_a_look_that_nobody_answers(chromedriver: Chromedriver, url: str) -> None:
    """A script whose page goes away at the wrong moment is never answered: whoever waits looks again."""
    page = chromedriver.open(url)
    page.evaluate("void (window.requestAnimationFrame = () => setTimeout(() => { window.hasLooked = true; }))")
    page._call("POST", "/timeouts", {"script": 500})
    assert page.wait_until("window.hasLooked")


def test_two_browsers_share_nothing(chromedriver: Chromedriver, url: str) -> None:
    """Two browsers are two people: what one of them stores, the other does not have."""
    one, other = chromedriver.open(url), chromedriver.open(url)
    one.evaluate("localStorage.setItem('name', 'Ada')")
    one.reload()
    assert [page.evaluate("localStorage.getItem('name')") for page in (one, other)] == ["Ada", None]
    other.close()
    assert one.find("h1").text == "A page"


def test_offline_and_online(chromedriver: Chromedriver, url: str) -> None:
    """The network can be taken away; the page is told, and its requests fail until it is back."""
    page = chromedriver.open(url)
    fetch = "fetch(location, {cache: 'no-store'}).then((answer) => answer.status, () => 'failed')"
    seen = []
    for is_online in (True, False, True):
        page.set_online(is_online)
        seen.append((page.evaluate("navigator.onLine"), page.evaluate(fetch)))
    assert seen == [(True, 200), (False, "failed"), (True, 200)]
    (complaint,) = page.complaints()
    assert "ERR_INTERNET_DISCONNECTED" in complaint


def test_complaints_are_the_policys_too(chromedriver: Chromedriver, url: str) -> None:
    """What the page warns of and what its policy blocks is told once."""
    page = chromedriver.open(url)
    page.evaluate("console.log('fine')")
    page.evaluate("console.warn('odd')")
    page.evaluate("""new Promise((resolve) => {
        addEventListener("securitypolicyviolation", () => resolve());
        document.body.appendChild(document.createElement("img")).src = "/picture.png";
    })""")
    odd, blocked = page.complaints()
    assert "odd" in odd and "Content Security Policy" in blocked
    assert page.complaints() == []


def test_only_loopback_has_a_name(chromedriver: Chromedriver, url: str) -> None:
    """No page can make the browser look anything up."""
    page = chromedriver.open()
    with pytest.raises(BrowserError, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.com/")
    page.goto(url.replace("127.0.0.1", "localhost"))
    assert page.find("h1").text == "A page"


@pytest.mark.parametrize(("width", "mobile", "pixels"), [(380, True, 760), (1280, False, 1280)])
def test_screenshot(
    chromedriver: Chromedriver,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    width: int,
    mobile: bool,
    pixels: int,
) -> None:
    """A picture is as wide as the page is shown, in the pixels of such a screen."""
    monkeypatch.setenv("CONCORDIA_ARTIFACTS", str(tmp_path / "kept"))
    page = chromedriver.open(url, width, mobile=mobile)
    assert page.evaluate("[innerWidth, navigator.maxTouchPoints > 0]") == [width, mobile]
    picture = page.screenshot(f"page-{width}")
    assert picture == tmp_path / "kept" / f"page-{width}.png"
    assert int.from_bytes(picture.read_bytes()[16:20], "big") == pixels  # the width in a PNG's first chunk


def test_dark_and_light(chromedriver: Chromedriver, url: str) -> None:
    """A page is shown to people who like it dark, and to those who like it light."""
    page = chromedriver.open(url)
    seen = []
    for scheme in ("dark", "light"):
        page.prefer(color_scheme=scheme, reduced_motion="reduce")
        seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")


def test_accessibility_tree(chromedriver: Chromedriver, url: str) -> None:
    """What a screen reader would be told has roles, names, and what is read out when it changes."""

    def find(role: str) -> Node:
        (found,) = [node for node in tree if node.role == role]
        return found

    tree = chromedriver.open(url).accessibility_tree()
    assert (find("heading").name, find("textbox").name, find("button").name) == ("A page", "Name", "Greet")
    assert find("status").properties["live"] == "polite"
    assert find("textbox").properties["focusable"]


def test_nothing_is_left(url: str) -> None:
    """A test that fails leaves no process and no file."""
    home, started = Path(), list[int]()
    with pytest.raises(BrowserError), run_chromedriver() as chromedriver:  # noqa: PT012 - this is what fails
        home = chromedriver.home
        page = chromedriver.open(url)
        leaders = {os.getpgid(number) for number in running() if str(home).encode() in command_line(number)}
        started = [number for number in running() if os.getpgid(number) in leaders]
        page.goto("not an address")
    assert len(started) > 5  # chromedriver, the browser, its network, its pages, its reporter of crashes
    assert [command_line(number) for number in started if command_line(number)] == []
    assert not home.exists()


def running() -> list[int]:
    """List the processes that have a command line, which those that have ended have no longer."""
    return [number for number in map(int, filter(str.isdigit, os.listdir("/proc"))) if command_line(number)]


def command_line(number: int) -> bytes:
    """Return a process's command line, nothing if it has ended."""
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
