"""
A control socket that plays a script: a real Unix socket, scripted answers.

A script is a function that talks with the one client that connects. What it asserts fails the test.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.patience import PATIENCE_S

"""Far longer than any step takes: a client that never comes fails the test and does not hang it."""

Json = dict[str, Any]


class Client:
    """The connected program, as the daemon sees it."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._lines = stream.makefile("rb")
        self._id: Any = None
        self._seq = 0

    def request(self, method: str) -> Json:
        """Take the next request, which must be for this method; returns its params."""
        request = json.loads(self._lines.readline())
        assert method == request["method"]
        assert request["jsonrpc"] == "2.0"
        self._id = request["id"]
        params: Json = request["params"]
        return params

    def result(self, result: Json) -> None:
        """Answer the request that was taken last, as the daemon writes: no spaces, UTF-8."""
        message = {"jsonrpc": "2.0", "id": self._id, "result": result}
        self.line(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    def error(self, code: int, message: str, retry_after_s: float | None = None) -> None:
        """Refuse the request that was taken last."""
        data = {"name": "name", "field": None, "retry_after_s": retry_after_s}
        body = {"code": code, "message": message, "data": data}
        self.line(json.dumps({"jsonrpc": "2.0", "id": self._id, "error": body}))

    def answer(self, method: str, result: Json) -> Json:
        """Take a request for this method and answer it; returns its params."""
        params = self.request(method)
        self.result(result)
        return params

    def event(self, event: Json) -> None:
        """Send an event as the daemon writes them: no spaces, UTF-8, and with the next number where its own was."""
        if "seq" in event:
            self._seq = max(event["seq"], self._seq + 1)
            event = event | {"seq": self._seq}
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self.line(f'{{"jsonrpc":"2.0","method":"event","params":{body}}}')

    def line(self, text: str) -> None:
        """Send a line."""
        self._stream.sendall(text.encode() + b"\n")

    def wait_until_gone(self) -> None:
        """Wait until the program has hung up."""
        while self._lines.readline():
            pass

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._stream.close()


Script = Callable[[Client], None]


@contextmanager
def scripted_daemon(path: Path, *scripts: Script) -> Iterator[None]:
    """Listen at a path and play one script for each connection, in order; leave when all have been played."""
    failures: list[Exception] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        player = threading.Thread(target=_play, args=(listener, scripts, failures), daemon=True)
        player.start()
        try:
            yield
        finally:
            player.join(PATIENCE_S)
    assert not player.is_alive()
    if failures:
        raise failures[0]


def _play(listener: socket.socket, scripts: tuple[Script, ...], failures: list[Exception]) -> None:
    try:
        for script in scripts:
            stream, _ = listener.accept()
            stream.settimeout(PATIENCE_S)
            client = Client(stream)
            try:
                script(client)
            finally:
                client.close()
    except Exception as error:  # noqa: BLE001  # the thread's one boundary: the test's own thread raises it again
        failures.append(error)
