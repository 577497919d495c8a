"""What a daemon logs: one line a turn, with all that is known of it; masked; as `[log]` has it."""

import json
import signal
from typing import Any

from tests.ctl.program import run, start
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


def test_a_request_leads_to_its_turn(site: Site, daemon: Daemon) -> None:
    """Who asks, by which request, is in the line of the turn; reading is no line, and a refusal has its code."""
    client = daemon.connect()
    prompt = client.submit("[[text:hello]]")["id"]
    met, turn = line_of(daemon, "request_met"), line_of(daemon, "turn_finished")
    client.call("room.list")
    client.request("turn.interrupt")
    refused = line_of(daemon, "request_refused")
    assert (met["method"], met["prompt"]) == ("prompt.submit", prompt)
    assert met["caller"].startswith("uid:") and met["took_s"] >= 0
    assert (turn["prompts"], turn["requests"]) == ([prompt], [met["request"]])
    assert (refused["method"], refused["code"]) == ("turn.interrupt", "conflict")
    assert sum("request" in line for line in daemon.log.splitlines() if line.startswith("{")) == 3
    ran = run(site.home, "--socket", str(site.socket), "logs", "--prompt", prompt, "-o", "json")
    assert sorted(map(event_of, ran.out.splitlines())) == ["request_met", "turn_finished"]


def test_log_is_followed(site: Site, daemon: Daemon) -> None:
    """What is logged while somebody follows is shown behind what there was."""
    words = ("--socket", str(site.socket), "logs", "-f", "-o", "json")
    with start(site.home, *words) as following:
        assert following.stdout is not None
        assert event_of(following.stdout.readline()) == "journal_opened"
        daemon.connect().submit("[[text:hello]]")
        lines = iter(following.stdout.readline, b"")
        assert next(each for each in map(event_of, lines) if each == "turn_finished")
        following.terminate()


def event_of(line: str | bytes) -> str:
    """Read what an entry is."""
    return str(json.loads(line)["event"])
