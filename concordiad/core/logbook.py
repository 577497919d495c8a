"""
How an entry of the daemon's log is written: for people, and in the native form of systemd's journal.

An entry is a mapping with `event` and `level` and whatever else is known. Law: nothing in it can steer a terminal, for
what an agent wrote is in it.
"""

import enum
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Entry = Mapping[str, Any]


class Format(enum.StrEnum):
    """What the log looks like."""

    AUTO = "auto"
    """Text on a terminal, else the journal's own where that listens, else JSON."""
    TEXT = "text"
    JSON = "json"
    JOURNAL = "journal"


class Level(enum.StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""The levels as syslog counts them (syslog(3))."""
IDENTIFIER: Final = "concordiad"
PREFIX: Final = "CONCORDIA_"
"""What our fields begin with in the journal, whose own are not to be forged."""
_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NO_NAME: Final = re.compile(r"[^A-Z0-9_]")
_PLAIN: Final = re.compile(r"[^\s\"'=]+")


def harmless(value: Any) -> Any:
    """Write what could steer a terminal as escapes, at any depth; newlines and tabs stay."""
    if isinstance(value, str):
        return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    if isinstance(value, Mapping):
        return {key: harmless(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(each) for each in value]
    return value


def line_of(entry: Entry) -> str:
    """Write an entry as one line for people, without its time and its level, which the journal shows itself."""
    about = [
        f"{key}={_quoted(value)}"
        for key, value in entry.items()
        if key not in ("event", "level", "timestamp", "exception") and value is not None
    ]
    return " ".join([str(entry["event"]), *about])


def _quoted(value: object) -> str:
    text = _written(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def journal_message(entry: Entry) -> bytes:
    """Write an entry as the journal's native protocol has it: a field a line, or with its length where it has lines."""
    fields = {"MESSAGE": line_of(entry), "PRIORITY": str(PRIORITIES[entry["level"]]), "SYSLOG_IDENTIFIER": IDENTIFIER}
    return b"".join(_field(*each) for each in (*fields.items(), *_our_fields(entry)))


def _our_fields(entry: Entry) -> Iterator[tuple[str, str]]:
    for key, value in entry.items():
        if key not in ("level", "timestamp") and value is not None:
            yield PREFIX + _NO_NAME.sub("_", key.upper()), _written(value)


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return b"%b=%b\n" % (name.encode(), data)
    return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
