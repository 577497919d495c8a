"""A turn goes on while the daemon is restarted and killed: all that the agent says is in the transcript, once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.agent_units import AgentUnits
from tests.support.control_client import ControlClient
from tests.support.daemon import REHEARSAL, Daemon, Site, wait_for_end
from tests.support.patience import PATIENCE_S
from tests.support.service_manager import ServiceManager

PLACES = 16
LINES = 40


def agent_of(directory: Path, **more: object) -> dict[str, object]:
    """Write the table of a rehearsal agent that has a unit of its own."""
    return {**REHEARSAL, "socket": str(directory / "agent.sock"), **more}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site with such an agent."""
    site = Site(tmp_path)
    site.configure({"agents.rehearsal": agent_of(tmp_path)})
    return site


@pytest.fixture
def manager(site: Site, tmp_path: Path) -> Iterator[ServiceManager]:
    """Yield a service manager that keeps descriptors, and makes units of agents."""
    with (
        AgentUnits(tmp_path / "agent.sock", site.environment),
        ServiceManager(site, tmp_path, PLACES) as manager,
    ):
        yield manager
    site.wait_until_empty()


def start(manager: ServiceManager) -> Daemon:
    """Start a daemon that serves."""
    daemon = manager.start()
    daemon.wait_until_ready()
    return daemon


@contextmanager
def last_run(manager: ServiceManager) -> Iterator[ControlClient]:
    """Start a daemon that nobody comes after, and give a client that follows it; then nothing is kept."""
    with start(manager) as daemon:
        yield daemon.follow()
        daemon.stop()
        manager.drop_store()


def texts_of(client: ControlClient) -> list[str]:
    """List what the agent has said, as the transcript has it."""
    return [event["text"] for event in client.events if event["type"] == "agent.text"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_turn_goes_on_without_the_daemon(manager: ServiceManager, number: signal.Signals, tmp_path: Path) -> None:
    """The agent works on while no daemon is there, and the next one has its whole answer, from the same process."""
    gate = tmp_path / "gate"
    with start(manager) as daemon:
        client = daemon.follow()
        pid = client.next("agent.started")["pid"]
        prompt = client.submit(f"[[text:before]] [[gate:{gate}]] [[text:after]]")["id"]
        client.next("agent.text")
        daemon.stop(number)
    os.kill(pid, 0)
    gate.touch()
    with last_run(manager) as client:
        turn = client.finished(prompt)
        assert (turn["outcome"], turn["answer"]) == ("completed", "after")
        assert texts_of(client) == ["before", "after"]
        assert client.call("daemon.status")["rooms"][0]["agent"]["pid"] == pid
        assert [event["type"] for event in client.events].count("agent.started") == 1
        assert client.finished(client.submit("hello")["id"])["outcome"] == "completed"


def test_every_line_is_there_once_over_restarts_and_kills(manager: ServiceManager, site: Site, tmp_path: Path) -> None:
    """A turn that prints all the while, over three restarts and three kills: no line is lost, none is there twice."""
    ends = [signal.SIGTERM, signal.SIGKILL] * 3
    gates = [tmp_path / f"gate{number}" for number in range(len(ends) + 1)]
    lines = [f"line {number} of {gate.name}" for gate in gates for number in range(LINES)]
    orders = [
        f"[[gate:{gate}]] " + " ".join(f"[[text:{line}]]" for line in lines if gate.name in line) for gate in gates
    ]
    site.configure({"agents.rehearsal": agent_of(tmp_path, env={"CONCORDIA_REHEARSAL_PACE_MS": "2"})})
    prompt = None
    for gate, number in zip(gates, ends, strict=False):
        with start(manager) as daemon:
            client = daemon.follow()
            prompt = prompt or client.submit(" ".join(orders))["id"]
            gate.touch()
            client.next("agent.text", text=f"line 2 of {gate.name}")
            daemon.stop(number)
    with start(manager) as daemon:
        gates[-1].touch()
        client = daemon.follow()
        assert client.finished(prompt)["outcome"] == "completed"
        assert texts_of(client) == lines
        kinds = [event["type"] for event in client.events]
        assert [kinds.count(kind) for kind in ("agent.started", "turn.started", "turn.finished")] == [1, 1, 1]
        assert "notice" not in kinds
        daemon.stop()
        manager.drop_store()


def test_approval_is_answered_by_the_next_daemon(manager: ServiceManager, tmp_path: Path) -> None:
    """An agent that waits for people goes on waiting, and has the answer that somebody gives to another daemon."""
    done = tmp_path / "done"
    with start(manager) as daemon:
        client = daemon.follow()
        prompt = client.submit(f"[[tool:touch {done}]]")["id"]
        approval = client.next("approval.requested")["approval"]["id"]
        daemon.kill()
    with last_run(manager) as client:
        assert [each["id"] for each in client.call("approval.list")["approvals"]] == [approval]
        client.call("approval.answer", id=approval, allow=True)
        assert client.finished(prompt)["outcome"] == "completed"
        kinds = [event["type"] for event in client.events]
        assert [kinds.count(kind) for kind in ("approval.requested", "approval.resolved")] == [1, 1]
        assert done.exists()


def test_prompt_whose_line_was_cut_is_uncertain(manager: ServiceManager, site: Site, tmp_path: Path) -> None:
    """Half a line is with the agent when the daemon is killed: nobody can know what becomes of it, and that is said."""
    with start(manager) as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[deaf]] [[text:I listen no more]]")["id"])
        prompt = client.submit("x" * 200_000)["id"]
        client.next("turn.started")
        daemon.kill()
    site.configure({"agents.rehearsal": agent_of(tmp_path), "graces": {"ack_s": 0.5, "exit_s": 0.1, "kill_s": 0.1}})
    with last_run(manager) as client:
        turn = client.finished(prompt)
        assert turn["outcome"] == "uncertain"
        assert "concordiad ended while it wrote to the agent" in turn["reason"]
        assert client.finished(client.submit("hello")["id"])["outcome"] == "completed"


def test_interrupt_is_remembered(manager: ServiceManager) -> None:
    """Who interrupted a turn is told at its end, though the daemon that was told so is no more."""
    with start(manager) as daemon:
        client = daemon.follow()
        prompt = client.submit("[[stubborn]] [[hang]]")["id"]
        client.next("agent.delta")
        client.call("turn.interrupt")
        status = client.call("daemon.status")["rooms"][0]
        daemon.stop(signal.SIGKILL)
    assert status["turn"]["stopping"].startswith("interrupted by ")
    with last_run(manager) as client:
        assert client.call("daemon.status")["rooms"][0]["turn"]["stopping"] == status["turn"]["stopping"]
        os.kill(status["agent"]["pid"], signal.SIGKILL)
        turn = client.finished(prompt)
        assert (turn["outcome"], turn["reason"]) == ("interrupted", status["turn"]["stopping"])


def test_agent_that_ends_while_nobody_is_there_is_heard_to_its_end(manager: ServiceManager, tmp_path: Path) -> None:
    """What it said, and how it ended, is told by the next daemon, which then has another agent."""
    gate = tmp_path / "gate"
    with start(manager) as daemon:
        client = daemon.follow()
        pid = client.next("agent.started")["pid"]
        prompt = client.submit(f"[[text:first]] [[gate:{gate}]] [[text:last words]] [[crash:7]]")["id"]
        client.next("agent.text")
        daemon.kill()
    gate.touch()
    wait_for_end(pid)
    with last_run(manager) as client:
        assert client.finished(prompt)["outcome"] == "failed"
        assert client.next("agent.exited")["code"] == 7
        assert texts_of(client) == ["first", "last words"]
        assert client.finished(client.submit("hello")["id"])["outcome"] == "completed"


def test_stop_without_a_start_ends_the_agent(manager: ServiceManager) -> None:
    """When nobody keeps it any more the agent ends, and what it did is uncertain to the next daemon."""
    with start(manager) as daemon:
        client = daemon.follow()
        pid = client.next("agent.started")["pid"]
        prompt = client.submit("[[hang]]")["id"]
        client.next("agent.delta")
        daemon.stop()
    manager.drop_store()
    wait_for_end(pid)
    with last_run(manager) as client:
        assert client.finished(prompt)["outcome"] == "uncertain"
        assert client.finished(client.submit("hello")["id"])["outcome"] == "completed"


def test_agent_whose_settings_have_changed_is_replaced_after_its_turn(
    manager: ServiceManager, site: Site, tmp_path: Path
) -> None:
    """A restart with another configuration cuts no turn short, and the next one is by an agent that goes by it."""
    gate = tmp_path / "gate"
    with start(manager) as daemon:
        client = daemon.follow()
        pid = client.next("agent.started")["pid"]
        prompt = client.submit(f"[[text:before]] [[gate:{gate}]] [[text:after]]")["id"]
        client.next("agent.text")
        daemon.stop()
    # It reads the end of its input; nobody has to end it by a signal.
    graces = {"exit_s": PATIENCE_S, "kill_s": PATIENCE_S}
    changed = agent_of(tmp_path, env={"CONCORDIA_REHEARSAL_PACE_MS": "1"})
    site.configure({"agents.rehearsal": changed, "graces": graces})
    with last_run(manager) as client:
        assert client.call("daemon.status")["rooms"][0]["agent"]["pid"] == pid
        gate.touch()
        assert client.finished(prompt)["answer"] == "after"
        exited = client.next("agent.exited")
        assert (exited["code"], exited["status"]) == (0, "restarted")
        assert client.next("agent.started")["pid"] != pid
        assert client.finished(client.submit("hello")["id"])["outcome"] == "completed"


def test_set_that_did_not_come_back_whole_is_closed(manager: ServiceManager, site: Site, tmp_path: Path) -> None:
    """Without one of its descriptors an agent is ended before there is another one, and the store is emptied of it."""
    site.configure({"agents.rehearsal": agent_of(tmp_path), "graces": {"kill_s": 0.1}})
    with start(manager) as daemon:
        client = daemon.follow()
        pid = client.next("agent.started")["pid"]
        client.finished(client.submit("[[stubborn]] [[text:hello]]")["id"])
        daemon.stop()
    lost = next(name for name in manager.stored if name.endswith(".err"))
    os.close(manager.stored.pop(lost))
    left = set(manager.stored)
    with last_run(manager) as client:
        client.next("agent.started", pid=pid)
        assert client.next("agent.started")["pid"] != pid
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not left & manager.stored.keys()


def test_ended_agent_leaves_nothing_behind(manager: ServiceManager, site: Site) -> None:
    """The end of an agent empties the store of it and removes its output's files; the next one has its own."""
    with last_run(manager) as client:
        before = set(manager.stored)
        assert client.finished(client.submit("[[crash:1]]")["id"])["outcome"] != "completed"
        client.next("agent.exited")
        incarnation = client.next("agent.started")["incarnation"]
        client.finished(client.submit("hello")["id"])
        assert not before & manager.stored.keys()
        assert [path.name.partition(".")[0] for path in (site.state / "spool").iterdir()] == [incarnation]


def test_a_try_that_outlives_the_daemon_tells_of_the_api(manager: ServiceManager, site: Site, tmp_path: Path) -> None:
    """The prompt that finds out whether the API works again is told of to the next daemon, which doubles the wait."""
    site.configure({"agents.rehearsal": agent_of(tmp_path), "graces": {"api_wait_s": 0.1}})
    gate = tmp_path / "gate"
    with start(manager) as daemon:
        client = daemon.follow()
        texts = (*["[[error:529]]"] * 3, f"[[text:trying]] [[gate:{gate}]] [[error:529]]")
        tried = [client.submit(text)["id"] for text in texts]
        assert client.next("room.changed")["wait_s"] == 0.1
        client.next("agent.text", text="trying")
        daemon.kill()
    with last_run(manager) as client:
        gate.touch()
        assert client.finished(tried[-1])["outcome"] == "failed"
        assert client.next("room.changed")["wait_s"] == 0.2
        assert client.finished(client.submit("hello")["id"])["outcome"] == "completed"
        assert client.next("room.changed")["state"] == "recovered"
