"""What reads and compares prompts, imported when the first one comes and not before."""

import sys
from importlib import import_module
from typing import Final

import trio

from concordiad.ops.threads import in_thread

NEEDED: Final = ("concordiad.core.phrasing", "rapidfuzz.fuzz")
"""What `core/similarity.py` imports when it is called, in this order."""


def load_comparison() -> None:
    """Import it."""
    for name in NEEDED:
        import_module(name)


async def prepare_comparison() -> None:
    """
    Have it imported in a thread, so that the loop need not wait: with rapidfuzz it takes some 20 ms.

    Whoever comes meanwhile may wait for that import in the loop after all, but not for long.
    """
    await trio.lowlevel.checkpoint()
    if NEEDED[-1] not in sys.modules:
        await in_thread(load_comparison)
