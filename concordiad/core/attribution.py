"""
Who asks, as the agent is told: a line of names above what is asked, and perhaps everybody's own words below it.

Laws: a prompt that obeys the agent's own language is passed on as it is; whoever is the only one that has ever asked in
a room is not named; a name can look neither like our line nor end it.
"""

import enum
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from concordiad.core.model import Author, Prompt

NAMES_SHOWN: Final = 12
"""Names in one line: of more people only the number is told."""
QUOTED_BYTES: Final = 64 * 1024
"""How much of the originals is quoted in one turn: the wording says the same already."""


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

    def words_for(self, prompts: Sequence[Prompt]) -> str:
        """Write what the agent is told of the prompts of a turn, and note who asked."""
        # One other is enough to be told apart from, so no more are remembered.
        if len(self._known) < 2:
            self._known.update(prompt.author.id for prompt in prompts)
        asked = prompts[0].asked
        if self._attribution is Attribution.NONE or len(self._known) < 2 or any(prompt.is_raw for prompt in prompts):
            return asked
        verb = "asks" if len(prompts) == 1 else "ask"
        words = f"[{name_all([prompt.author for prompt in prompts])} {verb}]\n\n{asked}"
        if self._attribution is Attribution.QUOTED and any(prompt.text != asked for prompt in prompts):
            words += _quotes(prompts)
        return words


def name_all(authors: Sequence[Author]) -> str:
    """List names as people do."""
    names = [harmless(author.name) for author in authors[:NAMES_SHOWN]]
    if len(authors) > NAMES_SHOWN:
        names.append(f"{len(authors) - NAMES_SHOWN} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def harmless(name: str) -> str:
    """Write a name so that it can be nothing else: no brackets, no line breaks, nothing invisible."""
    plain = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFKC", name)
        if character.isspace() or (unicodedata.category(character)[0] not in "CZ" and character not in "[]")
    )
    return " ".join(plain.split()) or "somebody"


def _quotes(prompts: Sequence[Prompt]) -> str:
    """Quote what everybody wrote, as far as there is room."""
    left_bytes = QUOTED_BYTES
    words = []
    for index, prompt in enumerate(prompts):
        quoted = "\n".join(f"> {line}" for line in prompt.text.splitlines())
        left_bytes -= len(quoted.encode("utf-8", "replace"))
        if left_bytes < 0:
            words.append(f"\n\n[{len(prompts) - index} more are left out here]")
            break
        words.append(f"\n\n[{harmless(prompt.author.name)} wrote]\n{quoted}")
    return "".join(words)
