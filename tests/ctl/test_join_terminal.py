"""`join` at a terminal: the transcript above, the line below, and the terminal as it was afterwards."""

import signal
import stat
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from concordiad.core.codes import NOT_ALLOWED
from tests.ctl.samples import (
    ADA,
    APPROVAL,
    AT,
    EVE,
    PROMPT,
    TURN,
    delta,
    event,
    finished_turn,
    guest,
    merge,
    permission,
    prompt,
    question,
    running_turn,
    told,
)
from tests.ctl.scripted_door import AGAIN, TOKEN, Door, Guest, Script, scripted_door, welcome
from tests.ctl.vt import ENTER, Screen, Typist, on_terminal
from tests.support.patience import PATIENCE_S

CTRL_C, CTRL_D, UP, ALT_ENTER = "\x03", "\x04", "\x1b[A", "\x1b\r"
ACCEPTED = {"prompt": prompt(author=EVE), "turn": None}
STARTED = event("turn.started", 8, turn=told(running_turn()))
FINISHED = event("turn.finished", 10, turn=told(finished_turn()), by=None)


def said(number: int, text: str) -> dict[str, Any]:
    """Make an event that says something."""
    return event("notice", number, code="x", message=text)


@contextmanager
def at_the_door(home: Path, *scripts: Script, words: tuple[str, ...] = ()) -> Iterator[Typist]:
    """Join as eve from a terminal, and wait until the line is there."""
    with scripted_door(*scripts) as door, on_terminal(home, "join", door.link, "--name", "eve", *words) as typist:
        typist.wait_for("connected")
        yield typist
        if typist.child.poll() is None:
            typist.type(CTRL_D)
            assert typist.read_to_the_end() == 0, typist.screen.text
        assert typist.modes_before == typist.modes()


def listening(guest: Guest) -> None:
    """Let somebody in, and wait until they go."""
    guest.welcome()
    guest.wait_until_gone()


def test_who_comes_in_is_told_where(tmp_path: Path) -> None:
    """Who one is, how the room is, and who else is there."""
    snapshot = welcome()["snapshot"]
    snapshot["room"] |= {"queue": 2, "approvals": 1, "state": "busy"}
    snapshot["people"].append({"id": "guest:2", "name": "b\x1bob", "kind": "guest", "role": "viewer"})

    def script(guest: Guest) -> None:
        guest.welcome(may_approve=True, snapshot=snapshot, guest=EVE | {"name": "eve (2)"})
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.wait_for("you are eve (2), a driver who may answer approvals, in room main")
        typist.wait_for("the agent is busy · 2 prompts wait · 1 approval waits: /approvals · here: b␛ob")
        typist.wait_for("main · eve (2) (driver, may approve) · connected")


def test_a_prompt_is_sent_and_its_answer_streams(tmp_path: Path) -> None:
    """Each piece is on the screen as it comes, once, and the line stays below."""
    seen = threading.Event()

    def script(guest: Guest) -> None:
        guest.welcome()
        assert guest.answer("prompt.submit", ACCEPTED)["text"] == "what is the answer?"
        guest.event(event("prompt.accepted", 7, prompt=prompt(author=EVE)))
        guest.event(STARTED)
        guest.event(delta(0, "forty"))
        assert seen.wait(PATIENCE_S)
        guest.event(delta(5, "-two, I "))
        guest.event(delta(13, "think"))
        guest.event(event("agent.text", 9, turn=TURN, block=0, text="forty-two, I think"))
        guest.event(FINISHED)
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.type(f"what is the answer?{ENTER}")
        typist.wait_for("the agent works")
        typist.type("and then?")
        typist.wait_for("> and then?")
        seen.set()
        typist.wait_for("✓ 3.2s")
        typist.wait_until(lambda screen: "the agent works" not in screen.text)
        # The line is taken away while text is written.
        typist.wait_until(lambda screen: screen.text.count("> and then?") == 1)
        assert typist.screen.text.count("forty-two, I think") == 1
        typist.type(CTRL_C)


def test_a_piece_is_shown_before_its_line_is_whole(tmp_path: Path) -> None:
    """People read along while the agent thinks of the next word."""
    seen = threading.Event()

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.event(STARTED)
        guest.event(delta(0, "forty and"))
        assert seen.wait(PATIENCE_S)
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.wait_for("agent       forty")
        seen.set()


def test_slashes_and_lines(tmp_path: Path) -> None:
    """Two slashes send one, a paste of several lines is one prompt, and Alt-Enter begins a line."""
    texts: list[str] = []

    def script(guest: Guest) -> None:
        guest.welcome()
        answers = [{"prompt": prompt(id=str(number)), "turn": None} for number in range(3)]
        texts.extend(guest.answer("prompt.submit", answer)["text"] for answer in answers)
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.type(f"//etc is a directory{ENTER}")
        typist.paste("def f():\n    pass\n\x1b[2J")
        typist.type(ENTER)
        typist.type(f"one{ALT_ENTER}two{ENTER}")
        typist.type(f"/nothing{ENTER}")
        typist.wait_for("there is no command /nothing: /help lists them")
    assert texts == ["/etc is a directory", "def f():\n    pass\n\x1b[2J", "one\ntwo"]


RESOLVED = {"approval": permission(), "resolution": "approved", "by": EVE}
HOST = {**ADA, "role": "host", "here_since": AT}
CALLS: list[tuple[str, list[tuple[str, dict[str, Any], dict[str, Any]]], str]] = [
    ("/who", [("guest.list", {}, {"guests": [guest(name="b\x07b")], "hosts": [HOST]})], "b␇b   viewer  "),
    ("/who", [("guest.list", {}, {"guests": [], "hosts": [HOST]})], "ada   host  "),
    (
        "/queue",
        [("prompt.list", {"states": ["waiting"]}, {"prompts": [prompt()], "next": None})],
        "ada     what is the",
    ),
    ("/queue", [("prompt.list", {"states": ["waiting"]}, {"prompts": [], "next": None})], "no prompt waits"),
    ("/cancel 0193", [("prompt.cancel", {"id": "0193"}, {"prompt": prompt()})], f"cancelled {PROMPT}: what is"),
    (
        "/cancel",
        [
            (
                "prompt.list",
                {"states": ["waiting"], "author": EVE["id"], "limit": 500},
                {"prompts": [prompt(id="a")], "next": "7"},
            ),
            (
                "prompt.list",
                {"states": ["waiting"], "author": EVE["id"], "limit": 500, "cursor": "7"},
                {"prompts": [prompt(id="b")], "next": None},
            ),
            ("prompt.cancel", {"id": "b"}, {"prompt": prompt(id="b")}),
        ],
        "cancelled b: what is",
    ),
    ("/retry 0193", [("prompt.retry", {"id": "0193"}, {"prompt": prompt()})], f"asked again as {PROMPT}: what is"),
    (
        "/retry",
        [
            (
                "prompt.list",
                {"states": ["failed", "uncertain", "cancelled", "expired"], "author": EVE["id"], "limit": 1},
                {"prompts": [prompt(id="b")], "next": None},
            ),
            ("prompt.retry", {"id": "b"}, {"prompt": prompt(id="c")}),
        ],
        "asked again as c: what is",
    ),
    (
        "/split 0193",
        [("prompt.split", {"id": "0193"}, {"prompt": prompt()})],
        f"{PROMPT} has a turn of its own again: what is",
    ),
    (
        "/split",
        [
            (
                "prompt.list",
                {"states": ["waiting"], "author": EVE["id"], "limit": 500},
                {"prompts": [prompt(id="a"), prompt(id="b", merge=merge("first")), prompt(id="c")], "next": None},
            ),
            ("prompt.split", {"id": "b"}, {"prompt": prompt(id="b")}),
        ],
        "b has a turn of its own again",
    ),
    (
        "/split",
        [("prompt.list", {"states": ["waiting"], "author": EVE["id"], "limit": 500}, {"prompts": [], "next": None})],
        "no prompt of yours that waits is merged",
    ),
    ("/interrupt", [("turn.interrupt", {}, {"turn": running_turn()})], f"interrupted turn {TURN}"),
    ("/approvals", [("approval.list", {}, {"approvals": [permission()]})], f"/deny {APPROVAL}"),
    ("/approvals", [("approval.list", {}, {"approvals": []})], "none waits"),
    (
        "/approve 0193",
        [
            ("approval.list", {}, {"approvals": [permission()]}),
            ("approval.answer", {"id": "0193", "allow": True}, RESOLVED),
        ],
        f"approved {APPROVAL}: Bash  rm -r build",
    ),
    (
        "/approve 0193 1=2 --answer 'Tools=saw, file'",
        [
            ("approval.list", {}, {"approvals": [question()]}),
            (
                "approval.answer",
                {"id": "0193", "allow": True, "answers": {"Which colour?": "blue", "Which tools?": "saw, file"}},
                RESOLVED,
            ),
        ],
        f"approved {APPROVAL}",
    ),
    ("/approve 0193 1=2", [("approval.list", {}, {"approvals": [question()]})], "no answer to question 2"),
    ("/approve", [], "like this: /approve ID [ANSWER…]"),
    (
        "/deny 0193 not now",
        [
            (
                "approval.answer",
                {"id": "0193", "allow": False, "reason": "not now"},
                RESOLVED | {"resolution": "denied"},
            )
        ],
        f"denied {APPROVAL}: Bash  rm -r build",
    ),
    ("/help", [], "anything else is a prompt; // in front sends one slash"),
]


@pytest.mark.parametrize(("line", "calls", "shown"), CALLS)
def test_a_command_is_obeyed(tmp_path: Path, line: str, calls: list[Any], shown: str) -> None:
    """By the method that it stands for, and what comes of it is on the screen."""

    def script(guest: Guest) -> None:
        guest.welcome(may_approve=True)
        for method, params, result in calls:
            assert guest.answer(method, result) == params
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.type(line + ENTER)
        typist.wait_for(shown)


def test_a_refusal_leaves_one_in_the_room(tmp_path: Path) -> None:
    """It is told, with the prompt that was not kept; a command's too."""

    def script(guest: Guest) -> None:
        guest.welcome(role="viewer")
        for method in ("prompt.submit", "turn.interrupt"):
            guest.request(method)
            guest.error(NOT_ALLOWED.number, f"{method}: a viewer \x1b[2Jcannot")
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.type(f"rm -r{ENTER}")
        typist.wait_for("prompt.submit: a viewer ␛[2Jcannot (the prompt was not kept: rm -r)")
        typist.type(f"/interrupt{ENTER}")
        typist.wait_for("turn.interrupt: a viewer ␛[2Jcannot")


def test_an_approval_says_what_to_type_to_those_who_may(tmp_path: Path) -> None:
    """To the others it says only what the agent wants."""
    asked = event("approval.requested", 7, approval=permission())

    def script(may_approve: bool) -> Script:
        def play(guest: Guest) -> None:
            guest.welcome(may_approve=may_approve)
            guest.event(asked)
            guest.event(said(8, "and so on"))
            guest.wait_until_gone()

        return play

    for may_approve in (True, False):
        with at_the_door(tmp_path / str(may_approve), script(may_approve)) as typist:
            typist.wait_for("and so on")
            typist.wait_for("$ rm -r build")
            assert (f"/approve {APPROVAL}" in typist.screen.text) == may_approve


@pytest.mark.parametrize(
    ("may_approve", "words"), [(True, "needs a decision: /approvals"), (False, "waits for a host's decision")]
)
def test_the_last_row_says_that_a_decision_waits(tmp_path: Path, may_approve: bool, words: str) -> None:
    """Until it is made: then the agent works again."""
    seen = threading.Event()

    def script(guest: Guest) -> None:
        guest.welcome(may_approve=may_approve)
        guest.event(event("turn.started", 7, turn=told(running_turn())))
        guest.event(event("approval.requested", 8, approval=permission()))
        assert seen.wait(PATIENCE_S)
        guest.event(event("approval.resolved", 9, approval=permission(), resolution="approved", by=ADA, reason=None))
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.wait_for(f"connected · {words}")
        assert "the agent works" not in typist.screen.text
        seen.set()
        typist.wait_for("connected · the agent works")
        assert words not in typist.screen.text


def test_ctrl_c_clears_the_line_first(tmp_path: Path) -> None:
    """And leaves at the second time, if nothing was typed in between."""
    with at_the_door(tmp_path, listening) as typist:
        typist.type("a slip")
        typist.wait_for("> a slip")
        typist.type(CTRL_C)
        typist.wait_until(lambda screen: "a slip" not in screen.text)
        typist.type("another")
        typist.wait_for("> another")
        typist.type(CTRL_C)
        typist.wait_until(lambda screen: "another" not in screen.text)
        typist.type(CTRL_C)
        assert typist.read_to_the_end() == 130


def test_ctrl_c_says_that_it_leaves(tmp_path: Path) -> None:
    """Before it does."""
    with at_the_door(tmp_path, listening) as typist:
        typist.type(CTRL_C)
        typist.wait_for("Ctrl-C again leaves the room")
        typist.type(CTRL_C)
        assert typist.read_to_the_end() == 130


@pytest.mark.parametrize("keys", [CTRL_D, f"/quit{ENTER}"])
def test_leaving(tmp_path: Path, keys: str) -> None:
    """A prompt that was typed just before is sent first."""

    def script(guest: Guest) -> None:
        guest.welcome()
        assert guest.answer("prompt.submit", ACCEPTED)["text"] == "one more"
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.type(f"one more{ENTER}{keys}")
        assert typist.read_to_the_end() == 0


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "sentence"),
    [
        (4403, "a host removed you from the room", 4, "concordiactl: a host removed you from the room: ask a host"),
        (4404, "the room has closed", 1, "concordiactl: the room has closed"),
    ],
)
def test_who_is_put_out_is_told(tmp_path: Path, code: int, reason: str, exit_code: int, sentence: str) -> None:
    """With all that came before, and a terminal as it was."""

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.event(said(7, "the last word"))
        guest.close(code, reason)

    with scripted_door(script) as door, on_terminal(tmp_path, "join", door.link) as typist:
        assert typist.read_to_the_end() == exit_code
        assert typist.modes_before == typist.modes()
        assert typist.screen.text.index("the last word") < typist.screen.text.index(sentence)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_as_it_was(tmp_path: Path, number: signal.Signals, exit_code: int) -> None:
    """The shell behind it can be typed into."""
    with at_the_door(tmp_path, listening) as typist:
        typist.child.send_signal(number)
        assert typist.read_to_the_end() == exit_code


def test_what_is_typed_while_away_is_sent_later(tmp_path: Path) -> None:
    """By the next connection, once; and the person sees how things are."""
    may_come_back = threading.Event()

    def losing(guest: Guest) -> None:
        guest.welcome()
        guest.event(said(7, "before"))
        guest.hang_up()
        assert may_come_back.wait(PATIENCE_S)

    def script(guest: Guest) -> None:
        assert guest.welcome(**AGAIN)["after"] == {"epoch": 3, "seq": 7}
        assert guest.answer("prompt.submit", ACCEPTED)["text"] == "still there?"
        guest.event(said(7, "before"))
        guest.event(said(8, "after"))
        guest.wait_until_gone()

    with at_the_door(tmp_path, losing, script) as typist:
        typist.wait_for("not connected: trying again")
        typist.type(f"still there?{ENTER}")
        typist.wait_for("1 prompt to send")
        typist.type(f"/queue{ENTER}")
        typist.wait_for("there is no connection at the moment")
        may_come_back.set()
        typist.wait_for("connected again")
        typist.wait_for("after")
        typist.wait_until(lambda screen: "to send" not in screen.text)
        assert typist.screen.text.count("before") == 1


def test_a_command_whose_answer_is_lost_is_told(tmp_path: Path) -> None:
    """It may have been done: nobody repeats it by themselves."""

    def losing(guest: Guest) -> None:
        guest.welcome()
        guest.request("turn.interrupt")

    def script(guest: Guest) -> None:
        guest.welcome(**AGAIN)
        guest.wait_until_gone()

    with at_the_door(tmp_path, losing, script) as typist:
        typist.type(f"/interrupt{ENTER}")
        typist.wait_for("the connection broke before the answer came")
        typist.wait_for("connected again")


def test_what_is_typed_is_shown_once_while_much_is_told(tmp_path: Path) -> None:
    """The line is taken away and put back many times a second; no key is echoed in between."""
    number = iter(range(7, 10**6))
    enough = threading.Event()

    def script(guest: Guest) -> None:
        guest.welcome()
        while not enough.is_set():
            guest.event(said(next(number), "x" * 50))
        guest.event(said(next(number), "the end of it"))
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        for place, character in enumerate("hurdygurdy", 1):
            typist.type(character)
            typist.wait_for("> " + "hurdygurdy"[:place])
        enough.set()
        typist.wait_for("the end of it")
        typist.wait_for("> hurdygurdy")
        assert [row for row in typist.screen.text.splitlines() if "hurdy" in row] == ["> hurdygurdy"]
        typist.type(CTRL_C)


def test_no_event_is_lost_in_a_flood(tmp_path: Path) -> None:
    """All of them, in order."""

    def script(guest: Guest) -> None:
        guest.welcome()
        for number in range(3000):
            guest.event(said(7 + number, f"number {number}."))
        guest.wait_until_gone()

    def is_over(screen: Screen) -> bool:
        # Between two events too keys belong to the line: the terminal must not echo them, or take Ctrl-C for itself.
        assert not typist.modes() & (termios.ECHO | termios.ISIG)
        return "number 2999." in screen.text

    with at_the_door(tmp_path, script) as typist:
        typist.wait_until(is_over)
        shown = [row.rpartition(" ")[2] for row in typist.screen.text.splitlines() if "number " in row]
    assert shown == [f"{number}." for number in range(3000)]


def test_a_terminal_that_takes_nothing_stops_the_flood(tmp_path: Path) -> None:
    """What waits is bounded; the daemon keeps the rest."""
    taken = []
    is_stuck = threading.Event()

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.lose_patience_after(1.5)  # far longer than a program that reads lets anybody wait
        size = 0
        try:
            for number in range(7, 10**6):
                guest.event(said(number, "x" * 20_000))
                size += 20_000
        except TimeoutError:
            taken.append(size)
        is_stuck.set()
        guest.hang_up()

    with scripted_door(script) as door, on_terminal(tmp_path, "join", door.link) as typist:
        typist.wait_for("connected")
        # Nobody reads the terminal any more; the script ends when nothing is taken.
        assert is_stuck.wait(PATIENCE_S)
    assert taken[0] < 16 * 1024 * 1024


def test_others_text_moves_nothing(tmp_path: Path) -> None:
    """Neither names nor prompts nor live text: no escape reaches the terminal, no bell rings."""
    evil = "\x1b]52;c;cm0=\x07\x1b[2J\x1b[999D\u202e\r\x9b2J"
    mallory = {"id": "guest:1", "name": f"m{evil}", "kind": "guest"}

    def script(guest: Guest) -> None:
        guest.welcome(guest=mallory, room="main")
        guest.event(event("guest.joined", 7, guest=mallory, role="viewer", invite="1", may_approve=False))
        guest.event(event("prompt.accepted", 8, prompt=prompt(author=mallory, text=evil)))
        guest.event(delta(0, evil))
        guest.event(event("prompt.cancelled", 9, prompt=prompt(text=evil), by=ADA | {"name": evil}))
        guest.event(event(f"x.{evil}", 10, text=evil))
        guest.event(said(11, "the end of it"))
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.wait_for("the end of it")
        typist.wait_for("m␛]52;c;cm0=␇␛[2J␛[999D<U+202E>␍<9B>2J")
        assert typist.screen.bells == 0


def test_what_was_typed_is_kept(tmp_path: Path) -> None:
    """For the next time, in a file that nobody else reads."""

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.answer("prompt.submit", ACCEPTED)
        guest.wait_until_gone()

    with at_the_door(tmp_path, script) as typist:
        typist.type(f"remember me{ENTER}")
    file = tmp_path / ".local/state/concordia/guest/history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with at_the_door(tmp_path, listening) as typist:
        typist.type(UP)
        typist.wait_for("> remember me")
        typist.type(CTRL_C)


def test_a_link_is_asked_for_without_showing_it(tmp_path: Path) -> None:
    """Nobody reads it over a shoulder."""
    with scripted_door(listening) as door, on_terminal(tmp_path, "join") as typist:
        typist.wait_for("Link:")
        typist.type(f"{door.link}{ENTER}")
        typist.wait_for("connected")
        assert TOKEN not in typist.screen.text
        typist.type(CTRL_D)
        assert typist.read_to_the_end() == 0


def test_a_refused_link_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    """The sentence is all that stays."""

    def script(guest: Guest) -> None:
        guest.request("hello")
        guest.close(4401, "not admitted")

    with scripted_door(script) as door, on_terminal(tmp_path, "join", door.link) as typist:
        assert typist.read_to_the_end() == 4
        assert typist.modes_before == typist.modes()
        assert typist.screen.rows[0].startswith("concordiactl: not admitted: ")


def test_a_pipe_on_one_side_has_no_line(tmp_path: Path) -> None:
    """Where the output is for another program, there are no escapes in it."""
    door: Door

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.event(said(7, "hello"))
        guest.close(4404, "the room has closed")

    with scripted_door(script) as door, on_terminal(tmp_path, "join", door.link, "-o", "json") as typist:
        assert typist.read_to_the_end() == 1
        assert '"type":"notice"' in typist.screen.text
        assert "connected" not in typist.screen.text
