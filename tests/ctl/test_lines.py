import socket
import time

import pytest

from ctl.lines import LONGEST_SLEEP_S, LineStream


class Watched(socket.socket):
    """A socket that tells how long each of its reads was allowed to take."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self.peer = theirs
        self.limits_s: list[float | None] = []

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read, and let the peer answer at the second time."""
        self.limits_s.append(self.gettimeout())
        if len(self.limits_s) == 2:
            self.peer.sendall(b"at last\n")
            return super().recv(size, flags)
        raise TimeoutError


@pytest.mark.parametrize("left_s", [None, 3600.0])
def test_no_single_wait_lasts_for_ever(left_s: float | None) -> None:
    """Python does not see a Ctrl-C that comes just before it enters the system's wait until that is over."""
    stream = Watched()
    with LineStream(stream, "x") as lines, stream.peer:
        assert lines.read(None if left_s is None else time.monotonic() + left_s) == b"at last"
    assert stream.limits_s == [LONGEST_SLEEP_S, LONGEST_SLEEP_S]
