"""Secrets, which stand in files of their own: the configuration only says where."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from concordiad.errors import ConfigError


def read_key(name: str, environment: Mapping[str, str]) -> str:
    """
    Read a credential that is sent in a header of HTTP, which holds neither a line break nor a control character.

    Raises:
        ConfigError: it cannot be read, or is no key; the message never holds its value.
    """
    value = read_credential(name, environment)
    if not value.isprintable():
        raise ConfigError(f"the credential {name!r} is more than one line of text: write nothing there but the key")
    return value


def read_credential(name: str, environment: Mapping[str, str]) -> str:
    """
    Read a credential: a systemd credential's name, or the path of a file that only its owner can read.

    Raises:
        ConfigError: it is not there, or others can read it; the message never holds its value.
    """
    directory = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(name).expanduser() if "/" in name or directory is None else Path(directory) / name
    try:
        if directory is None or "/" in name:
            mode = os.stat(path).st_mode
            if stat.S_ISDIR(mode):
                raise ConfigError(f"the credential {path} is a directory: name a file in it")
            mode = stat.S_IMODE(mode)
            if mode & 0o077:
                raise ConfigError(f"the credential {path} can be read by others (mode {mode:04o}): chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        remedy = "write it there with mode 0600, or hand it over with systemd's LoadCredential="
        if directory is not None and "/" not in name:
            # Nobody can write there: it is filled when the service starts.
            remedy = (
                f"write it into /etc/credstore/concordia.{name}, root's and with mode 0600, and restart the daemon;"
                " its unit hands over what it names with LoadCredential="
            )
        raise ConfigError(f"the credential {name!r} cannot be read from {path}: {error.strerror}; {remedy}") from error
    except UnicodeDecodeError:
        # That error holds the value, and would take it along into a traceback.
        raise ConfigError(f"the credential {name!r} in {path} is not UTF-8: write it anew as plain text") from None
