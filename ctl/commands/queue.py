"""`queue`: the prompts that wait."""

import time
from typing import Any, Final

import click

from ctl.harmless import first_line
from ctl.merging import share_of
from ctl.paging import Chosen, Pages, listing_options, who_was_meant
from ctl.printing import print_result
from ctl.quantities import since
from ctl.screen import Screen, table
from ctl.settings import Command, Settings
from ctl.standing import troubles_of

LINES: Final = 100
HEADER: Final = ("PLACE", "ID", "SINCE", "AUTHOR", "PRIORITY", "ONE TURN", "TEXT")


def row_of(prompt: dict[str, Any], now: float) -> tuple[str, ...]:
    """Show a waiting prompt in the columns of HEADER."""
    return (
        str(prompt["place"] or ""),
        prompt["id"],
        since(prompt["submitted_at"], now),
        first_line(prompt["author"]["name"]),
        "" if prompt["priority"] == "normal" else prompt["priority"],
        share_of(prompt),
        first_line(prompt["text"]),
    )


@click.command(
    cls=Command,
    examples=(
        ("concordiactl queue", "Who waits, and for how long."),
        ("concordiactl queue --author ada --all", "Everything of one person."),
        ("concordiactl queue --until 1h -o json", "What has waited for an hour already, for a program."),
    ),
)
@listing_options(LINES)
@click.pass_obj
def queue(settings: Settings, /, **chosen: Any) -> None:
    """
    List the prompts that wait, the next one first; those of one place become one turn.

    What holds all of them up, such as an agent that has failed too often, is told on standard error.

    A TIME is 2026-11-21, 2026-11-21T08:00, 2026-11-21T08:00:00Z, or 90s, 5m, 2h, 1d for so long ago.
    """
    choice = Chosen(**chosen)
    filters = {"room": settings.room_name, "states": ["waiting"]} | choice.params("states")
    pages = Pages("prompt.list", "prompts", filters, choice.most(LINES), choice.cursor)
    with settings.connect() as connection:
        prompts = list(pages.rows(connection))
        nobody = None if prompts else who_was_meant(connection, settings.room_name, choice.author)
        rooms = connection.call("room.list")["rooms"] if prompts and not settings.is_json else []
    if nobody is not None:
        Screen.err().line(nobody)
    if not prompts and not settings.is_json:
        if nobody is not None:
            return
        such = " that is like that" if choice.words() else ""
        Screen.err().line(f"no prompt{such} waits in room {settings.room_name}")
        return
    now = time.time()
    text = "" if settings.is_json else table(Screen.out(), HEADER, [row_of(prompt, now) for prompt in prompts])
    print_result(settings, {"prompts": prompts, "next": pages.cursor}, text)
    err = Screen.err()
    if pages.cursor is not None and not settings.is_json:
        words = [*choice.words(), *([] if choice.lines is None else ["--lines", str(choice.lines)])]
        err.line(f"more: {settings.command('queue', *words, '--cursor', pages.cursor)}")
    for room in rooms:
        if room["name"] == settings.room_name:
            for colour, line in troubles_of(room, settings.command).values():
                err.line(err.style(line, colour))
