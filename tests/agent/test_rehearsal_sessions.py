"""The rehearsal agent's memory: sessions, repeated prompts, and what they cost."""

# ruff: noqa: SIM300 - `expected == actual` is this project's order

import json
import signal
from pathlib import Path

from tests.agent.rehearsing import Rehearsal, essences, prompt, texts

SESSION = "11111111-1111-4111-8111-111111111111"


def test_repeat_is_passed_over(tmp_path: Path) -> None:
    """A uuid that was there before in this process gets no answer; an idle agent only says that it is idle."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[text:once]]")
        agent.until("idle")
        agent.prompt("[[text:twice]]")
        assert ["idle"] == essences([agent.read()])
        agent.close()
        assert [] == agent.rest()


def test_repeat_during_a_turn_is_passed_over_in_silence(tmp_path: Path) -> None:
    """The uuid of the running prompt, and of one that waits, get not a line."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[gate:go]]")
        agent.until("system init")
        agent.send(prompt("[[text:two]]", "u2"), prompt("[[text:again]]", "u2"), prompt("[[text:again]]", "u1"))
        agent.close()
        agent.until("queued")
        (agent.work / "go").touch()
        lines = agent.rest()
        assert ["done", "two"] == texts(lines)
        assert 1 == essences(lines).count("started")


def test_repeat_after_resume(tmp_path: Path) -> None:
    """A uuid from before the restart is said to be completed, once, and is not answered."""
    with Rehearsal(tmp_path, f"--session-id={SESSION}") as agent:
        agent.prompt("[[text:once]]")
        assert SESSION == agent.last("result success")["session_id"]
        agent.finish()
    with Rehearsal(tmp_path, f"--resume={SESSION}") as agent:
        agent.prompt("[[text:twice]]")
        assert ["completed", "idle"] == essences([agent.read(), agent.read()])
        agent.prompt("[[text:thrice]]")
        assert ["idle"] == essences([agent.read()])
        agent.prompt("[[text:new]]", "u2")
        lines = agent.until("idle")
        assert (["new"], SESSION) == (texts(lines), lines[-1]["session_id"])


def test_death_before_anything_was_said(tmp_path: Path) -> None:
    """A session that dies before its first block is unknown afterwards: an error result and exit status 1."""
    with Rehearsal(tmp_path, f"--session-id={SESSION}") as agent:
        agent.prompt("[[kill]]")
        assert -signal.SIGKILL == agent.status()
    with Rehearsal(tmp_path, f"--resume={SESSION}") as agent:
        (result,) = agent.rest()
        assert ("result error_during_execution", True) == (essences([result])[0], result["is_error"])
        told = f"No conversation found with session ID: {SESSION}"
        assert ([told], told + "\n", 1) == (result["errors"], agent.stderr, agent.status())


def test_death_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    """A prompt that had an answer's first block is not answered again, and costs nothing."""
    with Rehearsal(tmp_path, f"--session-id={SESSION}") as agent:
        agent.prompt("[[text:half]][[kill]]")
        agent.status()
    with Rehearsal(tmp_path, f"--resume={SESSION}") as agent:
        agent.control("get_usage")
        assert 0 == agent.read()["response"]["response"]["session"]["total_cost_usd"]
        agent.prompt("[[text:again]]")
        assert ["completed", "idle"] == essences([agent.read(), agent.read()])


def test_cost_goes_on_over_a_restart(tmp_path: Path) -> None:
    """The total is cumulative over the session: what get_usage says at the start is the baseline."""
    with Rehearsal(tmp_path, f"--session-id={SESSION}") as agent:
        agent.prompt("one two three [[text:four]]")
        assert 0.00005 == agent.last("result success")["total_cost_usd"]
        agent.finish()
    with Rehearsal(tmp_path, f"--resume={SESSION}") as agent:
        agent.control("get_usage")
        session = agent.read()["response"]["response"]["session"]
        assert (0.00005, 4) == (session["total_cost_usd"], session["model_usage"]["rehearsal"]["inputTokens"])
        agent.prompt("[[text:five]]", "u2")
        result = agent.last("result success")
        assert (0.00007, 1) == (result["total_cost_usd"], result["usage"]["input_tokens"])


def test_session_id_in_use(tmp_path: Path) -> None:
    """A new session cannot have the id of an old one."""
    with Rehearsal(tmp_path, f"--session-id={SESSION}") as agent:
        agent.prompt("[[text:hi]]")
        agent.until("idle")
        agent.finish()
    with Rehearsal(tmp_path, f"--session-id={SESSION}") as agent:
        assert ([], 1) == (agent.rest(), agent.status())
        assert f"error: Session ID {SESSION} is already in use.\n" == agent.stderr


def test_file_lies_where_the_cli_has_it(tmp_path: Path) -> None:
    """The session's file is found by working directory and id, and a torn last line in it does no harm."""
    with Rehearsal(tmp_path, f"--session-id={SESSION}") as agent:
        agent.prompt("[[text:hi]]")
        agent.finish()
    name = str(tmp_path / "work").replace("/", "-")
    file = tmp_path / "config" / "projects" / name / f"{SESSION}.jsonl"
    kinds = [json.loads(line)["type"] for line in file.read_text().splitlines()]
    assert ["user", "assistant", "spent"] == kinds
    with file.open("a") as opened:
        opened.write('{"type":"user","uu')
    with Rehearsal(tmp_path, f"--resume={SESSION}") as agent:
        agent.prompt("[[text:fine]]", "u2")
        assert ["fine"] == texts(agent.until("idle"))


def test_without_config_dir(tmp_path: Path) -> None:
    """Without CLAUDE_CONFIG_DIR the memory lies in the user's state directory."""
    with Rehearsal(tmp_path, CLAUDE_CONFIG_DIR="", XDG_STATE_HOME=str(tmp_path / "state")) as agent:
        agent.prompt("[[text:hi]]")
        agent.until("idle")
    assert 1 == len(list((tmp_path / "state" / "concordia-rehearsal" / "projects").glob("*/*.jsonl")))


def test_clear_starts_a_new_session(tmp_path: Path) -> None:
    """`/clear` without client_composed changes the session's id and forgets its cost, as recorded."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[text:hi]]")
        before = agent.last("idle")["session_id"]
        agent.send({"type": "user", "uuid": "u2", "message": {"role": "user", "content": "/clear"}})
        lines = agent.until("idle")
        middle = ["conversation_reset", "system background_tasks_changed", "system init", "result success"]
        assert ["running", "queued", "started", *middle, "completed", "idle"] == essences(lines)
        assert ("clear", 0) == (lines[6]["local_command"], lines[6]["total_cost_usd"])
        ids = [line["session_id"] for line in lines]
        assert [before] * 5 == ids[:5]
        assert (1, False) == (len(set(ids[5:])), before in ids[5:])


def test_clear_as_text(tmp_path: Path) -> None:
    """With client_composed `/clear` is a prompt like any other."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("/clear")
        assert ["Rehearsal agent, no model behind it. You said: /clear"] == texts(agent.until("idle"))
