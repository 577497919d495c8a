"""
What the daemon tells the service manager that started it (sd_notify(3)): that it is ready, how it is, that it turns.

Without a service manager nothing is told. A manager that does not listen is no reason to fail.
"""

import array
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import trio
from msgspec import Struct, field

BEAT_S: Final = 10.0
"""How often the status is looked at where no watchdog wants more."""
BEATS_A_WATCH: Final = 3
"""A beat may be late, or even be missed, without the watchdog's taking the daemon for dead."""
_USEC: Final = 1_000_000
_PASSING: Final = frozenset(("STATUS", "WATCHDOG"))
"""What is of no interest once it has been said anew."""
_UNSAID: Final = 1024
"""Words at most that are kept for a manager that has no room for them, or is gone."""


class Manager(Struct, frozen=True):
    """
    The service manager's ear.

    Attributes:
        address: NOTIFY_SOCKET: a path, or `@` and an abstract name; None where nobody listens.
        watch_s: within so many seconds it wants to hear that the daemon turns; None where there is no watchdog.
    """

    address: str | None = None
    watch_s: float | None = None
    _socket: socket.socket | None = None
    _unsaid: deque[dict[str, str | int]] = field(default_factory=lambda: deque(maxlen=_UNSAID))

    @property
    def beat_s(self) -> float:
        """How often there is something to tell, in seconds."""
        return BEAT_S if self.watch_s is None else min(BEAT_S, self.watch_s / BEATS_A_WATCH)

    def tell(self, **words: str | int) -> None:
        """Tell it something, names and values as in sd_notify(3): now, or at a later beat if it has no room."""
        if self.address is None:
            return
        if self._unsaid and _PASSING.issuperset(words) and _PASSING.issuperset(self._unsaid[-1]):
            self._unsaid[-1].update(words)
        else:
            self._unsaid.append(words)
        self.catch_up()

    def catch_up(self) -> None:
        """Tell it, in order, what it had no room for."""
        while self._unsaid and self.tell_with(self._unsaid[0]):
            self._unsaid.popleft()

    def tell_with(self, words: Mapping[str, str | int], descriptors: Sequence[int] = ()) -> bool:
        """Tell it something, and pass descriptors; tells whether it has got that."""
        if self._socket is None or self.address is None:
            return False
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        message = "\n".join(f"{key}={value}" for key, value in words.items())
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self._socket.sendmsg([message.encode()], rights, 0, name)
        except OSError:
            return False
        return True


def find_manager(environment: Mapping[str, str]) -> Manager:
    """Find the service manager that started this process, if one did."""
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return Manager()
    usec = environment.get("WATCHDOG_USEC", "")
    is_watched = usec.isdigit() and environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.setblocking(False)
    return Manager(address, int(usec) / _USEC if is_watched else None, ear)


async def run_notifying(manager: Manager, describe: Callable[[], Awaitable[str]]) -> None:
    """
    Tell the service manager that everything answers, and from then on how it is and that the loop turns.

    Owns: nothing. Ends when: it is cancelled.
    """
    if manager.address is None:
        return
    said = await describe()
    manager.tell(READY=1, STATUS=said)
    while True:
        await trio.sleep(manager.beat_s)
        now = await describe()
        words: dict[str, str | int] = {} if manager.watch_s is None else {"WATCHDOG": 1}
        if now != said:
            words["STATUS"] = said = now
        if words:
            manager.tell(**words)
        else:
            manager.catch_up()
