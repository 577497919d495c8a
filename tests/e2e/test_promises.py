"""What documentation promises of a running daemon besides its answers: modes, the group, the log, the epoch."""

import grp
import os
import select
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from concordiad.front.outbox import LARGE_BYTES
from tests.support.control_client import Refused
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S

NOBODY = 65534


def mode_of(path: Path) -> int:
    """Return a file's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_state_and_socket_are_the_owners_alone(daemon: Daemon, site: Site) -> None:
    """Directories are 0700; the journal, its log, the locks and the socket are 0600."""
    assert [mode_of(path) for path in (site.state, site.runtime)] == [0o700, 0o700]
    files = [*site.state.iterdir(), *site.runtime.iterdir()]
    assert {path.name: mode_of(path) for path in files} == dict.fromkeys((path.name for path in files), 0o600)


@pytest.fixture
def open_site() -> Iterator[Site]:
    """Give a place for daemons that other users can reach, as far as its own modes let them."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        root.chmod(0o711)
        site = Site(root)
        yield site
        site.clear()


def connects(site: Site, groups: list[int]) -> bool:
    """Tell whether somebody else with these groups can connect to the control socket."""
    mine = os.getgroups(), os.getegid(), os.geteuid()
    os.setgroups(groups)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(site.socket))
    except PermissionError:
        return False
    else:
        return True
    finally:
        os.seteuid(mine[2])
        os.setegid(mine[1])
        os.setgroups(mine[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else: run this test as root")
def test_group_is_let_in_and_nobody_else(open_site: Site) -> None:
    """With control.group the socket is 0660 in a directory that its members may pass through; others stay outside."""
    group = grp.getgrgid(12) if os.getegid() != 12 else grp.getgrgid(7)
    open_site.configure({"control": {"group": group.gr_name}})
    with open_site.running():
        assert (mode_of(open_site.runtime), mode_of(open_site.socket)) == (0o710, 0o660)
        assert connects(open_site, [group.gr_gid]) is True
        assert connects(open_site, []) is False


def test_no_prompt_is_in_the_log(daemon: Daemon) -> None:
    """Neither a prompt's text nor an answer's stands in the daemon's log."""
    client = daemon.follow()
    client.finished(client.submit("[[text:answer-in-question]] prompt-in-question")["id"])
    daemon.wait_for_log("turn_finished")
    assert "in-question" not in daemon.log


def test_restored_backup_gives_a_new_epoch(site: Site, tmp_path: Path) -> None:
    """A daemon on a journal restored from a backup begins an epoch that no client has seen, and resynchronises it."""
    with site.running():
        pass
    shutil.copytree(site.state, tmp_path / "backup")
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[text:lost]]")["id"])
        seen = client.call("events.list")["cursor"]
    shutil.rmtree(site.state)
    shutil.copytree(tmp_path / "backup", site.state)
    with site.running() as daemon:
        answer = daemon.connect().call("events.subscribe", after=seen)
        assert answer["cursor"]["epoch"] > seen["epoch"]
        assert answer["resync"] is True


def test_unread_large_answers_are_bounded_together(daemon: Daemon) -> None:
    """Of twenty clients that ask for twenty megabytes and do not read, as many are served as fit; the rest is told."""
    client = daemon.follow()
    turn = client.finished(client.submit("[[size:20000000]]")["id"])["id"]
    clients = [daemon.connect() for _ in range(20)]
    asked = [unread.request("turn.get", id=turn) for unread in clients]
    for unread in clients:
        # Readable: its answer has begun, so what becomes of it is decided.
        assert select.select([unread.socket], [], [], PATIENCE_S)[0]
    assert client.call("daemon.status")["daemon"]["pid"] == daemon.process.pid
    refused = 0
    for unread, request in zip(clients, asked, strict=True):
        try:
            assert len(unread.answer(request)["turn"]["answer"]) == 20_000_000
        except Refused as refusal:
            refused += refusal.name == "not_now"
    assert refused == 20 - LARGE_BYTES // 20_000_000
    assert clients[0].call("turn.get", id=turn)["turn"]["id"] == turn
