"""`queue`: the prompts that wait."""

import time
from typing import Any

import click

from ctl.harmless import first_line
from ctl.printing import print_result
from ctl.quantities import relative
from ctl.screen import Screen, table
from ctl.settings import Command, Settings

HEADER = ("PLACE", "ID", "SINCE", "AUTHOR", "PRIORITY", "TEXT")


def _row(prompt: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        str(prompt["place"] or ""),
        prompt["id"],
        relative(prompt["submitted_at"], now),
        first_line(prompt["author"]["name"]),
        "" if prompt["priority"] == "normal" else prompt["priority"],
        first_line(prompt["text"]),
    )


@click.command(cls=Command)
@click.pass_obj
def queue(settings: Settings) -> None:
    """List the prompts that wait, the next one first."""
    prompts: list[dict[str, Any]] = []
    with settings.connect() as connection:
        cursor: dict[str, str] = {}
        while True:
            page = connection.call("prompt.list", room=settings.room_name, states=["waiting"], **cursor)
            prompts += page["prompts"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
    if not prompts and not settings.is_json:
        Screen.err().line(f"no prompt waits in room {settings.room_name}")
        return
    now = time.time()
    text = "" if settings.is_json else table(Screen.out(), HEADER, [_row(prompt, now) for prompt in prompts])
    print_result(settings, {"prompts": prompts, "next": None}, text)
