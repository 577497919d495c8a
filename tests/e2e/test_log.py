"""What a daemon logs: one line a turn, with all that is known of it; masked; as `[log]` has it."""

import json
import signal
from typing import Any

from tests.support.daemon import REHEARSAL, Daemon, Site

SECRET = "sk-never-to-be-read"


def line_of(daemon: Daemon, event: str) -> dict[str, Any]:
    """Wait for an event of the log."""
    line: dict[str, Any] = json.loads(daemon.wait_for_log(f'"event": "{event}"'))
    return line


def test_a_turn_is_one_line_with_all_that_is_known_of_it(daemon: Daemon) -> None:
    """Whoever wants to know how a turn went needs no second line."""
    client = daemon.follow()
    prompt = client.submit("[[text:hello]]")["id"]
    client.next("turn.finished")
    turn = client.call("turn.list")["turns"][0]
    line = line_of(daemon, "turn_finished")
    same = ("outcome", "reason", "duration_s", "ttft_s", "input_tokens", "output_tokens", "cost_usd", "origin", "room")
    assert {name: line[name] for name in same} == {name: turn[name] for name in same}
    assert (line["turn"], line["prompts"], line["authors"]) == (turn["id"], [prompt], 1)
    assert (line["merged"], line["api_retries"]) == ({}, 0)
    assert line["queued_s"] >= 0
    assert line["incarnation"] == line_of(daemon, "agent_started")["incarnation"]


def test_what_an_agent_writes_of_a_secret_is_masked(site: Site) -> None:
    """The last lines of an agent's standard error are logged without the credential that it was given."""
    key = site.home / "key"
    key.touch(mode=0o600)
    key.write_text(SECRET)
    site.configure({"agents.rehearsal": {**REHEARSAL, "credentials": {"ANTHROPIC_API_KEY": str(key)}}})
    with site.running() as daemon:
        daemon.connect().submit(f"[[stderr:the key is {SECRET}]][[crash:3]]")
        said = line_of(daemon, "agent_exited")["stderr"]
        assert said.startswith("the key is ") and SECRET not in said


def test_level_is_another_one_after_a_reload(site: Site) -> None:
    """Whoever wants to know more, or less, need not restart the daemon."""
    site.configure({"log": {"level": "error"}})
    with site.running() as daemon:
        site.configure({"log": {"level": "info"}})
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_for_log("configuration_reloaded")
        assert "journal_opened" not in daemon.log
