"""
The daemon's settings: frozen classes whose fields are the keys of the TOML file, and how they are read.

Law: what is wrong is said with its key, and an unknown key with the nearest known one.

    file ── TOML ──▶ tables, which know their defaults and bounds ──▶ check: what they say of each other ──▶ Config
"""

import tomllib
from pathlib import Path
from typing import Final

from concordiad.config.checking import check, nearest
from concordiad.config.tables import Config
from concordiad.core.agents import Kind
from concordiad.core.attribution import Attribution
from concordiad.core.logbook import Format, Level
from concordiad.core.model import AfterCrash, OnDamage, Stage
from concordiad.core.strict import STRUCTURE_ERRORS, first_fault, make_strict_converter, structure_choice
from concordiad.errors import ConfigError

_CONVERTER: Final = make_strict_converter()
for _choices in (Kind, AfterCrash, OnDamage, Stage, Attribution, Format, Level):
    _CONVERTER.register_structure_hook(_choices, structure_choice)


def read_config(path: Path, agent_socket: str | None = None) -> Config:
    """
    Read a configuration file; `agent_socket` is that of agents that name none.

    Raises:
        ConfigError: it cannot be read, or a key or a value is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        return parse_config(text, agent_socket)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_config(text: str, agent_socket: str | None = None) -> Config:
    """
    Check a configuration's text and make it a Config; `agent_socket` is that of agents that name none.

    Raises:
        ConfigError: naming the key, what is wrong, and what would be right.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from error
    try:
        config = _CONVERTER.structure(tables, Config)
    except STRUCTURE_ERRORS as error:
        raise ConfigError(_explain(error)) from error
    return check(config, agent_socket)


def _explain(error: BaseException) -> str:
    fault = first_fault(error)
    return f"{fault}{nearest(fault.field.rpartition('.')[2], list(fault.known))}"
