"""
Which parts of a prompt are prose, and which must be taken to the letter; and what makes two prompts the same.

Laws: code is never touched, only its line ends are; in prose, blanks are one space; nothing invisible is ever
ignored, so two prompts that look alike and differ in it are different. What is in doubt is taken to the letter: a
typographic quote or a wide letter may be what is asked about.
"""

import enum
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from concordiad.core.courtesy import LITERAL, QUOTING, RESTRICTING
from concordiad.core.openers import PLACING, QUESTIONS, WORKING
from concordiad.core.pieces import Pieces, whole
from concordiad.core.spelled import listed

FENCE: Final = re.compile(r"(```+|~~~+)")
CODE_LINE: Final = re.compile(
    r"[{};\\]$|^[$>|]|^(?:def|class|func|fn)\s\w.*[:({]|^(?:elif\b.*|else|try|except\b.*|finally):$"
    r"|^from\s\S+\simport\b|^import\s\S+$|[=!<>]=|=>|->|:=|&&|\|\||::|</|/>|\s=\s|<\w+>"
)
"""What prose hardly has: it ends or begins like a statement, or has a program's signs. Its spaces count too."""
OWN_LINE: Final = re.compile(r"(?:[-*+•–]|\d+[.)]|[a-zA-Z][.)]|#+)\s")
"""An entry of a list, or a heading: prose, but a line of its own."""
SPAN: Final = re.compile(
    r"""`[^`]*`|"[^"]*"|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»|「[^「」]*」|『[^『』]*』|《[^《》]*》|(?<!\w)['‘][^'‘’]*['’](?!\w)"""
)
"""What stands in quotes, each kind closed on its own line: CODE_LINE's rule takes care of what is not."""
PAIRS: Final = (("«", "»"), ("「", "」"), ("『", "』"))
BLANKS: Final = " \t"
SEVERAL_BLANKS: Final = re.compile(f"[{BLANKS}]{{2,}}|\t")
"""Other white space may be what is asked about."""
SHORT_LINE: Final = 32
"""Characters. Who wraps lines wraps them longer; a shorter one may be a command, a name or an entry of a list."""
PROSAIC: Final = re.compile(r"(?:[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,]\d+)*)[.,;!?]*")
"""A word of prose with its marks: no flag, no path, no name with signs in it, no key with its colon."""
SMALL_WORD: Final = re.compile(
    r"\b(?:a|an|and|of|the|this|that|to|is|it|der|die|das|und|zu|le|la|les|et|de|el|los|que|o|os|e)\b", re.IGNORECASE
)
"""What sentences have and commands lack."""
HANGING: Final = re.compile(
    r",$|\b(?:a|an|and|are|as|at|be|because|but|by|can|do|does|for|from|has|have|how|if|in|is|my|not|of|on|or|our"
    r"|should|than|that|the|their|then|this|to|until|was|were|what|when|where|which|while|who|why|will|with|your"
    r"|das|dem|den|der|die|ein|eine|et|für|la|le|les|mit|und|y|zu|de|el|los)$"
)
"""Behind one of these no sentence ends, so that a line that does was wrapped."""
FEWEST_SMALL_WORDS: Final = 2
SENTENCE: Final = re.compile(r"\w.*\s.*[^\W\d_]{2}[.!?]$")
"""A line that ends a sentence of at least two words."""

MARKS_IN_A_ROW: Final = re.compile(r"[^\x00-\x7f\w\s]{31}")
"""More than 30 combining marks no text has (Unicode Standard Annex 15, 12.1), and sorting them takes their square."""
EVERY_WORD: Final = re.compile(r"-?[^\W\d_]+(?:['’][^\W\d_]+)*")
SPACED: Final = LITERAL | QUOTING | {"align", "blank", "blanks", "change", "convert", "indent", "space", "spaces"}
"""Where one of these stands, a prompt may be about its blanks."""
LINED: Final = QUOTING | frozenset(
    ("line", "lines", "poem", "say", "says", "song", "string", "text", "title", "verse", "words")
)
"""Where one of these stands, a line may be a line of what is to be written."""
PARTED: Final = (LINED | PLACING).difference(
    ("ask", "ensure", "find", "get", "give", "handle", "help", "keep", "leave", "let", "measure", "rename", "search"),
    ("show", "skip", "turn", "use", "wait", "fais", "mach", "mache", "montre", "muestra", "mostra", "zeig", "zeige"),
) | listed(
    """
    body changelog commit commits content contents description entries entry exactly file following follows footer
    header heading headline input list motd note notes paragraph paragraphs readme release report sentence sentences
    subject template verbatim
    absatz eintrag ersetze gedicht hinweis zeile zeilen
    ligne lignes pied poème texte titre
    línea líneas nota poema texto título
    """
)
"""Where one of these stands, so may a whole sentence that ends its line."""
DOUBLED: Final = re.compile(r"\t|  ")
"""More than a space between two words."""

LONGEST: Final = 4000
"""Characters. Reading what is longer would hold the loop, and it is pasted rather than typed twice."""
MOST_LINES: Final = 200
"""The same in lines."""
STRIPPED: Final = 32 * 1024
"""Characters that are looked at in one go where blanks are left out at the ends."""
PARTS: Final = 64
"""Parts that are made in one go."""
LINES: Final = 4
"""Lines that are read in one go."""


class Kind(enum.StrEnum):
    """How a part of a prompt is to be read."""

    PROSE = "prose"
    EXACT = "exact"
    BREAK = "break"


class Part(NamedTuple):
    """
    A piece of a prompt.

    Attributes:
        text: of prose, with single spaces and no line break; what is exact as it was written; of a break, what it is
            more than the end of a sentence.
    """

    kind: Kind
    text: str


GOING_ON: Final = WORKING | QUESTIONS | {"also", "and", "but", "do", "don't", "first", "next", "now", "please", "then"}
"""A sentence on a line of its own that begins so is a further order or question, and no line of a text."""
BREAK: Final = Part(Kind.BREAK, "")
KEPT: Final = Part(Kind.BREAK, "\n")
"""A break that says more than the end of a sentence does."""


def parts_of(text: str) -> list[Part]:
    """Take a prompt apart at a stretch, as `parting` does."""
    return whole(parting(text))


def parting(text: str) -> Pieces[list[Part]]:
    """Take a prompt apart; a very long one is one part."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        yield
        text = text.replace("\r", "\n")
        yield
    text = yield from _stripped(text, "\n")
    if len(text) > LONGEST or text.count("\n") > MOST_LINES:
        yield
        end = yield from _end_of(text, BLANKS + "\n")
        return [Part(Kind.EXACT, text[:end])]
    is_decomposed = not (text.isascii() or MARKS_IN_A_ROW.search(text)) and unicodedata.is_normalized("NFD", text)
    if "\n" not in text:
        text = text.strip(BLANKS)
    parts: list[Part] = []
    lines = text.rstrip(BLANKS + "\n").split("\n")
    if len(lines) == 1:
        if DOUBLED.search(text) is not None and SPAN.search(text) is None and _has(text, SPACED):
            return [Part(Kind.EXACT, text)]
        lines = [" ".join(text.split("\t"))]
    read = 0
    may_wrap = len(lines) > 1 and not _has(text, LINED)
    may_join = may_wrap and not _has(text.rstrip(BLANKS + "\n").rpartition("\n")[0], PARTED)
    for part in _paragraphs(lines, may_wrap=may_wrap, may_join=may_join):
        if part is None:
            read += 1
            if not read % LINES:
                yield
            continue
        for piece in _spans(part.text, is_decomposed) if part.kind is Kind.PROSE else (part,):
            parts.append(piece)
            if not len(parts) % PARTS:
                yield
    return parts


def _stripped(text: str, blanks: str) -> Pieces[str]:
    """Leave out blanks at both ends, which may be all that there is."""
    start = 0
    while len(text) - start > STRIPPED and not text[start : start + STRIPPED].strip(blanks):
        start += STRIPPED
        yield
    text = text[start:].lstrip(blanks)
    end = yield from _end_of(text, blanks)
    return text[:end]


def _end_of(text: str, blanks: str) -> Pieces[int]:
    """Find where the blanks at a text's end begin."""
    end = len(text)
    while end > STRIPPED and not text[end - STRIPPED : end].strip(blanks):
        end -= STRIPPED
        yield
    last = max(end - STRIPPED, 0)
    return last + len(text[last:end].rstrip(blanks))


def letters_of(parts: Iterable[Part]) -> str:
    """Write parts so that two prompts are the same exactly if this is."""
    return "".join(f"{part.kind}{len(part.text)} {part.text}" for part in parts)


def _has(text: str, words: Collection[str]) -> bool:
    return any(word in words or word.endswith(("n't", "n’t")) for word in EVERY_WORD.findall(text.lower()))


def _paragraphs(lines: Iterable[str], *, may_wrap: bool, may_join: bool) -> Iterator[Part | None]:
    """
    Join the lines that belong together; prose still has its quotes in it. None with each line.

    Args:
        may_wrap: lines may go on in the next one.
        may_join: whole sentences on lines of their own say the same on one.
    """
    gathered: list[str] = []
    fence = ""
    is_apart = False
    for line in lines:
        yield None
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
            is_apart = bool(gathered)
        else:
            prose = line.strip(BLANKS)
            if gathered and _ends_before(gathered[-1], prose, may_wrap=may_wrap and not is_apart, may_join=may_join):
                yield _prose(gathered)
                gathered = []
                yield KEPT
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


def _ends_before(line: str, following: str, *, may_wrap: bool, may_join: bool) -> bool:
    """Tell whether a line break is more than a space; it is, unless both lines are plain prose."""
    if OWN_LINE.match(following) or OWN_LINE.match(line) or not (_is_plain(line) and _is_plain(following)):
        return True
    if SENTENCE.search(line):
        return not (may_join and following[0].isupper() and following.split(None, 1)[0].lower() in GOING_ON)
    if not may_wrap or len(line) < SHORT_LINE:
        return True
    if HANGING.search(line) is not None:
        return False
    # "don't touch the old ones" may reach over a space, and never over the end of a line.
    return len(SMALL_WORD.findall(line)) < FEWEST_SMALL_WORDS or _has(line, RESTRICTING)


def _is_plain(line: str) -> bool:
    return all(PROSAIC.fullmatch(word) for word in SPAN.sub("quoted", line).split())


def _prose(lines: list[str]) -> Part:
    return Part(Kind.PROSE, " ".join(lines))


def _spans(prose: str, is_decomposed: bool) -> Iterator[Part]:
    """Part prose from what is quoted in it; a space at a border stays with the prose, and tells whether words touch."""
    exact, at = Kind.EXACT, 0
    for found in SPAN.finditer(prose):
        start, end = found.span()
        if start > at:
            yield _plain(prose[at:start], is_decomposed)
        yield Part(exact, found[0])
        at = end
    if at < len(prose):
        yield _plain(prose[at:], is_decomposed)


def _plain(prose: str, is_decomposed: bool) -> Part:
    """Write prose in composed letters only if it has no others: "é" in both forms may be asked about."""
    composed = unicodedata.normalize("NFC", prose) if is_decomposed else prose
    return Part(Kind.PROSE, SEVERAL_BLANKS.sub(" ", composed))
