"""Lists that come in pages: what is chosen of them, what is asked for, and how one goes on with the next page."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import click

from ctl.connection import Connection, Json
from ctl.harmless import first_line
from ctl.quantities import parse_duration
from ctl.settings import WholeNumber, complete_author

NAMED: Final = 10
"""People who are named where none of them comes near."""
PAGE: Final = 100
"""Rows that one request asks for: a turn may bring 64 KiB of its answer along."""


def read_time(text: str) -> str:
    """
    Read the value of an option that takes a time, as the wire has it (RFC 3339 in UTC).

    Raises:
        BadParameter: it is none.
    """
    try:
        at = datetime.fromtimestamp(time.time() - parse_duration(text), UTC)
    except (ValueError, OverflowError):
        try:
            at = datetime.fromisoformat(text.strip()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise click.BadParameter(
                f"{text!r} is no time: write 2026-11-21 (its beginning here), 2026-11-21T08:00 (here),"
                " 2026-11-21T08:00:00Z, or 90s, 5m, 2h, 1d for so long ago"
            ) from error
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Chosen(NamedTuple):
    """What a listing command was told to show: the values of `listing_options`."""

    lines: int | None
    is_all: bool
    cursor: str | None
    author: str | None
    since: str | None
    until: str | None
    states: tuple[str, ...] = ()

    def most(self, default: int) -> int | None:
        """Tell how many rows are wanted at most; None: all."""
        if self.is_all and self.lines is not None:
            raise click.UsageError("--lines and --all exclude each other")
        return None if self.is_all else self.lines or default

    def params(self, states: str) -> Json:
        """Give the filters as params, the states by their name there."""
        if self.since is not None and self.until is not None and self.since > self.until:
            raise click.UsageError("--since is later than --until: nothing can be between them")
        given = {"author": self.author, "since": self.since, "until": self.until, states: list(self.states) or None}
        return {name: value for name, value in given.items() if value is not None}

    def words(self) -> list[str]:
        """Give the filters as options that a person can type."""
        words = []
        for option, value in (("--author", self.author), ("--since", self.since), ("--until", self.until)):
            words += [] if value is None else [option, value]
        for state in self.states:
            words += ["--state", state]
        return words


def listing_options(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the options of a command that lists `default` rows unless it is told otherwise."""
    options = [
        click.option("-n", "--lines", type=WholeNumber(min=1), metavar="N", help=f"How many (default: {default})."),
        click.option("--all", "is_all", is_flag=True, help="All of them."),
        click.option("--cursor", help="Go on where an earlier list ended."),
        click.option(
            "--author",
            metavar="NAME",
            shell_complete=complete_author,
            help="Only what this person asked: a name, or an id (uid:1000).",
        ),
        click.option("--since", type=read_time, metavar="TIME", help="Only from this time on."),
        click.option("--until", type=read_time, metavar="TIME", help="Only up to this time."),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def who_was_meant(connection: Connection, room: str, author: str | None) -> str | None:
    """Say that nobody of that name has ever asked in a room, and who was meant; None if somebody has."""
    if author is None or connection.call("prompt.list", room=room, author=author, limit=1)["prompts"]:
        return None
    lately = connection.call("prompt.list", room=room, limit=PAGE)["prompts"]
    known = sorted({first_line(prompt["author"]["name"]) for prompt in lately})
    near = get_close_matches(author, known, n=1)
    sentence = f"nobody called {first_line(author)} has asked anything in room {room}"
    if near:
        return f"{sentence}: did you mean {near[0]}?"
    return f"{sentence}: those who have lately are {', '.join(known[:NAMED])}" if known else sentence


def check_states(states: tuple[str, ...], known: tuple[str, ...]) -> None:
    """
    See whether these states are states.

    Raises:
        UsageError: one is not; with the one that may have been meant.
    """
    for state in states:
        if state not in known:
            near = get_close_matches(state, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise click.UsageError(f"--state {state!r} is none: {meant}")


class Pages:
    """
    A list in pages.

    Args:
        method: what lists it.
        member: what its rows are called in the answer.
        params: what is the same for every page.
        most: how many rows are wanted; None: all.

    Attributes:
        cursor: where the next page begins; None where there is none.
    """

    def __init__(self, method: str, member: str, params: Json, most: int | None, cursor: str | None) -> None:
        self._method = method
        self._member = member
        self._params = params
        self._most = most
        self.cursor = cursor

    def rows(self, connection: Connection) -> Iterator[Json]:
        """Ask for page after page, and give the rows."""
        left = self._most
        while left is None or left > 0:
            limit = PAGE if left is None else min(left, PAGE)
            where = {} if self.cursor is None else {"cursor": self.cursor}
            page = connection.call(self._method, **self._params, limit=limit, **where)
            yield from page[self._member]
            left = None if left is None else left - len(page[self._member])
            self.cursor = page["next"]
            if self.cursor is None:
                return
