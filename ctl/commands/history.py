"""`history`: the turns that were, newest first."""

import time
from typing import Any

import click

from ctl.harmless import first_line
from ctl.printing import print_result
from ctl.quantities import cost, duration, relative, tokens
from ctl.screen import Screen, table
from ctl.settings import Command, Settings
from ctl.transcript import names

HEADER = ("TURN", "STARTED", "OUTCOME", "TOOK", "TOKENS", "COST", "AUTHORS", "TEXT")
PAGE = 500
"""Turns that one request may ask for."""


def _row(turn: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        turn["id"],
        relative(turn["started_at"], now),
        turn["outcome"] or turn["state"],
        duration(turn["duration_s"]),
        tokens(turn["input_tokens"], turn["output_tokens"]),
        cost(turn["cost_usd"]),
        names(turn["authors"]) or "the agent",
        first_line(turn["text"]),
    )


@click.command(cls=Command)
@click.option("-n", "--lines", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option("--cursor", help="Go on where an earlier list ended.")
@click.pass_obj
def history(settings: Settings, lines: int, cursor: str | None) -> None:
    """List the room's turns, newest first."""
    turns: list[dict[str, Any]] = []
    with settings.connect() as connection:
        while len(turns) < lines:
            params: dict[str, Any] = {"limit": min(lines - len(turns), PAGE)}
            params |= {} if cursor is None else {"cursor": cursor}
            page = connection.call("turn.list", room=settings.room_name, **params)
            turns += page["turns"]
            cursor = page["next"]
            if cursor is None:
                break
    if not turns and not settings.is_json:
        Screen.err().line(f"room {settings.room_name} has no turns yet")
        return
    now = time.time()
    text = "" if settings.is_json else table(Screen.out(), HEADER, [_row(turn, now) for turn in turns])
    print_result(settings, {"turns": turns, "next": cursor}, text)
    if cursor is not None and not settings.is_json:
        Screen.err().line(f"older ones: {settings.command('history', '--cursor', cursor)}")
