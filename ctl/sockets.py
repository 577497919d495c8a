"""
Where the control socket is, and connecting to it.

A socket that was named (`--socket`, `$CONCORDIA_SOCKET`) is the only one that is tried; otherwise the person's own
comes first and the system's second, and the first that accepts is taken.

Imports nothing that Python has not loaded by itself (see ctl.quick).
"""

from __future__ import annotations

import errno
import os

# The C half of `socket`: the other half makes enumerations of every constant, at a quarter of a whole call's time.
from _socket import AF_UNIX, SOCK_STREAM
from _socket import socket as Stream  # noqa: N812  # a class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_SOCKET = "/run/concordia/control.sock"

_WHY_NOT = {
    errno.ENOENT: "not there",
    errno.ENOTDIR: "not there",
    errno.ECONNREFUSED: "nobody listens",
}


def candidates(named: str | None, environment: Mapping[str, str]) -> list[str]:
    """List the sockets to try, in order."""
    named = named or environment.get("CONCORDIA_SOCKET")
    return [named] if named else [_persons_socket(environment), SYSTEM_SOCKET]


def _persons_socket(environment: Mapping[str, str]) -> str:
    # The XDG specification: a relative path in these variables is invalid and counts as unset.
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime):
        return os.path.join(runtime, "concordia", "control.sock")
    state = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        state = os.path.expanduser("~/.local/state")
    return os.path.join(state, "concordia", "run", "control.sock")


def connect(paths: list[str], timeout_s: float | None = None) -> tuple[Stream, str]:
    """
    Connect to the first of these sockets that accepts, within so many seconds.

    Raises:
        Failure: none does; with EXIT_NOT_ALLOWED where one would, but not for this person.
    """
    tried: list[str] = []
    forbidden: str | None = None
    for path in paths:
        stream = Stream(AF_UNIX, SOCK_STREAM)
        stream.settimeout(timeout_s)
        try:
            stream.connect(path)
        except PermissionError:
            forbidden = forbidden or path
        except OSError as error:  # also "AF_UNIX path too long", which has no errno
            tried.append(f"{path} ({_WHY_NOT.get(error.errno or 0, error.strerror or str(error))})")
        else:
            return stream, path
        stream.close()
    from concordiad.core.codes import EXIT_NO_DAEMON, EXIT_NOT_ALLOWED
    from ctl.failures import Failure

    if forbidden is not None:
        raise Failure(
            f"not allowed to use {forbidden}: ask whoever runs this concordiad to let you into the socket's group",
            EXIT_NOT_ALLOWED,
        )
    raise Failure(
        f"no daemon at {' or '.join(tried)}: start one with `concordiad --try` (in a checkout: `make run`),"
        " or name its socket with --socket",
        EXIT_NO_DAEMON,
    )
