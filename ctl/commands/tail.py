"""`tail`: the room's transcript, from its last lines on."""

from collections.abc import Iterator
from datetime import datetime

import click

from concordiad.core.codes import EXIT_NO_DAEMON
from ctl.connection import Connection, Event
from ctl.failures import Failure, RoomGone
from ctl.feed import Feed
from ctl.screen import Screen
from ctl.settings import Command, Settings, WholeNumber, reconnect_option
from ctl.transcript import Transcript

LINES = 10


class _Watcher:
    """Says beside the transcript what becomes of the daemon."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._err = Screen.err()

    def away(self, why: str) -> None:
        """Say that the daemon is looked for."""
        self._transcript.close()
        if self._err.is_terminal:
            self._err.line(self._err.style(f"{why}: looking for it again", "yellow"))

    def back(self) -> None:
        """Say that it was found."""
        if self._err.is_terminal:
            self._err.line(self._err.style("the daemon is back", "dim"))

    def missed(self) -> None:
        """Say that there is a hole."""
        self._transcript.close()
        self._err.line("concordiactl: older events are gone; the transcript goes on with the latest ones")


def _recorded(connection: Connection, room: str, start: dict[str, int]) -> Iterator[Event]:
    while True:
        page = connection.page(room, **start)
        yield from page.events
        if page.following is None:
            return
        start = {"since": page.following}


def _live(feed: Feed, start: dict[str, int]) -> Iterator[Event]:
    feed.begin(**start)
    while True:
        if (event := feed.next_event()) is not None:
            yield event


@click.command(
    cls=Command,
    examples=(
        ("concordiactl tail", "The last events, and what comes."),
        ("concordiactl tail --since 1 --no-follow", "The whole transcript, and no more."),
        ("concordiactl tail -n 0 -o json | jq -r .type", "Every event from now on, for a program."),
    ),
)
@click.option(
    "-n", "--lines", type=WholeNumber(min=0), metavar="N", help=f"Begin with so many events (default: {LINES})."
)
@click.option("--since", type=WholeNumber(min=0), metavar="SEQ", help="Begin with the event of this number.")
@click.option("--follow/--no-follow", "is_following", default=True, help="End with the latest event, or go on.")
@reconnect_option
@click.pass_obj
def tail(settings: Settings, lines: int | None, since: int | None, is_following: bool, reconnect: float) -> None:
    """
    Show the room's transcript, live.

    It goes on by itself after a restart of the daemon, with the event behind the last one that was shown.
    """
    if lines is not None and since is not None:
        raise click.UsageError("--lines and --since exclude each other: both say where to begin")
    start = {"since": since} if since is not None else {"last": LINES if lines is None else lines}
    out = Screen.out()
    transcript = Transcript(out, datetime.now().astimezone().date(), settings.command, is_live=out.obeys_escapes)

    def show(events: Iterator[Event]) -> None:
        for number, event in enumerate(events):
            first = event.body.get("seq", 0)
            if number == 0 and since is not None and first > max(since, 1):
                Screen.err().line(f"concordiactl: older events are gone; the transcript begins with {first}")
            if settings.is_json:
                out.json(event.raw)
            else:
                transcript.show(event.body)

    if not is_following:
        with settings.connect() as connection:
            show(_recorded(connection, settings.room_name, start))
        return
    with Feed(settings.connect, settings.room_name, reconnect, _Watcher(transcript)) as feed:
        try:
            show(_live(feed, start))
        except Failure as failure:
            transcript.close()
            if failure.exit_code != EXIT_NO_DAEMON or isinstance(failure, RoomGone) or feed.last_seq is None:
                raise
            again = settings.command("tail", "--since", str(feed.last_seq + 1))
            raise Failure(f"{failure.message}\n  go on from here: {again}", EXIT_NO_DAEMON) from failure
        except KeyboardInterrupt:
            transcript.close()
            raise
