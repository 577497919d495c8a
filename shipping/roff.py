"""A manual page out of Markdown, as far as our own documentation uses it: headings, prose, lists, tables, code."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

FENCE: Final = "```"
ITEM: Final = re.compile(r"(?:[-*]|\d+\.) +(?=\S)")
_LINK: Final = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)")
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_SPAN: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|(?<!\w)\*([^*\s][^*]*)\*")
_CELL: Final = re.compile(r"(?<!\\)\|")
_ESCAPES: Final = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha"}
NOTHING: Final = ("", "–")
"""What stands in a cell that says nothing."""


class Page(NamedTuple):
    """
    What stands at the head of a manual page.

    Attributes:
        name: of the page.
        section: of the manual, such as "1".
        summary: what it is about, in half a sentence.
        version: of Concordia.
    """

    name: str
    section: str
    summary: str
    version: str


def manual_page(page: Page, markdown: str) -> str:
    """Write a page for man(1); the text's own title is left out."""
    head = [
        f'.TH "{page.name.upper()}" "{page.section}" "" "Concordia {page.version}" "Concordia"',
        *(".nh", ".ad l", ".SH NAME"),
        f"{escape(page.name)} \\- {escape(page.summary)}",
    ]
    body = list(_blocks(_COMMENT.sub("", markdown).splitlines()))
    described = [] if body[0].startswith(".SH") else [".SH Description"]
    return "\n".join([*head, *described, *body]) + "\n"


def escape(text: str) -> str:
    """Let nothing in a text be taken for troff's own."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    )
    return "\\&" + text if text.startswith(".") else text


def inline(text: str) -> str:
    """Write prose: what is code or strong in bold, what is stressed in italics, links as their words."""
    text = _LINK.sub(r"\1", text).replace("\\|", "|")
    parts: list[str] = []
    end = 0
    for span in _SPAN.finditer(text):
        code, strong, stressed = span.groups()
        parts.append(escape(text[end : span.start()]))
        parts.append(f"\\fI{inline(stressed)}\\fR" if stressed else f"\\fB{escape(code or strong)}\\fR")
        end = span.end()
    written = "".join([*parts, escape(text[end:])])
    return "\\&" + written if written.startswith(("\\fB.", "\\(aq")) else written


def _blocks(lines: list[str]) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line = lines[place]
        if line.startswith(FENCE):
            end = next((at for at in range(place + 1, len(lines)) if lines[at].startswith(FENCE)), len(lines))
            yield from (".PP", ".RS 4", ".nf", *map(escape, lines[place + 1 : end]), ".fi", ".RE")
            place = end + 1
            continue
        end = place + 1
        if line.startswith("|"):
            while end < len(lines) and lines[end].startswith("|"):
                end += 1
            yield from _table([_cells(row) for row in lines[place:end]])
        elif line.startswith("#"):
            yield from _heading(line)
        elif line.strip():
            while end < len(lines) and not _begins_anew(lines[end]):
                end += 1
            first = ITEM.sub("", line, count=1)
            head = ".PP" if first == line else ".IP \\(bu 2"
            yield from (head, inline(" ".join(part.strip() for part in (first, *lines[place + 1 : end]))))
        place = end


def _begins_anew(line: str) -> bool:
    """Tell whether a line belongs to no paragraph before it."""
    return not line.strip() or line.startswith((FENCE, "#", "|")) or ITEM.match(line) is not None


def _heading(line: str) -> Iterator[str]:
    title = line.lstrip("#")
    depth = len(line) - len(title)
    if depth > 1:
        yield f".{'SH' if depth == 2 else 'SS'} {inline(title.strip())}"


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in _CELL.split(row.strip())[1:-1]]


def _table(rows: list[list[str]]) -> Iterator[str]:
    """Write a table as a list: the first cell, then what the last one says, then the others by their headings."""
    header, body = rows[0], rows[2:]
    for row in body:
        yield from (".TP", inline(row[0]) or "\\&")
        told = inline(row[-1])
        others = [(name, cell) for name, cell in zip(header[1:-1], row[1:-1], strict=True) if cell not in NOTHING]
        yield told if len(row) > 1 else "\\&"
        if others:
            yield from (".br", inline("; ".join(f"*{name}* {cell}" for name, cell in others)))
