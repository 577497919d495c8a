"""What `doctor` looks at; each module looks at one kind of thing and gives findings."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How a thing is; an error is what keeps Concordia from working, or from being safe."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """
    One line of `doctor`.

    Attributes:
        name: what was looked at.
        found: how it is.
        remedy: what to do, where there is something to do.
    """

    name: str
    status: Status
    found: str
    remedy: str | None = None


def ok(name: str, found: str) -> Finding:
    """Find a thing in order."""
    return Finding(name, Status.OK, found)


def warning(name: str, found: str, remedy: str) -> Finding:
    """Find a thing that may be in order, or not for long."""
    return Finding(name, Status.WARNING, found, remedy)


def error(name: str, found: str, remedy: str) -> Finding:
    """Find a thing that has to be mended."""
    return Finding(name, Status.ERROR, found, remedy)
