"""
What of a prompt must survive being said in other words: its numbers, names, places, quotes, and what it denies.

Laws: what is found depends on the text alone; what is in doubt counts as a detail, because a detail too many only keeps
two prompts apart, and one too few would merge what must not be merged.
"""
# ruff: noqa: RUF001  # quotes, marks and signs of other scripts are just what it looks for

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from concordiad.core.vocabulary import NEGATION_SIGNS, NEGATIONS, NUMBER_WORDS, OPPOSITES

TOKEN: Final = re.compile(
    r"""
    (?P<quote>```.*?(?:```|\Z) | `[^`\n]*` | "[^"\n]*" | “[^“”\n]*” | „[^„“”\n]*[“”] | «[^«»\n]*» | 「[^「」\n]*」
            | 『[^『』\n]*』 | ‘[^‘’\n]*’(?!\w) | (?<!\w)'[^'\n]*'(?!\w))
  | (?P<address>[A-Za-z][A-Za-z0-9+.-]{0,19}://[^\s"'<>`]+)
  | (?P<sign>!=+|[<>=|&^*+]+)
  | (?P<chunk>(?:[^\s"“”„«»「」『』`<>=|&^*+()\[\]{},;!?…。，、！？：；（）]|(?<=\d),(?=\d)|(?<=\w)\(\))++)
    """,
    re.VERBOSE | re.DOTALL,
)
"""
What is quoted, addresses, signs of a program, and runs of everything else up to a space or a mark. What an alternative
has read in vain is bounded or read only once more, so that the work is in proportion to the length.
"""
BULLET: Final = re.compile(r"^[ \t]*(?:[-*+•>]+|\d+[.)])[ \t]+", re.MULTILINE)
NUMBER: Final = re.compile(r"[$€£¥#]?[+−-]?\d[\d.,:'’-]*+(?P<unit>[%°€$£¥]|°?[A-Za-zµ]{1,5}+)?")
UNIT: Final = re.compile(
    r"%|°C?|[€£¥]|[kKMGT]i?[bB]|[nmµ]?s|secs?|seconds?|mins?|minutes?|hours?|days?|weeks?|h|d|[kcmµn]?m|k?g|px|x"
    r"|Sekunden?|Minuten?|Stunden?|Tagen?|secondes?|heures?|jours?|segundos?|minutos?|horas?|días?"
)
NAME: Final = re.compile(r"^--?[A-Za-z]|_|\w[.#:]+\w|->|\(\)$|[^\W\d_a-z][a-z]+[A-Z]|[a-z][A-Z]|[@$%~^\\]|\d")
WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
TRAILING: Final = ".,:'’"
"""What follows a name in a sentence and is no part of it."""
ABBREVIATIONS: Final = frozenset(("e.g", "i.e", "z.B", "d.h", "p.ex", "a.m", "p.m"))
_WHOLE: Final = 3


class Detail(NamedTuple):
    """Something that has to be kept to the letter; its kind is `number`, `name`, `place` or `quote`."""

    kind: str
    text: str


class Details(Struct, frozen=True):
    """
    What was found in a text.

    Attributes:
        exact: what has to be kept to the letter, in the order of its first mention.
        negations: how many words deny or restrict something.
        sides: of which pairs of opposites it has which side.
        words: its ordinary words in lower case.
    """

    exact: tuple[Detail, ...]
    negations: int
    sides: frozenset[tuple[int, int]]
    words: tuple[str, ...]

    def of_kind(self, kind: str) -> frozenset[str]:
        """Take the details of one kind."""
        return frozenset(detail.text for detail in self.exact if detail.kind == kind)


def details_of(text: str) -> Details:
    """Read a text; the work is in proportion to its length."""
    exact: dict[Detail, None] = {}
    words: list[str] = []
    for kind, found in _tokens(unicodedata.normalize("NFC", text)):
        if kind == "word":
            word = found.casefold().replace("’", "'")
            words.append(word)
            if word in NUMBER_WORDS:
                exact[Detail("number", NUMBER_WORDS[word])] = None
        else:
            exact[Detail(kind, found)] = None
    distinct = set(words)
    return Details(tuple(exact), sum(map(_denials, words)), frozenset(_sides(distinct)), tuple(words))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is found, with its kind or `word`; a number waits for the word behind it, which may be its unit."""
    number = ""
    for match in TOKEN.finditer(BULLET.sub("", text)):
        for kind, found in _read(str(match.lastgroup), match[0]):
            if number:
                is_unit = kind == "word" and UNIT.fullmatch(found) is not None
                yield "number", number + found if is_unit else number
                number = ""
                if is_unit:
                    continue
            if kind == "number":
                number = found
            else:
                yield kind, found
    if number:
        yield "number", number


def _read(group: str, found: str) -> Iterator[tuple[str, str]]:
    if group == "sign":
        if found != "=":
            yield "name", found
    elif group == "address":
        yield "place", found.rstrip(TRAILING + "!?;)")
    elif group == "chunk":
        yield from _classify(found)
    else:
        inside = (found.strip("`") if found[0] == "`" else found[1:-1]).strip()
        bare = list(_classify(inside)) if not re.search(r"\s", inside) else []
        # A name is the same with quotes and without; an ordinary word in quotes is meant to the letter.
        yield from bare if [kind for kind, _ in bare] in (["name"], ["place"], ["number"]) else [("quote", inside)]


def _classify(chunk: str) -> Iterator[tuple[str, str]]:
    """Tell what a run of characters is: a place, a number, a name, or words."""
    chunk = chunk.rstrip(TRAILING).lstrip("'’(") if chunk.strip(TRAILING) else chunk
    number = NUMBER.fullmatch(chunk)
    if "/" in chunk or "\\" in chunk:
        yield "place", chunk
    elif number is not None:
        digits = (str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in chunk)
        yield "number", "".join(digits).replace("−", "-")
    elif NAME.search(chunk) is not None and chunk not in ABBREVIATIONS:
        yield "name", chunk
    else:
        for word in WORD.finditer(chunk):
            yield "word", word[0]


def _denials(word: str) -> int:
    if word in NEGATIONS or word.endswith("n't"):
        return 1
    return 0 if word.isascii() else len(NEGATION_SIGNS.findall(word))


def _sides(words: Iterable[str]) -> Iterator[tuple[int, int]]:
    for word in words:
        for size in range(1, min(len(word), _LONGEST) + 1):
            yield from _BY_BEGINNING.get(word[:size], ()) if size > _WHOLE or size == len(word) else ()


_BY_BEGINNING: Final = {
    beginning: tuple(
        (number, side)
        for number, pair in enumerate(OPPOSITES)
        for side, beginnings in enumerate(pair)
        if beginning in beginnings
    )
    for each in OPPOSITES
    for beginning in {*each[0], *each[1]}
}
_LONGEST: Final = max(map(len, _BY_BEGINNING))


def contradiction(a: Details, b: Details) -> str | None:
    """
    Tell in what two texts cannot mean the same, in words; None where nothing speaks against it.

    One may have a name, a place or a quote that the other leaves out; numbers and denials have to agree.
    """
    if a.of_kind("number") != b.of_kind("number"):
        return "their numbers differ"
    if a.negations != b.negations:
        return "one denies what the other does not"
    for kind in ("name", "place", "quote"):
        if a.of_kind(kind) and b.of_kind(kind) and a.of_kind(kind) != b.of_kind(kind):
            return f"each has a {kind} that the other has not"
    for pair, side in a.sides:
        if (pair, 1 - side) in b.sides and (pair, 1 - side) not in a.sides and (pair, side) not in b.sides:
            return "one has the opposite of a word of the other"
    shared = set(a.exact) & set(b.exact)
    if [each for each in a.exact if each in shared] != [each for each in b.exact if each in shared]:
        return "they name the same things in another order"
    return None
