"""The port for measures: whether its credential is there, whether it answers, and whether the daemon is ready by it."""

import http.client
from collections.abc import Iterator, Mapping
from typing import Final

from concordiad.config.doors import Metrics
from concordiad.errors import ConfigError
from concordiad.front.metrics import find_token
from ctl.harmless import first_line
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import write_secret
from ctl.health.store import Store

NAME: Final = "metrics"
ANSWER_S: Final = 5.0
"""Patience with the daemon: it looks whether the journal answers, for 2 s at most."""


def check_measures(
    settings: Metrics | None, environment: Mapping[str, str], *, runs: bool, store: Store | None = None
) -> Iterator[Finding]:
    """
    Look for the credential, as the daemon would, and ask a daemon that runs whether it is ready.

    Args:
        settings: the table of the configuration, if there is one.
        runs: whether a daemon runs, which has found its credential where it was started.
        store: where systemd has the service's secrets from, if the configuration is the service's.
    """
    if settings is None:
        return
    if store is not None:
        settings = store.placed(settings)
        if "/" not in settings.credential:
            make = f"`openssl rand -hex 32 | {write_secret(store.path(settings.credential))}`"
            yield store.explain(NAME, settings.credential, "what whoever asks has to show", runs=runs, write=make)
            if runs:
                yield _ask(settings)
            return
    try:
        find_token(settings, environment)
    except ConfigError as fault:
        if not runs:
            yield error(NAME, str(fault), "make one as it says")
            return
        found = f"{fault}: not as you, in this shell; the daemon that runs may have it from elsewhere"
        yield warning(NAME, found, "look as the user of the daemon")
    if runs:
        yield _ask(settings)
    else:
        yield ok(NAME, f"for whoever has the credential, at http://{settings.listen}/metrics")


def _ask(settings: Metrics) -> Finding:
    address = settings.address
    connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = first_line(answer.read(1000).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as fault:
        why = f"nobody answers at {settings.listen}: {str(fault) or type(fault).__name__}"
        return error(NAME, why, "restart the daemon: [metrics] comes into force at its start")
    finally:
        connection.close()
    if answer.status != 200:
        remedy = 'see "When the journal fails" and "Alerts" in docs/operation.md'
        return error(NAME, f"the daemon is not ready: {said}", remedy)
    return ok(NAME, f"at http://{settings.listen}/metrics, for whoever has the credential; the daemon is ready")
