"""What the files of the guests' page promise by themselves: nothing becomes HTML, nothing foreign, enough contrast."""

import re
from itertools import product
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "concordiad" / "web"
MODULES = sorted(WEB.rglob("*.js"))
SHEETS = sorted(WEB.rglob("*.css"))
DOCUMENTS = sorted(WEB.glob("*.html"))
MAIN = {"index.html": "js/main.js", "stats.html": "js/stats/main.js"}
"""What each document runs."""

FORBIDDEN = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|setHTML|srcdoc",
    r"\beval\b|new Function|javascript:|setTimeout\(\s*[\"'`]",
    r"setAttribute\(\s*[\"']style|cssText",
    r"location\.(search|href)|URLSearchParams|document\.(cookie|referrer)|window\.name\b",
)
ENDS_OF_WORLD = r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}"
"""An address of elsewhere; the one of the SVG namespace is a name."""

TEXTS = ("text", "dim", "accent", "good", "warn", "bad", "busy", *(f"who-{number}" for number in range(10)))
GROUNDS = ("ground", "surface")
TINTED = [
    *product(("text", "dim"), ("sunk", "accent-soft", "warn-soft", "bad-soft")),
    *product((f"who-{number}" for number in range(10)), ("accent-soft", "warn-soft")),
    *product(("accent", "good"), ("accent-soft", "warn-soft", "sunk")),
    ("on-accent", "accent"),
    *(("ground", f"who-{number}") for number in range(10)),
    ("bad", "warn-soft"),
]


def _code(path: Path) -> str:
    """Return a module without its comments."""
    return re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_puts_nothing_into_the_page_as_html(path: Path) -> None:
    """No module makes HTML, code or style of text, or reads of the address anything but its fragment."""
    for pattern in FORBIDDEN:
        assert re.findall(pattern, _code(path)) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_says_what_it_promises_and_is_short(path: Path) -> None:
    """Every module begins with what it is, and has less than 300 lines."""
    text = path.read_text()
    assert text.startswith("/**\n * ")
    assert text.count("\n") < 300
    assert max(map(len, text.splitlines())) <= 140


def test_only_one_module_reads_the_fragment() -> None:
    """One of each document: the WebSocket is where the page came from, and nothing else reads the address at all."""
    readers = {path.relative_to(WEB).as_posix() for path in MODULES if re.search(r"\blocation\.", _code(path))}
    assert readers == set(MAIN.values())
    read = {name: re.findall(r"location\.(\w+)", _code(WEB / name)) for name in readers}
    assert read == {
        "js/main.js": ["protocol", "host", "hash", "hash", "hash", "reload"],
        "js/stats/main.js": ["hash"],
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_is_what_its_policy_allows(path: Path) -> None:
    """It has no script, style or handler in itself, and everything that it asks for lies beside it."""
    text = path.read_text()
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|<base|<iframe|<form", text) == []
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    asked = re.findall(r'(?:href|src)="([^"]+)"', text)
    assert [name for name in asked if not (WEB / name).is_file()] == []


def test_nothing_comes_from_elsewhere() -> None:
    """No file of the page names an address of another machine."""
    for path in [*MODULES, *SHEETS, *DOCUMENTS, *WEB.glob("*.svg"), *WEB.glob("*.webmanifest")]:
        found = re.findall(ENDS_OF_WORLD, path.read_text().replace("http://www.w3.org/2000/svg", ""))
        assert found == [], path


def _needed(path: Path) -> set[Path]:
    """Return a module and all that it imports, at any remove."""
    found, left = set[Path](), [path]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += [(module.parent / name).resolve() for name in re.findall(r'from "([^"]+)"', module.read_text())]
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_module_is_asked_for_at_once(path: Path) -> None:
    """A document names every module that it needs, so that a phone far away does not ask for one behind the other."""
    named = set(re.findall(r'<link rel="modulepreload" href="([^"]+)">', path.read_text())) | {MAIN[path.name]}
    assert named == {module.relative_to(WEB).as_posix() for module in _needed(WEB / MAIN[path.name])}


def test_every_module_is_needed() -> None:
    """None lies there that no document asks for."""
    assert set(MODULES) == {module for name in MAIN.values() for module in _needed(WEB / name)}


def test_every_import_is_there() -> None:
    """Every module that another one names lies where it says."""
    for path in MODULES:
        for name in re.findall(r'from "([^"]+)"', path.read_text()):
            assert (path.parent / name).resolve().is_file(), (path, name)


def _colours(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", text))


def _luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(scheme: str) -> None:
    """Every colour of text on every ground that it is used on has 4.5 to 1, edges of controls have 3 to 1 (WCAG AA)."""
    light, _, dark = (WEB / "css" / "base.css").read_text().partition("@media (prefers-color-scheme: dark)")
    colours = _colours(light) if scheme == "light" else _colours(light) | _colours(dark.partition("\n}")[0])
    poor = [
        (text, ground, round(_contrast(colours[text], colours[ground]), 2))
        for text, ground in [*product(TEXTS, GROUNDS), *TINTED]
        if _contrast(colours[text], colours[ground]) < 4.5
    ]
    assert poor == []
    assert all(_contrast(colours["edge"], colours[ground]) >= 3 for ground in GROUNDS)
