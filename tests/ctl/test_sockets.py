from pathlib import Path

import pytest

from concordiad.core.codes import EXIT_NO_DAEMON
from ctl.failures import Failure
from ctl.sockets import SYSTEM_SOCKET, candidates, connect
from tests.ctl.scripted_daemon import scripted_daemon


@pytest.mark.parametrize(
    ("named", "variables", "expected"),
    [
        ("/a", {"CONCORDIA_SOCKET": "/b"}, ["/a"]),
        (None, {"CONCORDIA_SOCKET": "/b", "XDG_RUNTIME_DIR": "/run/user/1"}, ["/b"]),
        (None, {"XDG_RUNTIME_DIR": "/run/user/1"}, ["/run/user/1/concordia/control.sock", SYSTEM_SOCKET]),
        (None, {"XDG_STATE_HOME": "/state"}, ["/state/concordia/run/control.sock", SYSTEM_SOCKET]),
        (
            None,
            {"XDG_RUNTIME_DIR": "", "CONCORDIA_SOCKET": ""},
            ["/home/x/.local/state/concordia/run/control.sock", SYSTEM_SOCKET],
        ),
        (None, {"XDG_STATE_HOME": "relative"}, ["/home/x/.local/state/concordia/run/control.sock", SYSTEM_SOCKET]),
    ],
)
def test_a_named_socket_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch, named: str | None, variables: dict[str, str], expected: list[str]
) -> None:
    """Otherwise the person's own comes before the system's."""
    monkeypatch.setenv("HOME", "/home/x")
    assert expected == candidates(named, variables)


def test_the_first_socket_that_accepts_is_taken(tmp_path: Path) -> None:
    """One that nobody listens at, or that is not there, is passed over."""
    with scripted_daemon(tmp_path / "dead"):
        pass
    alive = tmp_path / "alive"
    with scripted_daemon(alive, lambda client: client.wait_until_gone()):
        stream, path = connect([str(tmp_path / "none"), str(tmp_path / "dead"), str(alive)])
        stream.close()
    assert str(alive) == path


@pytest.mark.parametrize("name", ["none", "dead", "x" * 200])
def test_without_a_daemon_the_sentence_names_what_was_tried(tmp_path: Path, name: str) -> None:
    """And the exit code says that there is none, also for a path that no socket can have."""
    with scripted_daemon(tmp_path / "dead"):
        pass
    with pytest.raises(Failure, match=name) as caught:
        connect([str(tmp_path / name)])
    assert caught.value.exit_code == EXIT_NO_DAEMON
