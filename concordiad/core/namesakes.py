"""
Guests who call themselves the same, told apart.

Law: nobody is given a name that people would take for another guest's, or for that of somebody or something else that
speaks in the room.
"""

import unicodedata
from collections.abc import Iterable


def _fold(name: str) -> str:
    """Make names equal that people would take for the same one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class Namesakes:
    """
    Whose a name is.

    Args:
        taken: names of people who are no guests, and of what else speaks in the room.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = frozenset(_fold(name) for name in taken)
        self._names: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def keep(self, name: str, identity: str) -> None:
        """Note whose a name is."""
        self._names[_fold(name)] = identity

    def forget(self, name: str) -> None:
        """Let others have the name of somebody who is a guest no more."""
        folded = _fold(name)
        del self._names[folded]
        self._numbers.pop(folded, None)

    def find(self, name: str) -> str | None:
        """Find the guest of a name."""
        return self._names.get(_fold(name))

    def choose(self, wanted: str) -> str:
        """Choose the name for whoever wants to be called so: that one, or with a number behind it."""
        name = " ".join(unicodedata.normalize("NFC", wanted).split())
        folded = _fold(name)
        if not self._is_taken(folded):
            return name
        # From where the last search ended: a thousand guests of one name would be a million looks.
        number = self._numbers.get(folded, 2)
        while self._is_taken(_fold(f"{name} ({number})")):
            number += 1
        self._numbers[folded] = number + 1
        return f"{name} ({number})"

    def _is_taken(self, folded: str) -> bool:
        return folded in self._names or folded in self._taken
