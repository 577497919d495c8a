"""`logs`: what the daemon says of its work."""

import json
from collections import deque
from typing import Final

import click

from concordiad.core.codes import EXIT_NO_DAEMON
from ctl.connection import Json
from ctl.failures import Failure
from ctl.logbook import MOST, DaemonSource, JournalSource, Unit, Wanted, show
from ctl.paging import read_time
from ctl.screen import Screen
from ctl.settings import Command, Settings, WholeNumber, reconnect_option

LINES: Final = 50


@click.command(
    cls=Command,
    examples=(
        ("concordiactl logs -f", "The latest entries, and what comes."),
        (
            "concordiactl logs --turn 01a1fc10-7121",
            "What is known of a turn; `--prompt` leads from a prompt to its turn.",
        ),
        ("concordiactl logs --unit concordiad.service --since 1h", "From systemd's journal, also without a daemon."),
        ("concordiactl logs -n 1000 -o json | jq 'select(.event == \"turn_finished\").cost_usd'", "For a program."),
    ),
)
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on with what comes.")
@click.option(
    "-n", "--lines", type=WholeNumber(min=0), default=LINES, show_default=True, metavar="N", help="The last so many."
)
@click.option("--since", type=read_time, metavar="TIME", help="Only from this time on.")
@click.option("--turn", metavar="ID", help="Only what is about this turn.")
@click.option("--prompt", metavar="ID", help="Only what is about this prompt.")
@click.option("--request", metavar="ID", help="Only what this request has caused.")
@click.option("--unit", metavar="UNIT", help="Ask systemd's journal for this unit's log, and not the daemon.")
@click.option("--user", "is_users", is_flag=True, help="The unit is one of your own manager (systemctl --user).")
@reconnect_option
@click.pass_obj
def logs(
    settings: Settings,
    is_following: bool,
    lines: int,
    since: str | None,
    turn: str | None,
    prompt: str | None,
    request: str | None,
    unit: str | None,
    is_users: bool,
    reconnect: float,
) -> None:
    """
    Show the daemon's log, of all rooms or of one.

    Where systemd's journal has it, and you may read that, it is read from there; else the daemon is asked for the
    latest 1000 entries. Ids may be shortened to their beginning. A TIME is as in `history`.
    """
    if is_users and unit is None:
        raise click.UsageError("--user says whose the --unit is: give both")
    wanted = Wanted(settings.room, turn, prompt, request, since)
    out = Screen.out()

    def put(entry: Json) -> None:
        if settings.is_json:
            out.json(json.dumps(entry, ensure_ascii=False))
        else:
            out.line(show(out, entry))

    source = _find(settings, wanted, None if unit is None else Unit(unit, is_users), reconnect)
    latest = deque(filter(wanted.has, source.latest(lines)), maxlen=lines)
    for entry in latest:
        put(entry)
    if is_following:
        for entry in filter(wanted.has, source.follow()):
            put(entry)


def _find(settings: Settings, wanted: Wanted, unit: Unit | None, patience_s: float) -> JournalSource | DaemonSource:
    """Find out who has the log."""
    if unit is None:
        try:
            with settings.connect() as connection:
                first = connection.call("log.tail", last=MOST)
        except Failure as failure:
            if failure.exit_code != EXIT_NO_DAEMON:
                raise
            hint = settings.command("logs", "--unit", "concordiad.service")
            raise Failure(f"{failure.message}\n  what systemd's journal has of it: {hint}", EXIT_NO_DAEMON) from failure
        kept = DaemonSource(settings.connect, first, patience_s, _tell_away)
        if first["unit"] is None:
            return kept
        source = JournalSource(Unit(first["unit"]["name"], first["unit"]["of_user"]), wanted)
        return source if source.is_readable() else kept
    return JournalSource(unit, wanted)


def _tell_away(why: str) -> None:
    err = Screen.err()
    if err.is_terminal:
        err.line(err.style(f"{why}: looking for it again", "yellow"))
