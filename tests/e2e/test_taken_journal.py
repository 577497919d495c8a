"""The journal's files are taken away from a daemon that serves: deleted, replaced, moved with their directory."""

from tests.e2e.outages import state_of
from tests.e2e.test_doctor import look
from tests.support.daemon import Daemon, Site


def take(site: Site) -> None:
    """Delete every file of the journal."""
    for end in ("", "-wal", "-shm"):
        (site.state / f"journal.db{end}").unlink()


def assert_answered(daemon: Daemon, prompts: list[str]) -> None:
    """Fail unless a daemon knows these prompts, and their answers."""
    client = daemon.connect()
    found = [client.call("prompt.get", id=prompt)["prompt"]["state"] for prompt in prompts]
    assert found == ["answered"] * len(prompts)


def test_files_that_are_deleted_are_written_anew(site: Site) -> None:
    """Before the next prompt is acknowledged, and also where there is none; then the daemon is killed."""
    with site.running() as daemon:
        client = daemon.follow()
        asked = [client.submit("[[text:before]]")["id"]]
        client.finished(asked[0])
        take(site)
        asked.append(client.submit("[[text:after]]")["id"])
        client.finished(asked[1])
        daemon.kill()
    site.wait_until_empty()
    with site.running() as daemon:
        assert_answered(daemon, asked)
        client = daemon.follow()
        asked.append(client.submit("[[text:last]]")["id"])
        client.finished(asked[2])
        # From here on nobody asks for anything.
        take(site)
        assert '"set_aside": "nothing"' in daemon.wait_for_log("journal_moved")
        daemon.kill()
    site.wait_until_empty()
    with site.running() as daemon:
        assert_answered(daemon, asked)


def test_a_file_that_is_put_in_the_place_is_set_aside(site: Site) -> None:
    """Status and doctor name it until somebody moves it away; the daemon goes on with its own."""
    other = site.home / "other.db"
    other.write_bytes(b"somebody's own")
    with site.running() as daemon:
        client = daemon.follow()
        asked = [client.submit("[[text:before]]")["id"]]
        client.finished(asked[0])
        other.rename(site.state / "journal.db")
        asked.append(client.submit("[[text:after]]")["id"])
        client.finished(asked[1])
        [aside] = client.call("daemon.status")["daemon"]["set_aside"]
        assert aside in daemon.wait_for_log("journal_moved")
        severity, found, remedy = look(site).of("set aside")
        assert (severity, aside in found, "find out who put it there" in (remedy or "")) == ("warning", True, True)
        daemon.kill()
    site.wait_until_empty()
    with open(aside, "rb") as kept:
        assert kept.read() == b"somebody's own"
    with site.running() as daemon:
        assert_answered(daemon, asked)


def test_a_directory_that_is_moved_is_waited_for(site: Site) -> None:
    """As on a full disk prompts are refused with the reason, and all goes on by itself once it is back."""
    away = site.state.with_name("away")
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        asked = [client.submit("[[text:before]]")["id"]]
        follower.finished(asked[0])
        site.state.rename(away)
        refusal = client.refused("prompt.submit", text="meanwhile")
        assert (refusal.name, "its directory was moved away" in str(refusal)) == ("not_now", True)
        follower.next("room.changed", state="journal-failing")
        state, reason = state_of(client)
        assert (state, "put it back" in (reason or "")) == ("journal-failing", True)
        away.rename(site.state)
        follower.next("room.changed", state="journal-recovered")
        asked.append(client.submit("[[text:after]]")["id"])
        follower.finished(asked[1])
        daemon.kill()
    site.wait_until_empty()
    with site.running() as daemon:
        assert_answered(daemon, asked)
