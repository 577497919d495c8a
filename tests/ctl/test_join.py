"""`join` over plain pipes: what it says to the door, what it prints, and how it ends."""

import json
import shutil
import signal
import ssl
import subprocess
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from wsproto.utilities import RemoteProtocolError

from concordiad.core.codes import INVALID_PARAMS, NOT_ALLOWED, NOT_NOW
from tests.ctl.program import Ran, run, start
from tests.ctl.samples import ADA, EVE, PROMPT, TURN, event, finished_turn, prompt, running_turn, told
from tests.ctl.scripted_door import AGAIN, MEMBER, TOKEN, Guest, Script, scripted_door, welcome

ACCEPTED = {"prompt": prompt(author=EVE), "turn": None}
STARTED = event("turn.started", 8, turn=told(running_turn()))
TEXT = event("agent.text", 9, turn=TURN, block=0, text="forty-two")
FINISHED = event("turn.finished", 10, turn=told(finished_turn()), by=None)
FAILED = event("turn.finished", 10, turn=told(finished_turn(outcome="failed", answer=None, reason="no")), by=None)
ASK = b"what is the answer?\n"
AFTER_EIGHT = {"epoch": 3, "seq": 8}


def joined(home: Path, link: str, *words: str, stdin: bytes = b"", **variables: str) -> Ran:
    """Join as eve."""
    return run(home, "join", link, "--name", "eve", *words, stdin=stdin, **variables)


def answering(*events: dict[str, Any]) -> Script:
    """Let somebody in, take a prompt, and tell these events."""

    def script(guest: Guest) -> None:
        guest.welcome()
        assert guest.answer("prompt.submit", ACCEPTED)["text"] == "what is the answer?"
        for each in events:
            guest.event(each)
        guest.wait_until_gone()

    return script


def test_a_prompt_is_answered(tmp_path: Path) -> None:
    """The transcript is on standard output, and nothing else anywhere."""
    with scripted_door(answering(STARTED, TEXT, FINISHED)) as door:
        ran = joined(tmp_path, door.link, stdin=ASK)
    assert (ran.code, ran.err) == (0, "")
    assert [line.split("  ")[-1].strip() for line in ran.out.splitlines()][-2] == "forty-two"


def test_events_are_lines_for_programs(tmp_path: Path) -> None:
    """Each as it was received."""
    with scripted_door(answering(STARTED, TEXT, FINISHED)) as door:
        ran = joined(tmp_path, door.link, "-o", "json", stdin=ASK)
    assert (ran.code, ran.err) == (0, "")
    assert [json.loads(line) for line in ran.out.splitlines()] == [STARTED, TEXT, FINISHED]


def test_a_turn_that_fails_is_told(tmp_path: Path) -> None:
    """By the exit code too."""
    with scripted_door(answering(STARTED, FAILED)) as door:
        ran = joined(tmp_path, door.link, stdin=ASK)
    assert ran.code == 3
    assert ran.err == "concordiactl: 1 of 1 prompts ended in anything but an answer\n"


def test_who_joins_says_so(tmp_path: Path) -> None:
    """From which page, to which host, by which token, with a key to ask again by; nothing of it twice the same."""
    keys = []

    def script(guest: Guest) -> None:
        hello = guest.welcome()
        keys.append(hello.pop("key"))
        assert hello == {"token": TOKEN, "name": "eve", "room": "main", "last": 0}
        assert guest.asked.target == "/ws"
        assert guest.header(b"origin") == door.origin
        assert guest.asked.host == door.origin.removeprefix("http://")
        assert guest.asked.extensions == []
        guest.wait_until_gone()

    with scripted_door(script) as door:
        assert joined(tmp_path, door.link) == (0, "", "")
    with scripted_door(script) as door:
        assert joined(tmp_path, door.link) == (0, "", "")
    assert len(set(keys)) == 2
    assert min(map(len, keys)) >= 16


@pytest.mark.parametrize("way", ["environment", "stdin", "dash", "concordia"])
def test_a_link_need_not_be_an_argument(tmp_path: Path, way: str) -> None:
    """Other users of the machine see the arguments of every program."""

    def script(guest: Guest) -> None:
        hello = guest.welcome()
        assert (hello["token"], hello.get("room")) == (TOKEN, None if way == "concordia" else "main")
        guest.answer("prompt.submit", ACCEPTED)
        guest.event(FINISHED)
        guest.wait_until_gone()

    with scripted_door(script) as door:
        line = door.link.encode() + b"\n" + ASK
        match way:
            case "environment":
                ran = run(tmp_path, "join", stdin=ASK, CONCORDIA_LINK=door.link)
            case "stdin":
                ran = run(tmp_path, "join", stdin=line)
            case "dash":
                ran = run(tmp_path, "join", "-", stdin=line, CONCORDIA_LINK="ignored")
            case _:
                ran = run(tmp_path, "join", f"concordia://127.0.0.1:{door.port}/{TOKEN}", stdin=ASK)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("https://example.org/",), "this is no link to a room"),
        ((), "no link: give it as LINK, in $CONCORDIA_LINK, or as the first line of standard input"),
        ((f"http://127.0.0.1:1/#main.{TOKEN}", "--room", "lab"), "the link is for room main, not for lab"),
        ((f"http://127.0.0.1:1/#main.{TOKEN}", "--ca", "/nowhere"), "--ca /nowhere: no certificates can be read there"),
    ],
)
def test_a_slip_is_told(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """Before anybody is asked, and without the token."""
    ran = run(tmp_path, "join", *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
    assert TOKEN not in ran.err


def test_plaintext_to_elsewhere_is_warned_of(tmp_path: Path) -> None:
    """The link itself goes over that connection."""
    ran = run(tmp_path, "join", f"http://nowhere.invalid/#main.{TOKEN}")
    assert ran.code == 69
    assert "warning: not encrypted: everybody on the way to nowhere.invalid can read along" in ran.err
    assert "cannot reach nowhere.invalid" in ran.err


def test_nobody_is_there(tmp_path: Path) -> None:
    """That is said at once: it may be the wrong link."""
    with scripted_door() as door:
        link = door.link
    ran = joined(tmp_path, link)
    assert ran.code == 69
    assert ran.err == f"concordiactl: cannot reach 127.0.0.1:{door.port}: Connection refused\n"


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "sentence"),
    [
        (
            4401,
            "not admitted: ask",
            4,
            "not admitted: the invite is used up, expired, revoked, or was none; ask a host",
        ),
        (4403, "this invite was revoked", 4, "this invite was revoked: ask a host of the room for a new invite\n"),
        (4403, "\x1b[2Ja host", 4, "␛[2Ja host: ask"),
        (4404, "the room has closed", 1, "the room has closed\n"),
    ],
)
@pytest.mark.parametrize("is_in", [True, False])
def test_a_close_that_is_final_ends_it(
    tmp_path: Path, code: int, reason: str, exit_code: int, sentence: str, is_in: bool
) -> None:
    """With a sentence, and without another try."""

    def script(guest: Guest) -> None:
        if is_in:
            guest.welcome()
            guest.request("prompt.submit")
        else:
            guest.request("hello")
        guest.close(code, reason)

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link, stdin=ASK)
    assert (ran.code, ran.out) == (exit_code, "")
    assert ran.err.startswith(f"concordiactl: {sentence}")


@pytest.mark.parametrize(
    ("status", "headers", "exit_code", "sentence"),
    [
        (403, [], 4, "does not answer under this name (403)"),
        (404, [], 1, "has no Concordia behind this link (404)"),
        (400, [], 1, "refuses to speak WebSocket (400): is it a Concordia?"),
        (301, [(b"location", b"https://x")], 1, "leads elsewhere (301)"),
        (429, [(b"retry-after", b"7")], 75, "does not let anybody in now (429)"),
        (503, [], 75, "does not let anybody in now (503)"),
        (502, [], 75, "does not let anybody in now (502)"),
    ],
)
def test_a_refused_upgrade_is_explained(
    tmp_path: Path, status: int, headers: list[tuple[bytes, bytes]], exit_code: int, sentence: str
) -> None:
    """By its status, which may be a proxy's."""

    def script(guest: Guest) -> None:
        guest.reject(status, *headers)
        guest.wait_until_gone()

    with scripted_door(script, upgrades=False) as door:
        ran = joined(tmp_path, door.link)
    assert ran.code == exit_code
    assert sentence in ran.err


@pytest.mark.parametrize(
    "answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", b"HTTP/1.1 101 X\r\n\r\n"]
)
def test_what_is_no_door_is_told(tmp_path: Path, answer: bytes) -> None:
    """At once, and not after some patience."""

    def script(guest: Guest) -> None:
        guest.raw(answer)
        guest.hang_up()

    with scripted_door(script, upgrades=False) as door:
        ran = joined(tmp_path, door.link)
    assert ran.code in (1, 69)
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "message", ["hello", "[]", "{}", '{"id": 1}', "[" * 10000, '{"jsonrpc": "2.0", "id": 1, "result": null}']
)
def test_what_is_no_daemon_is_told(tmp_path: Path, message: str) -> None:
    """And left alone."""

    def script(guest: Guest) -> None:
        guest.request("hello")
        guest.text(message)
        guest.wait_until_gone()

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link)
    assert ran.code == 1
    assert "is it a Concordia?" in ran.err


def test_a_name_that_will_not_do_is_told(tmp_path: Path) -> None:
    """And it is not tried again by itself the next time."""

    def refusing(guest: Guest) -> None:
        guest.request("hello")
        guest.error(INVALID_PARAMS.number, "name: is taken by a king")
        guest.wait_until_gone()

    def script(guest: Guest) -> None:
        assert guest.welcome()["name"] != "eve"
        guest.wait_until_gone()

    with scripted_door(refusing, script) as door:
        assert joined(tmp_path, door.link) == (2, "", "concordiactl: name: is taken by a king\n")
        assert run(tmp_path, "join", door.link).code == 0


def test_who_joined_once_is_the_same_person(tmp_path: Path) -> None:
    """By the member token, under the same name; with another name it is another person."""

    def first(guest: Guest) -> None:
        assert guest.welcome()["token"] == TOKEN
        guest.wait_until_gone()

    def again(guest: Guest) -> None:
        hello = guest.welcome(**AGAIN)
        assert (hello["token"], hello["name"], "key" in hello) == (MEMBER, "eve", False)
        guest.wait_until_gone()

    with scripted_door(first, again, first) as door:
        assert joined(tmp_path, door.link).code == 0
        assert run(tmp_path, "join", door.link).code == 0
        assert run(tmp_path, "join", door.link, "--name", "bob").code == 0


def test_a_lost_answer_is_asked_for_again(tmp_path: Path) -> None:
    """With the same key, also by the next program: the invite may be used up by then."""
    keys = []

    def losing(guest: Guest) -> None:
        keys.append(guest.request("hello")["key"])
        guest.hang_up()

    def script(guest: Guest) -> None:
        keys.append(guest.welcome()["key"])
        guest.wait_until_gone()

    with scripted_door(losing, script) as door:
        assert joined(tmp_path, door.link).code == 69
        assert joined(tmp_path, door.link).code == 0
    assert keys[0] == keys[1]


def test_a_seat_that_was_lost_is_taken_anew(tmp_path: Path) -> None:
    """By the invite, if it still lets somebody in; with another key, for it is another person."""
    keys = []

    def first(guest: Guest) -> None:
        keys.append(guest.welcome()["key"])
        guest.wait_until_gone()

    def refusing(guest: Guest) -> None:
        assert guest.request("hello")["token"] == MEMBER
        guest.close(4401, "not admitted")

    def anew(guest: Guest) -> None:
        hello = guest.welcome()
        keys.append(hello["key"])
        assert hello["token"] == TOKEN
        guest.wait_until_gone()

    with scripted_door(first, refusing, anew) as door:
        assert joined(tmp_path, door.link).code == 0
        assert joined(tmp_path, door.link).code == 0
    assert len(set(keys)) == 2


def test_who_was_put_out_while_away_does_not_come_back(tmp_path: Path) -> None:
    """Not even where the invite has uses left."""

    def first(guest: Guest) -> None:
        guest.welcome()
        guest.request("prompt.submit")
        guest.hang_up()

    def refusing(guest: Guest) -> None:
        assert guest.request("hello")["token"] == MEMBER
        guest.close(4401, "not admitted")

    with scripted_door(first, refusing) as door:
        assert joined(tmp_path, door.link, stdin=ASK).code == 4


def test_the_place_that_cannot_be_kept_keeps_nobody_out(tmp_path: Path) -> None:
    """It is warned of."""
    (tmp_path / "state").touch()

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.wait_until_gone()

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link, XDG_STATE_HOME=str(tmp_path / "state"))
    assert ran.code == 0
    assert "joining again may take another use of the invite" in ran.err


@pytest.mark.parametrize("ending", ["killed", "stopping", "flood", "garbage"])
def test_it_goes_on_after_a_lost_connection(tmp_path: Path, ending: str) -> None:
    """By the cursor, as the same person: every event once; an unanswered prompt is sent again by its key."""
    keys = []

    def losing(guest: Guest) -> None:
        guest.welcome()
        keys.append(guest.request("prompt.submit")["key"])
        guest.event(STARTED)
        match ending:
            case "killed":
                guest.hang_up()
            case "stopping":
                guest.close(1001, "concordiad is stopping")
            case "flood":
                guest.close(1008, "too many messages at once")
            case _:
                guest.raw(b"\xff\xff\xff")
                guest.hang_up()

    def script(guest: Guest) -> None:
        hello = guest.welcome(**AGAIN, cursor=AFTER_EIGHT)
        assert hello["token"] == MEMBER
        assert hello["after"] == AFTER_EIGHT
        params = guest.answer("prompt.submit", {"prompt": prompt(state="running", turn=TURN), "turn": running_turn()})
        keys.append(params["key"])
        for each in (STARTED, TEXT, FINISHED):
            guest.event(each)
        guest.wait_until_gone()

    with scripted_door(losing, script) as door:
        ran = joined(tmp_path, door.link, "-o", "json", stdin=ASK)
    assert (ran.code, ran.err) == (0, "")
    assert [json.loads(line)["seq"] for line in ran.out.splitlines()] == [8, 9, 10]
    assert keys[0] == keys[1]


def test_what_was_answered_is_not_sent_again(tmp_path: Path) -> None:
    """It is only waited for."""

    def losing(guest: Guest) -> None:
        guest.welcome()
        guest.answer("prompt.submit", ACCEPTED)
        guest.event(STARTED)
        guest.hang_up()

    def script(guest: Guest) -> None:
        guest.welcome(**AGAIN)
        guest.event(FINISHED)
        guest.wait_until_gone()

    with scripted_door(losing, script) as door:
        assert joined(tmp_path, door.link, stdin=ASK).code == 0


def test_a_prompt_that_is_over_already_is_not_waited_for(tmp_path: Path) -> None:
    """The answer to the same key says so."""

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.answer("prompt.submit", {"prompt": prompt(state="answered", turn=TURN), "turn": finished_turn()})
        guest.answer("prompt.submit", {"prompt": prompt(state="cancelled", id="other"), "turn": None})
        guest.wait_until_gone()

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link, stdin=ASK + b"and another one\n")
    assert (ran.code, ran.err) == (3, "concordiactl: 1 of 2 prompts ended in anything but an answer\n")


def test_what_is_gone_is_told(tmp_path: Path) -> None:
    """And the prompts are asked about whose end may be among it."""
    snapshot = welcome()["snapshot"] | {"events": [TEXT | {"seq": 40, "epoch": 4}]}
    resync = {"resync": True, "cursor": {"epoch": 4, "seq": 40}, "member_token": None, "snapshot": snapshot}

    def losing(guest: Guest) -> None:
        guest.welcome()
        guest.answer("prompt.submit", ACCEPTED)
        guest.hang_up()

    def script(guest: Guest) -> None:
        guest.welcome(**resync)
        result = {"prompt": prompt(state="answered", turn=TURN), "turn": finished_turn()}
        assert guest.answer("prompt.get", result) == {"id": PROMPT}
        guest.wait_until_gone()

    with scripted_door(losing, script) as door:
        ran = joined(tmp_path, door.link, stdin=ASK)
    assert ran.code == 0
    assert "older events are gone" in ran.err
    assert "forty-two" in ran.out


def test_the_daemon_may_not_be_away_for_ever(tmp_path: Path) -> None:
    """Not longer than was said."""

    def losing(guest: Guest) -> None:
        guest.welcome()
        guest.answer("prompt.submit", ACCEPTED)

    with scripted_door(losing) as door:
        ran = joined(tmp_path, door.link, "--reconnect", "0.3s", stdin=ASK)
    assert ran.code == 69
    assert "the daemon has been away for " in ran.err


@pytest.mark.parametrize(
    ("code", "message", "exit_code"),
    [(NOT_ALLOWED.number, "a viewer cannot", 4), (NOT_NOW.number, "room main is paused", 75)],
)
def test_a_refused_prompt_ends_it(tmp_path: Path, code: int, message: str, exit_code: int) -> None:
    """The lines behind it are not tried."""

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.request("prompt.submit")
        guest.error(code, message)
        guest.wait_until_gone()

    with scripted_door(script) as door:
        assert joined(tmp_path, door.link, stdin=ASK) == (exit_code, "", f"concordiactl: {message}\n")


def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    """Until one of ours is over, and has made room."""

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.answer("prompt.submit", ACCEPTED)
        guest.request("prompt.submit")
        guest.error(NOT_NOW.number, "the queue is full")
        guest.event(STARTED)
        guest.event(FINISHED)
        again = {"prompt": prompt(state="answered", id="other"), "turn": None}
        assert guest.answer("prompt.submit", again)["text"] == "two"
        guest.wait_until_gone()

    with scripted_door(script) as door:
        assert joined(tmp_path, door.link, stdin=ASK + b"two\n").code == 0


def test_a_prompt_that_is_wrong_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """It is told, and counts as unanswered."""

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.request("prompt.submit")
        guest.error(INVALID_PARAMS.number, "text: is too long")
        guest.answer("prompt.submit", {"prompt": prompt(state="answered"), "turn": None})
        guest.wait_until_gone()

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link, stdin=b"one\ntwo\n")
    assert ran.code == 3
    assert "concordiactl: text: is too long\n" in ran.err


def test_a_prompt_too_long_for_the_door_is_not_sent_for_ever(tmp_path: Path) -> None:
    """The door hangs up on it: the next connection goes on without."""

    def closing(guest: Guest) -> None:
        guest.welcome()
        guest.request("prompt.submit")
        guest.close(1009, "the message is too long")

    def script(guest: Guest) -> None:
        guest.welcome(**AGAIN)
        done = {"prompt": prompt(state="answered"), "turn": None}
        assert guest.answer("prompt.submit", done)["text"] == "two"
        guest.wait_until_gone()

    with scripted_door(closing, script) as door:
        ran = joined(tmp_path, door.link, stdin=b"x" * 5000 + b"\ntwo\n")
    assert ran.code == 3
    assert "the prompt is too long" in ran.err


@pytest.mark.parametrize(
    ("stdin", "sentence"), [(b"\xff\n", "is not UTF-8"), (b"x" * 1024 * 1100, "is longer than 1048576 bytes")]
)
def test_what_is_no_line_ends_it(tmp_path: Path, stdin: bytes, sentence: str) -> None:
    """Nothing is sent in its place."""

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.wait_until_gone()

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link, stdin=stdin)
    assert ran.code == 2
    assert sentence in ran.err


def test_lines_are_verbatim(tmp_path: Path) -> None:
    """No line of a pipe is a command; blank ones are left out."""
    texts = []

    def script(guest: Guest) -> None:
        guest.welcome()
        for number in range(3):
            done = {"prompt": prompt(state="answered", id=str(number)), "turn": None}
            texts.append(guest.answer("prompt.submit", done)["text"])
        guest.wait_until_gone()

    with scripted_door(script) as door:
        assert joined(tmp_path, door.link, stdin="/quit\n\n  \n//x\r\nön ".encode()).code == 0
    assert texts == ["/quit", "//x", "ön "]


def test_no_more_than_the_door_allows_is_sent_at_once(tmp_path: Path) -> None:
    """Sixteen prompts that are not over; the others come as those end."""

    def script(guest: Guest) -> None:
        guest.welcome()
        for number in range(16):
            guest.answer("prompt.submit", {"prompt": prompt(id=str(number)), "turn": None})
        # Nothing may come now: a pong is the next thing that does.
        guest.ping()
        for number in range(16):
            guest.event(event("prompt.cancelled", 10 + number, prompt=prompt(id=str(number)), by=ADA))
        for number in range(16, 20):
            guest.answer("prompt.submit", {"prompt": prompt(state="answered", id=str(number)), "turn": None})
        guest.wait_until_gone()

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link, stdin=b"more\n" * 20)
    assert ran.code == 3
    assert "16 of 20 prompts" in ran.err


def test_others_text_is_harmless(tmp_path: Path) -> None:
    """Names, prompts, answers, tools: nobody moves the reader's cursor."""
    evil = "\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J\u202e"
    mallory = {"id": "guest:1", "name": f"m{evil}", "kind": "guest"}

    def script(guest: Guest) -> None:
        guest.welcome(cursor={"epoch": 3, "seq": 1})
        guest.event(event("guest.joined", 2, guest=mallory, role="viewer", invite="1", may_approve=False))
        guest.event(event("prompt.accepted", 3, prompt=prompt(author=mallory, text=evil)))
        guest.event(event("agent.text", 4, turn=TURN, block=0, text=evil))
        guest.event(event("agent.tool_use", 5, turn=TURN, block=1, id="t", tool=evil, input={"command": evil}))
        guest.event(event("notice", 6, code="x", message=evil))
        guest.wait_until_gone()

    with scripted_door(script, script) as door:
        ran = joined(tmp_path, door.link)
        as_json = joined(tmp_path, door.link, "-o", "json")
    assert ran.code == as_json.code == 0
    assert len(ran.out.splitlines()) >= 5
    for character in "\x1b\x07\u202e":
        assert character not in ran.out + as_json.out


def test_what_there_was_is_printed_first(tmp_path: Path) -> None:
    """As many events as were asked for, all of them, before the end."""

    def script(guest: Guest) -> None:
        snapshot = welcome()["snapshot"]
        snapshot["room"]["cursor"]["seq"] = 10
        assert guest.welcome(cursor=AFTER_EIGHT, snapshot=snapshot)["last"] == 2
        guest.event(TEXT)
        guest.event(FINISHED)
        guest.wait_until_gone()

    with scripted_door(script) as door:
        ran = joined(tmp_path, door.link, "--lines", "2", "-o", "json")
    assert [json.loads(line) for line in ran.out.splitlines()] == [TEXT, FINISHED]


def test_a_reader_that_has_seen_enough_ends_it(tmp_path: Path) -> None:
    """As every tool in a pipe."""

    def script(guest: Guest) -> None:
        guest.welcome(cursor={"epoch": 3, "seq": 0})
        number = 0
        try:
            while True:
                number += 1
                guest.event(event("notice", number, code="x", message="y" * 5000))
        except OSError:
            pass

    with scripted_door(script) as door, start(tmp_path, "join", door.link, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(ASK)
        child.stdin.flush()
        child.stdout.readline()
        child.stdout.close()
        assert child.wait() == 0


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    """Without a word."""
    children: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def script(guest: Guest) -> None:
        guest.welcome()
        guest.answer("prompt.submit", ACCEPTED)
        children.get().send_signal(signal.SIGINT)
        guest.wait_until_gone()

    with scripted_door(script) as door, start(tmp_path, "join", door.link, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(ASK)
        child.stdin.flush()
        children.put(child)
        errors = child.stderr.read()
        assert (child.wait(), errors) == (130, b"")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for 127.0.0.1, and its key behind it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    file = tmp_path / "door.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    whom = ("-subj", "/CN=door", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(tmp_path / "door.key"), "-out", str(file))
    subprocess.run(["openssl", "req", *kind, *whom, *files], check=True, capture_output=True)
    return file


def make_tls(certificate: Path) -> ssl.SSLContext:
    """Make what the door needs to speak TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return tls


def test_a_certificate_can_be_trusted(tmp_path: Path, certificate: Path) -> None:
    """By its file; the connection is encrypted, and the page's address is https."""

    def script(guest: Guest) -> None:
        assert guest.header(b"origin") == door.origin
        assert door.origin.startswith("https://")
        guest.welcome()
        guest.wait_until_gone()

    with scripted_door(script, tls=make_tls(certificate)) as door:
        ran = joined(tmp_path, door.link, "--ca", str(certificate))
    assert ran == (0, "", "")


def test_a_stranger_is_not_trusted(tmp_path: Path, certificate: Path) -> None:
    """Nothing is said to it."""

    def script(guest: Guest) -> None:
        raise AssertionError("somebody talked to a stranger")

    ran = []
    with pytest.raises(ssl.SSLError), scripted_door(script, tls=make_tls(certificate)) as door:
        ran.append(joined(tmp_path, door.link))
    assert ran[0].code == 1
    assert "is not to be trusted: self-signed certificate; if it is the daemon's own, give" in ran[0].err


def test_a_door_without_tls_is_told(tmp_path: Path) -> None:
    """With what the link should be."""

    def script(guest: Guest) -> None:
        raise AssertionError("this was no HTTP")

    ran = []
    with pytest.raises(RemoteProtocolError, match="Bad HTTP message"), scripted_door(script) as door:
        ran.append(joined(tmp_path, door.link.replace("http:", "https:")))
    assert ran[0].code == 69
    assert "no encrypted connection to 127.0.0.1" in ran[0].err
