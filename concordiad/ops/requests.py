"""
Which request is being met: an id of its own, in every line of the log that it causes and in the prompts that it brings.

A question to another task takes the id along (`room/messages.py:Reply`), for a task's context stays where it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

REQUEST: Final[ContextVar[str | None]] = ContextVar("request", default=None)


@contextmanager
def meeting(request: str) -> Iterator[None]:
    """Meet a request."""
    token = REQUEST.set(request)
    try:
        yield
    finally:
        REQUEST.reset(token)
