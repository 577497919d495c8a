"""A daemon with a language model configured: where its key is, and where it is not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from concordiad.agent.leftovers import read_environment
from tests.support.daemon import Site
from tests.support.gemini_stub import KEY, GeminiStub
from tests.support.guest_client import join

CONFIG_FAULT = 78


@pytest.fixture
def api() -> Iterator[GeminiStub]:
    """The stub."""
    with GeminiStub() as stub:
        yield stub


@pytest.fixture
def site(tmp_path: Path, api: GeminiStub) -> Iterator[Site]:
    """Give a place for a daemon that has the model, and its key where `setup` puts it, and an open door."""
    site = Site(tmp_path, {"gemini": {"base_url": api.url}, "guests": {"listen": "127.0.0.1:0"}})
    place = site.home / ".config" / "concordia" / "gemini_api_key"
    place.parent.mkdir(parents=True)
    place.touch(mode=0o600)
    place.write_text(f"{KEY}\n")
    yield site
    site.clear()


def test_agent_gets_no_key_of_ours(site: Site) -> None:
    """Whatever variable of the daemon's environment holds it is withheld; another key in such a variable is not."""
    site.environment |= {
        "GEMINI_API_KEY": KEY,
        "GOOGLE_API_KEY": KEY,
        "OPTIONS": f"key={KEY}",
        "OTHER_API_KEY": "another",
    }
    with site.running() as daemon, daemon.follow() as client:
        client.finished(client.submit("hello")["id"])
        (agent,) = client.call("room.list")["rooms"]
        environment = read_environment(agent["agent"]["pid"])
    assert b"OTHER_API_KEY=another" in environment
    assert not any(KEY.encode() in variable for variable in environment)


def test_key_of_the_model_is_masked(site: Site) -> None:
    """Should it come to stand in the transcript, guests read stars there."""
    with site.running() as daemon, daemon.follow() as host:
        with join(host.call("invite.create", role="viewer")["invite"]["url"])[0] as guest:
            prompt = host.submit(f"say {KEY}")
            assert guest.next("prompt.accepted")["prompt"]["text"] == f"say {'*' * len(KEY)}"
            guest.finished(prompt["id"])
            assert KEY.encode() not in guest.received
        host.finished(prompt["id"])


def test_key_of_the_model_is_nowhere(site: Site) -> None:
    """Not in the log, not in what the daemon tells of itself, not in its state, not in the configuration in force."""
    with site.running("--verbose") as daemon, daemon.follow() as client:
        client.finished(client.submit("hello")["id"])
        told = json.dumps([client.call("daemon.status"), client.call("room.list")])
        log = daemon.log
    program = [sys.executable, "-m", "concordiad", "--config", str(site.config), "--check"]
    checked = subprocess.run(program, env=site.environment, capture_output=True, text=True, check=True)
    assert json.loads(checked.stdout)["gemini"]["credential"] == "gemini_api_key"
    assert KEY not in told + log + daemon.log + checked.stdout + checked.stderr
    kept = [path for path in (*site.state.rglob("*"), *site.runtime.rglob("*")) if path.is_file()]
    assert kept and not any(KEY.encode() in path.read_bytes() for path in kept)


def test_missing_key_is_said_at_the_start(site: Site) -> None:
    """With what to type; `--try` goes on without the model, and says so."""
    (site.home / ".config" / "concordia" / "gemini_api_key").unlink()
    ended = site.refuse()
    assert ended.code == CONFIG_FAULT
    assert "gemini: the key is missing: type `concordiactl setup gemini`" in ended.log
    with site.running("--try") as daemon:
        daemon.wait_for_log("no_language_model")


def test_key_that_others_can_read_is_refused(site: Site) -> None:
    """With the command that mends it, and without its value."""
    place = site.home / ".config" / "concordia" / "gemini_api_key"
    place.chmod(0o644)
    ended = site.refuse()
    assert (ended.code, f"chmod 600 {place}" in ended.log, KEY in ended.log) == (CONFIG_FAULT, True, False)
