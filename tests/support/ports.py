"""Ports that a daemon can have again after a restart."""

import errno
import random
import socket
from typing import Final

STEADY: Final = range(20_000, 32_000)
"""Below those that Linux gives to whoever asks for any (ip_local_port_range): no connection takes one meanwhile."""


def steady_port() -> int:
    """Find a port of loopback that is free, and that nobody is given by chance."""
    while True:
        # The system's own randomness: the seed of a test must not make two suites choose alike.
        port = random.SystemRandom().choice(STEADY)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
