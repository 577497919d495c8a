"""Following over lost connections: nothing is missed or told twice, and it ends when it should."""

import json
import os
import pty
import signal
from pathlib import Path
from typing import Any

import pytest

from concordiad.core.codes import NOT_FOUND, NOT_NOW
from ctl.connection import Connection
from ctl.feed import Feed
from ctl.settings import Settings
from tests.ctl.program import Ran, run, run_on_terminal, start
from tests.ctl.samples import (
    ADA,
    LISTENING,
    PROMPT,
    TURN,
    delta,
    event,
    finished_turn,
    prompt,
    room,
    running_turn,
    told,
)
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

ONE = event("agent.text", 7, turn=TURN, block=0, text="one")
TWO = event("agent.text", 8, turn=TURN, block=1, text="two")
THREE = event("agent.text", 9, turn=TURN, block=2, text="three")
STARTED = event("turn.started", 7, turn=told(running_turn()))
FINISHED = event("turn.finished", 8, turn=told(finished_turn()), by=None)
AFTER_SEVEN = {"room": "main", "after": {"epoch": 3, "seq": 7}}
ANSWERED = {"prompt": prompt(state="answered", turn=TURN, place=None), "turn": finished_turn()}
NEXT_EPOCH = {"cursor": {"epoch": 4, "seq": 9}, "resync": True}


def telling(*events: dict[str, Any], expected: dict[str, Any] | None = None, answer: Any = LISTENING) -> Script:
    """Take a subscription, which must have these params, tell these events, and hang up."""

    def script(client: Client) -> None:
        params = client.answer("events.subscribe", answer)
        assert expected in (None, params)
        for each in events:
            client.event(each)

    return script


def refusing(number: int, message: str) -> Script:
    """Refuse a subscription."""

    def script(client: Client) -> None:
        client.request("events.subscribe")
        client.error(number, message)

    return script


GONE = refusing(NOT_FOUND.number, "there is no room 'main'")
"""What ends every one of these tails."""


def tailed(tmp_path: Path, control_socket: Path, *scripts: Script) -> tuple[list[int], Ran]:
    """Follow these connections one after the other until the room is gone; gives the numbers of what was told."""
    with scripted_daemon(control_socket, *scripts, GONE):
        ran = run(tmp_path, "tail", "-o", "json")
    return [json.loads(line)["seq"] for line in ran.out.splitlines()], ran


def test_a_tail_goes_on_where_it_was(tmp_path: Path, control_socket: Path) -> None:
    """With the event behind the last one that it saw, in the epoch in which it saw it; nobody notices in a pipe."""
    seqs, ran = tailed(tmp_path, control_socket, telling(ONE), telling(TWO, THREE, expected=AFTER_SEVEN))
    assert (seqs, ran.code) == ([7, 8, 9], 69)
    assert ran.err == "concordiactl: there is no room 'main'\n"


def test_nothing_is_told_twice(tmp_path: Path, control_socket: Path) -> None:
    """Whatever a daemon repeats."""

    def repeating(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        for each in (ONE, ONE, TWO):
            client.line(json.dumps({"jsonrpc": "2.0", "method": "event", "params": each}))

    assert tailed(tmp_path, control_socket, telling(ONE), repeating)[0] == [7, 8]


def test_a_tail_that_saw_nothing_begins_at_its_first_place(tmp_path: Path, control_socket: Path) -> None:
    """That is where the daemon said that it listens."""
    again = telling(ONE, expected={"room": "main", "after": {"epoch": 3, "seq": 6}})
    assert tailed(tmp_path, control_socket, telling(), again)[0] == [7]


def test_a_tail_whose_first_request_is_lost_asks_again(tmp_path: Path, control_socket: Path) -> None:
    """For what it asked for first."""

    def deaf(client: Client) -> None:
        client.request("events.subscribe")

    again = telling(ONE, expected={"room": "main", "last": 10})
    assert tailed(tmp_path, control_socket, deaf, again)[0] == [7]


def test_what_is_missing_is_told(tmp_path: Path, control_socket: Path) -> None:
    """With what the snapshot has and was not seen; then the new numbers count."""
    lost = event("notice", 7, code="x", message="y")
    new = [event("notice", seq, code="x", message="y") | {"epoch": 4} for seq in (7, 8, 9, 10)]
    snapshot = NEXT_EPOCH | {"snapshot": {"room": room(), "events": [ONE, *new[:3]]}}
    after = {"room": "main", "after": {"epoch": 3, "seq": 7}}
    seqs, ran = tailed(
        tmp_path, control_socket, telling(lost), telling(new[3], expected=after, answer=snapshot), telling()
    )
    assert seqs == [7, 7, 8, 9, 10]
    assert "older events are gone" in ran.err


def test_a_daemon_that_cannot_yet_is_asked_again(tmp_path: Path, control_socket: Path) -> None:
    """As when all of its connections are taken."""
    busy = refusing(NOT_NOW.number, "512 connections are open already")
    assert tailed(tmp_path, control_socket, telling(ONE), busy, telling(TWO))[0] == [7, 8]


def test_a_daemon_that_stays_away_ends_it(tmp_path: Path, control_socket: Path) -> None:
    """After the time that was given, with how to go on."""
    with scripted_daemon(control_socket, telling(ONE)):
        ran = run(tmp_path, "tail", "--reconnect", "0.3")
    assert ran.code == 69
    assert "the daemon has been away for 0." in ran.err
    assert "go on from here: concordiactl tail --since 8\n" in ran.err


def test_a_terminal_is_told(tmp_path: Path, control_socket: Path) -> None:
    """That the daemon is looked for, and that it is back."""
    with scripted_daemon(control_socket, telling(ONE), telling(TWO), GONE):
        ran = run_on_terminal(tmp_path, "tail", NO_COLOR="1")
    assert (
        f"the daemon at {control_socket} closed the connection: looking for it again\nthe daemon is back\n" in ran.out
    )


class Mute:
    def away(self, why: str) -> None:
        pass

    def back(self) -> None:
        pass

    def missed(self) -> None:
        pass


def test_only_the_daemon_that_was_left_is_gone_back_to(tmp_path: Path) -> None:
    """Not to the next one in the list of sockets: that is another's."""
    socket = tmp_path / "first"
    asked: list[str | None] = []

    def connect(path: str | None) -> Connection:
        asked.append(path)
        return Settings(socket=str(socket)).connect(path)

    with scripted_daemon(socket, telling(ONE), telling(TWO)), Feed(connect, "main", 60, Mute()) as feed:
        feed.begin()
        events = [feed.next_event(), feed.next_event()]
    assert [event and event.body["seq"] for event in events] == [7, 8]
    assert [None, str(socket)] == asked


def test_a_room_that_was_closed_ends_it(tmp_path: Path, control_socket: Path) -> None:
    """When its last turn is over; by whom is told."""
    closed = event("room.changed", 8, state="closed", reason=None, by=ADA)

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.event(ONE)
        client.event(closed)
        client.answer("events.subscribe", LISTENING)
        client.event(THREE)
        client.request("events.subscribe")
        client.error(NOT_FOUND.number, "there is no room 'main'")
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "tail", "-o", "json")
    assert [json.loads(line)["seq"] for line in ran.out.splitlines()] == [7, 8, 9]
    assert (ran.code, ran.err) == (69, "concordiactl: room main was closed by ada\n")


def test_ctrl_c_ends_the_looking(tmp_path: Path, control_socket: Path) -> None:
    """Although nobody is there to hang up on."""
    ours, theirs = pty.openpty()
    with scripted_daemon(control_socket, telling(ONE)), start(tmp_path, "tail", stderr=theirs) as child:
        os.close(theirs)
        said = b""
        while b"looking for it again" not in said:
            said += os.read(ours, 1000)
        child.send_signal(signal.SIGINT)
    os.close(ours)
    assert child.returncode == 130


def submitting(*events: dict[str, Any]) -> Script:
    """Take a prompt, tell these events, and hang up."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", {"prompt": prompt(), "turn": None})
        for each in events:
            client.event(each)

    return script


@pytest.mark.parametrize("flag", ["--wait", "--follow"])
def test_a_turn_that_ends_meanwhile_is_learnt_of(tmp_path: Path, control_socket: Path, flag: str) -> None:
    """From the events that were kept."""
    with scripted_daemon(control_socket, submitting(STARTED), telling(FINISHED, expected=AFTER_SEVEN)):
        assert run(tmp_path, "submit", flag, "x") == (0, "forty-two\n", "")


def test_a_turn_whose_end_was_missed_is_asked_for(tmp_path: Path, control_socket: Path) -> None:
    """And its answer is printed whole, although a part of it was printed before; no further event is needed."""

    def back(client: Client) -> None:
        client.answer("events.subscribe", NEXT_EPOCH | {"snapshot": {"room": room(), "events": []}})
        assert client.answer("prompt.get", ANSWERED) == {"room": "main", "id": PROMPT}
        client.wait_until_gone()

    with scripted_daemon(control_socket, submitting(STARTED, delta(0, "for")), back):
        ran = run(tmp_path, "submit", "--follow", "x")
    assert ran == (0, "for\nforty-two\n", "some of what happened meanwhile cannot be shown\n")


def test_a_question_that_was_lost_is_asked_again(tmp_path: Path, control_socket: Path) -> None:
    """The result at the end, for one."""

    def back(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.get", ANSWERED)

    with scripted_daemon(control_socket, submitting(STARTED, FINISHED), back):
        ran = run(tmp_path, "submit", "--wait", "-o", "json", "x")
    assert (ran.code, json.loads(ran.out)) == (0, ANSWERED)


def hearing_nothing(client: Client) -> None:
    """Take a prompt and say nothing."""
    client.answer("events.subscribe", LISTENING)
    client.request("prompt.submit")


def test_a_prompt_is_not_handed_in_twice(tmp_path: Path, control_socket: Path) -> None:
    """Nobody knows whether it was kept, so the person is told how to look."""
    with scripted_daemon(control_socket, hearing_nothing):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert (ran.code, ran.out) == (69, "")
    assert "nobody can tell whether it was kept" in ran.err
    assert "concordiactl history --prompts" in ran.err


def test_a_prompt_with_a_key_is_handed_in_again(tmp_path: Path, control_socket: Path) -> None:
    """That is what keys are for."""

    def back(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        assert client.answer("prompt.submit", {"prompt": prompt(), "turn": None})["key"] == "k"
        client.event(STARTED)
        client.event(FINISHED)
        client.wait_until_gone()

    with scripted_daemon(control_socket, hearing_nothing, back):
        assert run(tmp_path, "submit", "--wait", "--key", "k", "x") == (0, "forty-two\n", "")


def test_own_time_out_comes_while_the_daemon_is_away(tmp_path: Path, control_socket: Path) -> None:
    """It is the caller's patience that counts."""
    with scripted_daemon(control_socket, submitting(STARTED)):
        ran = run(tmp_path, "submit", "--wait", "--timeout", "0.5", "x")
    assert (ran.code, ran.out) == (124, "")


def test_withdrawn_text_is_told_of(tmp_path: Path, control_socket: Path) -> None:
    """It has left this program already; what comes instead begins on a line of its own."""
    withdrawn = event("agent.withdrawn", None, turn=TURN, block=0)
    text = event("agent.text", 8, turn=TURN, block=1, text="forty-two")
    end = event("turn.finished", 9, turn=told(finished_turn()), by=None)

    with scripted_daemon(control_socket, submitting(STARTED, delta(0, "thir"), withdrawn, text, end)):
        ran = run(tmp_path, "submit", "--follow", "x")
    assert ran == (0, "thir\nforty-two\n", "the text since then is withdrawn: the agent begins it anew\n")
