"""
Entries of the daemon's log: from the daemon, or from systemd's journal; which ones are wanted; and how they look.

An entry is what the daemon logged, as an object, with `event`, `level` and `timestamp` and whatever else was known.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from concordiad.core.codes import EXIT_NO_DAEMON
from ctl.connection import Connection, Json
from ctl.failures import Failure
from ctl.harmless import first_line, harmless
from ctl.quantities import unix_time
from ctl.screen import Screen

POLL_S: Final = 0.5
"""How often the daemon is asked for more."""
MOST: Final = 1000
"""Entries that a daemon keeps."""
PREFIX: Final = "CONCORDIA_"
LEVELS: Final = {"7": "debug", "6": "info", "5": "info", "4": "warning", "3": "error"}
COLOURS: Final = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "red"}
ENVELOPE: Final = ("event", "level", "timestamp", "exception")


class Wanted(NamedTuple):
    """What is wanted of the log: everything, or what is about these things, whose ids may be shortened."""

    room: str | None = None
    turn: str | None = None
    prompt: str | None = None
    request: str | None = None
    since: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out but what is old."""
        return not any((self.room, self.turn, self.prompt, self.request))

    def has(self, entry: Json) -> bool:
        """Tell whether an entry is wanted."""
        if self.since is not None and unix_time(entry["timestamp"]) < unix_time(self.since):
            return False
        if self.room is not None and entry.get("room") != self.room:
            return False
        named = (("turn", self.turn), ("prompt", self.prompt), ("request", self.request))
        return all(prefix is None or _names(entry, kind, prefix) for kind, prefix in named)


def _names(entry: Json, kind: str, prefix: str) -> bool:
    many = entry.get(f"{kind}s")
    ids = [entry.get(kind), *(many if isinstance(many, list) else [])]
    return any(isinstance(each, str) and each.startswith(prefix) for each in ids)


class Unit(NamedTuple):
    """A unit of systemd's, and whether it is one of the person's own manager."""

    name: str
    is_users: bool


class JournalSource:
    """
    The entries of one unit in systemd's journal.

    Raises (when it is read):
        Failure: journalctl is not there, or says that it cannot.
    """

    def __init__(self, unit: Unit, wanted: Wanted) -> None:
        self._unit = unit
        self._wanted = wanted
        self._cursor: str | None = None

    def is_readable(self) -> bool:
        """Tell whether this person may read any of it: a unit of the machine's is for systemd-journal and adm alone."""
        try:
            said = subprocess.run(
                [*self._command(), "--quiet", "--lines=1"], stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
        except OSError:
            return False
        return said.returncode == 0 and bool(said.stdout.strip())

    def _command(self) -> list[str]:
        unit = "--user-unit" if self._unit.is_users else "--unit"
        return ["journalctl", unit, self._unit.name, "--output=json", "--no-pager"]

    def latest(self, lines: int) -> Iterator[Json]:
        """Read what there is: of all, so many lines; else everything, for what is not wanted does not count."""
        since = [] if self._wanted.since is None else [f"--since=@{unix_time(self._wanted.since):.0f}"]
        return self._read(*since, *([f"--lines={lines}"] if self._wanted.is_all else []))

    def follow(self) -> Iterator[Json]:
        """Go on with what comes."""
        return self._read(
            "--follow", *(["--lines=0"] if self._cursor is None else ["--no-tail", f"--after-cursor={self._cursor}"])
        )

    def _read(self, *options: str) -> Iterator[Json]:
        room = [] if self._wanted.room is None else [f"{PREFIX}ROOM={self._wanted.room}"]
        try:
            reading = subprocess.Popen([*self._command(), *options, *room], stdout=subprocess.PIPE)
        except OSError as error:
            raise Failure(f"journalctl, which has this log, cannot be run: {error.strerror}") from error
        with reading:
            try:
                for line in reading.stdout or ():
                    fields = json.loads(line)
                    self._cursor = fields.get("__CURSOR", self._cursor)
                    yield _entry_of(fields)
            finally:
                if reading.poll() is None and "--follow" in options:
                    reading.terminate()
        if reading.returncode > 0:
            raise Failure(f"journalctl could not show the log of {self._unit.name}: it says why above")


def _entry_of(fields: Json) -> Json:
    """Make an entry of a journal's fields: ours, or of what something else has written there."""
    at = datetime.fromtimestamp(int(fields["__REALTIME_TIMESTAMP"]) / 1e6, UTC).isoformat().replace("+00:00", "Z")
    entry: Json = {
        "event": _text(fields.get("MESSAGE")),
        "level": LEVELS.get(str(fields.get("PRIORITY")), "error"),
        "timestamp": at,
    }
    ours = {key.removeprefix(PREFIX).lower(): value for key, value in fields.items() if key.startswith(PREFIX)}
    return entry | {key: _value(_text(value)) for key, value in ours.items()}


def _text(value: Any) -> str:
    # What is no plain text the journal gives as its bytes, and what is given twice as a list of texts.
    if isinstance(value, list):
        is_bytes = all(isinstance(each, int) for each in value)
        return bytes(value).decode("utf-8", "replace") if is_bytes else _text(value[-1] if value else "")
    return "" if value is None else str(value)


def _value(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in '[{0123456789-"tfn' and text else text
    except ValueError:
        return text


class DaemonSource:
    """
    What the daemon keeps of its log.

    Args:
        connect: connects to it.
        first: its first answer to `log.tail`.
        patience_s: how long it may be away.
        away: is told why it is looked for.
    """

    def __init__(
        self, connect: Callable[[], Connection], first: Json, patience_s: float, away: Callable[[str], None]
    ) -> None:
        self._connect = connect
        self._page = first
        self._patience_s = patience_s
        self._away = away
        self._gone_at: float | None = None

    def latest(self, _: int) -> Iterator[Json]:
        """Read what there is."""
        return iter(self._page["entries"])

    def follow(self) -> Iterator[Json]:
        """
        Go on with what comes, over restarts of the daemon, which begin another log.

        Raises:
            Failure: it is away for too long.
        """
        while True:
            time.sleep(POLL_S)
            try:
                with self._connect() as connection:
                    self._page = self._next(connection)
            except Failure as lost:
                self._bear(lost)
            else:
                self._gone_at = None
                yield from self._page["entries"]

    def _next(self, connection: Connection) -> Json:
        following = connection.call("log.tail", after=self._page["next"], last=MOST)
        is_another = following["epoch"] != self._page["epoch"]
        return connection.call("log.tail", after=0, last=MOST) if is_another else following

    def _bear(self, lost: Failure) -> None:
        if lost.exit_code != EXIT_NO_DAEMON:
            raise lost
        now = time.monotonic()
        if self._gone_at is None:
            self._gone_at = now
            self._away(lost.message)
        if now - self._gone_at >= self._patience_s:
            raise lost


def show(out: Screen, entry: Json) -> str:
    """Write an entry for people: its time here, its level, what it is, and all that is known of it."""
    at = datetime.fromtimestamp(unix_time(entry["timestamp"])).astimezone()
    level = first_line(str(entry.get("level", "")))
    about = " ".join(
        f"{out.style(first_line(key), 'dim')}={_written(value)}"
        for key, value in entry.items()
        if key not in ENVELOPE and value not in (None, [], {})
    )
    head = f"{at:%Y-%m-%d %H:%M:%S}  {out.style(f'{level:<7}', *filter(None, [COLOURS.get(level)]))}"
    trace = f"\n{harmless(str(entry['exception']))}" if entry.get("exception") else ""
    return f"{head}  {out.style(first_line(str(entry.get('event', ''))), 'bold')}  {about}".rstrip() + trace


def _written(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_plain = bool(text) and not set(text) & set(' \t\n"=')
    return harmless(text if is_plain else json.dumps(text, ensure_ascii=False))
