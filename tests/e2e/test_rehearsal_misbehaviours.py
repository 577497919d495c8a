"""An agent that dies, babbles or falls silent: the room says which it was and goes on."""

import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from concordiad.room.unreadable import TELL_S
from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, Event, types
from tests.support.daemon import REHEARSAL, Daemon, Site, wait_for_end
from tests.support.named_pipe import NamedPipe
from tests.support.patience import PATIENCE_S
from tests.support.wall_clock import WallClock

DAY_S = 24 * 3600
REASON = "overloaded: api_error 529: API Error: 529 rehearsed on request"
SMALL_LINES: dict[str, dict[str, Any]] = {"limits": {"line_bytes": 16384}}


def answer_to(client: ControlClient, prompt: str) -> str:
    """
    Wait for the answer to a prompt, where the graces are short; returns it.

    An agent that stands still with the machine is to the daemon as silent as any other: then it is asked again.
    """
    deadline = time.monotonic() + PATIENCE_S
    while (turn := client.finished(prompt))["outcome"] in ("timed_out", "uncertain"):
        assert time.monotonic() < deadline, turn
        prompt = client.call("prompt.retry", id=prompt)["prompt"]["id"]
    return str(turn["answer"])


def notices(events: list[Event]) -> list[str]:
    """Name the notices among some events by their codes."""
    return [event["code"] for event in events if event["type"] == "notice"]


@pytest.mark.parametrize(
    ("order", "code", "number"), [("[[crash:3]]", 3, None), ("[[kill]]", None, 9), ("[[half-line]]", 1, None)]
)
def test_crash_in_a_turn(daemon: Daemon, gate: Gate, order: str, code: int | None, number: int | None) -> None:
    """An agent that dies fails its turn; the next incarnation answers the prompts that waited, in their order."""
    client = daemon.follow()
    first = client.next("agent.started")
    client.submit("[[text:something to remember]]")
    client.finished()
    fatal = client.submit(f"{gate}{order}")
    client.next("turn.started")
    waiting = [client.submit(f"[[text:waited {place}]]")["id"] for place in range(3)]
    gate.open()
    turn = client.finished(fatal["id"])
    assert turn["outcome"] == "failed"
    assert "agent_exited" in turn["reason"]
    exited = client.next("agent.exited")
    assert (exited["incarnation"], exited["code"], exited["signal"]) == (first["incarnation"], code, number)
    assert exited["next_attempt_s"] >= 0
    second = client.next("agent.started")
    assert second["incarnation"] != first["incarnation"]
    assert second["session"] == "resumed"
    answered = [client.finished() for _ in waiting]
    assert [turn["prompts"] for turn in answered] == [[prompt] for prompt in waiting]
    assert [turn["answer"] for turn in answered] == [f"waited {place}" for place in range(3)]
    assert client.call("prompt.get", id=fatal["id"])["prompt"]["state"] == "failed"
    assert client.call("room.list")["rooms"][0]["agent"]["restarts"] == 1


def test_crash_in_the_first_turn_loses_the_conversation(daemon: Daemon) -> None:
    """An agent that dies before anything was saved begins anew, and the room says that the context is lost."""
    client = daemon.follow()
    client.submit("[[crash]]")
    assert client.finished()["outcome"] == "failed"
    assert client.next("notice")["code"] == "context_lost"
    client.next("agent.exited")
    assert client.next("agent.started")["session"] == "fresh"
    client.submit("[[text:anew]]")
    assert client.finished()["answer"] == "anew"


def test_idle_agent_that_dies_is_replaced(daemon: Daemon) -> None:
    """An agent that dies between two turns fails none; the next prompt goes to the next incarnation."""
    client = daemon.follow()
    agent = client.next("agent.started")["pid"]
    client.submit("[[text:one]]")
    client.finished()
    os.kill(agent, signal.SIGKILL)
    assert client.next("agent.exited")["signal"] == signal.SIGKILL
    client.submit("[[text:two]]")
    assert client.next("agent.started")["session"] == "resumed"
    assert client.finished()["answer"] == "two"
    assert types(client.events).count("turn.finished") == 2


def test_text_in_the_middle_of_which_an_agent_dies_is_kept_for_everybody(daemon: Daemon) -> None:
    """It is recorded as far as it came, for those who saw it live and for those who come later."""
    client = daemon.follow()
    agent = client.next("agent.started")["pid"]
    client.submit("[[slow:1000,50]] and more")
    while client.next("agent.delta")["offset"] < 20:
        pass
    os.kill(agent, signal.SIGKILL)
    turn = client.finished()
    live = "".join(event["text"] for event in client.events if event["type"] == "agent.delta")
    for seen in (client.events, daemon.follow().until(lambda event: event["type"] == "turn.finished")):
        [text] = [event for event in seen if event["type"] == "agent.text"]
        assert (text["turn"], text["partial"]) == (turn["id"], True)
        assert text["text"] == turn["answer"] == live


def test_reason_has_the_last_of_standard_error(daemon: Daemon) -> None:
    """What a dying agent wrote to standard error last is in the reason of its exit."""
    client = daemon.follow()
    client.submit("[[stderr:disk on fire]][[crash:7]]")
    assert client.finished()["outcome"] == "failed"
    assert "disk on fire" in client.next("agent.exited")["reason"]


def test_standard_error_is_drained(daemon: Daemon) -> None:
    """Far more on standard error than a pipe holds stops nobody."""
    client = daemon.follow()
    client.submit("".join(f"[[stderr:{'x' * 20_000} {number}]]" for number in range(10)) + "[[text:said it all]]")
    assert client.finished()["answer"] == "said it all"


def test_line_that_is_no_json_is_passed_over(daemon: Daemon) -> None:
    """Garbage in the agent's output is noted and shown to nobody; the turn goes on."""
    client = daemon.follow()
    client.submit("[[garbage]][[text:sorry]]")
    turn = client.finished()
    assert (turn["outcome"], turn["answer"]) == ("completed", "sorry")
    assert notices(client.events) == ["unreadable_output"]
    assert not any("no JSON" in str(event) for event in client.events if event["type"].startswith("agent."))
    assert "agent.exited" not in types(client.events)


@pytest.mark.parametrize("garbage", ['{"type":"system"', "not JSON", "[1,2]", "1"])
def test_garbage_without_end_harms_neither_the_transcript_nor_other_rooms(
    site: Site, tmp_path: Path, garbage: str
) -> None:
    """It is counted, not recorded line by line, and it keeps nobody else waiting; closing the room ends it."""
    script, begin = site.home / "agent", tmp_path / "begin"
    agent = f"{sys.executable} -m concordiad.agent.rehearsal"
    flood = f"(until [ -e {begin} ]; do sleep 0.05; done; exec yes '{garbage}') &"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {agent} "$@"\n{flood}\nexec {agent} "$@"\n')
    script.chmod(0o755)
    other = tmp_path / "other"
    other.mkdir()
    site.configure(
        {
            "agents.babbler": {**REHEARSAL, "command": [str(script)]},
            "rooms.main": {"agent": "babbler"},
            "rooms.other": {"workdir": str(other), "agent": "rehearsal"},
        }
    )
    with site.running() as daemon:
        client, host = daemon.follow(), daemon.follow(room="other", since=0)
        client.next("agent.started")
        client.finished(client.submit("[[text:well]]")["id"])
        began = time.monotonic()
        begin.touch()
        told = [client.next("notice")]
        for number in range(20):
            answer = host.finished(host.submit(f"[[text:{number}]]", room="other")["id"])["answer"]
            assert answer == str(number)
        assert {room["name"] for room in host.call("room.list")["rooms"]} == {"main", "other"}
        host.call("room.close", room="main")
        last = client.until(lambda event: event["type"] == "agent.exited")
        told += [event for event in last if event["type"] == "notice"]
        took_s = time.monotonic() - began
    assert {notice["code"] for notice in told} == {"unreadable_output"}
    counts = [re.search(r"wrote (\d+) lines", notice["message"]) for notice in told]
    assert sum(int(count[1]) for count in counts if count is not None) > 1000
    assert len(told) <= 2 + took_s / TELL_S


def test_line_of_an_unknown_type_is_passed_over(daemon: Daemon) -> None:
    """A huge line of a type that nobody knows is no trouble."""
    client = daemon.follow()
    client.submit("[[line:3000000]][[text:never mind]]")
    turn = client.finished()
    assert (turn["outcome"], turn["answer"]) == ("completed", "never mind")


def test_line_over_the_limit_is_told(site: Site) -> None:
    """A line over the limit becomes an event that tells its size; the turn goes on, and so does the session."""
    site.configure(SMALL_LINES)
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[line:100000]][[text:that was long]]")
        turn = client.finished()
        assert (turn["outcome"], turn["answer"]) == ("completed", "that was long")
        (event,) = [event for event in client.events if event["type"] == "agent.oversize"]
        assert (event["turn"], event["bytes"]) == (turn["id"], 100_000)
        client.submit("[[text:short]]")
        assert client.finished()["answer"] == "short"
        assert "agent.exited" not in types(client.events)


@pytest.mark.parametrize("size", [16385, 5_000_000])
def test_result_over_the_limit_still_ends_its_turn(site: Site, size: int) -> None:
    """A result line over the limit ends its turn with its figures; only its answer is lost, and its size is told."""
    site.configure(SMALL_LINES)
    with site.running() as daemon:
        client = daemon.follow()
        client.submit(f"[[text:one two three]][[big-result:{size}]]")
        turn = client.finished()
        assert turn["outcome"] == "completed"
        assert turn["output_tokens"] == 3
        assert turn["cost_usd"] > 0
        (event,) = [event for event in client.events if event["type"] == "agent.oversize"]
        assert (event["turn"], event["bytes"], event["kind"]) == (turn["id"], size, "result")
        client.submit("[[text:short]]")
        assert client.finished()["answer"] == "short"
        assert "agent.exited" not in types(client.events)


def test_turn_without_a_result_fails(daemon: Daemon) -> None:
    """An agent that is done with a prompt but gave no result has failed it; the next one is answered."""
    client = daemon.follow()
    client.submit("[[text:partial]][[no-result]][[text:more]]")
    turn = client.finished()
    assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("failed", "no_result")
    assert turn["answer"] == "more"
    assert client.call("turn.get", id=turn["id"])["turn"]["answer"] == "more"
    client.submit("[[text:better]]")
    assert client.finished()["answer"] == "better"


def test_turn_without_acknowledgement_ends_by_its_result(daemon: Daemon) -> None:
    """An agent that tells nothing of a line's life is still understood."""
    client = daemon.follow()
    client.submit("[[no-ack]][[text:one]]")
    assert client.finished()["answer"] == "one"
    client.submit("[[text:two]]")
    assert client.finished()["answer"] == "two"


def test_turn_of_the_agents_own(daemon: Daemon, gate: Gate) -> None:
    """A command in the background ends, and the agent begins a turn by itself: shown, counted, never taken for ours."""
    client = daemon.follow()
    command = f"until [ -e {str(gate)[7:-2]} ]; do sleep 0.02; done; echo from behind"
    prompt = client.submit(f"[[background:{command}]][[text:it runs]]")
    asked = client.next("approval.requested")["approval"]
    client.call("approval.answer", id=asked["id"], allow=True)
    ours = client.finished()
    assert (ours["prompts"], ours["answer"]) == ([prompt["id"]], "it runs")
    gate.open()
    started = client.next("turn.started")["turn"]
    assert (started["origin"], started["prompts"]) == ("agent", [])
    assert "Background command" in started["text"]
    own = client.finished()
    assert (own["id"], own["outcome"], own["authors"]) == (started["id"], "completed", [])
    assert "from behind" in own["answer"]
    assert own["cost_usd"] > 0
    after = client.submit("[[text:ours again]]")
    assert client.finished(after["id"])["answer"] == "ours again"
    assert [turn["origin"] for turn in client.call("turn.list")["turns"]] == ["prompts", "agent", "prompts"]


def test_work_in_the_background_keeps_an_agent_awake(site: Site, gate: Gate) -> None:
    """A room is not idle while a command runs in the background; its end is still told, and then the room sleeps."""
    site.configure({"rooms.main": {"idle_s": 0.3}})
    with site.running() as daemon:
        client = daemon.follow()
        # Long enough for the room to fall asleep several times over.
        command = f"sleep 1.5; until [ -e {str(gate)[7:-2]} ]; do sleep 0.02; done; echo from behind"
        client.submit(f"[[background:{command}]][[text:it runs]]")
        asked = client.next("approval.requested")["approval"]
        # It may have slept before anybody could ask it anything.
        first = [event for event in client.events if event["type"] == "agent.started"][-1]
        before = len(client.events)
        client.call("approval.answer", id=asked["id"], allow=True)
        assert client.finished()["answer"] == "it runs"
        gate.open()
        own = client.finished()
        assert (own["origin"], own["outcome"]) == ("agent", "completed")
        assert "from behind" in own["answer"]
        assert "agent.exited" not in types(client.events[before:])
        exited = client.next("agent.exited")
        assert (exited["incarnation"], exited["status"]) == (first["incarnation"], "asleep")
        assert exited["reason"] == "asleep after 0.3 s without a prompt"


def test_orphan_ends_with_its_incarnation(daemon: Daemon, pipe: NamedPipe) -> None:
    """What an agent started, in sessions of their own too, does not outlive it."""
    client = daemon.follow()
    agent = client.next("agent.started")["pid"]
    client.submit("[[orphan:600]]")
    said = re.fullmatch(r"orphan (\d+)", client.finished()["answer"])
    assert said is not None
    client.submit(f"[[tool:{pipe.sleeper}]]")
    asked = client.next("approval.requested")["approval"]
    client.call("approval.answer", id=asked["id"], allow=True)
    tool = int(pipe.read())
    assert {int(said[1]), tool, agent} <= daemon.site.leftovers().keys()
    os.kill(agent, signal.SIGKILL)
    client.next("agent.exited")
    for number in (int(said[1]), tool):
        wait_for_end(number)


def test_agent_that_never_starts_is_told_of(site: Site) -> None:
    """An agent that dies at every start makes a failing room that says so; prompts wait, and the daemon serves on."""
    script = site.home / "agent"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 1.0 && exit\necho no engine >&2\nexit 5\n')
    script.chmod(0o755)
    site.configure({"agents.rehearsal": {"command": [str(script)]}, "limits": {"agent_failures": 10_000}})
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit("anybody there?")
        exited = client.next("agent.exited")
        assert exited["code"] == 5
        assert "no engine" in exited["reason"]
        assert exited["next_attempt_s"] > 0
        client.next("agent.exited")
        room = client.call("room.list")["rooms"][0]
        assert room["state"] in ("agent-down", "starting")
        assert client.call("prompt.get", id=prompt["id"])["prompt"]["state"] == "waiting"


def test_agent_that_hangs_after_its_result_is_replaced(site: Site) -> None:
    """An agent that gave its result but never says that it is done is ended in time, and the next one goes on."""
    site.configure({"graces": {"settle_s": 0.5, "exit_s": 0.2, "kill_s": PATIENCE_S}})
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[text:all is well]][[no-idle]]")
        after = client.submit("[[text:next]]")
        turn = client.finished()
        assert (turn["outcome"], turn["answer"]) == ("completed", "all is well")
        assert client.next("agent.exited")["signal"] is None
        assert client.next("agent.started")["session"] == "resumed"
        assert client.finished(after["id"])["answer"] == "next"


@pytest.mark.parametrize("order", ["[[deaf]]{gate}", "[[stubborn]]{gate}"])
def test_agent_that_does_not_heed_an_interrupt_is_replaced(site: Site, gate: Gate, order: str) -> None:
    """An agent that does not answer an interrupt, or answers and goes on, is ended in time; the turn is interrupted."""
    site.configure({"graces": {"interrupt_s": 0.5, "exit_s": 0.5, "kill_s": 0.5}})
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[text:something to remember]]")["id"])
        prompt = client.submit("[[text:about to be stuck]]" + order.format(gate=gate))
        client.next("agent.text", text="about to be stuck")
        after = client.submit("[[text:next]]")
        assert client.call("turn.interrupt")["turn"]["prompts"] == [prompt["id"]]
        turn = client.finished(prompt["id"])
        assert turn["outcome"] == "interrupted"
        assert turn["reason"].startswith("interrupted by")
        assert client.next("agent.started")["session"] == "resumed"
        assert client.finished(after["id"])["answer"] == "next"


def test_silent_turn_is_timed_out(site: Site) -> None:
    """A turn in which nothing comes any more ends by itself, with its partial text; the same agent goes on."""
    site.configure({"graces": {"silence_s": 1}})
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit("[[text:as far as it came]][[hang]]")
        after = client.submit("[[text:next]]")
        turn = client.finished(prompt["id"])
        assert (turn["outcome"], turn["reason"]) == ("timed_out", "silence: the agent said nothing for 1 s")
        assert "as far as it came" in turn["answer"] or "hang" in turn["answer"]
        assert client.call("prompt.get", id=prompt["id"])["prompt"]["state"] == "failed"
        assert answer_to(client, after["id"]) == "next"
        assert "agent.exited" not in types(client.events)


@pytest.mark.parametrize("order", ["[[deaf]][[hang]]", "[[deaf]]{gate}", "[[stubborn]]{gate}"])
def test_silent_agent_that_does_not_heed_an_interrupt_is_replaced(site: Site, gate: Gate, order: str) -> None:
    """It is ended; its turn is timed out, and the next incarnation answers the next prompt."""
    site.configure({"graces": {"silence_s": 1, "interrupt_s": 0.5, "exit_s": 0.5, "kill_s": 0.5}})
    with site.running() as daemon:
        client = daemon.follow()
        answer_to(client, client.submit("[[text:something to remember]]")["id"])
        prompt = client.submit("[[text:about to be stuck]]" + order.format(gate=gate))
        after = client.submit("[[text:next]]")
        turn = client.finished(prompt["id"])
        assert (turn["outcome"], turn["reason"]) == ("timed_out", "silence: the agent said nothing for 1 s")
        assert turn["answer"]
        assert client.next("agent.started", session="resumed")
        assert answer_to(client, after["id"]) == "next"


def test_a_tool_may_be_silent(site: Site) -> None:
    """A tool that runs is no silence of the agent's."""
    site.configure({"graces": {"silence_s": 1}})
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[tool:sleep 2; echo slept]][[text:well slept]]")
        asked = client.next("approval.requested")["approval"]
        assert client.call("room.list")["rooms"][0]["turn"]["silent_s"] >= 0
        client.call("approval.answer", id=asked["id"], allow=True)
        turn = client.finished()
        assert (turn["outcome"], turn["answer"]) == ("completed", "well slept")


def test_people_may_be_silent(site: Site) -> None:
    """Nor is an approval that waits, here until it is denied."""
    site.configure({"graces": {"silence_s": 1, "approval_s": 2}})
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[tool:echo never]][[text:nobody cared]]")
        assert client.next("approval.resolved")["resolution"] == "timed_out"
        turn = client.finished()
        assert (turn["outcome"], turn["answer"]) == ("completed", "nobody cared")


def test_silent_turn_does_not_hold_a_stop_up(site: Site) -> None:
    """A daemon that drains ends it by its limit, if that comes before the drain's grace is over."""
    site.configure({"graces": {"silence_s": 1, "turn_s": 600}})
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit("[[text:so far]][[hang]]")
        client.next("agent.text")
        daemon.process.send_signal(signal.SIGTERM)
        assert client.finished(prompt["id"])["outcome"] == "timed_out"
        assert daemon.wait() == 0


def test_agent_that_reads_no_prompt_is_interruptible(site: Site) -> None:
    """A prompt that the agent never took can be interrupted; whether it was read is not known, so it says so."""
    site.configure({"graces": {"interrupt_s": 0.5, "exit_s": 0.5, "kill_s": 0.5}})
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[deaf]][[text:la la la]]")["id"])
        prompt = client.submit("can you hear me?")
        client.next("turn.started")
        client.call("turn.interrupt")
        assert client.finished(prompt["id"])["outcome"] in ("interrupted", "uncertain")
        client.submit("[[text:loud and clear]]")
        assert client.finished()["answer"] == "loud and clear"


def test_agent_that_is_silent_from_the_start_is_told_of(site: Site) -> None:
    """An agent that never gives its first answer is ended in time, again and again, and the room says why."""
    script = site.home / "agent"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 1.0 && exit\nexec sleep 600\n')
    script.chmod(0o755)
    site.configure({"agents.rehearsal": {"command": [str(script)]}, "graces": {"start_s": 0.3, "exit_s": 0.1}})
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("anybody there?")
        first = client.next("agent.started")
        exited = client.next("agent.exited")
        assert (exited["incarnation"], exited["signal"]) == (first["incarnation"], signal.SIGTERM)
        assert exited["next_attempt_s"] > 0
        assert client.next("agent.started")["incarnation"] != first["incarnation"]


def test_stopped_agent_with_a_full_pipe_is_replaced(site: Site) -> None:
    """A prompt that does not fit into the pipe of an agent that is stopped is not lost, and the room goes on."""
    site.configure({"graces": {"write_s": 1, "exit_s": 0.2, "kill_s": 0.2}})
    with site.running() as daemon:
        client = daemon.follow()
        first = client.next("agent.started")["pid"]
        client.finished(client.submit("[[text:something to remember]]")["id"])
        os.kill(first, signal.SIGSTOP)
        large = client.submit("[[text:read it all]]" + "x" * (256 * 1024 - 20))
        notice = client.next("notice")
        assert (notice["code"], notice["fault"]) == ("agent_stuck", "not_reading")
        turn = client.finished(large["id"])
        assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("uncertain", "not_reading")
        exited = client.next("agent.exited")
        assert (exited["status"], exited["signal"]) == ("stuck", signal.SIGKILL)
        assert client.next("agent.started")["session"] == "resumed"
        assert client.call("room.list")["rooms"][0]["agent"]["fault"]["fault"] == "not_reading"
        client.finished(client.submit("[[text:next]]")["id"])


def test_agent_that_does_not_read_keeps_nobody_else_waiting(site: Site, tmp_path: Path) -> None:
    """While a line waits in a full pipe, status and approvals are told, and an interrupt and a close end the agent."""
    site.configure(
        {"graces": {"write_s": 3600, "ack_s": 3600, "turn_s": 0.1, "interrupt_s": 0.2, "exit_s": 0.2, "kill_s": 0.2}}
    )
    with site.running() as daemon:
        client = daemon.follow()
        host = daemon.connect()
        host.call("room.create", name="second", workdir=str(tmp_path), agent="rehearsal")
        for room in ("main", "second"):
            if room == "second":
                client.call("events.subscribe", room=room, since=0)
            pid = client.next("agent.started", room=room)["pid"]
            client.finished(client.submit("[[text:something to remember]]", room=room)["id"])
            os.kill(pid, signal.SIGSTOP)
            large = client.submit("[[text:read it all]]" + "x" * (256 * 1024 - 20), room=room)
            started = client.next("turn.started", room=room)["turn"]
            (told,) = [each for each in host.call("room.list")["rooms"] if each["name"] == room]
            assert (told["state"], told["turn"]["id"]) == ("busy", started["id"])
            assert host.call("approval.list", room=room)["approvals"] == []
            if room == "main":
                host.call("turn.interrupt", room=room, turn=started["id"])
                assert client.finished(large["id"])["outcome"] == "interrupted"
                assert client.finished(client.submit("[[text:next]]")["id"])["answer"] == "next"
            else:
                host.call("room.close", room=room)
                assert client.finished(large["id"])["outcome"] == "interrupted"


def test_stopped_agent_does_not_acknowledge(site: Site) -> None:
    """A prompt that fits into the pipe of an agent that is stopped ends as uncertain, and the next one is answered."""
    site.configure({"graces": {"ack_s": 1, "interrupt_s": 0.5, "exit_s": 0.2, "kill_s": 0.2}})
    with site.running() as daemon:
        client = daemon.follow()
        first = client.next("agent.started")["pid"]
        client.finished(client.submit("[[text:something to remember]]")["id"])
        os.kill(first, signal.SIGSTOP)
        lost = client.submit("[[text:never read]]")
        after = client.submit("[[text:next]]")
        turn = client.finished(lost["id"])
        assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("uncertain", "no_acknowledgement")
        assert answer_to(client, after["id"]) == "next"


def test_turn_without_a_first_word_is_timed_out(site: Site, gate: Gate) -> None:
    """An agent that acknowledges a prompt and then brings nothing of it is interrupted; the same agent goes on."""
    site.configure({"graces": {"first_output_s": 1}})
    with site.running() as daemon:
        client = daemon.follow()
        turn = client.finished(client.submit(f"{gate}[[text:too late]]")["id"])
        assert (turn["outcome"], turn["reason"].partition(":")[0]) == ("timed_out", "no_first_output")
        assert answer_to(client, client.submit("[[text:next]]")["id"]) == "next"
        assert "agent.exited" not in types(client.events)


def test_agent_is_given_up_and_restarted_by_a_host(site: Site) -> None:
    """After so many deaths nobody starts it again, prompts wait, and a host's restart brings it back."""
    mended = site.home / "mended"
    script = site.home / "agent"
    python = f'exec {sys.executable} -P -m concordiad.agent.rehearsal "$@"'
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo 1.0 && exit\n[ -e {mended} ] && {python}\nexit 5\n')
    script.chmod(0o755)
    site.configure({"agents.rehearsal": {"command": [str(script)]}, "limits": {"agent_failures": 2}})
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit("[[text:at last]]")
        changed = client.next("room.changed")
        assert (changed["state"], "exit status 5; 2 failures in 600 s" in changed["reason"]) == ("agent-failing", True)
        room = client.call("room.list")["rooms"][0]
        assert (room["state"], room["reason"]) == ("agent-failing", changed["reason"])
        assert types(client.events).count("agent.exited") == 2
        mended.touch()
        client.call("room.restart")
        assert client.next("room.changed", state="recovered")
        assert client.finished(prompt["id"])["answer"] == "at last"


def test_missing_program_is_not_tried_again(site: Site) -> None:
    """An agent whose program goes away is not started again until a host says so."""
    script = site.home / "agent"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m concordiad.agent.rehearsal "$@"\n')
    script.chmod(0o755)
    site.configure({"agents.rehearsal": {"command": [str(script)]}})
    with site.running() as daemon:
        client = daemon.follow()
        agent = client.next("agent.started")["pid"]
        client.finished(client.submit("[[text:something to remember]]")["id"])
        script.rename(site.home / "moved")
        os.kill(agent, signal.SIGKILL)
        changed = client.next("room.changed", state="agent-failing")
        assert "cannot be started" in changed["reason"]
        (site.home / "moved").rename(script)
        client.call("room.restart")
        assert client.finished(client.submit("[[text:here again]]")["id"])["answer"] == "here again"


def test_failing_api_holds_the_queue_and_lets_one_prompt_try(site: Site) -> None:
    """After three turns that an overloaded API has failed, prompts wait; one tries, and the rest is answered."""
    site.configure({"graces": {"api_wait_s": 0.5}})
    with site.running() as daemon:
        client = daemon.follow()
        prompts = [client.submit("[[error:529]]")["id"] for _ in range(4)]
        prompts += [client.submit(f"[[text:{number}]]")["id"] for number in range(2)]
        changed = client.next("room.changed")
        assert (changed["state"], changed["next_attempt_s"]) == ("api-failing", 0.5)
        assert changed["reason"].startswith("overloaded: api_error 529")
        again = client.next("room.changed")
        assert (again["state"], again["next_attempt_s"]) == ("api-failing", 1.0)
        assert client.next("room.changed")["state"] == "recovered"
        assert client.finished(prompts[-1])["answer"] == "1"
        finished = [event["turn"] for event in client.events if event["type"] == "turn.finished"]
        assert [(turn["prompts"], turn["outcome"]) for turn in finished] == [
            ([prompt], "failed" if number < 4 else "completed") for number, prompt in enumerate(prompts)
        ]


def open_circuit(client: ControlClient) -> Event:
    """Let turns fail until the queue waits; gives the event that says so."""
    for _ in range(3):
        client.submit("[[error:529]]")
    return client.next("room.changed", state="api-failing")


def test_a_kill_makes_nobody_forget_that_the_api_fails(site: Site, tmp_path: Path) -> None:
    """Prompts wait in the next run, too, for no longer than they may, whatever the clock says; then one tries."""
    clock = WallClock(tmp_path / "clock")
    site.configure({"graces": {"api_wait_s": 600, "api_wait_most_s": 600}})
    with site.running(under=clock.under) as daemon:
        client = daemon.follow()
        assert open_circuit(client)["next_attempt_s"] == 600
        waiting = [client.submit(f"[[text:{number}]]")["id"] for number in range(2)]
        daemon.kill()
    clock.set_off(-DAY_S)
    site.configure({"graces": {"api_wait_s": 600, "api_wait_most_s": 300}})
    with site.running(under=clock.under) as daemon:
        client = daemon.follow()
        told = [client.next("room.changed", state="api-failing") for _ in range(2)]
        assert [(each["reason"], each["wait_s"]) for each in told] == [(REASON, 600), (REASON, 300)]
        assert 0 < told[1]["next_attempt_s"] <= 300
        assert re.search(r"; the next prompt tries in [1-9]\d* s$", reason_in(client, "api-failing"))
        assert len(client.call("prompt.list", states=["waiting"])["prompts"]) == 2
        daemon.kill()
    site.configure({"graces": {"api_wait_s": 600, "api_wait_most_s": 0.1}})
    with site.running(under=clock.under) as daemon:
        client = daemon.follow()
        assert client.finished(waiting[0])["answer"] == "0"
        client.next("room.changed", state="recovered")
        assert client.finished(waiting[1])["answer"] == "1"
        open_circuit(client)
        client.call("room.pause")
        words = "; once the room is resumed, the next prompt tries at once"
        assert reason_in(client, "paused").endswith(words)


def reason_in(client: ControlClient, state: str) -> str:
    """Give the reason that the room has for a state."""
    (room,) = client.call("daemon.status")["rooms"]
    assert room["state"] == state, room
    return str(room["reason"])
