"""
The daemon's log: structured, on standard error or in systemd's journal; event names are constants.

Laws: never a token or a key, and what is configured as secret is masked wherever it stands; never a prompt's
text; nothing in it can steer a terminal.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Final, NoReturn, TextIO

import structlog

from concordiad.core.logbook import PRIORITIES, Format, Level, harmless, journal_message, line_of
from concordiad.core.masking import Masker
from concordiad.ops.journald import JournalSocket, find_unit, is_journals
from concordiad.ops.recent import Recent
from concordiad.ops.requests import REQUEST
from concordiad.ops.stderr import StandardError

Processor = structlog.typing.Processor
Watcher = Callable[[Mapping[str, Any]], None]
_LEVELS: Final = logging.getLevelNamesMapping()


class Log:
    """
    Where the log goes, and what is kept out of it.

    Args:
        stream: standard error; None: the one that there is.
        environment: the daemon's.
        journal: the way to systemd's journal.

    Attributes:
        format: what it looks like.
        recent: its latest entries.
        stream: takes text for standard error that is no entry, behind the entries that there are.
        unit: systemd's unit whose journal it is in, with whether that is a person's own; None where it is in none.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
        journal: Callable[[], JournalSocket] = JournalSocket,
    ) -> None:
        self._way = StandardError(sys.stderr if stream is None else stream)
        self._environment = environment
        self._open_journal = journal
        self._secrets: set[str] = set()
        self._masker = Masker()
        self._journal: JournalSocket | None = None
        self._level = Level.INFO
        self._watcher: Watcher | None = None
        self.format = Format.AUTO
        self.recent = Recent()
        self.stream: TextIO = self._way.stream
        self.unit = find_unit() if self._is_in_journal() else None

    def configure(self, log_format: Format = Format.AUTO, level: Level = Level.INFO) -> None:
        """Write like this from now on."""
        self._level = level
        self.format = self._choose() if log_format is Format.AUTO else log_format
        if self.format is Format.JOURNAL and self._journal is None:
            self._journal = self._open_journal()
        structlog.configure(
            processors=[
                _add_request,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                self._mask,
                self._show,
                self._keep,
                *self._writers(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(self._least()),
            # Each entry ends with the last of the processors.
            logger_factory=structlog.ReturnLoggerFactory(),
        )

    def watch(self, watcher: Watcher | None) -> None:
        """Show each entry of level info and above to somebody, also those that are not written; with None, no more."""
        self._watcher = watcher
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(self._least()))

    def _least(self) -> int:
        level = _LEVELS[self._level.upper()]
        return level if self._watcher is None else min(level, logging.INFO)

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on, too."""
        if not self._secrets.issuperset(secrets := set(secrets)):
            self._secrets |= secrets
            self._masker = Masker(self._secrets)

    def _choose(self) -> Format:
        if self.stream.isatty():
            return Format.TEXT
        return Format.JOURNAL if self._is_in_journal() else Format.JSON

    def _is_in_journal(self) -> bool:
        return is_journals(self.stream.fileno(), self._environment)

    def _writers(self) -> list[Processor]:
        match self.format:
            case Format.TEXT:
                is_coloured = self.stream.isatty() and not self._environment.get("NO_COLOR")
                plainly = structlog.dev.plain_traceback
                render = structlog.dev.ConsoleRenderer(colors=is_coloured, exception_formatter=plainly)
                return [_disarm, _tell_time, self._writer(render)]
            case Format.JOURNAL:
                return [_disarm, self._hand_over, self._writer(_render_line)]
        return [self._writer(structlog.processors.JSONRenderer())]

    def _writer(self, render: Processor) -> Processor:
        """Make what writes entries on standard error; the first one that finds room again says how many did not."""

        def write(logger: Any, name: str, entry: MutableMapping[str, Any]) -> NoReturn:
            lost = self._way.take_lost()
            if lost:
                entry = {**entry, "lost_before": lost}
            if not self._way.write_line(str(render(logger, name, entry))):
                self._way.give_lost(lost)
            raise structlog.DropEvent

        return write

    def _mask(self, _: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: self._masked(value) for key, value in entry.items()} if self._masker else entry

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._masker.mask_text(value)
        if isinstance(value, Mapping):
            return {key: self._masked(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(each) for each in value]
        return value

    def _show(self, _: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if self._watcher is not None:
            self._watcher(entry)
            if _LEVELS[entry["level"].upper()] < _LEVELS[self._level.upper()]:
                raise structlog.DropEvent
        return entry

    def _keep(self, _: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.recent.add(entry)
        return entry

    def _hand_over(self, _: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if self._journal is not None and self._journal.send(journal_message(entry)):
            raise structlog.DropEvent
        return entry


def _render_line(_: Any, __: str, entry: MutableMapping[str, Any]) -> str:
    """Write a line with its priority as sd-daemon(3) has it: for standard error, where there is no journal any more."""
    return f"<{PRIORITIES[entry['level']]}>{line_of(entry)}"


def _add_request(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    request = REQUEST.get()
    if request is not None:
        entry.setdefault("request", request)
    return entry


def _tell_time(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show the time as the clock on the wall here does."""
    at = datetime.fromisoformat(entry["timestamp"]).astimezone()
    return {**entry, "timestamp": at.strftime("%H:%M:%S")}


def _disarm(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: harmless(value) for key, value in entry.items()}
