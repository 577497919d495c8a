"""
What a prompt says, less how politely and how carefully it was typed.

Laws: words keep their order and their number; only what is named here is left out or written otherwise; what is no
ordinary word is taken to the letter.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from concordiad.core.layout import Kind, Part

WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
MARKS: Final = ".,;:!?。，；：！？、؟"
LETTER: Final = "="
"""Stands before what is taken to the letter, so that it never equals a word."""


COURTESIES: Final = frozenset({"please"})


class Phrase(NamedTuple):
    """
    A prompt's words.

    Attributes:
        key: equal for prompts that say the same.
        spelled: the words as they were spelled.
    """

    key: str
    spelled: str


def phrase_of(parts: Iterable[Part]) -> Phrase | None:
    """Read a prompt's words; None for what has none that could be said otherwise."""
    tokens: list[str] = []
    for part in parts:
        if part.kind is Kind.PROSE:
            tokens += _tokens(part.text)
        elif part.kind is Kind.EXACT:
            tokens.append(LETTER + part.text)
        else:
            tokens.append(".")
    while tokens and tokens[-1] == ".":
        tokens.pop()
    kept = [token for token in tokens if token not in COURTESIES]
    if not kept:
        return None
    return Phrase("\x1f".join(kept), " ".join(kept))


def _tokens(prose: str) -> list[str]:
    tokens: list[str] = []
    for chunk in prose.split():
        core = chunk.rstrip(MARKS)
        is_start = not tokens or tokens[-1] in (".", "?")
        if WORD.fullmatch(core) and (core.islower() or (is_start and core[1:].islower())):
            tokens.append(core.lower())
        else:
            tokens.append(LETTER + (core or chunk))
        if core and core != chunk:
            tokens.append("?" if "?" in chunk[len(core) :] else "," if chunk[-1] == "," else ".")
    return tokens
