"""
The daemon's own standard error: it can be a full disk, a terminal that somebody has stopped, a pipe that nobody reads.

Laws: nothing that is said there ends the daemon or holds it up. It waits in a bounded memory, and one thread writes it,
in order and to the end of each line. What finds no room is lost and counted, and the next entry of the log says how
many those were. Where nobody will ever read it, it is left alone. At the end, what waits has FINISH_S.
"""

import atexit
import errno
import io
import os
import select
import signal
import stat
import threading
from contextlib import suppress
from typing import Any, Final, TextIO

from concordiad.ops.journald import WAITING_BYTES
from concordiad.ops.threads import is_want_of_threads

PIECE_BYTES: Final = 64 * 1024
"""What is written at a time: what a pipe holds."""
REST_S: Final = 1.0
"""How long a disk that is full is left alone; twice as long each time, up to the next."""
LONGEST_REST_S: Final = 8.0
FINISH_S: Final = 1.0
"""What the last lines may take when the daemon ends: as much as the last spans."""
_HUNG_UP: Final = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF, errno.ENXIO)


class StandardError:
    """
    What is said on standard error, on its way there; safe to use from any thread.

    Args:
        stream: standard error; its encoding is kept, itself is not written to.
        waiting_bytes: what may wait.

    Attributes:
        stream: takes text for it, as the other one did: for Python's own messages, a last traceback among them.
    """

    def __init__(self, stream: TextIO, waiting_bytes: int = WAITING_BYTES) -> None:
        self.descriptor = stream.fileno()
        self._most = waiting_bytes
        self._waiting = bytearray()
        self._lost = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_ending = self._is_gone = False
        entrance = _Entrance(self)
        self.stream = io.TextIOWrapper(entrance, stream.encoding, stream.errors, line_buffering=True)
        atexit.register(self.finish)

    def write(self, data: bytes) -> bool:
        """Have something written; False where there is no room for it, and it is lost."""
        with self._changed:
            if self._is_gone:
                return True
            if len(self._waiting) + len(data) > self._most:
                self._lost += 1
                return False
            if not self._waiting:
                self._changed.notify_all()
            self._waiting += data
            if self._thread is None and not self._is_ending:
                self._start()
        return True

    def write_line(self, text: str) -> bool:
        """Have a line written; False where there is no room for it, and it is lost."""
        return self.write(f"{text}\n".encode(self.stream.encoding, self.stream.errors or "strict"))

    def take_lost(self) -> int:
        """Return how many were lost since this was last asked: whoever asks tells it, or gives it back."""
        with self._changed:
            lost, self._lost = self._lost, 0
        return lost

    def give_lost(self, lost: int) -> None:
        """Give back what could not be told."""
        with self._changed:
            self._lost += lost

    def finish(self) -> None:
        """Wait until all is written, for FINISH_S at most."""
        self.stream.flush()
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            if self._thread is not None:
                self._changed.wait_for(lambda: not self._waiting, FINISH_S)
                return
        self._finish_here()

    def _start(self) -> None:
        """Have somebody who writes; where the machine has no thread to give, the next line asks again."""
        thread = threading.Thread(target=self._run, name="standard-error", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not is_want_of_threads(error):
                raise
        else:
            self._thread = thread

    def _run(self) -> None:
        """Write. Owns: the descriptor. Ends when: nobody can read what is written, or the process does."""
        rest_s = REST_S
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                piece = bytes(self._waiting[:PIECE_BYTES])
            try:
                written = os.write(self.descriptor, piece)
            except BlockingIOError:
                # Somebody who has it, too, does not want to wait for it; this thread does.
                self._wait_until_writable()
            except OSError as error:
                if not self._outlasts(error, rest_s):
                    return
                rest_s = min(2 * rest_s, LONGEST_REST_S)
            else:
                rest_s = REST_S
                with self._changed:
                    # A disk that has just room for half a line gets the other half once it has more.
                    del self._waiting[:written]
                    self._changed.notify_all()

    def _wait_until_writable(self) -> None:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        poll.poll()

    def _outlasts(self, error: OSError, rest_s: float) -> bool:
        """Leave it alone for a while, and tell whether it is to be tried again."""
        with self._changed:
            if self._is_ending or self._is_hung_up(error):
                self._is_gone = True
                self._waiting.clear()
                self._changed.notify_all()
                return False
            self._changed.wait_for(lambda: self._is_ending, rest_s)
        return True

    def _is_hung_up(self, error: OSError) -> bool:
        """Tell whether nobody will ever read it: a disk with a fault may be mended, a closed terminal may not."""
        if error.errno == errno.EIO:
            return not stat.S_ISREG(os.fstat(self.descriptor).st_mode)
        return error.errno in _HUNG_UP

    def _finish_here(self) -> None:
        """Write what waits without a thread, by the clock of a signal."""
        before = signal.signal(signal.SIGALRM, _give_up)
        signal.setitimer(signal.ITIMER_REAL, FINISH_S)
        with suppress(OSError):
            while self._waiting:
                del self._waiting[: os.write(self.descriptor, self._waiting[:PIECE_BYTES])]
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Entrance(io.BufferedIOBase):
    """The end of a stream of text."""

    name = "<stderr>"

    def __init__(self, way: StandardError) -> None:
        super().__init__()
        self._way = way

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._way.descriptor

    def isatty(self) -> bool:
        return os.isatty(self._way.descriptor)

    def write(self, data: Any) -> int:
        said = bytes(data)
        self._way.write(said)
        return len(said)


def _give_up(*_: object) -> None:
    raise TimeoutError
