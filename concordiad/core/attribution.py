"""
Who asks, as the agent is told: a line of names above what is asked, and perhaps everybody's own words below it.

Laws: a prompt that obeys the agent's own language is passed on as it is; whoever is the only one that has ever asked in
a room is not named; a name stands in quotation marks that it cannot end; a text that has a line like one of ours is
quoted, line by line, and no line of ours ever is.
"""

import enum
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from concordiad.core.model import Author, Prompt

NAMES_SHOWN: Final = 12
"""Names in one line: of more people only the number is told."""
QUOTED_BYTES: Final = 64 * 1024
"""How much of the originals is quoted in one turn: the wording says the same already."""

OPENING: Final = "[\u2045\u2772\u27e6\u3010\u3014\u3016\u3018\u301a\ufe47\uff3b"
CLOSING: Final = "]\u2046\u2773\u27e7\u3011\u3015\u3017\u3019\u301b\ufe48\uff3d"
"""Brackets that a line of ours begins or ends with, or could be taken to."""
QUOTATION_MARKS: Final = '"\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u2036\u02ba\u02ee\u3003\u301d\u301e\u301f'
INVISIBLE: Final = "\u115f\u1160\u3164\uffa0"
"""Letters that cannot be seen."""
BRACKET: Final = re.compile(f"[{re.escape(OPENING)}]")
WORDLESS: Final = re.compile(rf"[\W_{INVISIBLE}]*")
"""What a line may begin with before such a bracket."""
BREAKS: Final = ("\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
"""What ends a line besides a line feed, as str.splitlines has it."""
LIKE_OURS: Final = re.compile(rf"\b(?:asks?|wrote|left\s*out)\b|[{QUOTATION_MARKS}'\u2018\u2019]\s++\w")
"""What a line that begins with such a bracket has to hold to be taken for one of ours."""
_SOFTENED: Final = str.maketrans(
    {**dict.fromkeys(OPENING, "("), **dict.fromkeys(CLOSING, ")")} | dict.fromkeys(QUOTATION_MARKS, "'")
)
_MOST_SEEN: Final = 2000
"""Characters of a line of ours, and more: longer ones are no such line."""


class Attribution(enum.StrEnum):
    """What the agent is told of who asks."""

    NONE = "none"
    NAMES = "names"
    QUOTED = "quoted"


class Askers:
    """
    Who has asked in a room so far, and so whether the agent has to be told who does.

    Args:
        attribution: the room's setting.
        known: ids of those who have asked before.
    """

    def __init__(self, attribution: Attribution = Attribution.NAMES, known: Iterable[str] = ()) -> None:
        self._attribution: Final = attribution
        self._known = set(known)

    def words_for(self, prompts: Sequence[Prompt], is_like_ours: bool | None = None) -> str:
        """
        Write what the agent is told of the prompts of a turn, and note who asked.

        Args:
            is_like_ours: what `lines_like_ours` has found in what is asked; None: it is looked for here.
        """
        # One other is enough to be told apart from, so no more are remembered.
        if len(self._known) < 2:
            self._known.update(prompt.author.id for prompt in prompts)
        asked = prompts[0].asked
        if self._attribution is Attribution.NONE or any(prompt.is_raw for prompt in prompts):
            return asked
        if is_like_ours is None:
            is_like_ours = any(lines_like_ours(asked))
        if len(self._known) < 2 and not is_like_ours:
            return asked
        verb = "asks" if len(prompts) == 1 else "ask"
        words = (
            f"[{name_all([prompt.author for prompt in prompts])} {verb}]\n\n{_quoted(asked) if is_like_ours else asked}"
        )
        if self._attribution is Attribution.QUOTED and any(prompt.text != asked for prompt in prompts):
            words += _quotes(prompts)
        return words


def name_all(authors: Sequence[Author]) -> str:
    """List names as people do, each in quotation marks."""
    names = [f'"{harmless(author.name)}"' for author in authors[:NAMES_SHOWN]]
    if len(authors) > NAMES_SHOWN:
        names.append(f"{len(authors) - NAMES_SHOWN} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def harmless(name: str) -> str:
    """Write a name so that it can be nothing else: without brackets, quotation marks, line breaks."""
    # Replaced and not left out: with such a sign it would else be another person's name.
    softened = unicodedata.normalize("NFKC", name).translate(_SOFTENED)
    plain = "".join(
        " " if sign.isspace() else sign
        for sign in softened
        if sign.isspace() or (unicodedata.category(sign)[0] not in "CZ" and sign not in INVISIBLE)
    )
    return " ".join(plain.split()) or "somebody"


def lines_like_ours(text: str) -> Iterator[bool]:
    """
    Tell of each line of a text that begins with a bracket whether it could be taken for one of ours.

    One after the other: there may be a hundred thousand of them, and other tasks want their turn.
    """
    text = _with_line_feeds(text)
    at = 0
    while (bracket := BRACKET.search(text, at)) is not None:
        start = text.rfind("\n", at, bracket.start()) + 1 or at
        at = text.find("\n", bracket.start()) + 1 or len(text)
        is_begun = WORDLESS.fullmatch(text, start, bracket.start()) is not None
        yield is_begun and LIKE_OURS.search(_seen(text[start : min(at, start + _MOST_SEEN)])) is not None


def _with_line_feeds(text: str) -> str:
    for each in BREAKS:
        text = text.replace(each, "\n")
    return text


def _seen(line: str) -> str:
    """Take a line as it looks: what is invisible hides no word."""
    plain = unicodedata.normalize("NFKC", line).casefold()
    return "".join(
        sign for sign in plain if unicodedata.category(sign) not in {"Cc", "Cf", "Mn"} and sign not in INVISIBLE
    )


def _quoted(text: str) -> str:
    return "> " + _with_line_feeds(text).removesuffix("\n").replace("\n", "\n> ")


def _quotes(prompts: Sequence[Prompt]) -> str:
    """Quote what everybody wrote, as far as there is room."""
    left_bytes = QUOTED_BYTES
    words = []
    for index, prompt in enumerate(prompts):
        quoted = _quoted(prompt.text)
        left_bytes -= len(quoted.encode("utf-8", "replace"))
        if left_bytes < 0:
            words.append(f"\n\n[{len(prompts) - index} more are left out here]")
            break
        words.append(f'\n\n["{harmless(prompt.author.name)}" wrote]\n{quoted}')
    return "".join(words)
