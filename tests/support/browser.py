"""
A page in a browser, driven by the W3C WebDriver protocol over loopback; chromedriver.py opens it.

JavaScript is given as an expression over the array `args`. It is compiled by the browser's debugger and not by the
page, so that no Content-Security-Policy stands in its way. All waiting is done inside the page.
"""

import base64
import contextlib
import http.client
import json
import os
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from tests.support.daemon import ROOT
from tests.support.patience import PATIENCE_S

ANSWER_S: Final = 2 * PATIENCE_S
"""How long chromedriver may take for one answer; longer than all that is asked of it."""
SCRIPT_S: Final = 30.0
"""How long it waits for what a script in the page gives; of one whose page goes away just then it may never hear."""
LOOK_S: Final = 5.0
"""How long a script in the page waits for something before it is given to the page anew."""

ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
"""The key by which WebDriver tells an element from an object (W3C WebDriver, section 12.1)."""

# The animation frames of a page that is shown come at 60 Hz; unlike a MutationObserver, they also see what is no
# change of the document: a field's value, the connection's state, what is in the page's storage.
WAIT: Final = """
const [args, within_ms, done] = arguments;
const deadline = performance.now() + within_ms;
const look = () => {
  let value = null, error = null;
  try { value = (%s); } catch (thrown) { error = String(thrown); }
  if (value || performance.now() > deadline) done([value, error]); else requestAnimationFrame(look);
};
look();
"""
SHOWN: Final = """[...document.querySelectorAll(args[0])].filter(
  (element) => element.checkVisibility({visibilityProperty: true}) && (element.innerText ?? "").includes(args[1]))"""


class Key(StrEnum):
    """Keys that are no character (W3C WebDriver, section 17.4.2)."""

    BACKSPACE = "\ue003"
    TAB = "\ue004"
    ENTER = "\ue007"
    SHIFT = "\ue008"
    CONTROL = "\ue009"
    ALT = "\ue00a"
    ESCAPE = "\ue00c"
    PAGE_UP = "\ue00e"
    PAGE_DOWN = "\ue00f"
    END = "\ue010"
    HOME = "\ue011"
    LEFT = "\ue012"
    UP = "\ue013"
    RIGHT = "\ue014"
    DOWN = "\ue015"
    DELETE = "\ue017"


class BrowserError(Exception):
    """Chromedriver refused a command: a click that would hit something else, an element that is gone."""


class Node(NamedTuple):
    """What a screen reader is told of one thing: its role, its name, and properties such as `live` or `focusable`."""

    role: str
    name: str
    properties: Mapping[str, Any]


class Browser:
    """One browser with one page; a context manager that closes it, though its chromedriver's end does that as well."""

    def __init__(self, port: int, session: str) -> None:
        self._port = port
        self._path = f"/session/{session}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; its profile is of no more use."""
        self._call("DELETE", "")

    @property
    def url(self) -> str:
        """The page's address, with its fragment."""
        return str(self._call("GET", "/url"))

    def goto(self, url: str) -> None:
        """Go to a page and wait until it has loaded."""
        self._call("POST", "/url", {"url": url})

    def reload(self) -> None:
        """Load the page again and wait until it has loaded."""
        self._call("POST", "/refresh", {})

    def find(self, css: str, text: str = "", within_s: float = PATIENCE_S) -> "Element":
        """Wait for an element that is shown, with `text` in it, and return it, the first if there are several."""
        element = self.wait_until(f"{SHOWN}[0]", css, text, within_s=within_s)
        assert isinstance(element, Element)
        return element

    def find_all(self, css: str, text: str = "") -> list["Element"]:
        """Return the elements that are shown right now, with `text` in them."""
        return list(self.evaluate(SHOWN, css, text))

    def evaluate(self, expression: str, *args: Any) -> Any:
        """Return what a JavaScript expression over `args` gives, or what it is the promise of."""
        body = {"script": f"const args = arguments; return ({expression});", "args": _packed(args)}
        return self._unpacked(self._call("POST", "/execute/sync", body))

    def wait_until(self, expression: str, *args: Any, within_s: float = PATIENCE_S) -> Any:
        """
        Wait until a JavaScript expression over `args` is true, and return its value; the page may reload meanwhile.

        An expression that throws is not true yet: `document.querySelector("h1").innerText` may be awaited.

        Raises:
            AssertionError: it was not true in time; says what the page showed and what it complained about.
        """
        until = time.monotonic() + within_s
        left_s, error = within_s, None
        while left_s > 0:
            value, error = self._look(expression, args, min(left_s, LOOK_S))
            if value:
                return self._unpacked(value)
            left_s = until - time.monotonic()
        shown = self.evaluate("document.body.innerText")
        raise AssertionError(
            f"not within {within_s:g} s: {expression} of {args} ({error=}). {self.url} shows\n{shown}\n"
            f"and complained: {self.complaints()}"
        )

    def _look(self, expression: str, args: tuple[Any, ...], within_s: float) -> tuple[Any, str | None]:
        body = {"script": WAIT % expression, "args": [_packed(args), 1000 * within_s]}
        try:
            value, error = self._call("POST", "/execute/async", body)
        except BrowserError as fault:
            if not str(fault).startswith("script timeout"):
                raise
            return None, str(fault)
        return value, error

    def press(self, *keys: str) -> None:
        """Press keys together, such as Key.CONTROL and Key.ENTER, wherever the focus is."""
        down = [{"type": "keyDown", "value": key} for key in keys]
        up = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [*down, *up]}]})

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Show the page in an area of that many CSS pixels; `mobile`: as a phone does, with touch."""
        scale = 2 if mobile else 1
        self.cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def prefer(self, **features: str) -> None:
        """Prefer what CSS can ask for, and nothing else any longer: color_scheme="dark", reduced_motion="reduce"."""
        named = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.cdp("Emulation.setEmulatedMedia", features=named)

    def set_online(self, is_online: bool) -> None:
        """
        Take the network away from what the page wants to load or connect to, or give it back; the page is told.

        A WebSocket that is open already stays so, and carries on: that one is the server's to cut.
        """
        conditions = {"offline": not is_online, "latency": 0, "download_throughput": -1, "upload_throughput": -1}
        self._call("POST", "/chromium/network_conditions", {"network_conditions": conditions})

    def screenshot(self, name: str) -> Path:
        """Keep a picture of what is shown, as NAME.png in $CONCORDIA_ARTIFACTS or build/artifacts; returns its path."""
        directory = Path(os.environ.get("CONCORDIA_ARTIFACTS") or ROOT / "build" / "artifacts")
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{name}.png"
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))
        return path

    def complaints(self) -> list[str]:
        """Return the warnings and errors since this was asked last: the page's own, its policy's, the network's."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [f"{entry['level']}: {entry['message']}" for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def accessibility_tree(self) -> list[Node]:
        """Return what a screen reader is told: the page first, and what is in a thing somewhere after it."""
        nodes = self.cdp("Accessibility.getFullAXTree")["nodes"]
        return [
            Node(
                str(node["role"]["value"]),
                str(node.get("name", {}).get("value", "")),
                {item["name"]: item["value"].get("value") for item in node.get("properties", ())},
            )
            for node in nodes
            if not node["ignored"]
        ]

    def cdp(self, method: str, **params: Any) -> Any:
        """Make a call of the Chrome DevTools Protocol and return its result."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": method, "params": params})

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return command(self._port, method, self._path + path, body)

    def _unpacked(self, value: Any) -> Any:
        """Return a script's result with elements in it."""
        if isinstance(value, list):
            return [self._unpacked(item) for item in value]
        if isinstance(value, dict):
            if ELEMENT in value:
                return Element(self, value[ELEMENT])
            return {key: self._unpacked(item) for key, item in value.items()}
        return value


class Element:
    """An element of a page; of no use any longer once the page is another or without it."""

    def __init__(self, browser: Browser, name: str) -> None:
        self.name = name
        self._browser = browser
        self._path = f"/element/{name}"

    @property
    def text(self) -> str:
        """Its text, as it is shown."""
        return str(self._browser.evaluate("args[0].innerText", self))

    @property
    def value(self) -> str:
        """What is in it, if it is a field of a form."""
        return str(self._browser.evaluate("args[0].value", self))

    def attribute(self, name: str) -> str | None:
        """Return the attribute as it is in the document, None where it is not."""
        found = self._browser.evaluate("args[0].getAttribute(args[1])", self, name)
        return None if found is None else str(found)

    def click(self) -> None:
        """Scroll to it and click it; BrowserError if something else is on top of it or it is not shown."""
        self._browser._call("POST", f"{self._path}/click", {})

    def type(self, text: str) -> None:
        """Focus it and type; a newline is the key Enter."""
        self._browser._call("POST", f"{self._path}/value", {"text": text})

    def clear(self) -> None:
        """Empty it, if it is a field of a form."""
        self._browser._call("POST", f"{self._path}/clear", {})


def _packed(args: tuple[Any, ...]) -> list[Any]:
    """Return a script's arguments, elements among them, as WebDriver wants them."""
    return [{ELEMENT: item.name} if isinstance(item, Element) else item for item in args]


def command(port: int, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Give chromedriver a command and return its answer's value; BrowserError if it refuses."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body))
        value = json.loads(connection.getresponse().read())["value"]
    if isinstance(value, dict) and "error" in value:
        raise BrowserError(f"{value['error']}: {value['message']}")
    return value
