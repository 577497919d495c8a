"""
Where the key of the Gemini API comes from, and which variables of the daemon's own environment hold it.

Law: a value is never in a message, and never in what an agent gets.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from concordiad.config.credentials import read_key
from concordiad.config.doors import Metrics
from concordiad.config.places import find_file
from concordiad.config.tables import Gemini
from concordiad.errors import ConfigError

VARIABLE: Final = "GEMINI_API_KEY"


def own_file(name: str, environment: Mapping[str, str]) -> Path:
    """Tell where a person's key of that name is: beside the person's configuration."""
    return find_file(environment, is_service=False).with_name(name)


def find_key(settings: Gemini, environment: Mapping[str, str]) -> str:
    """
    Read the key: as configured, else from the environment.

    Raises:
        ConfigError: there is none, it is no key, or others can read it.
    """
    place = find_place(settings, environment)
    key = environment.get(VARIABLE, "").strip() if place is None else read_key(place, environment)
    where = VARIABLE if place is None else repr(place)
    if not key:
        what = "is empty" if place is not None or VARIABLE in environment else "is missing"
        raise ConfigError(
            f"gemini: the key {what}: type `concordiactl setup gemini`, or give credential a file with mode 0600 or a"
            f" systemd credential, or set {VARIABLE}"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"gemini: what {where} holds is no key: write nothing there but the key")
    return key


def find_place(settings: Gemini | Metrics, environment: Mapping[str, str]) -> str | None:
    """Tell where a credential of ours is, as `read_key` takes it; None where only the environment can have it."""
    name = settings.credential
    if "/" in name:
        return name
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if directory is not None and os.path.exists(os.path.join(directory, name)):
        return name
    own = own_file(name, environment)
    return str(own) if os.path.exists(own) else None


def without_key(environment: Mapping[str, str], key: str) -> dict[str, str]:
    """Leave out of an environment whatever variable holds the key, by whatever name."""
    return {name: value for name, value in environment.items() if key not in value}
