"""
Which parts of a prompt are prose, and which must be taken to the letter; and what makes two prompts the same.

Laws: code is never touched, only its line ends are; in prose, white space is one space; nothing invisible is ever
ignored, so two prompts that look alike and differ in it are different. What is in doubt is taken to the letter.
"""

import enum
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

FENCE: Final = re.compile(r"(```+|~~~+)")
CODE_LINE: Final = re.compile(
    r"[{};\\]$|^[$>|]|^(?:def|class|func|fn)\s\w.*[:({]|^(?:elif\b.*|else|try|except\b.*|finally):$"
    r"|^from\s\S+\simport\b|^import\s\S+$|[=!<>]=|=>|->|:=|&&|\|\||::|</|/>|\s=\s|<\w+>"
)
"""What prose hardly has: it ends or begins like a statement, or has a program's signs. Its spaces count too."""
OWN_LINE: Final = re.compile(r"(?:[-*+•–]|\d+[.)]|[a-zA-Z][.)]|#+)\s")
"""An entry of a list, or a heading: prose, but a line of its own."""
SPAN: Final = re.compile(r"""`[^`]*`|"[^"]*"|«[^«»]*»|「[^「」]*」|『[^『』]*』|(?<!\w)'[^']*'(?!\w)""")
"""What stands in quotes, each kind closed on its own line: CODE_LINE's rule takes care of what is not."""
PAIRS: Final = (("«", "»"), ("「", "」"), ("『", "』"))
SENTENCE_ENDS: Final = tuple(".!?:;…。！？：；")
SHORT_LINE: Final = 40
"""
Characters. Who wraps lines wraps them longer. A shorter one without a full stop may still end something: an entry of a
list that a colon has announced, a line of names, or a no.
"""
NO: Final = re.compile(
    r"\b(?:no|not|never|don't|dont|stop|nein|nicht|non|ne|pas|não|nao|нет|не)\b|不|别|没|ない|아니|لا", re.IGNORECASE
)
FOLDED: Final = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "…": "..."})
"""What phones and word processors put for what was typed."""
COMPATIBLE: Final = re.compile(r"[ﬀ-ﬆ！-～]")
"""
Latin ligatures and full-width ASCII: how something was typeset or typed, and all that is taken from NFKC. The rest of
it would make 2² a 22.
"""


LONGEST: Final = 4000
"""Characters. Reading what is longer would hold the loop, and it is pasted rather than typed twice."""
MOST_LINES: Final = 200
"""The same in lines."""


class Kind(enum.Enum):
    """How a part of a prompt is to be read."""

    PROSE = "prose"
    EXACT = "exact"
    BREAK = "break"


class Part(NamedTuple):
    """
    A piece of a prompt.

    Attributes:
        text: of prose, with single spaces and no line break; what is exact as it was written; empty for a break.
    """

    kind: Kind
    text: str


BREAK: Final = Part(Kind.BREAK, "")


def parts_of(text: str) -> list[Part]:
    """Take a prompt apart; a very long one is one part."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if len(text) > LONGEST or text.count("\n") > MOST_LINES:
        return [Part(Kind.EXACT, text.rstrip())]
    if "\n" not in text:
        text = text.strip()
    parts: list[Part] = []
    lines = text.rstrip().split("\n")
    for part in _paragraphs(lines if len(lines) > 1 else [" ".join(text.split("\t"))]):
        if part.kind is Kind.PROSE:
            parts += _spans(part.text)
        else:
            parts.append(part)
    return parts


def letters_of(parts: Iterable[Part]) -> str:
    """Write parts so that two prompts are the same exactly if this is."""
    return "".join(f"{part.kind.value}{len(part.text)} {part.text}" for part in parts)


def _paragraphs(lines: Iterable[str]) -> Iterator[Part]:
    """Join the lines that belong together; prose still has its quotes in it."""
    gathered: list[str] = []
    fence = ""
    is_apart = is_list = False
    for line in lines:
        if fence or _is_exact(line):
            opened = FENCE.match(line)
            if gathered:
                yield _prose(gathered)
                gathered = []
                yield BREAK
            yield Part(Kind.EXACT, line)
            yield BREAK
            if fence:
                fence = "" if line.strip() == fence else fence
            elif opened is not None:
                fence = opened[1]
            is_apart = False
        elif not line.strip():
            is_apart = bool(gathered) and not gathered[-1].endswith(SENTENCE_ENDS)
        else:
            prose = _typed(line)
            if gathered and (is_apart or _ends_before(gathered[-1], prose, is_list)):
                yield _prose(gathered)
                gathered = []
                yield BREAK
            is_list = is_list or bool(gathered and gathered[-1].endswith((":", "：")))
            gathered.append(prose)
            is_apart = False
    if gathered:
        yield _prose(gathered)


def _is_exact(line: str) -> bool:
    """Tell whether a line is indented, is code or part of a table, or has a quote that does not end in it."""
    if not line or not line.strip():
        return False
    return (
        line[0].isspace()
        or "\t" in line
        or FENCE.match(line) is not None
        or line.count("`") % 2 == 1
        or (line.count('"') + line.count("“") + line.count("”") + line.count("„")) % 2 == 1
        or any(line.count(opening) != line.count(closing) for opening, closing in PAIRS)
        or CODE_LINE.search(SPAN.sub("``", line.rstrip())) is not None
    )


def _ends_before(line: str, following: str, is_list: bool) -> bool:
    """Tell whether a line break between two lines of prose is more than a space."""
    if OWN_LINE.match(following) or OWN_LINE.match(line):
        return True
    if len(line) >= SHORT_LINE or line.endswith(SENTENCE_ENDS):
        return False
    return is_list or NO.search(line) is not None or not any(map(str.isalpha, line.split()))


def _typed(line: str) -> str:
    """Undo what typesetting did to a line of prose, outside its code spans."""
    if line.isascii():
        return line.strip()
    pieces = line.strip().split("`")
    pieces[::2] = [_folded(piece) for piece in pieces[::2]]
    return "`".join(pieces)


def _folded(prose: str) -> str:
    plain = unicodedata.normalize("NFC", prose).translate(FOLDED)
    return COMPATIBLE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), plain)


def _prose(lines: list[str]) -> Part:
    return Part(Kind.PROSE, " ".join(lines))


def _spans(prose: str) -> Iterator[Part]:
    """Part prose from what is quoted in it; a space at a border stays with the prose, and tells whether words touch."""
    at = 0
    for found in SPAN.finditer(prose):
        yield from _plain(prose[at : found.start()])
        yield Part(Kind.EXACT, found[0])
        at = found.end()
    yield from _plain(prose[at:])


def _plain(prose: str) -> Iterator[Part]:
    if prose:
        yield Part(Kind.PROSE, re.sub(r"\s+", " ", prose))
