"""`room`: what it asks for, and what it says."""

import json
import os
import pty
import threading
from pathlib import Path
from typing import Any

import pytest

from concordiad.core.codes import CONFLICT
from tests.ctl.program import run, start
from tests.ctl.samples import room, running_turn
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon
from tests.support.patience import PATIENCE_S


def serving(method: str, result: dict[str, Any], **expected: Any) -> Script:
    """Answer one request, which must have these params."""

    def script(client: Client) -> None:
        assert expected == client.answer(method, result)

    return script


def test_rooms_are_a_table(tmp_path: Path, control_socket: Path) -> None:
    """In the daemon's order."""
    rehearsing = room(name="lab", state="paused", queue=3, agent=room()["agent"] | {"name": "x", "rehearsal": True})
    with scripted_daemon(control_socket, serving("room.list", {"rooms": [room(), rehearsing]})):
        header, first, second = run(tmp_path, "room", "list").out.splitlines()
    assert header.split() == ["ROOM", "STATE", "AGENT", "QUEUE", "APPROVALS", "DIRECTORY"]
    assert first.split() == ["main", "idle", "claude", "(claude-code)", "0", "0", "/srv/project"]
    assert second.split() == ["lab", "paused", "x", "(rehearsal)", "3", "0", "/srv/project"]


def test_rooms_are_an_object_for_programs(tmp_path: Path, control_socket: Path) -> None:
    """As the daemon gave it."""
    with scripted_daemon(control_socket, serving("room.list", {"rooms": [room()]})):
        assert {"rooms": [room()]} == json.loads(run(tmp_path, "room", "list", "-o", "json").out)


CREATED = {"room": room(name="docs"), "warnings": []}


@pytest.mark.parametrize(
    ("words", "params"),
    [
        ((), {"workdir": os.getcwd()}),
        (("--workdir", "/srv/../etc"), {"workdir": "/etc"}),
        (("--workdir", "~"), {"workdir": "HOME"}),
        (("--agent", "a", "--model", "m"), {"workdir": os.getcwd(), "agent": "a", "model": "m"}),
        (("--permission-mode", "plan"), {"workdir": os.getcwd(), "permission_mode": "plan"}),
        (("--idle", "30m"), {"workdir": os.getcwd(), "idle_s": 1800.0}),
        (("--after-crash", "from_history"), {"workdir": os.getcwd(), "after_crash": "from_history"}),
    ],
)
def test_a_room_is_created_as_told(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, Any]
) -> None:
    """The directory is a whole path; what was not said is not sent."""
    expected = {"name": "docs"} | params | ({"workdir": str(tmp_path)} if params["workdir"] == "HOME" else {})
    with scripted_daemon(control_socket, serving("room.create", CREATED, **expected)):
        ran = run(tmp_path, "room", "create", "docs", *words)
    assert ran == (0, "created room docs: claude in /srv/project\n", "")


def test_warnings_are_beside_the_answer(tmp_path: Path, control_socket: Path) -> None:
    """They are in the object too."""
    warned = CREATED | {"warnings": ["room main works in /srv/project too"]}
    with scripted_daemon(control_socket, serving("room.create", warned, name="docs", workdir=os.getcwd())):
        ran = run(tmp_path, "room", "create", "docs", "-o", "json")
    assert warned == json.loads(ran.out)
    assert ran.err == "concordiactl: warning: room main works in /srv/project too\n"


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """Before anybody is asked."""
    (tmp_path / "file").touch()
    assert run(tmp_path, "room", "create", "docs", "--workdir", str(tmp_path / "file")).code == 2


@pytest.mark.parametrize("words", [("lab",), ("--room", "lab"), ("lab", "--room", "lab")])
@pytest.mark.parametrize(("cancelled", "text"), [(0, "no prompt waited"), (1, "1 prompt was"), (2, "2 prompts were")])
def test_closing_says_what_was_cancelled(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], cancelled: int, text: str
) -> None:
    """Nothing is asked."""
    closed = {"room": "lab", "cancelled": cancelled}
    with scripted_daemon(control_socket, serving("room.close", closed, room="lab")):
        ran = run(tmp_path, "room", "close", *words)
    kept = "its transcript is kept: concordiactl --room lab export\n"
    assert ran == (0, f"closed room lab; {text}{' cancelled' if cancelled else ''}\n", kept)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("close",), "say which room: `concordiactl room close NAME`"),
        (("close", "a", "--room", "b"), "a and --room b are two rooms: name one"),
        (("clsoe", "a"), "there is no command 'clsoe': did you mean 'close'?"),
        (("xyz",), "there are list, create, close,"),
    ],
)
def test_a_room_that_is_not_named_is_not_touched(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """Nobody closes a room by leaving a word out."""
    ran = run(tmp_path, "room", *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err


@pytest.mark.parametrize(
    ("command", "about", "text"),
    [
        ("pause", room(), "paused room main"),
        (
            "pause",
            room(queue=2, turn=running_turn()),
            "paused room main; 2 prompts wait; the running turn goes on",
        ),
        ("resume", room(), "room main goes on"),
        ("resume", room(queue=1), "room main goes on; 1 prompt waits"),
    ],
)
def test_a_room_is_held_and_let_go(
    tmp_path: Path, control_socket: Path, command: str, about: dict[str, Any], text: str
) -> None:
    """With what that means for those who wait."""
    with scripted_daemon(control_socket, serving(f"room.{command}", {"room": about}, room="main")):
        assert (0, f"{text}\n", "") == run(tmp_path, "room", command)


@pytest.mark.parametrize(
    ("words", "fresh", "more"), [((), False, ""), (("--fresh",), True, " with a new conversation")]
)
def test_an_agent_is_restarted(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], fresh: bool, more: str
) -> None:
    """In the same conversation, unless a new one is wanted."""
    with scripted_daemon(control_socket, serving("room.restart", {"room": room()}, room="lab", fresh=fresh)):
        ran = run(tmp_path, "room", "restart", "lab", *words)
    assert ran == (0, f"restarted the agent of room lab{more}\n", "")


def test_a_refusal_is_told(tmp_path: Path, control_socket: Path) -> None:
    """In the daemon's words."""

    def script(client: Client) -> None:
        client.request("room.create")
        client.error(CONFLICT.number, "there is a room docs already")

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "room", "create", "docs")
    assert ran == (1, "", "concordiactl: there is a room docs already\n")


def test_a_long_wait_is_explained_on_a_terminal(tmp_path: Path, control_socket: Path) -> None:
    """And the explanation is taken away again."""
    is_explained = threading.Event()
    ours, theirs = pty.openpty()

    def script(client: Client) -> None:
        client.request("room.close")
        assert is_explained.wait(PATIENCE_S)
        client.result({"room": "lab", "cancelled": 0})

    words = ("room", "close", "lab")
    streams = {"stdout": theirs, "stderr": theirs}
    with scripted_daemon(control_socket, script), start(tmp_path, *words, variables={"NO_COLOR": "1"}, **streams):
        os.close(theirs)
        written = b""
        while b"the running turn ends first \xc2\xb7 " not in written:
            written += os.read(ours, 1000)
        is_explained.set()
        while b"export" not in written:
            written += os.read(ours, 1000)
    os.close(ours)
    kept = b"its transcript is kept: concordiactl --room lab export"
    assert written.rpartition(b"\x1b[K")[2].rstrip() == b"closed room lab; no prompt waited\r\n" + kept
