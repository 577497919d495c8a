"""
The words and signs of a prompt, one after the other.

Laws: nothing is left out but white space; only an ordinary word at the beginning of a sentence loses its capital
letter, for elsewhere a capital may be a name; what is no ordinary word (a number, an identifier, a path, a flag) is
taken to the letter.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from concordiad.core.layout import Kind, Part
from concordiad.core.spelled import (
    BEHIND_IS,
    DETERMINERS,
    FUNCTION_WORDS,
    HYPHENED,
    INTERJECTIONS,
    IS,
    OPENERS,
    POLITE_FORMS,
    PREDICATES,
    PRONOUNS,
    SPELLED_OUT,
)
from concordiad.core.spelling import respelled

LETTER: Final = "="
"""Stands before what is taken to the letter, so that it never equals a word."""
GLUE: Final = "+"
"""Between two pieces that touch each other without a space."""
STOP: Final = "."
ASK: Final = "?"
PAUSE: Final = ","
SEMICOLON: Final = ";"
SIGNS: Final = frozenset({STOP, ASK, PAUSE, SEMICOLON, ":"})
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
    """Tell whether everything in a text can be seen: no control characters, no odd spaces, no signs of direction."""
    return text.translate(SPACES).isprintable()


def words_of(parts: Iterable[Part], is_literal: bool = False, is_repaired: bool = True) -> list[Word]:
    """
    Read parts word by word; a break is a full stop.

    Args:
        is_literal: how a word is spelled is what the prompt is about, so spelling is left alone.
        is_repaired: slips may be repaired, where they can be no name.
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
            words += _prose(rest, is_literal, is_repaired and not is_literal, _is_start(words))
            is_apart = rest[-1:].isspace() or rest[-1:] == "("
    return words


def _is_start(words: list[Word]) -> bool:
    return not words or words[-1].meant in (STOP, ASK)


def _prose(prose: str, is_literal: bool, is_repaired: bool, is_start: bool) -> Iterator[Word]:
    if not prose.isascii():
        prose = HAN_BESIDE_ASCII.sub(" ", WIDE_MARK.sub(r"\1 ", prose))
    chunks = prose.split()
    before = ""
    for chunk, following in zip(chunks, [*chunks[1:], ""], strict=False):
        core, marks = _cut(chunk.lstrip("¿¡") or chunk)
        if marks.startswith("!") and (is_literal or (core[-1:].isascii() and core.lower() not in INTERJECTIONS)):
            core, marks = core + "!", marks[1:]  # a method's name or a factorial may end so
        if core:
            may_be_lowered = is_start and (core in ("A", "I") or len(core) > 1) and following.lower() not in PREDICATES
            may_be_lowered = may_be_lowered or (is_start and core in PRONOUNS)
            is_last = bool(marks) or not following
            may_repair = is_repaired and _is_no_name(core.lower(), before, is_start, is_last)
            verb = IS.get(core.lower().replace("’", "'")) if following.rstrip(MARKS).lower() in BEHIND_IS else None
            if verb is not None and not is_literal and (may_be_lowered or core == core.lower()):
                yield from (Word(core, verb), Word("", "is"))
            else:
                yield from _word(core, is_literal, may_be_lowered, is_repaired, may_repair)
            is_start = False
        if marks:
            sign = _sign(marks)
            yield Word("", sign)
            is_start = sign in (STOP, ASK)
        before = "" if marks else core.lower()


def _is_no_name(word: str, before: str, is_start: bool, is_last: bool) -> bool:
    """Tell whether a misspelled word stands where it names nothing: an opening verb, a small word, or behind "the"."""
    meant = HYPHENED.get(word) or respelled(word)
    if meant in OPENERS:
        return is_start or before in ("and", "then", "please")
    return before in DETERMINERS or (not is_last and meant in FUNCTION_WORDS)


def _cut(chunk: str) -> tuple[str, str]:
    """Part a chunk from the marks at its end, unless they are a part of it: "..", "src/.", "?"."""
    core = chunk.rstrip(MARKS)
    marks = chunk[len(core) :]
    if core and not (marks.startswith(".") and core[-1] in "/\\~-") and not marks.startswith(("..", "::")):
        return core, marks
    return ("", chunk) if chunk in ("?", "!", ";") else (chunk, "")


def _sign(marks: str) -> str:
    if any(each in "?？؟" for each in marks):
        return ASK
    if marks[-1] in ",，、،":
        return PAUSE
    if marks[-1] in ";；؛":
        return SEMICOLON
    return ":" if marks[-1] in ":：" else STOP


def _word(core: str, is_literal: bool, is_start: bool, is_repaired: bool, may_repair: bool) -> Iterator[Word]:
    lower = core.lower()
    contracted = lower.replace("’", "'")
    if is_repaired and WORD.fullmatch(core.replace("’", "'")):
        core, lower = core.replace("’", "'"), contracted
    if not is_literal and contracted in SPELLED_OUT and (is_start or core == lower):
        first, second = SPELLED_OUT[contracted]
        yield Word(core, first)
        yield Word("", second)
    elif WORD.fullmatch(core) is None:
        known = POLITE_FORMS.get(lower) if is_start else None
        known = known or (HYPHENED.get(lower) if may_repair else None)
        yield Word(core, known or LETTER + core)
    elif core == lower or (is_start and core[1:] == lower[1:]):
        yield Word(core if core == lower else lower, _meant(lower, is_literal, is_start, may_repair))
    else:
        yield Word(core, LETTER + core)


def _meant(lower: str, is_literal: bool, is_start: bool, may_repair: bool) -> str:
    if is_literal:
        return lower
    if lower.isascii():
        return respelled(lower) if may_repair else lower
    return (POLITE_FORMS.get(lower) if is_start else None) or _plain(lower)


def _plain(word: str) -> str:
    """Leave out what makes a word of a script without spaces polite."""
    plain = ONCE.sub("", ENDINGS.sub("", BEGINNINGS.sub("", word)))
    return plain or word
