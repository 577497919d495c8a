"""What somebody may have meant who has typed an id or a name that nothing has."""

import difflib
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

ALIKE: Final = 0.75
"""Two slips in the eight characters of an id that people type are near, three are not."""
COMPARED: Final = 50
"""What is compared at most, the latest: a comparison of two ids takes a tenth of a millisecond."""


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """Find what begins most like something that was typed; None if nothing comes near."""
    # Ids are told by their beginnings, so what was not typed is no difference.
    beginnings = {name[: len(typed)].lower(): name for name in known}
    close = difflib.get_close_matches(typed.lower(), beginnings, n=1, cutoff=ALIKE)
    return beginnings[close[0]] if typed and close else None


def did_you_mean(typed: str, known: Collection[str], otherwise: str) -> str:
    """End a sentence about what is not there: with the nearest of the latest that are, else with where to look."""
    close = nearest(typed, islice(known, max(len(known) - COMPARED, 0), None))
    return f": {otherwise}" if close is None else f": did you mean {close}?"
