"""What a service manager hears that is busy for a while."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from concordiad.ops.notify import Manager, find_manager


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen as a service manager does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.setblocking(False)
        yield ear


@pytest.fixture
def manager(ear: socket.socket) -> Iterator[Manager]:
    """Find it as a daemon does, when it has more to read than the kernel queues for it."""
    manager = find_manager({"NOTIFY_SOCKET": ear.getsockname()})
    while manager.tell_with({"STATUS": "so much"}):
        continue
    yield manager
    assert manager._socket is not None
    manager._socket.close()


def hear(ear: socket.socket) -> list[str]:
    """Take what has come."""
    heard: list[str] = []
    try:
        while True:
            heard.append(ear.recv(65536).decode())
    except BlockingIOError:
        return heard


def test_a_busy_manager_hears_later_what_it_had_no_room_for(ear: socket.socket, manager: Manager) -> None:
    """Each word once, and in order, so that nothing stays in the descriptor store that was removed."""
    names = [f"agent-{number}" for number in range(100)]
    for name in names:
        manager.tell(FDSTOREREMOVE=1, FDNAME=name)
    heard = [word for word in hear(ear) if "so much" not in word]
    assert heard == []
    while len(heard) < len(names):
        manager.catch_up()
        more = hear(ear)
        assert more, "it was not told again"
        heard += more
    assert heard == [f"FDSTOREREMOVE=1\nFDNAME={name}" for name in names]
    manager.catch_up()
    assert hear(ear) == []


def test_of_what_passes_a_busy_manager_hears_the_latest(ear: socket.socket, manager: Manager) -> None:
    """It is not told how the daemon was an hour ago, but that it turns."""
    manager.tell(READY=1)
    for number in range(100):
        manager.tell(WATCHDOG=1)
        manager.tell(STATUS=f"turn {number}")
    hear(ear)
    manager.catch_up()
    assert hear(ear) == ["READY=1", "WATCHDOG=1\nSTATUS=turn 99"]
