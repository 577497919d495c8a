"""`guests`, `kick`, and the guests in `status` and in the transcript."""

import json
from datetime import date
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from ctl.markdown import Document
from ctl.screen import Screen
from ctl.transcript import Transcript
from tests.ctl.program import run
from tests.ctl.samples import ADA, AT, EVE, GUEST, INVITE, event, guest, invite, room, status
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

ANN = {**ADA, "role": "host", "here_since": AT}


def listing(*guests: dict[str, Any], hosts: tuple[dict[str, Any], ...] = (), **expected: Any) -> Script:
    """Answer with these guests and hosts."""

    def script(client: Client) -> None:
        answer = {"guests": list(guests), "hosts": list(hosts)}
        assert client.answer("guest.list", answer) == {"room": "main", "all": False} | expected

    return script


def test_guests_are_a_table(tmp_path: Path, control_socket: Path) -> None:
    """Who is here, from where, and how far behind."""
    slow = guest(name="b\x07b", role="driver", may_approve=True, lag_events=12, lag_bytes=34567, connections=2)
    away = guest(here_since=None, address=None, connections=0, lag_events=None, lag_bytes=None)
    with scripted_daemon(control_socket, listing(guest(), slow, away, hosts=(ANN,))):
        header, host, first, second, third = run(tmp_path, "guests").out.splitlines()
    assert header.split() == ["NAME", "ROLE", "HERE", "ADDRESS", "LAG", "ID"]
    assert (host.split()[:2], host.split()[-1]) == (["ada", "host"], ADA["id"])
    assert first.split()[:2] == ["eve", "viewer"]
    assert first.endswith(f"192.0.2.7  none             {GUEST}")
    assert second.startswith("b␇b   driver, may approve  ")
    assert " ×2  192.0.2.7  12 events, 35kB  " in second
    assert third.split() == ["eve", "viewer", "away", GUEST]


def test_guests_are_an_object_for_programs(tmp_path: Path, control_socket: Path) -> None:
    """As the daemon gave them; --all asks for those who are away too."""
    with scripted_daemon(control_socket, listing(guest(), all=True)):
        assert json.loads(run(tmp_path, "guests", "--all", "-o", "json").out) == {"guests": [guest()], "hosts": []}


def test_nobody_is_no_data(tmp_path: Path, control_socket: Path) -> None:
    """The sentence about it is for people."""
    with scripted_daemon(control_socket, listing()):
        assert run(tmp_path, "guests") == (0, "", "no guest is in room main\n")
    control_socket.unlink()
    with scripted_daemon(control_socket, listing()):
        assert run(tmp_path, "guests", "-o", "json") == (0, '{"guests": [], "hosts": []}\n', "")


@pytest.mark.parametrize(("words", "reason"), [((), None), (("--reason", "bye"), "bye")])
@pytest.mark.parametrize(("state", "hint"), [("open", True), ("used_up", False)])
def test_a_guest_is_put_out(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], reason: str | None, state: str, hint: bool
) -> None:
    """And it is said where the way back is still open."""

    def script(client: Client) -> None:
        result = {"guest": guest(), "closed": 1, "invite": invite(state=state)}
        assert client.answer("guest.kick", result) == {"room": "main", "id": "eve", "reason": reason}

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "kick", "eve", *words)
    assert (ran.code, ran.out) == (0, "removed eve; 1 connection was closed\n")
    assert (f"end it: concordiactl invite revoke {INVITE}" in ran.err) == hint


def test_status_shows_guests(tmp_path: Path, control_socket: Path) -> None:
    """By name, with role, address and lag; nobody is asked about a room without any."""

    def script(client: Client) -> None:
        client.answer("daemon.status", status(room(guests=2), room(name="lab")))
        behind = guest(role="driver", lag_events=3, lag_bytes=2048)
        assert client.answer("guest.list", {"guests": [guest(), behind]}) == {"room": "main"}

    with scripted_daemon(control_socket, script):
        out = run(tmp_path, "status").out
    assert "people     2 guests, 1 follower\n" in out
    assert "eve (viewer), from 192.0.2.7, came " in out
    assert "eve (driver), from 192.0.2.7, came " in out
    assert out.count(", 3 events, 2.0kB behind\n") == 1


def test_status_has_guests_for_programs(tmp_path: Path, control_socket: Path) -> None:
    """Beside the rooms."""

    def script(client: Client) -> None:
        client.answer("daemon.status", status(room(guests=1)))
        client.answer("guest.list", {"guests": [guest()]})

    with scripted_daemon(control_socket, script):
        result = json.loads(run(tmp_path, "status", "-o", "json").out)
    assert result == status(room(guests=1)) | {"guests": [guest()]}


EVENTS = [
    (event("guest.joined", guest=EVE, role="driver", invite=INVITE, may_approve=False), "eve", "joined as a driver"),
    (
        event("guest.joined", guest=EVE, role="driver", invite=INVITE, may_approve=True),
        "eve",
        "joined as a driver who may answer approvals",
    ),
    (event("guest.left", guest=EVE, reason="left"), "eve", "left"),
    (event("guest.left", guest=EVE, reason="kicked"), "eve", "is out: removed by a host"),
    (event("guest.left", guest=EVE, reason="revoked"), "eve", "is out: the invite was revoked"),
    (event("guest.left", guest=EVE, reason="expired"), "eve", "is out: the invite has expired"),
    (event("guest.left", guest=EVE, reason="bored\x1b"), "eve", "left: bored␛"),
    (event("guest.kicked", guest=EVE, by=ADA, reason=None), "ada", "removed eve"),
    (event("guest.kicked", guest=EVE | {"name": "e\x1bve"}, by=ADA, reason="spam"), "ada", "removed e␛ve: spam"),
    (
        event("invite.created", invite=invite(name_hint="bob"), by=ADA),
        "ada",
        "made an invite for a viewer, meant for bob",
    ),
    (event("invite.revoked", invite=invite(role="driver"), by=ADA), "ada", "revoked an invite for a driver"),
    (event("guest.danced", guest=EVE), "·", 'guest.danced {"guest": '),
]


@pytest.mark.parametrize(("told", "who", "what"), EVENTS)
def test_people_are_in_the_transcript(told: dict[str, Any], who: str, what: str) -> None:
    """Whoever did a thing is named, and what they are called is harmless."""
    stream = TextIOWrapper(BytesIO(), encoding="utf-8")
    transcript = Transcript(Screen(stream), date.fromisoformat(AT[:10]), None, is_live=False)
    transcript.show(told)
    stream.seek(0)
    written = stream.read()
    assert written[10:].startswith(f"{who:<10}  {what}")
    assert "\x1b" not in written


@pytest.mark.parametrize(("told", "who", "what"), EVENTS)
def test_people_are_in_the_document(told: dict[str, Any], who: str, what: str) -> None:
    """As the transcript has them."""
    written = Document().event(told).replace("\\", "")
    assert f"### {who}, " in written
    assert f"*{what}" in written
