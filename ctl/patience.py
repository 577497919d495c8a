"""Requests whose answer may take as long as a turn does."""

import time
from typing import Any, Final

from ctl.connection import Connection, Json
from ctl.quantities import duration
from ctl.screen import Progress, Screen

TICK_S: Final = 0.1
"""One step of the spinner."""
SILENCE_S: Final = 0.3
"""A wait that nobody notices needs no explanation."""


def call_patiently(connection: Connection, saying: str, method: str, **params: Any) -> Json:
    """
    Make a request and wait for its result, however long that takes; on a terminal, say what is waited for.

    Raises:
        Refused: the daemon answered with an error.
        ConnectionLost: it went away before it answered.
    """
    progress = Progress(Screen.err())
    since = time.monotonic()
    connection.request(method, **params)
    try:
        while True:
            result = connection.answer(time.monotonic() + TICK_S if progress.is_shown else None)
            waited_s = time.monotonic() - since
            if result is not None:
                return result
            if waited_s > SILENCE_S:
                progress.show(f"{saying} · {duration(waited_s)}")
    finally:
        progress.clear()
