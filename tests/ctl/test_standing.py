"""How a room stands: whoever waits is told once what holds it up and what to do, and once that it is over."""

import json
from pathlib import Path
from typing import Any

import pytest

from ctl.standing import STATES, Standing, sentence_of
from tests.ctl.program import Ran, run, run_on_terminal
from tests.ctl.samples import BOB, LISTENING, PROMPT, TURN, event, finished_turn, prompt, room, running_turn, told
from tests.ctl.scripted_daemon import Client, scripted_daemon

STARTED = event("turn.started", turn=told(running_turn()))
RETURNED = event("turn.returned", turn=told(running_turn(state="returned", reason="because")), by=None)
FINISHED = event("turn.finished", turn=told(finished_turn()), by=None)

GIVEN_UP = (
    "concordiactl: the agent has failed too often; prompts wait until `concordiactl room restart` (exit status 1)\n"
)
NO_API = (
    "concordiactl: the agent's API fails; prompts wait; `concordiactl room resume` tries at once "
    "(overloaded: 529; the next prompt tries in 12.0s)\n"
)
HELD = (
    "concordiactl: the room is held by a host: prompts wait, new ones are refused; "
    "`concordiactl room resume` lets it go on\n"
)
NO_JOURNAL = (
    "concordiactl: nothing can be recorded: prompts are refused; the daemon tries again by itself (disk full)\n"
)
STARTED_AGAIN = "concordiactl: the agent is started again\n"
GOES_ON = "concordiactl: the room goes on\n"


def changed(state: str, reason: str | None = None, **members: Any) -> dict[str, Any]:
    """Make the event that the room has changed."""
    return event("room.changed", state=state, reason=reason, **{"by": None} | members)


AGENT_FAILING = changed("agent-failing", "exit status 1")
API_FAILING = changed("api-failing", "overloaded: 529", next_attempt_s=12.0, wait_s=12.0)
PAUSED = changed("paused", by=BOB)
RESUMED = changed("resumed", by=BOB)
RESTARTED = changed("restarted", by=BOB, fresh=False)
JOURNAL_FAILING = {key: value for key, value in changed("journal-failing", "disk full").items() if key != "seq"}
JOURNAL_RECOVERED = changed("journal-recovered", "it can be written again")
AGENT_STARTED = event(
    "agent.started", incarnation="i", pid=1, agent="claude", kind="claude-code", version="2", session="resumed"
)


def waited(
    tmp_path: Path, control_socket: Path, *events: dict[str, Any], words: tuple[str, ...] = (), **changes: Any
) -> Ran:
    """Submit and wait in a room that is like this, while these events come."""
    end = {"prompt": prompt(state="answered", turn=TURN, place=None), "turn": finished_turn()}

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING | {"snapshot": {"room": room(**changes), "events": []}})
        client.answer("prompt.submit", {"prompt": prompt(), "turn": None})
        for each in (*events, STARTED, FINISHED):
            client.event(each)
        if "json" in words:
            client.answer("prompt.get", end)
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", "x", *(words or ("--wait",)))
    assert ran.code == 0
    return ran


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"state": "agent-failing", "reason": "exit status 1"}, GIVEN_UP),
        ({"state": "api-failing", "reason": "overloaded: 529; the next prompt tries in 12.0s"}, NO_API),
        ({"state": "paused", "paused": True}, HELD),
        ({"state": "busy", "paused": True}, HELD),
        ({"state": "journal-failing", "reason": "disk full"}, NO_JOURNAL),
        ({"state": "agent-failing", "reason": "exit status 1", "paused": True}, HELD + GIVEN_UP),
        ({"state": "busy"}, ""),
        ({"state": "agent-down", "reason": "exit status 1"}, ""),
    ],
)
def test_whoever_comes_is_told(tmp_path: Path, control_socket: Path, changes: dict[str, Any], line: str) -> None:
    """Without any further question to the daemon."""
    assert waited(tmp_path, control_socket, **changes) == (0, "forty-two\n", line)


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ((AGENT_FAILING, RESTARTED, AGENT_STARTED, changed("recovered", "the agent answers again")), STARTED_AGAIN),
        ((AGENT_FAILING, AGENT_STARTED), STARTED_AGAIN),
        ((AGENT_FAILING, AGENT_FAILING), ""),
        ((AGENT_FAILING, RESTARTED, AGENT_FAILING), STARTED_AGAIN + GIVEN_UP),
    ],
)
def test_who_waits_is_told_of_an_agent_that_is_given_up(
    tmp_path: Path, control_socket: Path, events: tuple[dict[str, Any], ...], lines: str
) -> None:
    """Once, until it is started again; anew where that does not help."""
    assert waited(tmp_path, control_socket, *events).err == GIVEN_UP + lines


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ((API_FAILING, changed("recovered", "the API answers")), f"{NO_API}concordiactl: the API answers\n"),
        ((API_FAILING, AGENT_STARTED, API_FAILING), NO_API),
        ((API_FAILING, RESUMED), NO_API + GOES_ON),
        ((PAUSED, RESUMED), HELD + GOES_ON),
        ((PAUSED, API_FAILING), HELD + NO_API.replace("; the next prompt tries in 12.0s", "")),
        ((JOURNAL_FAILING, JOURNAL_RECOVERED), f"{NO_JOURNAL}concordiactl: the journal can record again\n"),
        ((RESUMED, JOURNAL_RECOVERED, RESTARTED, changed("recovered", "x"), AGENT_STARTED), ""),
    ],
)
def test_who_waits_is_told_what_comes_and_goes(
    tmp_path: Path, control_socket: Path, events: tuple[dict[str, Any], ...], lines: str
) -> None:
    """Each once; nobody is told that something is over of which nobody was told."""
    assert waited(tmp_path, control_socket, *events).err == lines


@pytest.mark.parametrize("flag", ["--wait", "--follow"])
def test_a_program_is_told_beside_its_answer(tmp_path: Path, control_socket: Path, flag: str) -> None:
    """Standard output is as it was."""
    ran = waited(tmp_path, control_socket, AGENT_FAILING, RESTARTED, words=(flag, "-o", "json"))
    assert ran.err == GIVEN_UP + STARTED_AGAIN
    *events, last = [json.loads(line) for line in ran.out.splitlines()]
    assert last["turn"] == finished_turn()
    assert [each["type"] for each in events] == (["turn.started", "turn.finished"] if flag == "--follow" else [])


def test_a_running_turn_is_not_held_up(tmp_path: Path, control_socket: Path) -> None:
    """Unless it goes back to the queue; that its end cannot be recorded is told at once."""
    ran = waited(tmp_path, control_socket, STARTED, PAUSED, JOURNAL_FAILING, RETURNED)
    assert ran.err == f"{NO_JOURNAL}the turn went back to the queue: because\n{HELD}"


def test_what_was_missed_is_looked_up(tmp_path: Path, control_socket: Path) -> None:
    """The room that comes with the place to go on from may be another one."""

    def first(client: Client) -> None:
        shown = {"room": room(state="agent-failing", reason="exit status 1"), "events": []}
        client.answer("events.subscribe", LISTENING | {"snapshot": shown})
        client.answer("prompt.submit", {"prompt": prompt(), "turn": None})
        client.event(PAUSED)

    def second(client: Client) -> None:
        shown = {"room": room(state="paused", paused=True), "events": []}
        client.answer("events.subscribe", {"cursor": {"epoch": 4, "seq": 9}, "resync": True, "snapshot": shown})
        client.event(event("notice", 10, code="x", message="y") | {"epoch": 4})
        client.answer("prompt.get", {"prompt": prompt(), "turn": None, "merged": []})
        for each in (STARTED, FINISHED):
            client.event(each | {"epoch": 4})
        client.wait_until_gone()

    with scripted_daemon(control_socket, first, second):
        ran = run(tmp_path, "submit", "--wait", "x")
    missed = "some of what happened meanwhile cannot be shown\n"
    assert ran == (0, "forty-two\n", GIVEN_UP + HELD + missed + GOES_ON)


def test_it_stays_on_a_terminal(tmp_path: Path, control_socket: Path) -> None:
    """Above the line that is written over."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", {"prompt": prompt(), "turn": None})
        client.event(AGENT_FAILING)
        client.event(STARTED)
        client.event(FINISHED)
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        assert GIVEN_UP in run_on_terminal(tmp_path, "submit", "--wait", "x", NO_COLOR="1").out


def test_the_command_leads_to_the_same_room(tmp_path: Path) -> None:
    """Of the same daemon; what others wrote is made harmless."""
    standing = Standing(lambda *words: " ".join(("concordiactl", "--room", "lab", *words)))
    standing.feed(changed("agent-failing", "\x1b[2Jexit"))
    [(colour, line)] = standing.news(is_waiting=True)
    assert (colour, "`concordiactl --room lab room restart`" in line, "\x1b" in line) == ("red", True, False)


@pytest.mark.parametrize(
    ("state", "is_over"),
    [("busy", False), ("starting", False), ("paused", False), ("journal-failing", False), ("idle", True)],
)
def test_a_state_that_hides_another_does_not_end_it(state: str, is_over: bool) -> None:
    """While a prompt tries, the room is busy, and the API fails as before."""
    standing = Standing(lambda *words: " ".join(words))
    standing.look(room(state="api-failing", reason="overloaded"))
    standing.news(is_waiting=True)
    standing.look(room(state=state))
    assert (("green", "concordiactl: the room goes on") in standing.news(is_waiting=True)) == is_over


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_sentence_for_people(state: str) -> None:
    """With a command that can be typed where one is named."""
    assert "{" not in sentence_of(state)[1]


def test_a_newer_daemons_state_is_no_crash() -> None:
    """It has no sentence here."""
    assert sentence_of(PROMPT) == ("yellow", "")
