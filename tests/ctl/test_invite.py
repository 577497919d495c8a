"""`invite`: what it asks for, and what it says of what a link gives away."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import Ran, run
from tests.ctl.samples import ADA, INVITE, invite, room
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

TOKEN = "Zm9yIHRlc3RzIG9ubHksIG5vIHNlY3JldCE"
REHEARSING = room(agent=room()["agent"] | {"name": "lab", "rehearsal": True})
DEFAULTS = {
    "room": "main",
    "role": "viewer",
    "expires_s": 86400.0,
    "uses": 1,
    "name": None,
    "may_approve": False,
    "history": "joining",
}


def made(url: str = "https://example.org", **changes: Any) -> dict[str, Any]:
    """Make the answer of invite.create."""
    return invite(url=f"{url}/#main.{TOKEN}", token=TOKEN, **changes)


def creating(answer: dict[str, Any], about: dict[str, Any] = REHEARSING, **expected: Any) -> Script:
    """Make an invite, for which these params must be asked, in a room with that agent."""

    def script(client: Client) -> None:
        assert client.answer("invite.create", {"invite": answer}) == DEFAULTS | expected
        client.answer("room.list", {"rooms": [about]})

    return script


def created(tmp_path: Path, control_socket: Path, script: Script, *words: str) -> Ran:
    """Make an invite, which is to work."""
    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "invite", "create", *words)
    assert ran.code == 0, ran.err
    return ran


@pytest.mark.parametrize(
    ("words", "params"),
    [
        ((), {}),
        (("--role", "driver", "--may-approve"), {"role": "driver", "may_approve": True}),
        (("--expires", "7d"), {"expires_s": 604800.0}),
        (("--expires", "never"), {"expires_s": None}),
        (("--uses", "12"), {"uses": 12}),
        (("--uses", "unlimited"), {"uses": None}),
        (("--name", "ada", "--history", "start"), {"name": "ada", "history": "start"}),
        (("--room", "main"), {}),
    ],
)
def test_an_invite_is_made_as_told(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, Any]
) -> None:
    """The link alone is on standard output."""
    ran = created(tmp_path, control_socket, creating(made(), **params), *words)
    assert ran.out == f"https://example.org/#main.{TOKEN}\n"


def test_an_invite_is_an_object_for_programs(tmp_path: Path, control_socket: Path) -> None:
    """Itself, with the link and the token, and nothing around it."""
    ran = created(tmp_path, control_socket, creating(made()), "-o", "json")
    assert json.loads(ran.out) == made()
    assert ran.err == ""


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        (made(), ["for 1 person to join room main as a viewer: a viewer reads the transcript from joining on\n"]),
        (made(history="start"), ["from the start\n"]),
        (made(role="driver"), ["a driver reads", "can make the agent run code as its user\n"]),
        (made(role="driver", may_approve=True), ["as its user, also by answering what the agent asks to be allowed\n"]),
        (made(uses=None), ["for any number of people"]),
        (made(uses=3), ["for 3 people"]),
        (made(expires_at=None), ["it never expires\n"]),
        (made(), ["it expires in ", "at 2099-01-02 03:04; who joined by it goes too\n"]),
        (made(), [f"take it back: concordiactl invite revoke {INVITE}\n"]),
        (made(room="lab"), [f"take it back: concordiactl --room lab invite revoke {INVITE}\n"]),
    ],
)
def test_what_a_link_means_is_said(
    tmp_path: Path, control_socket: Path, answer: dict[str, Any], sentences: list[str]
) -> None:
    """To whoever makes it, beside the link."""
    ran = created(tmp_path, control_socket, creating(answer))
    assert [sentence for sentence in sentences if sentence not in ran.err] == []
    assert "warning" not in ran.err


@pytest.mark.parametrize(
    ("url", "warnings"),
    [
        ("https://example.org", 0),
        ("http://example.org", 1),
        ("http://127.0.0.1:8765", 2),
        ("http://[::1]:8765", 2),
    ],
)
@pytest.mark.parametrize("words", [(), ("-o", "json")])
def test_plaintext_is_warned_of(
    tmp_path: Path, control_socket: Path, url: str, warnings: int, words: tuple[str, ...]
) -> None:
    """A tunnel's operator reads along; and a link to this machine is good for nobody else."""
    ran = created(tmp_path, control_socket, creating(made(url)), *words)
    assert ran.err.count("warning: ") == warnings
    assert ("sees everything in plaintext" in ran.err) == (warnings > 0)


CLAUDE = """\
#!/bin/sh
case "$1" in
--version) echo "2.1.329 (Claude Code)" ;;
--help) echo "--print" ;;
auth) echo '{"loggedIn": true, "authMethod": "METHOD"}' ;;
esac
"""


@pytest.mark.parametrize(
    ("method", "warning"),
    [
        ("claude.ai", "the agent claude has a personal login: one person's login for several people may break"),
        ("api_key", None),
        (None, "if the agent claude has a personal login: one person's login"),
    ],
)
def test_a_personal_login_is_warned_of(
    tmp_path: Path, control_socket: Path, method: str | None, warning: str | None
) -> None:
    """As far as it can be seen from here; the provider may not allow it to be shared."""
    if method is not None:
        program = tmp_path / "claude"
        program.write_text(CLAUDE.replace("METHOD", method))
        program.chmod(0o755)
        config = tmp_path / ".config/concordia/concordiad.toml"
        config.parent.mkdir(parents=True)
        config.write_text(
            f'[rooms.main]\nworkdir = "."\nagent = "claude"\n[agents.claude]\nkind = "claude-code"\n'
            f'command = ["{program}"]\n'
        )
    ran = created(tmp_path, control_socket, creating(made(), room()))
    assert ("warning" in ran.err) == (warning is not None)
    assert (warning or "") in ran.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--may-approve",), "--may-approve is for drivers: give --role driver with it"),
        (("--role", "host"), "'host' is not one of 'viewer', 'driver'"),
        (("--expires", "soon"), "'soon' is not a duration"),
        (("--uses", "0"), "'0' is no number of uses: write 1, 2, … or unlimited"),
        (("--uses", "many"), "'many' is no number of uses"),
        (("--history", "all"), "'all' is not one of 'joining', 'start'"),
    ],
)
def test_a_slip_makes_no_invite(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """No daemon is asked."""
    ran = run(tmp_path, "invite", "create", *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err


def listing(*invites: dict[str, Any], **expected: Any) -> Script:
    """Answer with these invites."""

    def script(client: Client) -> None:
        assert client.answer("invite.list", {"invites": list(invites)}) == {"room": "main", "all": False} | expected

    return script


def test_invites_are_a_table(tmp_path: Path, control_socket: Path) -> None:
    """Who made which for whom, how often each was used, and how long it is good."""
    hostile = invite(name_hint="\x1b[2Jeve", uses=None, used=3, expires_at=None, state="used_up")
    driving = invite(role="driver", may_approve=True, uses=2, used=1)
    with scripted_daemon(control_socket, listing(hostile, driving)):
        header, first, second = run(tmp_path, "invite", "list").out.splitlines()
    assert header.split() == ["ID", "ROLE", "FOR", "USED", "EXPIRES", "STATE", "MADE", "BY"]
    assert first.split() == [INVITE, "viewer", "␛[2Jeve", "3", "of", "unlimited", "never", "used", "up", "ada"]
    assert second.startswith(f"{INVITE}  driver, may approve  ")
    assert second.endswith("open     ada")


def test_invites_are_an_object_for_programs(tmp_path: Path, control_socket: Path) -> None:
    """As the daemon gave them; --all asks for those that are over too."""
    with scripted_daemon(control_socket, listing(invite(state="revoked"), all=True)):
        ran = run(tmp_path, "invite", "list", "--all", "-o", "json")
    assert json.loads(ran.out) == {"invites": [invite(state="revoked")]}


def test_no_invites_are_no_data(tmp_path: Path, control_socket: Path) -> None:
    """The sentence about it is for people."""
    with scripted_daemon(control_socket, listing()):
        assert run(tmp_path, "invite", "list") == (0, "", "no invite is in force in room main\n")
    control_socket.unlink()
    with scripted_daemon(control_socket, listing()):
        assert run(tmp_path, "invite", "list", "-o", "json") == (0, '{"invites": []}\n', "")


@pytest.mark.parametrize(
    ("closed", "text"), [(0, "no connection was"), (1, "1 connection was"), (2, "2 connections were")]
)
def test_revoking_says_who_went(tmp_path: Path, control_socket: Path, closed: int, text: str) -> None:
    """By their number."""

    def script(client: Client) -> None:
        result = {"invite": invite(state="revoked"), "closed": closed}
        assert client.answer("invite.revoke", result) == {"room": "main", "id": "01932f"}

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "invite", "revoke", "01932f")
    assert ran == (0, f"revoked {INVITE}; {text} closed\n", "")


def test_a_refusal_is_told(tmp_path: Path, control_socket: Path) -> None:
    """With what is missing, and the exit code of later."""

    def script(client: Client) -> None:
        client.request("invite.create")
        client.error(-32003, "no door is open: add a [guests] table to the configuration")

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "invite", "create")
    assert ran == (75, "", "concordiactl: no door is open: add a [guests] table to the configuration\n")


def test_who_made_it_is_harmless(tmp_path: Path, control_socket: Path) -> None:
    """A name is other people's text."""
    with scripted_daemon(control_socket, listing(invite(created_by=ADA | {"name": "a\x1bc"}))):
        assert "\x1b" not in run(tmp_path, "invite", "list").out
