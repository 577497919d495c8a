"""Reading the documentation and the code as text and trees: headings, tables, examples, constants, calls."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ("README.md", "CHANGELOG.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
SOURCES: Final = sorted((ROOT / "concordiad").rglob("*.py"))


@cache
def page(name: str) -> str:
    """Read a page."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next heading of its level or above."""
    level, found = heading.split(" ", 1)[0], text.partition(f"\n{heading}\n")
    assert found[1], f"there is no heading {heading!r}"
    return re.split(rf"\n#{{1,{len(level)}}} ", found[2])[0]


def tables(text: str) -> list[list[list[str]]]:
    """Return the rows of each table of a text, without their heads; a table begins and ends at an empty line."""
    found = []
    for block in text.split("\n\n"):
        lines = block.strip().split("\n")
        if len(lines) > 1 and lines[1].startswith("| ---"):
            found.append([[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]])
    return found


def rows(text: str) -> list[list[str]]:
    """Return the rows of the first table of a text; none where it has no table."""
    return next(iter(tables(text)), [])


def first_column(text: str) -> list[str]:
    """Return the first cells of the first table of a text, without their backquotes."""
    return [row[0].strip("`") for row in rows(text)]


def examples(text: str) -> Iterator[Any]:
    """Return every JSON value in the blocks of JSON of a text."""
    decoder = json.JSONDecoder()
    for block in blocks(text, "json"):
        rest = block.strip()
        while rest:
            value, end = decoder.raw_decode(rest)
            rest = rest[end:].strip()
            yield value


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, made as the usual forges do."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def constants() -> Iterator[str]:
    """Return every string constant of the daemon's code."""
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def calls(*names: str) -> Iterator[ast.Call]:
    """Return every call of a function or method of these names in the daemon's code."""
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                called = node.func
                if getattr(called, "attr", getattr(called, "id", None)) in names:
                    yield node


def text_of(node: ast.expr) -> str | None:
    """Return a string constant's value; None for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def find(scope: ast.Module, dotted: str) -> ast.AST | None:
    """Find a function, class, method or assigned name in a module."""
    found: ast.AST | None = scope
    for part in dotted.split(".") if dotted else []:
        found = next((node for node in getattr(found, "body", []) if part in _names(node)), None)
    return found


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []
