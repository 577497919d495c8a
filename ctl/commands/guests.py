"""`guests`: who is in the room."""

import time
from typing import Any, Final

import click

from ctl.harmless import first_line
from ctl.people import lag_of, role_of, short_id
from ctl.printing import print_result
from ctl.quantities import relative
from ctl.screen import Screen, table
from ctl.settings import Command, Settings

HEADER: Final = ("NAME", "ROLE", "HERE", "ADDRESS", "LAG", "ID")


def row_of(guest: dict[str, Any], now: float) -> tuple[str, ...]:
    """Show a guest, or a host who follows, in the columns of HEADER."""
    here = relative(guest["here_since"], now) if guest["here_since"] is not None else "away"
    several = f" ×{guest['connections']}" if guest.get("connections", 1) > 1 else ""
    return (
        first_line(guest["name"]),
        role_of(guest),
        here + several,
        first_line(guest.get("address") or ""),
        lag_of(guest),
        short_id(guest["id"]),
    )


@click.command(
    cls=Command,
    examples=(
        ("concordiactl guests", "Who is here, from where, and how far behind."),
        ("concordiactl guests --all", "Also who was here and may come back, or not."),
        ("concordiactl guests -o json | jq -r '.guests[].name'", "For a program."),
    ),
)
@click.option("--all", "with_absent", is_flag=True, help="Also those who are not here now.")
@click.pass_obj
def guests(settings: Settings, with_absent: bool) -> None:
    """List the guests of the room, and the hosts who follow it."""
    with settings.connect() as connection:
        result = connection.call("guest.list", room=settings.room_name, all=with_absent)
    people = result["hosts"] + result["guests"]
    if not people and not settings.is_json:
        Screen.err().line(f"no guest {'was ever' if with_absent else 'is'} in room {settings.room_name}")
        return
    now = time.time()
    text = "" if settings.is_json else table(Screen.out(), HEADER, [row_of(one, now) for one in people])
    print_result(settings, result, text)
