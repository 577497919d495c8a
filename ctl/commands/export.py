"""`export`: the transcript as a document, or as the events that it is made of."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from ctl.connection import Connection, Event
from ctl.files import replacing
from ctl.harmless import harmless_json
from ctl.markdown import Document
from ctl.screen import Screen
from ctl.settings import Command, Settings, WholeNumber

Write = Callable[[str], object]


class _Range(NamedTuple):
    first: int
    last: int


def _events(connection: Connection, room: str, since: int, until: int | None) -> tuple[_Range, Iterator[Event]]:
    """Read the first page, and tell what there is; the end is where the transcript ends now."""
    page = connection.page(room, since=since)
    last = page.last_seq if until is None else min(until, page.last_seq)
    first = page.events[0].body["seq"] if page.events else since

    def read() -> Iterator[Event]:
        following: int | None
        events, following = page.events, page.following
        while True:
            yield from (event for event in events if event.body["seq"] <= last)
            if following is None or following > last:
                return
            events, following, _ = connection.page(room, since=following)

    return _Range(first, last), read()


def _write_markdown(write: Write, room: str, where: _Range, events: Iterator[Event]) -> int:
    document = Document()
    write(document.head(room, where.first, where.last))
    number = 0
    for number, event in enumerate(events, 1):  # noqa: B007  # the count is wanted
        write(document.event(event.body))
    write(document.foot())
    return number


def _write_lines(write: Write, events: Iterator[Event]) -> int:
    number = 0
    for number, event in enumerate(events, 1):  # noqa: B007  # the count is wanted
        write(event.raw + "\n")
    return number


def _to_output(text: str) -> None:
    # The document is UTF-8 whatever the locale; what a terminal gets is harmless besides.
    if sys.stdout is not None:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))


@click.command(
    cls=Command,
    examples=(
        ("concordiactl export -f review.md", "The whole transcript, to read and to keep."),
        ("concordiactl export --since 1200 --until 1300", "A part of it, as `tail` numbers the events in JSON."),
        ("concordiactl export --format jsonl | jq -r .type | sort | uniq -c", "What happened how often."),
    ),
)
@click.option(
    "--format", "style", type=click.Choice(["markdown", "jsonl"]), help="Default: markdown; with -o json: jsonl."
)
@click.option("--since", type=WholeNumber(min=1), default=1, metavar="SEQ", help="Begin with the event of this number.")
@click.option("--until", type=WholeNumber(min=1), metavar="SEQ", help="End with the event of this number.")
@click.option(
    "-f",
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to a file, which only you can read, instead of standard output.",
)
@click.pass_obj
def export(settings: Settings, style: str | None, since: int, until: int | None, file: Path | None) -> None:
    """
    Write the transcript as a Markdown document, or as JSON lines: exactly the events that were recorded.

    A file is there with all of its content or not at all.
    """
    if until is not None and until < since:
        raise click.UsageError("--until is before --since: nothing can be between them")
    is_lines = style == "jsonl" or (style is None and settings.is_json)
    with settings.connect() as connection:
        where, events = _events(connection, settings.room_name, since, until)

        def write_all(write: Write) -> int:
            if is_lines:
                return _write_lines(write, events)
            return _write_markdown(write, settings.room_name, where, events)

        if file is None:
            is_terminal = Screen.out().is_terminal
            write_all((lambda text: _to_output(harmless_json(text))) if is_lines and is_terminal else _to_output)
            return
        with replacing(file) as stream:
            number = write_all(lambda text: stream.write(text.encode("utf-8", "backslashreplace")))
    if settings.is_json:
        done = {"file": str(file), "events": number, "first_seq": where.first, "last_seq": where.last}
        Screen.out().json(json.dumps(done, ensure_ascii=False))
    else:
        Screen.err().line(f"wrote {number} events to {file}")
