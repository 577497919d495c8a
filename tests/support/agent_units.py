"""Units of agents as the service manager makes them: it accepts, each connection becomes a shim's stdin."""

import contextlib
import os
import queue
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from tests.support.daemon import ROOT

SHIM: Final = ROOT / "concordiad" / "agent" / "shim.py"
FORGED: Final = {"NOTIFY_SOCKET": "/none", "LISTEN_FDS": "1", "INVOCATION_ID": "1", "REMOTE_ADDR": "none"}
"""What a service manager would tell a shim, and no agent is to hear."""


def run_shim(connection: socket.socket, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Run a shim as a unit would."""
    return subprocess.Popen(
        [sys.executable, "-IS", str(SHIM)], stdin=connection.fileno(), env={**environment, **FORGED}, cwd="/"
    )


class AgentUnits:
    """
    A socket unit that accepts, and its services.

    Attributes:
        path: the socket.
            shims: the processes of the services, oldest first.
        is_broken: while it is set, services end before they run anything.
        is_held: while it is set, services do not come up.
        held: the connections of those.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.path = path
        self.shims: list[subprocess.Popen[bytes]] = []
        self.is_broken = self.is_held = False
        self.held: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._environment = dict(environment)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._accept, name="agent-units")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stop)
        self._thread.join()
        os.close(self._stopped)
        self._listener.close()
        for shim in self.shims:
            with contextlib.suppress(ProcessLookupError):
                shim.kill()
            shim.wait()

    def _accept(self) -> None:
        while self._listener.fileno() in select.select([self._stopped, self._listener.fileno()], [], [])[0]:
            connection, _ = self._listener.accept()
            if self.is_held:
                self.held.put(connection)
                continue
            with connection:
                if not self.is_broken:
                    self.shims.append(run_shim(connection, self._environment))
