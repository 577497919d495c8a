"""The journal's device fails: writes that are refused, syncs that are not kept, and what is done about either."""

import sqlite3
from pathlib import Path

import pytest

from tests.e2e.outages import assert_whole, state_of, submit_until_refused
from tests.support.daemon import Site
from tests.support.injection import failing

SYNCS = "fsync,fdatasync"


def prompts_in(journal: Path) -> list[str]:
    """Read the prompts of a journal that nobody has open, oldest first, after its structure was checked."""
    connection = sqlite3.connect(journal)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in connection.execute("SELECT id FROM prompts ORDER BY ord")]
    finally:
        connection.close()


@pytest.mark.parametrize("error", ["EROFS", "EIO"])
def test_writes_that_fail_are_waited_out(site: Site, error: str) -> None:
    """A file system that turns read-only, a device that takes nothing: refused meanwhile, and then it goes on."""
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        first = client.submit("[[text:recorded]]")["id"]
        follower.finished(first)
        with failing(daemon.process.pid, "pwrite64", error):
            accepted, refusal = submit_until_refused(client)
            assert (accepted, refusal.name) == ([], "not_now")
            follower.next("room.changed", state="journal-failing")
            assert state_of(client)[0] == "journal-failing"
        follower.next("room.changed", state="journal-recovered")
        last = client.submit("[[text:afterwards]]")["id"]
        assert follower.finished(last)["answer"] == "afterwards"
        assert_whole(client, follower.events)
    assert prompts_in(site.state / "journal.db") == [first, last]


def test_file_of_which_a_sync_failed_is_given_up_for_a_new_one(site: Site) -> None:
    """Nothing more is acknowledged on it: what was recorded is copied, checked, and goes on in a new file."""
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        taken = [client.submit("[[text:recorded]]")["id"]]
        follower.finished(taken[0])
        inode = (site.state / "journal.db").stat().st_ino
        with failing(daemon.process.pid, SYNCS, "EIO"):
            accepted, refusal = submit_until_refused(client)
            assert (accepted, refusal.name) == ([], "not_now")
        follower.next("room.changed", state="journal-recovered")
        (aside,) = site.state.glob("journal.unsynced-*.db")
        assert aside.stat().st_ino == inode
        assert str(aside) in daemon.wait_for_log("journal_moved")
        taken.append(client.submit("[[text:afterwards]]")["id"])
        follower.finished(taken[1])
        assert_whole(client, follower.events)
    assert prompts_in(site.state / "journal.db") == taken
    with site.running() as daemon:
        assert daemon.connect().call("prompt.get", id=taken[0])["turn"]["answer"] == "recorded"


def test_syncs_that_fail_for_good_let_nothing_be_acknowledged(site: Site) -> None:
    """Not even into a new file; a stop ends in bounded time, and everything that was acknowledged is there."""
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        first = client.submit("[[text:recorded]]")["id"]
        follower.finished(first)
        with failing(daemon.process.pid, SYNCS, "EIO"):
            for _ in range(3):
                assert client.refused("prompt.submit", text="more").name == "not_now"
            assert state_of(client)[0] == "journal-failing"
            assert daemon.stop() == 1
        assert "not recorded: " in daemon.log
    site.wait_until_empty()
    assert prompts_in(site.state / "journal.db") == [first]
