"""What `doctor` says of the port for measures."""

import socket
import threading
from pathlib import Path

from concordiad.config.doors import Metrics
from ctl.health import Finding, Status
from ctl.health.measures import check_measures
from tests.support.patience import PATIENCE_S

TOKEN = "0123456789abcdef-token"


def look(home: Path, settings: Metrics | None, *, runs: bool = False) -> list[Finding]:
    """Look as somebody with that home."""
    found = list(check_measures(settings, {"HOME": str(home)}, runs=runs))
    assert TOKEN not in str(found)
    return found


def store(home: Path, mode: int = 0o600) -> str:
    """Store a credential, and return where."""
    path = home / "token"
    path.write_text(TOKEN)
    path.chmod(mode)
    return str(path)


def test_nothing_is_said_where_nobody_wants_it(tmp_path: Path) -> None:
    """Without a table there is nothing to look at."""
    assert look(tmp_path, None) == []


def test_credential_is_looked_for(tmp_path: Path) -> None:
    """One that is missing, or that others can read, keeps a daemon from starting."""
    (missing,) = look(tmp_path, Metrics())
    assert missing.status is Status.ERROR and "is missing" in missing.found
    (open_to_all,) = look(tmp_path, Metrics(credential=store(tmp_path, 0o644)))
    assert open_to_all.status is Status.ERROR and "can be read by others" in open_to_all.found
    (good,) = look(tmp_path, Metrics(credential=store(tmp_path)))
    assert good.status is Status.OK


def answering(listener: socket.socket, answer: bytes) -> threading.Thread:
    """Answer one request."""

    def serve() -> None:
        stream, _ = listener.accept()
        with stream:
            stream.settimeout(PATIENCE_S)
            assert stream.recv(4096).startswith(b"GET /readyz HTTP/1.1\r\n")
            stream.sendall(b"HTTP/1.1 " + answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_daemon_that_runs_is_asked_whether_it_is_ready(tmp_path: Path) -> None:
    """It says what is wrong, and where nobody answers, that too."""
    credential = store(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Metrics(listen=f"127.0.0.1:{listener.getsockname()[1]}", credential=credential)
        answers = (b"200 OK\r\nContent-Length: 3\r\n\r\nok\n", b"503 No\r\nContent-Length: 9\r\n\r\nno \x1b disk")
        for answer, status in zip(answers, (Status.OK, Status.ERROR), strict=True):
            thread = answering(listener, answer)
            (found,) = look(tmp_path, settings, runs=True)
            thread.join(PATIENCE_S)
            assert found.status is status and "\x1b" not in found.found
            assert ("not ready: no" in found.found) is (status is Status.ERROR)
    (gone,) = look(tmp_path, settings, runs=True)
    assert gone.status is Status.ERROR and "nobody answers" in gone.found
