"""The real daemon with the real Claude Code CLI, whose API is a stub on loopback."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, cursor, types
from tests.support.daemon import Daemon, Site, wait_for_end
from tests.support.messages_answer import filler
from tests.support.messages_api import MessagesApi
from tests.support.named_pipe import NamedPipe
from tests.support.real_cli import RealCli, cli_environment, require_cli

pytestmark = pytest.mark.real_cli


def agent_table(site: Site, url: str) -> dict[str, object]:
    """Write the table of a real agent that knows one API and nothing of this machine."""
    key = site.home / "key"
    key.write_text("stub")
    key.chmod(0o600)
    variables = cli_environment(site.home, url)
    kept = {name: value for name, value in variables.items() if name not in ("PATH", "ANTHROPIC_API_KEY")}
    return {
        "kind": "claude-code",
        "command": [str(require_cli())],
        "env": kept,
        "credentials": {"ANTHROPIC_API_KEY": str(key)},
    }


@pytest.fixture
def site(tmp_path: Path, api: MessagesApi) -> Iterator[Site]:
    """Give a place for daemons; its room `main` has the real CLI."""
    site = Site(tmp_path)
    (site.home / "work").mkdir()
    site.configure(
        {
            "rooms.main": {"agent": "claude", "workdir": str(site.home / "work")},
            "agents.claude": agent_table(site, api.url),
        }
    )
    yield site
    site.clear()


def approve(client: ControlClient, **more: Any) -> None:
    """Approve the next thing that the agent asks for."""
    asked = client.next("approval.requested")["approval"]
    client.call("approval.answer", id=asked["id"], allow=True, **more)


def asked_texts(api: MessagesApi) -> list[str]:
    """Return the prompt of each request that the API got, as the stub understood it."""
    return [request.scene.prompt.text for request in api.requests if request.scene is not None]


def history(api: MessagesApi) -> str:
    """Return all messages of the last request that the API got, as text."""
    return str(api.requests[-1].body["messages"])


def test_three_turns_in_a_row(daemon: Daemon, api: MessagesApi) -> None:
    """Three prompts are answered by one process, each with figures of its own."""
    client = daemon.follow()
    turns = [client.finished(client.submit(f"[[text:answer {number}]]")["id"]) for number in range(3)]
    assert [turn["answer"] for turn in turns] == ["answer 0", "answer 1", "answer 2"]
    for turn in turns:
        assert turn["outcome"] == "completed"
        assert turn["input_tokens"] > 0
        assert turn["output_tokens"] > 0
        assert turn["cost_usd"] > 0
        assert turn["agent_turns"] == 1
        assert 0 < turn["ttft_s"] <= turn["duration_s"]
    assert types(client.events).count("agent.started") == 1
    assert "rehearsal" not in str(client.events)
    room = client.call("room.list")["rooms"][0]
    assert (room["agent"]["kind"], room["agent"]["rehearsal"]) == ("claude-code", False)
    assert room["agent"]["model"] is not None
    assert asked_texts(api) == [f"[[text:answer {number}]]" for number in range(3)]


def test_two_clients_submit_while_busy(daemon: Daemon, gate: Gate) -> None:
    """Each prompt of two clients gets a turn and a result of its own, in the order of their acceptance."""
    one, other = daemon.follow(), daemon.connect()
    expected = [one.submit(f"[[text:before]]{gate}[[text:first]]")["id"]]
    one.next("agent.text")
    expected += [[one, other][number % 2].submit(f"[[text:number {number}]]")["id"] for number in range(4)]
    gate.open()
    turns = [one.finished() for _ in expected]
    assert [turn["prompts"] for turn in turns] == [[prompt] for prompt in expected]
    assert [turn["answer"] for turn in turns] == ["first", *(f"number {number}" for number in range(4))]


@pytest.mark.parametrize("size", [2_000_000, 10_000_000])
def test_large_answer(daemon: Daemon, size: int) -> None:
    """An answer of megabytes comes whole, as an event and in the ledger; the turn's last event has its head."""
    client = daemon.follow()
    client.submit(f"[[size:{size}]]")
    turn = client.finished()
    assert (turn["outcome"], turn["answer_bytes"]) == ("completed", size)
    assert turn["answer"] == filler(size)[: 64 * 1024]
    (text,) = [event["text"] for event in client.events if event["type"] == "agent.text"]
    assert text == filler(size)
    # A client that reads too slowly for live text misses some, but what it gets fits.
    for delta in (event for event in client.events if event["type"] == "agent.delta"):
        assert text.startswith(delta["text"], delta["offset"])
    assert client.call("turn.get", id=turn["id"])["turn"]["answer"] == text
    client.submit("[[text:small]]")
    assert client.finished()["answer"] == "small"


def test_tool_approved(daemon: Daemon, tmp_path: Path) -> None:
    """A tool that was approved runs, and the turn goes on with its result."""
    client = daemon.follow()
    made = tmp_path / "made"
    client.submit(f"[[tool:touch {made} && echo it ran]]")
    used = client.next("agent.tool_use")
    assert (used["tool"], used["input"]["command"]) == ("Bash", f"touch {made} && echo it ran")
    assert not made.exists()
    approve(client)
    result = client.next("agent.tool_result")
    assert (result["id"], result["is_error"], result["content"]) == (used["id"], False, "it ran")
    turn = client.finished()
    assert (turn["outcome"], turn["answer"], turn["agent_turns"]) == ("completed", "tool done", 2)
    assert made.exists()


def test_tool_denied(daemon: Daemon, tmp_path: Path) -> None:
    """A tool that was denied does not run, and the model is told why."""
    client = daemon.follow()
    made = tmp_path / "made"
    client.submit(f"[[tool:touch {made}]]")
    asked = client.next("approval.requested")["approval"]
    client.call("approval.answer", id=asked["id"], allow=False, reason="not today")
    result = client.next("agent.tool_result")
    assert (result["is_error"], result["content"]) == (True, "not today")
    assert client.finished()["outcome"] == "completed"
    assert not made.exists()


def test_question_answered(daemon: Daemon, api: MessagesApi) -> None:
    """A question of the agent's is answered, and the model gets the answer."""
    client = daemon.follow()
    client.submit("[[ask:Which colour?|red|blue]]")
    asked = client.next("approval.requested")["approval"]
    assert (asked["kind"], asked["tool"]) == ("question", "AskUserQuestion")
    assert client.refused("approval.answer", id=asked["id"], allow=True, answers={"Which?": "x"}).field == "answers"
    client.call("approval.answer", id=asked["id"], allow=True, answers={"Which colour?": "blue"})
    assert client.finished()["outcome"] == "completed"
    assert '"Which colour?"="blue"' in history(api)


def test_interrupt_in_the_middle_of_text(daemon: Daemon, api: MessagesApi) -> None:
    """An interrupt ends a turn in the middle of its text and the request to the API; the next prompt is answered."""
    client = daemon.follow()
    client.submit("[[hang]]")
    delta = client.next("agent.delta")
    after = client.submit("[[text:and on]]")
    client.call("turn.interrupt", turn=delta["turn"])
    turn = client.finished()
    assert (turn["id"], turn["outcome"]) == (delta["turn"], "interrupted")
    api.wait_for(lambda requests: requests[0].outcome == "abandoned")
    assert client.finished(after["id"])["answer"] == "and on"
    assert "agent.exited" not in types(client.events)


def test_interrupt_in_the_middle_of_a_tool(daemon: Daemon, pipe: NamedPipe) -> None:
    """An interrupt ends the turn and the process of its tool."""
    client = daemon.follow()
    client.submit(f"[[tool:{pipe.sleeper}]]")
    approve(client)
    tool = int(pipe.read())
    assert tool in daemon.site.leftovers()
    client.call("turn.interrupt")
    assert client.finished()["outcome"] == "interrupted"
    wait_for_end(tool)
    client.submit("[[text:and on]]")
    assert client.finished()["answer"] == "and on"
    assert "agent.exited" not in types(client.events)


def test_background_command_makes_a_turn_of_the_agents_own(daemon: Daemon, pipe: NamedPipe, tmp_path: Path) -> None:
    """When a command in the background ends, the agent begins a turn by itself: shown, counted, with its own cost."""
    client = daemon.follow()
    end = tmp_path / "end"
    os.mkfifo(end)
    prompt = client.submit(f"[[background:echo $$ > {pipe.path}; read line < {end}]]")
    approve(client)
    ours = client.finished(prompt["id"])
    assert (ours["answer"], ours["origin"]) == ("tool done", "prompts")
    assert int(pipe.read())
    end.write_text("now\n")
    started = client.next("turn.started")["turn"]
    assert (started["origin"], started["prompts"]) == ("agent", [])
    own = client.finished()
    assert (own["id"], own["outcome"], own["answer"]) == (started["id"], "completed", "background noticed")
    assert own["cost_usd"] > 0
    after = client.finished(client.submit("[[text:ours again]]")["id"])
    assert after["answer"] == "ours again"
    assert after["cost_usd"] == pytest.approx(own["cost_usd"], rel=0.5)
    turns = client.call("turn.list")["turns"]
    assert [turn["origin"] for turn in turns] == ["prompts", "agent", "prompts"]


def test_work_in_the_background_keeps_the_cli_awake(site: Site, api: MessagesApi) -> None:
    """A room with a short idle time lets a command in the background end, shows the turn that follows, then sleeps."""
    room = {"agent": "claude", "workdir": str(site.home / "work"), "idle_s": 1}
    site.configure({"rooms.main": room, "agents.claude": agent_table(site, api.url)})
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[background:python3 -c 'import time; time.sleep(3)']]")
        approve(client)
        # It may have slept before anybody could ask it anything.
        before = len(client.events)
        assert client.finished()["answer"] == "tool done"
        own = client.finished()
        assert (own["origin"], own["answer"]) == ("agent", "background noticed")
        assert "agent.exited" not in types(client.events[before:])
        exited = client.next("agent.exited")
        assert (exited["status"], exited["reason"]) == ("asleep", "asleep after 1 s without a prompt")


def test_trouble_that_passes(daemon: Daemon) -> None:
    """Each retry of an overloaded API is an event of the turn, which is answered in the end."""
    client = daemon.follow()
    client.submit("[[error:529,2]][[text:well]]")
    turn = client.finished()
    assert (turn["outcome"], turn["answer"]) == ("completed", "well")
    retries = [event for event in client.events if event["type"] == "agent.api_retry"]
    assert [(event["attempt"], event["status"], event["error"]) for event in retries] == [
        (1, 529, "overloaded"),
        (2, 529, "overloaded"),
    ]
    assert {event["turn"] for event in retries} == {turn["id"]}
    assert all(event["delay_s"] > 0 for event in retries)


def test_trouble_that_stays(site: Site, api: MessagesApi, tmp_path: Path) -> None:
    """Errors 529, 500 and 401 and an API that is down fail their turns and are named; the next prompt is answered."""
    with MessagesApi() as gone:
        nowhere = gone.url  # nobody listens there until the test says so
    rooms = {"overloaded": "529", "broken": "500", "refused": "401", "down": "down"}
    workdirs = {room: tmp_path / room for room in rooms}
    tables: dict[str, dict[str, object]] = {
        "agents.claude": agent_table(site, api.url),
        "agents.down": agent_table(site, nowhere),
    }
    for room, workdir in workdirs.items():
        workdir.mkdir()
        tables[f"rooms.{room}"] = {"workdir": str(workdir), "agent": "down" if room == "down" else "claude"}
    site.configure(tables)
    with site.running() as daemon:
        clients = {room: daemon.follow(room=room, since=0) for room in rooms}
        for room, client in clients.items():
            client.submit("[[text:hello]]" if room == "down" else f"[[error:{rooms[room]}]]", room=room)
        for room, client in clients.items():
            turn = client.finished()
            assert turn["outcome"] == "failed"
            assert turn["reason"].startswith("api_error")
            assert ("onnect" if room == "down" else rooms[room]) in turn["reason"]
            assert "agent.api_retry" in types(client.events)
            assert "agent.exited" not in types(client.events)
            prompt = client.call("prompt.list", room=room)["prompts"][0]
            assert prompt["state"] == "failed"
        with MessagesApi(gone.server_port):
            for room, client in clients.items():
                client.submit("[[text:well again]]", room=room)
                assert client.finished()["answer"] == "well again"


def test_cost_over_turns_and_a_restart(site: Site, api: MessagesApi) -> None:
    """Equal turns cost the same, before and after a restart, and together what the CLI says in total."""
    with site.running() as daemon:
        client = daemon.follow()
        turns = [client.finished(client.submit("[[text:hello]]")["id"]) for _ in range(3)]
    with site.running() as daemon:
        client = daemon.follow()
        client.next("agent.started", session="resumed")
        turns.append(client.finished(client.submit("[[text:hello]]")["id"]))
        agent = client.call("room.list")["rooms"][0]["agent"]
    costs = [turn["cost_usd"] for turn in turns]
    assert costs == pytest.approx([costs[0]] * 4)
    assert costs[0] > 0
    with RealCli(site.home, api.url, f"--resume={agent['session_id']}") as cli:
        usage = cli.request("get_usage")["response"]["session"]
    assert sum(costs) == pytest.approx(usage["total_cost_usd"])
    assert len({(turn["input_tokens"], turn["output_tokens"], turn["agent_turns"]) for turn in turns}) == 1


def test_prompts_are_verbatim(daemon: Daemon, api: MessagesApi, tmp_path: Path) -> None:
    """A file's name after an @ is not read into the conversation, and slash commands are text for the model."""
    client = daemon.follow()
    secret = tmp_path / "secret"
    secret.write_text("the hidden content\n")
    prompts = [f"look at @{secret} and @/etc/hostname", "/clear", "/model opus", "# remember this", "!ls"]
    sessions = set()
    for prompt in prompts:
        client.submit(prompt)
        assert client.finished()["answer"] == prompt
        sessions.add(client.call("room.list")["rooms"][0]["agent"]["session_id"])
    assert len(sessions) == 1
    assert asked_texts(api) == prompts
    assert "the hidden content" not in str([request.body for request in api.requests])
    assert all(prompt in history(api) for prompt in prompts)


def test_raw_prompt_is_obeyed(daemon: Daemon, api: MessagesApi, tmp_path: Path) -> None:
    """A host's raw prompt may use the agent's own commands and files: /clear begins a new conversation."""
    client = daemon.follow()
    noted = tmp_path / "noted"
    noted.write_text("the noted content\n")
    client.submit(f"look at @{noted}", raw=True)
    client.finished()
    assert "the noted content" in history(api)
    session = client.call("room.list")["rooms"][0]["agent"]["session_id"]
    client.submit("/clear", raw=True)
    assert client.finished()["outcome"] == "completed"
    client.submit("[[text:anew]]")
    assert client.finished()["answer"] == "anew"
    assert len(api.requests) == 2
    assert "noted" not in history(api)
    assert client.call("room.list")["rooms"][0]["agent"]["session_id"] != session


def test_shutdown_waits_for_the_turn(site: Site, gate: Gate) -> None:
    """A stop in the middle of a text lets it end; the agent exits by itself, and no process is left."""
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit(f"[[text:one]]{gate}[[text:two]]")
        client.next("agent.text")
        assert site.leftovers()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait_for_log("draining")
        gate.open()
        assert client.finished(prompt["id"])["answer"] == "two"
        assert client.next("agent.exited")["code"] == 0
        client.close()
        assert daemon.wait() == 0
        assert site.leftovers() == {}


def test_kill_of_the_daemon_in_the_middle_of_a_tool(site: Site, api: MessagesApi, pipe: NamedPipe) -> None:
    """After kill -9 the tool and its agent are ended, the turn is uncertain, and the conversation goes on."""
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[text:remember me]]")["id"])
        prompt = client.submit(f"[[tool:{pipe.sleeper}]]")
        approve(client)
        tool = int(pipe.read())
        old = site.leftovers().keys()
        assert tool in old
        seen = client.next("approval.resolved")
        daemon.kill()
    with site.running() as daemon:
        assert site.leftovers().keys() & old == set()
        client = daemon.follow(after=cursor(seen))
        turn = client.finished(prompt["id"])
        assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("uncertain", "daemon_died")
        client.next("agent.started", session="resumed")
        client.submit("[[text:here again]]")
        assert client.finished()["answer"] == "here again"
        assert "remember me" in history(api)


def test_kill_of_the_daemon_in_the_middle_of_text(site: Site, api: MessagesApi) -> None:
    """After kill -9 the turn is uncertain and not asked again; what waited is asked, in the same conversation."""
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[text:remember me]]")["id"])
        prompt = client.submit("[[hang]]")
        seen = client.next("turn.started")
        client.next("agent.delta")
        waiting = client.submit("[[text:here again]]")
        old = site.leftovers().keys()
        daemon.kill()
    with site.running() as daemon:
        assert site.leftovers().keys() & old == set()
        client = daemon.follow(after=cursor(seen))
        turn = client.finished(prompt["id"])
        assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("uncertain", "daemon_died")
        client.next("agent.started", session="resumed")
        assert client.finished(waiting["id"])["answer"] == "here again"
        assert asked_texts(api) == ["[[text:remember me]]", "[[hang]]", "[[text:here again]]"]
        assert "remember me" in history(api)


def test_kill_of_the_daemon_while_an_approval_waits(site: Site, api: MessagesApi, tmp_path: Path) -> None:
    """After kill -9 the approval is withdrawn, its tool never runs, and the conversation goes on."""
    made = tmp_path / "made"
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[text:remember me]]")["id"])
        prompt = client.submit(f"[[tool:touch {made}]]")
        asked = client.next("approval.requested")
        daemon.kill()
    with site.running() as daemon:
        client = daemon.follow(after=cursor(asked))
        resolved = client.next("approval.resolved")
        assert (resolved["approval"]["id"], resolved["resolution"]) == (asked["approval"]["id"], "withdrawn")
        assert client.finished(prompt["id"])["outcome"] == "uncertain"
        assert client.call("approval.list")["approvals"] == []
        client.refused("approval.answer", id=asked["approval"]["id"], allow=True)
        assert client.finished(client.submit("[[text:here again]]")["id"])["answer"] == "here again"
        assert "remember me" in history(api)
        assert not made.exists()


def test_kill_of_the_cli_in_the_middle_of_a_tool(daemon: Daemon, api: MessagesApi, pipe: NamedPipe) -> None:
    """A CLI that dies of SIGKILL leaves its tool to nobody: the daemon ends that before it starts the next CLI."""
    client = daemon.follow()
    agent = client.next("agent.started")["pid"]
    client.finished(client.submit("[[text:remember me]]")["id"])
    prompt = client.submit(f"[[tool:{pipe.sleeper}]]")
    approve(client)
    tool = int(pipe.read())
    os.kill(agent, signal.SIGKILL)
    turn = client.finished(prompt["id"])
    assert (turn["outcome"], "SIGKILL" in turn["reason"]) == ("failed", True)
    assert client.next("agent.started")["session"] == "resumed"
    assert tool not in daemon.site.leftovers()
    assert client.finished(client.submit("[[text:here again]]")["id"])["answer"] == "here again"
    assert "remember me" in history(api)


def test_kill_of_the_cli_in_the_middle_of_text(daemon: Daemon, api: MessagesApi) -> None:
    """A CLI that dies in a turn fails it; the next prompt is answered by a new process that knows the conversation."""
    client = daemon.follow()
    agent = client.next("agent.started")["pid"]
    client.finished(client.submit("[[text:remember me]]")["id"])
    fatal = client.submit("[[hang]]")
    client.next("agent.delta")
    waiting = client.submit("[[text:here again]]")
    os.kill(agent, signal.SIGKILL)
    turn = client.finished(fatal["id"])
    assert turn["outcome"] == "failed"
    assert "SIGKILL" in turn["reason"]
    assert client.next("agent.exited")["signal"] == signal.SIGKILL
    assert client.next("agent.started")["session"] == "resumed"
    assert client.finished(waiting["id"])["answer"] == "here again"
    assert "remember me" in history(api)
    assert types(client.events).count("turn.finished") == 3


def test_death_in_the_first_turn(daemon: Daemon) -> None:
    """A CLI that dies before it has saved anything is begun anew, and the room says that the context is lost."""
    client = daemon.follow()
    agent = client.next("agent.started")["pid"]
    client.submit("[[hang]]")
    client.next("agent.delta")
    os.kill(agent, signal.SIGKILL)
    assert client.finished()["outcome"] == "failed"
    assert client.next("notice")["code"] == "context_lost"
    client.submit("[[text:anew]]")
    assert client.finished()["answer"] == "anew"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"args": ["--no-such-flag"]}, "--no-such-flag"),
        ({"permission_mode": "yolo"}, "yolo"),
        ({"credentials": {}}, "no credentials"),
    ],
)
def test_cli_that_cannot_work(site: Site, api: MessagesApi, keys: dict[str, object], words: str) -> None:
    """What the real CLI does not take, or does not have, is said at the start with its own words."""
    site.configure({"rooms.main": {"agent": "claude"}, "agents.claude": agent_table(site, api.url) | keys})
    ended = site.refuse()
    assert ended.code == 78
    (sentence,) = [line for line in ended.log.splitlines() if line.startswith("concordiad: ")]
    assert words in sentence
    assert api.requests == []


def test_kill_of_the_daemon_in_the_first_turn(site: Site, api: MessagesApi) -> None:
    """The CLI has saved nothing by then: the room says that the context is lost, once, and another one begins anew."""
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit("[[hang]] first ever")
        seen = client.next("turn.started")
        client.next("agent.delta")
        daemon.kill()
    with site.running() as daemon:
        client = daemon.follow(after=cursor(seen))
        assert client.finished(prompt["id"])["outcome"] == "uncertain"
        seen = client.next("notice", code="context_lost")
        client.next("agent.started", session="fresh")
        daemon.kill()
    with site.running() as daemon:
        client = daemon.follow(after=cursor(seen))
        client.submit("[[text:anew]]")
        between = client.until(lambda event: event["type"] == "turn.finished")
        assert between[-1]["turn"]["answer"] == "anew"
        assert "notice" not in [event["type"] for event in between]
        assert "first ever" not in history(api)
