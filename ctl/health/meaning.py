"""The language model: whether one is configured, and whether its key is there; nobody is asked for it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from concordiad.config.tables import Gemini
from concordiad.errors import ConfigError
from concordiad.meaning.key import VARIABLE, find_key, find_place, own_file
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import type_out
from ctl.health.store import Store

NAME: Final = "language model"
SET_UP: Final = "concordiactl setup gemini"


def check_meaning(
    settings: Gemini | None,
    path: Path,
    environment: Mapping[str, str],
    *,
    runs: bool,
    store: Store | None = None,
) -> Iterator[Finding]:
    """
    Look for the model's key, as the daemon would.

    Args:
        settings: the table of the configuration, if there is one.
        path: the configuration.
        runs: whether a daemon runs, which has found its key where it was started.
        store: where systemd has the service's secrets from, if the configuration is the service's.
    """
    if settings is None:
        stored = own_file(Gemini().credential, environment)
        if stored.exists():
            found = f"{stored} holds a key, but {path} has no table [gemini]: it is not used"
            yield warning(NAME, found, f"add [gemini] to {path}, or `{type_out('rm', stored)}`")
        return
    if store is not None:
        settings = store.placed(settings)
        if "/" not in settings.credential:
            yield store.explain(NAME, settings.credential, "its key", runs=runs)
            return
    try:
        find_key(settings, environment)
    except ConfigError as fault:
        if runs:
            found = f"{fault}: not as you, in this shell; the daemon that runs may have it from elsewhere"
            yield warning(NAME, found, "look as the user of the daemon")
        else:
            yield error(NAME, str(fault), SET_UP)
        return
    place = find_place(settings, environment)
    where = f"{place}, for its owner alone" if place is not None else f"the variable {VARIABLE} of this shell"
    yield ok(NAME, f"{settings.model}; its key is in {where}; whether it is good, `{SET_UP}` tells")
