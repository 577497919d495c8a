"""The measures of a daemon: who gets them, what is in them, and that Prometheus takes them."""

import http.client
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.e2e.gate import Gate
from tests.pages import page, rows, section
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S
from tests.support.promtool import promtool
from tests.support.small_disk import small_disk

TOKEN = "0123456789abcdef-token"


class Answer(NamedTuple):
    """What somebody was answered."""

    status: int
    body: str


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[Site]:
    """Give a place for daemons with measures."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    site = Site(tmp_path, {"metrics": {"listen": "127.0.0.1:0", "credential": str(token)}})
    yield site
    site.clear()


def ask(
    daemon: Daemon, path: str = "/metrics", method: str = "GET", credential: str | None = f"Bearer {TOKEN}"
) -> Answer:
    """Ask the port for measures."""
    url = urlsplit(json.loads(daemon.wait_for_log("metrics_opened"))["url"])
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, headers={} if credential is None else {"Authorization": credential})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    finally:
        connection.close()


def test_measures_are_those_of_what_happened(measured: Site) -> None:
    """A turn that was answered and one that failed are counted, and promtool takes every line."""
    with measured.running() as daemon:
        client = daemon.follow()
        client.submit("[[text:hello]]")
        client.next("turn.finished")
        client.submit("[[crash]]")
        client.next("turn.finished")
        client.next("agent.started")
        answer = ask(daemon)
        assert answer.status == 200
        said = dict(line.rsplit(" ", 1) for line in answer.body.splitlines() if not line.startswith("#"))
        assert said['concordia_turns_total{room="main",outcome="completed"}'] == "1"
        assert said['concordia_turns_total{room="main",outcome="failed"}'] == "1"
        assert said['concordia_turn_duration_seconds_count{room="main"}'] == "2"
        assert said['concordia_prompts_accepted_total{room="main"}'] == "2"
        assert said['concordia_agent_restarts_total{room="main"}'] == "1"
        assert said['concordia_room_up{room="main"}'] == "1"
        for nothing in ("merging_window_wait_seconds", "merging_meaning_wait_seconds", "tokens_saved"):
            assert said[f'concordia_{nothing}_total{{room="main"}}'] == "0"
        assert float(said['concordia_cost_dollars_total{room="main"}']) > 0
        assert int(said["concordia_journal_commit_seconds_count"]) > 4
        assert said["concordia_journal_up"] == "1"
        assert TOKEN not in daemon.log
        assert promtool("check", "metrics", given=answer.body) == (0, "")
        named = set(re.findall(r"^# TYPE (\w+)", answer.body, re.MULTILINE))
        assert named == {row[0].strip("`") for row in rows(section(page("docs/operation.md"), "### What is measured"))}


def test_turns_that_the_last_run_left_are_counted(measured: Site, gate: Gate) -> None:
    """What is uncertain after a crash is a turn that has ended, with its line in the log: an alert is to see it."""
    with measured.running() as daemon:
        client = daemon.follow()
        client.submit(str(gate))
        turn = client.next("turn.started")["turn"]["id"]
        daemon.kill()
    gate.open()
    with measured.running() as daemon:
        answer = ask(daemon)
        assert 'concordia_turns_total{room="main",outcome="uncertain"} 1\n' in answer.body
        line = json.loads(daemon.wait_for_log("turn_finished"))
        assert (line["turn"], line["outcome"]) == (turn, "uncertain")


def test_whoever_may_not_is_told_one_and_the_same(measured: Site) -> None:
    """Neither a wrong credential nor a place that is not there can be told from none at all."""
    with measured.running() as daemon:
        refusals = {
            ask(daemon, credential=None),
            ask(daemon, credential=f"Bearer {TOKEN}x"),
            ask(daemon, credential=f"Bearer {TOKEN[:-1]}"),
            ask(daemon, credential=TOKEN),
            ask(daemon, credential="Basic é"),
            ask(daemon, "/nothing"),
            ask(daemon, "/nothing", credential=None),
            ask(daemon, method="POST"),
            ask(daemon, f"/metrics/?token={TOKEN}", credential=None),
        }
        assert refusals == {Answer(403, "not for you\n")}


def test_health_is_for_everybody(measured: Site) -> None:
    """Whoever watches over the daemon needs no credential: the loop turns, and the journal and the rooms are there."""
    with measured.running() as daemon:
        assert ask(daemon, "/healthz", credential=None) == Answer(200, "ok\n")
        assert wait_for(daemon, 200) == "ok\n"


def test_a_full_disk_is_found_by_whoever_asks_for_readiness(tmp_path: Path) -> None:
    """Before anybody has submitted in vain: the reason is plain and names no place, and it passes with the outage."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    with small_disk(tmp_path / "state") as disk:
        site = Site(tmp_path, {"metrics": {"listen": "127.0.0.1:0", "credential": str(token)}})
        with site.running() as daemon:
            assert wait_for(daemon, 200) == "ok\n"
            disk.fill()
            said = wait_for(daemon, 503)
            assert said.startswith("the journal cannot record: database or disk is full")
            assert str(tmp_path) not in said
            disk.free()
            assert wait_for(daemon, 200) == "ok\n"


def wait_for(daemon: Daemon, status: int) -> str:
    """Ask for readiness until the answer has that status, and return what it says."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := ask(daemon, "/readyz", credential=None)).status != status:
        assert time.monotonic() < deadline, answer
    return answer.body


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("short", 0o600, "is no 16 characters"),
        ("0123456789abcdef with blanks", 0o600, "is no 16 characters"),
        (TOKEN, 0o644, "can be read by others"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_daemon_does_not_start_without_a_good_credential(measured: Site, text: str | None, mode: int, why: str) -> None:
    """A port that anybody may read is worse than none."""
    token = measured.config.parent / "token"
    if text is None:
        token.unlink()
    else:
        token.write_text(text)
        token.chmod(mode)
    ended = measured.refuse()
    assert ended.code == 78 and why in ended.log and TOKEN not in ended.log


def test_port_is_on_loopback(measured: Site) -> None:
    """What is told in plain text, with a credential, never leaves the machine."""
    measured.configure({"metrics": {"listen": "0.0.0.0:9464"}})
    assert "can be reached by other machines" in measured.refuse().log
