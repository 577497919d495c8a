"""`tail`: the room's transcript, from its last lines on."""

import json
from collections.abc import Iterator
from datetime import datetime

import click

from concordiad.core.codes import EXIT_NO_DAEMON
from ctl.connection import Connection, Event
from ctl.failures import ConnectionLost, Failure
from ctl.screen import Screen
from ctl.settings import Command, Settings
from ctl.transcript import Transcript

LINES = 10


def _recorded(connection: Connection, room: str, since: int | None, lines: int) -> Iterator[Event]:
    params = {"last": lines} if since is None else {"since": since}
    while True:
        page = connection.call("events.list", room=room, **params)
        for body in page["events"]:
            yield Event(json.dumps(body, ensure_ascii=False), body)
        if page["next"] is None:
            return
        params = {"since": page["next"]}


def _live(connection: Connection, room: str, since: int | None, lines: int) -> Iterator[Event]:
    params = {"last": lines} if since is None else {"since": since}
    start = connection.call("events.subscribe", room=room, **params)
    if start["resync"] and start["snapshot"] is not None:
        Screen.err().line("concordiactl: older events are gone; the transcript goes on with the latest ones")
        for body in start["snapshot"]["events"]:
            yield Event(json.dumps(body, ensure_ascii=False), body)
    while (event := connection.next_event()) is not None:
        yield event


@click.command(cls=Command)
@click.option("-n", "--lines", type=click.IntRange(min=0), help=f"Begin with so many events (default: {LINES}).")
@click.option("--since", type=click.IntRange(min=0), metavar="SEQ", help="Begin with the event of this number.")
@click.option("--follow/--no-follow", "is_following", default=True, help="End with the latest event, or go on.")
@click.pass_obj
def tail(settings: Settings, lines: int | None, since: int | None, is_following: bool) -> None:
    """Show the room's transcript, live."""
    if lines is not None and since is not None:
        raise click.UsageError("--lines and --since exclude each other: both say where to begin")
    out = Screen.out()
    transcript = Transcript(out, datetime.now().astimezone().date(), settings.command, is_live=out.obeys_escapes)
    read = _live if is_following else _recorded
    seen: int | None = None
    with settings.connect() as connection:
        try:
            for event in read(connection, settings.room_name, since, LINES if lines is None else lines):
                seen = event.body.get("seq", seen)
                if settings.is_json:
                    out.json(event.raw)
                else:
                    transcript.show(event.body)
        except ConnectionLost as lost:
            transcript.close()
            again = settings.command("tail", *(() if seen is None else ("--since", str(seen + 1))))
            raise Failure(f"{lost.message}\n  go on from here: {again}", EXIT_NO_DAEMON) from lost
        except KeyboardInterrupt:
            transcript.close()
            raise
