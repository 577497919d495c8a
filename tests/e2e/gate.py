"""How a test holds a turn for as long as it needs, without any sleep."""

from pathlib import Path


class Gate:
    """An order that lasts until the gate is opened; write it into a prompt."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        """Write the order."""
        return f"[[gate:{self._path}]]"

    def open(self) -> None:
        """Let the turn go on."""
        self._path.touch()
