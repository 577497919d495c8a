"""
For how long the kernel keeps who gives bytes to a socket.

A `send` over loopback does the network's work, also for others who sent something on that processor, and its time is
the caller's. The calls are replaced when this is imported, which has to come before Trio, for that takes them as it
finds them.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")


class Sends:
    """
    The time within calls that give bytes to a socket.

    Attributes:
        within_s: seconds of the calling thread's processor time; whoever reads it sets it back.
    """

    def __init__(self) -> None:
        self.within_s = 0.0

    def timed(self, call: Callable[..., T]) -> Callable[..., T]:
        """Time a call."""

        def timed(*args: Any) -> T:
            began = time.thread_time()
            try:
                return call(*args)
            finally:
                self.within_s += time.thread_time() - began

        return timed


SENDS: Final = Sends()
socket.socket.send = SENDS.timed(socket.socket.send)  # type: ignore[method-assign]
os.write = SENDS.timed(os.write)
