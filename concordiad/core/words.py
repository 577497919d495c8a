"""
The words and signs of a prompt, one after the other.

Laws: nothing is left out but white space; only an ordinary word at the beginning of a sentence loses its capital
letter, for elsewhere a capital may be a name; what is no ordinary word (a number, an identifier, a path, a flag) is
taken to the letter.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from concordiad.core.layout import Kind, Part
from concordiad.core.spelled import ACRONYMS, HYPHENED, NAMES, POLITE_FORMS, PREDICATES, PRONOUNS, SPELLED_OUT
from concordiad.core.spelling import respelled

LETTER: Final = "="
"""Stands before what is taken to the letter, so that it never equals a word."""
GLUE: Final = "+"
"""Between two pieces that touch each other without a space."""
STOP: Final = "."
ASK: Final = "?"
PAUSE: Final = ","
SIGNS: Final = frozenset({STOP, ASK, PAUSE, ":"})
WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
MARKS: Final = ".,;:!?。，；：！？、؟،؛"
WIDE_MARK: Final = re.compile(r"([。，；：！？、]|(?<=[㐀-鿿぀-ヿ])[,;:!?](?=[㐀-鿿぀-ヿ]))")
"""Behind these no space is written."""
HAN_BESIDE_ASCII: Final = re.compile(r"(?<=[㐀-鿿぀-ヿ])(?=[A-Za-z]+(?:[^\x21-\x7e]|$))|(?<=[A-Za-z])(?=[㐀-鿿぀-ヿ])")
"""Where Chinese and Japanese meet a Latin word; whether there is a space is a matter of taste."""
BEGINNINGS: Final = re.compile(r"^(?:麻烦你|麻烦|请帮我|帮我|请(?![求教假客柬示愿问])|請(?![求教假客柬示願問]))+")
ENDINGS: Final = re.compile(r"(?<=[てで])(?:ください|下さい)$|(?<=[해어아])(?:주세요|줘요|줘)$")
ONCE: Final = re.compile(r"(?<=[看试查跑])一下(?!子)")
"""What makes Chinese, Japanese and Korean polite, written without a space."""
SPACES: Final = str.maketrans("\t\n\r", "   ")
UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})


class Word(NamedTuple):
    """
    A word or a sign.

    Attributes:
        typed: as it stands in the prompt; empty for a sign, and for the second of two that were typed as one.
        meant: as it is told by.
    """

    typed: str
    meant: str

    @property
    def spelled(self) -> str:
        """It as the score sees it: as it was typed where it was repaired, else as it is told by."""
        is_repaired = self.typed != self.meant and respelled(self.typed) == self.meant
        return self.typed if is_repaired else self.meant


def is_legible(text: str) -> bool:
    """Tell whether everything in a text can be seen: no control characters, no signs of writing direction."""
    plain = text.translate(SPACES)
    return plain.isprintable() or not any(unicodedata.category(each) in UNSEEN for each in plain)


def words_of(parts: Iterable[Part], is_literal: bool = False) -> list[Word]:
    """
    Read parts word by word; a break is a full stop.

    Args:
        is_literal: how a word is spelled is what the prompt is about, so spelling is left alone.
    """
    words: list[Word] = []
    is_apart = True
    for part in parts:
        if part.kind is Kind.BREAK:
            words.append(Word("", STOP))
            is_apart = True
        elif part.kind is Kind.EXACT:
            if not is_apart:
                words.append(Word("", GLUE))
            words.append(Word(part.text, LETTER + part.text))
            is_apart = False
        else:
            rest = part.text.lstrip(MARKS) if words and not is_apart else part.text
            if len(rest) < len(part.text):
                words.append(Word("", _sign(part.text[: len(part.text) - len(rest)])))
            elif not is_apart and not rest[0].isspace():
                words.append(Word("", GLUE))
            words += _prose(rest, is_literal, _is_start(words))
            is_apart = rest[-1:].isspace() or rest[-1:] == "("
    return words


def _is_start(words: list[Word]) -> bool:
    return not words or words[-1].meant in (STOP, ASK)


def _prose(prose: str, is_literal: bool, is_start: bool) -> Iterator[Word]:
    if not prose.isascii():
        prose = HAN_BESIDE_ASCII.sub(" ", WIDE_MARK.sub(r"\1 ", prose))
    chunks = prose.split()
    for chunk, following in zip(chunks, [*chunks[1:], ""], strict=False):
        core, marks = _cut(chunk.lstrip("¿¡") or chunk)
        if is_literal and marks.startswith("!"):
            core, marks = core + "!", marks[1:]  # a method's name may end so
        if core:
            may_be_lowered = is_start and (core in ("A", "I") or len(core) > 1) and following.lower() not in PREDICATES
            yield from _word(core, is_literal, may_be_lowered or (is_start and core in PRONOUNS))
            is_start = False
        if marks:
            sign = _sign(marks)
            yield Word("", sign)
            is_start = sign in (STOP, ASK)


def _cut(chunk: str) -> tuple[str, str]:
    """Part a chunk from the marks at its end, unless they are a part of it: "..", "src/.", "?"."""
    core = chunk.rstrip(MARKS)
    marks = chunk[len(core) :]
    if core and not (marks.startswith(".") and core[-1] in "/\\~-") and not marks.startswith(("..", "::")):
        return core, marks
    return ("", chunk) if chunk in tuple(MARKS.replace(".", "").replace(":", "")) else (chunk, "")


def _sign(marks: str) -> str:
    if any(each in "?？؟" for each in marks):
        return ASK
    if marks[-1] in ",，、،":
        return PAUSE
    return ":" if marks[-1] in ":：" else STOP


def _word(core: str, is_literal: bool, is_start: bool) -> Iterator[Word]:
    lower = core.lower()
    if WORD.fullmatch(core) is None:
        known = None if is_literal else HYPHENED.get(lower if is_start else core)
        yield Word(core, known or LETTER + core)
    elif is_start and core[1:] == lower[1:]:
        yield from _ordinary(lower, lower, is_literal, POLITE_FORMS)
    elif core == lower or (not is_literal and _is_cased_freely(core, lower)):
        yield from _ordinary(core, lower, is_literal, {})
    else:
        yield Word(core, LETTER + core)


def _ordinary(typed: str, lower: str, is_literal: bool, forms: Mapping[str, str]) -> Iterator[Word]:
    if is_literal:
        yield Word(typed, lower)
    elif lower in SPELLED_OUT:
        first, second = SPELLED_OUT[lower]
        yield Word(typed, first)
        yield Word("", second)
    elif lower.isascii():
        yield Word(typed, respelled(lower))
    else:
        yield Word(typed, forms.get(lower) or _plain(lower))


def _is_cased_freely(core: str, lower: str) -> bool:
    return (lower in ACRONYMS and core.isupper()) or (lower in NAMES and core != core.upper())


def _plain(word: str) -> str:
    """Leave out what makes a word of a script without spaces polite."""
    plain = ONCE.sub("", ENDINGS.sub("", BEGINNINGS.sub("", word)))
    return plain or word
