"""
Other people's text inside a Markdown document: it is shown, and it can be nothing but text.

Laws: no HTML of theirs is HTML, no image of theirs is loaded by whoever opens the document, no link leads to anything
but the web or mail; code stands as it was, in a fence that is longer than any in it; a quoted text cannot end its
quote. So what is a fence and what is a code span is decided here, and written so that Markdown can only agree.
"""

import re
from typing import Final

from ctl.harmless import harmless

_OPENER: Final = re.compile(
    r"(?P<indent>[ \t]*)(?P<marker>(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)"
)
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+#.-]{1,20}")
_BACKTICKS: Final = re.compile(r"`+")
_BORDER: Final = re.compile(r"(?:^|[ \t])[(\[{\"'*_]*$")
_ENTITIES: Final = {"<": "&lt;", "\\<": "&lt;", "\\`": "&#96;"}
"""Signs that not every reader of Markdown takes for escaped after a backslash."""
_PAIRS: Final = ("![", "](", "]:")
"""How an image, a link, and the definition of a link begin to be one."""
_GOOD_LINK: Final = re.compile(r"\]\([ \t]*(?:https?://|mailto:)", re.IGNORECASE)
_PUNCTUATION: Final = re.compile(r"[\\`*_{}\[\]<>()#+!|~&$]")
HARD_BREAK: Final = "  "


def plain(line: str) -> str:
    """Write one line of text so that no character of it is Markdown."""
    return _PUNCTUATION.sub(r"\\\g<0>", harmless(line).replace("\n", " "))


def fenced(text: str, language: str = "") -> str:
    """Write text as a block of code that nothing in the text can end."""
    body = harmless(text).strip("\n")
    longest = max((len(run) for run in _BACKTICKS.findall(body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def quoted(text: str, *, keeps_lines: bool = False) -> str:
    """Write Markdown of theirs as a quote; with `keeps_lines` every line of it stays one."""
    end = HARD_BREAK if keeps_lines else ""
    lines: list[str] = []
    rest = iter(harmless(text).strip("\n").split("\n"))
    for line in rest:
        opener = _OPENER.fullmatch(line)
        if opener is None:
            lines.append(_prose(line) + end)
            continue
        closer = re.compile(rf"[ \t]*{opener['fence'][0]}{{{len(opener['fence'])},}}[ \t]*")
        code = []
        for inside in rest:
            if closer.fullmatch(inside):
                break
            code.append(inside.removeprefix(opener["indent"]))
        language = _LANGUAGE.match(opener["info"])
        lines += [opener["marker"].rstrip()] if opener["marker"] else []
        lines += [*fenced("\n".join(code), language[0] if language else "").split("\n"), ""]
    return "\n".join(f"> {line}".rstrip(" ") if not line.strip() else f"> {line}" for line in lines)


def _prose(line: str) -> str:
    written = ""
    place = 0
    while place < len(line):
        pair = line[place : place + 2]
        if pair[0] == "`":
            end, is_code = _run_of_code(line, place)
            written += line[place:end] if is_code else _ENTITIES["\\`"] * (end - place)
            place = end
        elif pair in _ENTITIES or pair[0] in _ENTITIES:
            sign = pair if pair in _ENTITIES else pair[0]
            written += _ENTITIES[sign]
            place += len(sign)
        elif pair[0] == "\\" and len(pair) == 2:
            # What they escaped stays escaped, and begins nothing with the sign behind it.
            written += pair + ("\\" if line[place + 1 : place + 3] in _PAIRS else "")
            place += 2
        elif pair in _PAIRS and not _GOOD_LINK.match(line, place):
            written += f"{pair[0]}\\{pair[1]}"
            place += 2
        else:
            written += pair[0]
            place += 1
    return written


def _run_of_code(line: str, start: int) -> tuple[int, bool]:
    """
    Find the end of a code span that begins here; else that of its backticks.

    A span ends in its line and in its cell of a table, and no word goes before it: that might be an address, which
    takes all up to the next space with it.
    """
    first, *others = _BACKTICKS.finditer(line, start)
    for closing in others if _BORDER.search(line, 0, start) else ():
        if len(closing[0]) == len(first[0]):
            if "|" in line[first.end() : closing.start()]:
                break
            return closing.end(), True
    return first.end(), False
