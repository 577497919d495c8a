"""The real Claude Code CLI, killed at the moments that the rehearsal agent cannot stand for; its API is a stub."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_real_cli_daemon import agent_table, approve, history
from tests.e2e.test_rehearsal_misbehaviours import answer_to
from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site, wait_for_end
from tests.support.messages_api import MessagesApi
from tests.support.named_pipe import NamedPipe

pytestmark = pytest.mark.real_cli


@pytest.fixture
def site(tmp_path: Path, api: MessagesApi) -> Iterator[Site]:
    """Give a place for daemons whose room `main` has the real CLI."""
    site = Site(tmp_path)
    (site.home / "work").mkdir()
    room = {"agent": "claude", "workdir": str(site.home / "work")}
    site.configure({"rooms.main": room, "agents.claude": agent_table(site, api.url)})
    yield site
    site.clear()


def remember(client: ControlClient) -> int:
    """Have a turn that the conversation can be known by; give the agent's process."""
    agent = client.next("agent.started")["pid"]
    answer_to(client, client.submit("[[text:remember me]]")["id"])
    return int(agent)


def goes_on(client: ControlClient, api: MessagesApi) -> None:
    """See that the next incarnation has the conversation and answers; tell how long it took to be there."""
    died_at = time.monotonic()
    assert client.next("agent.started")["session"] == "resumed"
    print(f"the next incarnation was there {time.monotonic() - died_at:.2f} s after the turn's end")
    assert answer_to(client, client.submit("[[text:here again]]")["id"]) == "here again"
    assert "remember me" in history(api)


def test_tool_of_a_killed_cli_ends_with_it(daemon: Daemon, api: MessagesApi, pipe: NamedPipe) -> None:
    """The CLI leaves its tool running when it is killed; the daemon ends it, before the next incarnation begins."""
    client = daemon.follow()
    agent = remember(client)
    prompt = client.submit(f"[[text:I look.]][[tool:{pipe.sleeper}]]")
    approve(client)
    tool = int(pipe.read())
    os.kill(agent, signal.SIGKILL)
    turn = client.finished(prompt["id"])
    assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("failed", "agent_exited")
    wait_for_end(tool)
    goes_on(client, api)


def test_approval_of_a_killed_cli_is_withdrawn(daemon: Daemon, api: MessagesApi, tmp_path: Path) -> None:
    """Nobody can approve any more what a dead agent asked, and nothing of it is done."""
    client = daemon.follow()
    agent = remember(client)
    made = tmp_path / "made"
    prompt = client.submit(f"[[tool:touch {made}]]")
    asked = client.next("approval.requested")["approval"]
    os.kill(agent, signal.SIGKILL)
    resolved = client.next("approval.resolved")
    assert (resolved["approval"]["id"], resolved["resolution"]) == (asked["id"], "withdrawn")
    assert client.finished(prompt["id"])["outcome"] == "failed"
    assert client.refused("approval.answer", id=asked["id"], allow=True).name in ("not_found", "conflict")
    goes_on(client, api)
    assert not made.exists()


def test_stopped_cli_is_replaced(site: Site, api: MessagesApi) -> None:
    """A CLI that is stopped in the middle of a text falls silent, heeds no interrupt, and is ended; its words stay."""
    room = {"agent": "claude", "workdir": str(site.home / "work")}
    graces = {"silence_s": 2, "interrupt_s": 0.5, "exit_s": 0.5, "kill_s": 0.5}
    site.configure({"rooms.main": room, "agents.claude": agent_table(site, api.url), "graces": graces})
    with site.running() as daemon:
        client = daemon.follow()
        agent = remember(client)
        prompt = client.submit("[[hang]]")
        client.next("agent.delta")
        os.kill(agent, signal.SIGSTOP)
        turn = client.finished(prompt["id"])
        assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("timed_out", "silence")
        assert turn["answer"]
        goes_on(client, api)


def test_overloaded_api_holds_the_queue_of_the_cli(site: Site, api: MessagesApi) -> None:
    """After three turns that an overloaded API failed, the next prompt waits, tries, and is answered."""
    room = {"agent": "claude", "workdir": str(site.home / "work")}
    graces = {"api_wait_s": 1}
    site.configure({"rooms.main": room, "agents.claude": agent_table(site, api.url), "graces": graces})
    with site.running() as daemon:
        client = daemon.follow()
        failing = [client.submit("[[error:529]]")["id"] for _ in range(3)]
        waiting = client.submit("[[text:well again]]")["id"]
        assert [client.finished(prompt)["outcome"] for prompt in failing] == ["failed"] * 3
        changed = client.next("room.changed")
        assert (changed["state"], changed["reason"].partition(":")[0]) == ("api-failing", "overloaded")
        assert client.finished(waiting)["answer"] == "well again"
        assert client.next("room.changed")["state"] == "recovered"
