"""The key of the Gemini API: checked, stored, configured."""

import os
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import trio
from attrs import evolve

from concordiad.config import parse_config, read_config
from concordiad.config.credentials import read_credential
from concordiad.config.places import find_file
from concordiad.config.tables import Config, Gemini
from concordiad.errors import ConfigError
from concordiad.meaning import MeaningError
from concordiad.meaning.client import check_key
from concordiad.meaning.key import own_file
from concordiad.meaning.replies import Trouble
from ctl.failures import Failure
from ctl.setting_up.keeping import write_whole

CHECK_S = 15.0
"""A person waits longer than a prompt does."""


class Place(NamedTuple):
    """
    Where things are.

    Attributes:
        config: the configuration file, which may not be there.
        is_configured: whether it has a table for the model.
        settings: what it says, or the defaults.
        key: the file for the key.
    """

    config: Path
    is_configured: bool
    settings: Gemini
    key: Path


class Verdict(Enum):
    """What the API says of a key."""

    GOOD = "good"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Checked(NamedTuple):
    """A verdict, why it is none or no good one, and whether it is worth trying again."""

    verdict: Verdict
    why: str = ""
    is_passing: bool = False


def find(config: Path | None, base_url: str | None) -> Place:
    """
    Find out what is configured.

    Raises:
        Failure: the configuration is wrong.
        ValueError: the address is none.
    """
    path = config or find_file(os.environ, is_service=False)
    try:
        known = read_config(path) if config is not None or path.exists() else Config()
    except ConfigError as error:
        raise Failure(f"{error}: correct it first, or name another configuration with --config") from error
    settings = known.gemini or Gemini()
    if base_url is not None:
        settings = evolve(settings, base_url=base_url)
    name = settings.credential
    key = Path(name).expanduser() if "/" in name else own_file(name, os.environ)
    return Place(path, known.gemini is not None, settings, key)


def has_key(place: Place) -> bool:
    """Tell whether a key is stored there, one that the daemon would take or not."""
    try:
        return bool(read_credential(str(place.key), os.environ))
    except ConfigError:
        return place.key.exists()


def is_sendable(key: str) -> bool:
    """Tell whether a text could be a key: it goes into a header."""
    return bool(key) and key.isascii() and key.isprintable() and " " not in key


def check(place: Place, key: str) -> Checked:
    """Ask the API what it thinks of a key; takes some seconds at most."""
    settings = evolve(place.settings, deadline_s=CHECK_S)
    try:
        trio.run(check_key, settings, key)
    except MeaningError as error:
        verdict = Verdict.REFUSED if error.reason == Trouble.KEY_REFUSED else Verdict.UNKNOWN
        return Checked(verdict, str(error), error.is_passing)
    return Checked(Verdict.GOOD)


def store(place: Place, key: str) -> None:
    """
    Store a key for its owner alone.

    Raises:
        Failure: that cannot be done; what was there is still there.
    """
    try:
        write_whole(place.key, f"{key}\n", 0o600)
    except OSError as error:
        raise Failure(f"{place.key} cannot be written: {error.strerror}; nothing was changed") from error


def table(place: Place) -> str:
    """Write what the configuration needs."""
    lines = ["[gemini]"]
    if place.settings.base_url != Gemini().base_url:
        lines.append(f'base_url = "{place.settings.base_url}"')
    return "\n".join(lines) + "\n"


def configure(place: Place) -> None:
    """
    Add the table to the configuration.

    Raises:
        Failure: that cannot be done; the file is as it was.
    """
    try:
        is_there = place.config.exists()
        text = place.config.read_text(encoding="utf-8") if is_there else ""
        mode = place.config.stat().st_mode & 0o777 if is_there else 0o644
        text = f"{text.rstrip()}\n\n{table(place)}".lstrip()
        parse_config(text)
        write_whole(place.config, text, mode)
    except (OSError, ConfigError) as error:
        raise Failure(f"{place.config} cannot be changed: {error}; add the table yourself") from error
