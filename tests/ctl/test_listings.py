"""The commands that ask once and print: status, queue, show, history, cancel, interrupt."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import run, run_on_terminal
from tests.ctl.samples import (
    ADA,
    BOB,
    PROMPT,
    TURN,
    finished_turn,
    prompt,
    room,
    running_turn,
    status,
)
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon


def serving(method: str, result: dict[str, Any], **expected: Any) -> Script:
    """Answer one request, which must have these params."""

    def script(client: Client) -> None:
        assert expected == client.answer(method, result)

    return script


def statused(tmp_path: Path, control_socket: Path, *rooms: dict[str, Any], words: tuple[str, ...] = ()) -> str:
    """Print the status of these rooms."""
    with scripted_daemon(control_socket, serving("daemon.status", status(*rooms))):
        ran = run(tmp_path, "status", *words)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def test_status_names_the_daemon(tmp_path: Path, control_socket: Path) -> None:
    """Which one answered, and where its things are."""
    out = statused(tmp_path, control_socket)
    assert out.startswith("concordiad 0.1.0, pid 99, up 1m 04s\n")
    assert f"  socket  {control_socket}\n  state   /var/x\n" in out


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("starting", "the agent is starting"),
        ("idle", "ready for prompts"),
        ("busy", "a turn is running"),
        ("paused", "held by a host: prompts wait, new ones are refused"),
        ("asleep", "ready for prompts; the agent is started again for the next one"),
        ("agent-down", "the agent is not running; prompts wait"),
        ("agent-failing", "the agent fails again and again; prompts wait"),
        ("draining", "stopping: no new turns"),
    ],
)
def test_status_says_what_a_state_means(tmp_path: Path, control_socket: Path, state: str, sentence: str) -> None:
    """With the daemon's reason behind it."""
    out = statused(tmp_path, control_socket, room(state=state, reason="because"))
    assert f"● {state}  {sentence}, because\n" in out


@pytest.mark.parametrize(("state", "count"), [("busy", 1), ("paused", 0)])
def test_status_says_that_nothing_new_begins(tmp_path: Path, control_socket: Path, state: str, count: int) -> None:
    """Also while a turn runs; once is enough."""
    out = statused(tmp_path, control_socket, room(state=state, paused=True))
    assert out.count("paused: nothing new begins") == count


def test_status_shows_the_agent(tmp_path: Path, control_socket: Path) -> None:
    """What it is, and that it had to be started again."""
    out = statused(tmp_path, control_socket, room(agent=room()["agent"] | {"restarts": 2}))
    assert "claude (claude-code 2.1.329 opus), pid 4242, started " in out
    assert ", 2 restarts\n" in out


def test_status_of_an_agent_that_is_not_there(tmp_path: Path, control_socket: Path) -> None:
    """What is not known is not said."""
    nothing = dict.fromkeys(("version", "model", "pid", "incarnation", "started_at"))
    out = statused(tmp_path, control_socket, room(agent=room()["agent"] | nothing))
    assert "agent      claude (claude-code)\n" in out


def test_status_shows_what_waits(tmp_path: Path, control_socket: Path) -> None:
    """And what to type about it."""
    out = statused(tmp_path, control_socket, room(name="lab", queue=2, approvals=1))
    assert "2 prompts wait\n" in out
    assert "1 approval waits: concordiactl --room lab approvals\n" in out


def test_status_shows_the_running_turn(tmp_path: Path, control_socket: Path) -> None:
    """With how long it has been running."""
    out = statused(tmp_path, control_socket, room(state="busy", turn=running_turn()))
    assert f"turn       {TURN}, for " in out
    assert "what is the answer?" in out


def test_status_says_that_it_is_a_rehearsal(tmp_path: Path, control_socket: Path) -> None:
    """Nobody takes it for a model."""
    out = statused(tmp_path, control_socket, room(agent=room()["agent"] | {"rehearsal": True}))
    assert "rehearsal: no model answers here" in out


def test_status_shows_the_room_that_was_named(tmp_path: Path, control_socket: Path) -> None:
    """Without a name, it shows all."""
    out = statused(tmp_path, control_socket, room(), room(name="lab"), words=("--room", "lab", "-o", "json"))
    assert status(room(name="lab")) == json.loads(out)


def test_status_of_a_room_that_is_not_there_fails(tmp_path: Path, control_socket: Path) -> None:
    """A script asks whether a room is there."""
    with scripted_daemon(control_socket, serving("daemon.status", status(room()))):
        assert run(tmp_path, "status", "--room", "lab") == (1, "", "concordiactl: there is no room 'lab'\n")


def queued(*prompts: dict[str, Any]) -> Script:
    """Answer with a queue."""
    return serving("prompt.list", {"prompts": list(prompts), "next": None}, room="main", states=["waiting"])


def test_the_queue_is_a_table(tmp_path: Path, control_socket: Path) -> None:
    """Place, id, age, author, and the text's first line."""
    with scripted_daemon(control_socket, queued(prompt(), prompt(place=2, author=BOB, text="日本\nx"))):
        header, first, second = run(tmp_path, "queue").out.splitlines()
    assert header.split() == ["PLACE", "ID", "SINCE", "AUTHOR", "TEXT"]
    assert first.startswith(f"1      {PROMPT}  ")
    assert first.endswith("  ada     what is the answer?")
    assert second.endswith("  bob     日本 …")


def test_the_queue_shows_priorities_that_matter(tmp_path: Path, control_socket: Path) -> None:
    """Only where one is not the usual one."""
    with scripted_daemon(control_socket, queued(prompt(priority="low"))):
        assert "low" in run(tmp_path, "queue").out


def test_an_empty_queue_is_no_data(tmp_path: Path, control_socket: Path) -> None:
    """The sentence about it is for people."""
    with scripted_daemon(control_socket, queued()):
        assert run(tmp_path, "queue") == (0, "", "no prompt waits in room main\n")


def test_a_long_queue_is_read_to_its_end(tmp_path: Path, control_socket: Path) -> None:
    """Page by page."""

    def script(client: Client) -> None:
        client.answer("prompt.list", {"prompts": [prompt()], "next": "c"})
        assert client.answer("prompt.list", {"prompts": [prompt(place=2)], "next": None})["cursor"] == "c"

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "queue", "-o", "json")
    assert {"prompts": [prompt(), prompt(place=2)], "next": None} == json.loads(ran.out)


def test_a_prompt_is_shown_in_full(tmp_path: Path, control_socket: Path) -> None:
    """With its turn and the whole answer."""
    result = {"prompt": prompt(text="a\nb", state="answered", turn=TURN), "turn": finished_turn("c\nd", text="a\nb")}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id=PROMPT)):
        out = run(tmp_path, "show", PROMPT).out
    assert "author     ada (local)\n" in out
    assert "\ntext\n  a\n  b\n" in out
    assert "state       completed\n" in out
    assert "took        3.2s, first word after 0.4s\n" in out
    assert out.endswith("\nanswer\n  c\n  d\n")


def test_a_merged_text_is_shown_beside_the_prompts_own(tmp_path: Path, control_socket: Path) -> None:
    """What the agent was told is not what one person wrote."""
    result = {"prompt": prompt(turn=TURN), "turn": finished_turn(text="of two people")}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id=PROMPT)):
        assert "\ntext for the agent\n  of two people\n" in run(tmp_path, "show", PROMPT).out


def test_a_turn_is_shown_in_full(tmp_path: Path, control_socket: Path) -> None:
    """When no prompt has that id."""
    result = {"turn": finished_turn(), "prompts": [prompt(), prompt(id="2", author=BOB)]}

    def script(client: Client) -> None:
        client.request("prompt.get")
        client.error(-32001, "no such prompt")
        client.answer("turn.get", result)

    with scripted_daemon(control_socket, script):
        out = run(tmp_path, "show", TURN).out
    assert "authors     ada, bob\n" in out
    assert f"\nprompts\n  {PROMPT}  ada\n  2  bob\n" in out
    assert out.endswith("\nanswer\n  forty-two\n")


def test_what_is_neither_is_not_found(tmp_path: Path, control_socket: Path) -> None:
    """One sentence for both attempts."""

    def script(client: Client) -> None:
        client.request("prompt.get")
        client.error(-32001, "no such prompt")
        client.request("turn.get")
        client.error(-32001, "no such turn")

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "show", "x")
    assert ran == (1, "", "concordiactl: room main has no prompt and no turn 'x'\n")


def past(**changes: Any) -> dict[str, Any]:
    """Make a turn as `turn.list` has it."""
    return finished_turn() | {"authors": [ADA, BOB]} | changes


def test_history_is_a_table(tmp_path: Path, control_socket: Path) -> None:
    """Outcome, duration, tokens, cost, authors, text."""
    listed = {"turns": [past(), past(outcome=None, state="running", cost_usd=None)], "next": None}
    with scripted_daemon(control_socket, serving("turn.list", listed, room="main", limit=20)):
        ran = run(tmp_path, "history")
    header, first, second = ran.out.splitlines()
    assert header.split() == ["TURN", "STARTED", "OUTCOME", "TOOK", "TOKENS", "COST", "AUTHORS", "TEXT"]
    assert first.startswith(f"{TURN}  ")
    assert first.endswith("  completed  3.2s  1.2k/56  $0.0123  ada, bob  what is the answer?")
    assert "  running  " in second


def test_history_reads_as_many_pages_as_it_needs(tmp_path: Path, control_socket: Path) -> None:
    """And says how to go on."""

    def script(client: Client) -> None:
        assert client.answer("turn.list", {"turns": [past()] * 500, "next": "c1"}) == {"room": "main", "limit": 500}
        expected = {"room": "main", "limit": 100, "cursor": "c1"}
        assert expected == client.answer("turn.list", {"turns": [past()] * 100, "next": "c2"})

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "history", "--lines", "600")
    assert len(ran.out.splitlines()) == 601
    assert ran.err == "older ones: concordiactl history --cursor c2\n"


def test_history_goes_on_at_a_cursor(tmp_path: Path, control_socket: Path) -> None:
    """In JSON the next one is in the object."""
    listed = {"turns": [past()], "next": "c2"}
    with scripted_daemon(control_socket, serving("turn.list", listed, room="main", limit=1, cursor="c1")):
        ran = run(tmp_path, "history", "--lines", "1", "--cursor", "c1", "-o", "json")
    assert (listed, "") == (json.loads(ran.out), ran.err)


def test_no_history_is_no_data(tmp_path: Path, control_socket: Path) -> None:
    """The sentence about it is for people."""
    with scripted_daemon(control_socket, serving("turn.list", {"turns": [], "next": None}, room="main", limit=20)):
        assert run(tmp_path, "history") == (0, "", "room main has no turns yet\n")


def test_a_table_fits_its_terminal(tmp_path: Path, control_socket: Path) -> None:
    """On 80 columns the text has a line of its own."""
    listed = {"turns": [past(text="x" * 500)], "next": None}
    with scripted_daemon(control_socket, serving("turn.list", listed, room="main", limit=20)):
        ran = run_on_terminal(tmp_path, "history", columns=100, NO_COLOR="1")
    assert max(map(len, ran.out.splitlines())) <= 100


def test_cancel_says_what_it_did(tmp_path: Path, control_socket: Path) -> None:
    """On standard output, as the thing that was asked for."""
    result = {"prompt": prompt(state="cancelled")}
    with scripted_daemon(control_socket, serving("prompt.cancel", result, room="main", id=PROMPT)):
        assert (0, f"cancelled prompt {PROMPT}\n", "") == run(tmp_path, "cancel", PROMPT)


@pytest.mark.parametrize(("words", "params"), [((), {}), (("--turn", TURN), {"turn": TURN})])
def test_interrupt_can_be_guarded(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, str]
) -> None:
    """With --turn it stops nothing but that."""
    result = {"turn": running_turn()}
    with scripted_daemon(control_socket, serving("turn.interrupt", result, room="main", **params)):
        assert (0, f"interrupted turn {TURN}\n", "") == run(tmp_path, "interrupt", *words)
