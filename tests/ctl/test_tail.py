"""`tail`: which events it asks for, and what it prints."""

import json
import signal
import subprocess
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.ctl.program import run, run_on_terminal, start
from tests.ctl.samples import CURSOR, LISTENING, TURN, delta, event, prompt, room
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

PROMPTED = event("prompt.accepted", 8, prompt=prompt(text="é \u2028 \x9b"))
AT_ONCE = ("--reconnect", "0")
"""The scripts hang up at their end, which is to be the end of it."""
TEXT = event("agent.text", 9, turn=TURN, block=0, text="forty-two")


def telling(*events: dict[str, Any], start: dict[str, Any] = LISTENING, **expected: Any) -> Script:
    """Take a subscription that must be for this, tell these events, and hang up."""

    def script(client: Client) -> None:
        assert {"room": "main"} | expected == client.answer("events.subscribe", start)
        for each in events:
            client.event(each)

    return script


@pytest.mark.parametrize(
    ("words", "params"),
    [
        ((), {"last": 10}),
        (("-n", "0"), {"last": 0}),
        (("--lines", "500"), {"last": 500}),
        (("--since", "3"), {"since": 3}),
    ],
)
def test_the_beginning_can_be_chosen(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, Any]
) -> None:
    """By a number of events, or by the number of one."""
    with scripted_daemon(control_socket, telling(**params)):
        run(tmp_path, "tail", *AT_ONCE, *words)


@pytest.mark.parametrize(("since", "is_hole"), [("7", True), ("1", True), ("8", False), ("9", False)])
def test_a_beginning_that_is_gone_is_told(tmp_path: Path, control_socket: Path, since: str, is_hole: bool) -> None:
    """Retention may have forgotten it; whoever asks for what is still to come misses nothing."""
    with scripted_daemon(control_socket, telling(PROMPTED, TEXT, since=int(since))):
        ran = run(tmp_path, "tail", *AT_ONCE, "--since", since, "-o", "json")
    assert ("older events are gone; the transcript begins with 8\n" in ran.err) is is_hole
    assert len(ran.out.splitlines()) == 2


def test_two_beginnings_are_refused(tmp_path: Path) -> None:
    """Before anybody is asked."""
    assert run(tmp_path, "tail", *AT_ONCE, "--lines", "3", "--since", "3").code == 2


def test_json_is_an_event_a_line(tmp_path: Path, control_socket: Path) -> None:
    """Live text too; nothing is changed but what a terminal, or a reader of lines, would stumble over."""
    events = [PROMPTED, delta(0, "forty"), TEXT]
    with scripted_daemon(control_socket, telling(*events, last=10)):
        ran = run(tmp_path, "tail", *AT_ONCE, "-o", "json")
    assert events == [json.loads(line) for line in ran.out.splitlines()]
    assert '"text":"é \\u2028 \\u009b"' in ran.out


def test_people_get_lines(tmp_path: Path, control_socket: Path) -> None:
    """With the finished blocks only, in a pipe."""
    with scripted_daemon(control_socket, telling(delta(0, "forty"), TEXT, last=10)):
        ran = run(tmp_path, "tail", *AT_ONCE)
    assert ran.out.endswith("01:30:58  agent       forty-two\n")
    assert ran.out.count("forty") == 1


def test_a_terminal_gets_text_as_it_comes(tmp_path: Path, control_socket: Path) -> None:
    """Also where it breaks off, the line is ended."""
    with scripted_daemon(control_socket, telling(delta(0, "for"), delta(3, "ty"), last=10)):
        ran = run_on_terminal(tmp_path, "tail", *AT_ONCE, NO_COLOR="1")
    assert "agent       forty\nconcordiactl: " in ran.out


def test_a_lost_connection_says_where_to_go_on(tmp_path: Path, control_socket: Path) -> None:
    """With the number after the last one seen."""
    with scripted_daemon(control_socket, telling(PROMPTED, TEXT, delta(0, "x"), last=10)):
        ran = run(tmp_path, "tail", *AT_ONCE)
    assert ran.code == 69
    assert "go on from here: concordiactl tail --since 10\n" in ran.err


def test_events_that_are_gone_are_told(tmp_path: Path, control_socket: Path) -> None:
    """The transcript goes on with what the snapshot has."""
    start = {"cursor": CURSOR, "resync": True, "snapshot": {"room": room(), "events": [TEXT]}}
    with scripted_daemon(control_socket, telling(start=start, since=1)):
        ran = run(tmp_path, "tail", *AT_ONCE, "--since", "1")
    assert "older events are gone" in ran.err
    assert "forty-two" in ran.out


@pytest.mark.parametrize(
    ("words", "first"), [((), {"last": 10}), (("--lines", "700"), {"last": 700}), (("--since", "3"), {"since": 3})]
)
def test_without_following_all_pages_are_read(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], first: dict[str, int]
) -> None:
    """Then it is done."""

    def script(client: Client) -> None:
        expected = {"room": "main"} | first
        assert expected == client.answer("events.list", {"events": [PROMPTED], "next": 9, "cursor": CURSOR})
        assert client.answer("events.list", {"events": [TEXT], "next": None, "cursor": CURSOR}) == {
            "room": "main",
            "since": 9,
        }

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "tail", *AT_ONCE, "--no-follow", "-o", "json", *words)
    assert (ran.code, [json.loads(line) for line in ran.out.splitlines()]) == (0, [PROMPTED, TEXT])


def test_ctrl_c_ends_it(tmp_path: Path, control_socket: Path) -> None:
    """Without a word: that is how one leaves it."""
    children: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.event(TEXT)
        child = children.get()
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        client.wait_until_gone()

    with scripted_daemon(control_socket, script), start(tmp_path, "tail") as child:
        children.put(child)
        assert child.stderr is not None
        errors = child.stderr.read()
    assert (child.returncode, errors) == (130, b"")
