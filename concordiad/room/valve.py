"""What stops the reading of the agent while too much of what it said waits for the journal: then its pipe fills."""

import trio


class Valve:
    """Open or shut; the fan-out turns it, the pump and the keeper wait for it."""

    def __init__(self) -> None:
        self._opened = trio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether the agent may be read."""
        return self._opened.is_set()

    def turn(self, *, is_open: bool) -> None:
        """Open or shut it."""
        if is_open:
            self._opened.set()
        elif self._opened.is_set():
            self._opened = trio.Event()

    async def wait(self) -> None:
        """Wait until it is open."""
        await self._opened.wait()
