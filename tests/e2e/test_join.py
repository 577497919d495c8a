"""`join` and the commands about guests with the real daemon: from a link to the room, and out of it again."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import Ran, run, start
from tests.ctl.vt import ENTER, Typist, on_terminal
from tests.e2e.gate import Gate
from tests.support.certificates import make_pair
from tests.support.daemon import Daemon, Site
from tests.support.patience import LATE_S, PATIENCE_S
from tests.support.ports import steady_port

CTRL_D = "\x04"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a place for daemons whose door is at the same port in each run."""
    site = Site(tmp_path, {"guests": {"listen": f"127.0.0.1:{steady_port()}"}})
    yield site
    site.clear()


def ctl(site: Site, *words: str, stdin: bytes = b"") -> Ran:
    """Run concordiactl as the host."""
    return run(site.home, *words, stdin=stdin, CONCORDIA_SOCKET=str(site.socket))


def ctl_json(site: Site, *words: str) -> Any:
    """Run concordiactl as the host, and read the one object that it prints."""
    ran = ctl(site, *words, "-o", "json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def invited(site: Site, *words: str) -> dict[str, Any]:
    """Make an invite."""
    made: dict[str, Any] = ctl_json(site, "invite", "create", *words)
    return made


def friend(site: Site, name: str) -> Path:
    """Give somebody else a home."""
    home = site.home / name
    home.mkdir(exist_ok=True)
    return home


@contextmanager
def seated(site: Site, link: str, name: str) -> Iterator[Typist]:
    """Join at a terminal, and wait until one is in."""
    with on_terminal(friend(site, name), "join", link, "--name", name) as typist:
        typist.wait_for(f"you are {name}")
        yield typist


@contextmanager
def piped(site: Site, link: str, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Join through pipes, with events as JSON."""
    words = ("join", link, "--name", name, "-o", "json", "--lines", "100")
    with start(friend(site, name), *words, stdin=subprocess.PIPE) as child:
        yield child


def read_until(child: "subprocess.Popen[bytes]", kind: str) -> list[dict[str, Any]]:
    """Read events up to the next one of this type."""
    assert child.stdout is not None
    events = [json.loads(child.stdout.readline())]
    while events[-1]["type"] != kind:
        events.append(json.loads(child.stdout.readline()))
    return events


def test_a_friend_asks_through_a_pipe(daemon: Daemon, site: Site) -> None:
    """From a link to the answer; the exit code tells how the turns ended."""
    link = invited(site, "--role", "driver")["url"]
    ran = run(friend(site, "eve"), "join", link, "--name", "eve", stdin=b"[[text:forty-two]]\n[[text:forty-three]]\n")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.index("forty-two") < ran.out.rindex("forty-three")
    ran = run(friend(site, "eve"), "join", link, stdin=b"[[error:500]]\n")
    assert ran.code == 3
    assert {prompt["author"]["name"] for prompt in ctl_json(site, "history", "--prompts")["prompts"]} == {"eve"}


def test_a_friend_joins_over_the_daemons_own_tls(tmp_path: Path) -> None:
    """With a certificate that `--ca` names; without it nobody is believed, and nothing is sent."""
    certificate, key = make_pair(tmp_path, "ours")
    listen = f"127.0.0.1:{steady_port()}"
    url = f"https://localhost:{listen.rpartition(':')[2]}"
    door = {"listen": listen, "public_url": url, "tls_certificate": str(certificate), "tls_key": str(key)}
    site = Site(tmp_path, {"guests": door})
    with site.running():
        link = invited(site, "--role", "driver")["url"]
        assert link.startswith(f"{url}/#main.")
        asked = b"[[text:forty-two]]\n"
        refused = run(friend(site, "eve"), "join", link, "--name", "eve", stdin=asked)
        assert (refused.code, refused.out) == (1, "")
        assert "certificate" in refused.err
        assert ctl_json(site, "guests", "--all")["guests"] == []
        ran = run(friend(site, "eve"), "join", link, "--name", "eve", "--ca", str(certificate), stdin=asked)
        assert (ran.code, ran.err) == (0, "")
        assert "forty-two" in ran.out
        with on_terminal(friend(site, "eve"), "join", link, "--ca", str(certificate)) as eve:
            eve.wait_for("you are eve")
            eve.type(f"[[text:again]]{ENTER}")
            eve.wait_for("rehearsal   again")
            eve.type(CTRL_D)
            assert eve.read_to_the_end() == 0


def test_two_friends_and_a_host_see_the_same(daemon: Daemon, site: Site) -> None:
    """Each at a terminal; and the host sees who is there, from where, and as what."""
    link = invited(site, "--role", "driver", "--uses", "2")["url"]
    with seated(site, link, "eve") as eve, seated(site, link, "bob") as bob:
        eve.wait_for("bob         joined as a driver")
        eve.type(f"[[text:forty-two]]{ENTER}")
        for typist in (eve, bob):
            typist.wait_for("rehearsal   forty-two")
            typist.wait_for("✓")
        guests = ctl_json(site, "guests")["guests"]
        assert {(each["name"], each["role"], each["address"]) for each in guests} == {
            ("eve", "driver", "127.0.0.1"),
            ("bob", "driver", "127.0.0.1"),
        }
        status = ctl(site, "status").out
        assert "2 guests" in status
        assert "eve (driver), from 127.0.0.1, came " in status
        bob.type(f"/who{ENTER}")
        bob.wait_for("eve   driver  ")
        eve.type(CTRL_D)
        assert eve.read_to_the_end() == 0
        bob.wait_for("eve         left")
        bob.type(f"/quit{ENTER}")
        assert bob.read_to_the_end() == 0


def test_a_tool_is_approved_from_a_terminal(daemon: Daemon, site: Site) -> None:
    """By whoever may; with the id that is on the screen, or its beginning."""
    link = invited(site, "--role", "driver", "--may-approve")["url"]
    with seated(site, link, "eve") as eve:
        eve.type(f"[[tool:echo it ran]]{ENTER}")
        eve.wait_for("asks to use Bash")
        asked = ctl_json(site, "approvals")["approvals"][0]["id"]
        eve.wait_for(f"/approve {asked}")
        eve.type(f"/approve {asked}{ENTER}")
        eve.wait_for(f"approved {asked}: Bash  echo it ran")
        eve.wait_for("✓")
        eve.type(f"[[ask:Which colour?|red|green]]{ENTER}")
        eve.wait_for("2) green")
        asked = ctl_json(site, "approvals")["approvals"][0]["id"]
        eve.type(f"/approve {asked} 1=2{ENTER}")
        eve.wait_for('"Which colour?"="green"')


def test_a_prompt_is_taken_back(daemon: Daemon, site: Site, gate: Gate) -> None:
    """One's own that waits, and one's own turn that runs."""
    link = invited(site, "--role", "driver")["url"]
    with seated(site, link, "eve") as eve:
        eve.type(f"{gate}{ENTER}")
        eve.wait_for("▶ takes the prompt of eve")
        eve.type(f"never mind{ENTER}")
        eve.wait_for("eve         never mind")
        eve.type(f"/queue{ENTER}")
        eve.wait_for("PLACE")
        eve.type(f"/cancel{ENTER}")
        eve.wait_for("✗ cancelled the prompt: never mind")
        eve.type(f"/interrupt{ENTER}")
        eve.wait_for("✗ the turn was interrupted by eve")


def test_a_viewer_only_reads(daemon: Daemon, site: Site) -> None:
    """At a terminal that is told and nothing else happens; a pipe ends with it."""
    invite = invited(site, "--uses", "2")
    with seated(site, invite["url"], "eve") as eve:
        eve.type(f"may I?{ENTER}")
        eve.wait_for("(the prompt was not kept: may I?)")
        ctl(site, "submit", "--wait", "[[text:forty-two]]")
        eve.wait_for("rehearsal   forty-two")
    ran = run(friend(site, "bob"), "join", invite["url"], "--name", "bob", stdin=b"may I?\n")
    assert ran.code == 4
    assert [prompt["text"] for prompt in ctl_json(site, "history", "--prompts")["prompts"]] == ["[[text:forty-two]]"]


@pytest.mark.parametrize(
    ("words", "sentence", "code"),
    [
        (("invite", "revoke", "INVITE"), "this invite was revoked", 4),
        (("kick", "eve", "--reason", "bye"), "a host removed you from the room", 4),
        (("room", "close", "main"), "the room has closed", 1),
    ],
)
def test_who_is_put_out_is_out(daemon: Daemon, site: Site, words: tuple[str, ...], sentence: str, code: int) -> None:
    """Within a second, with a sentence, and without a way back."""
    invite = invited(site, "--role", "driver")
    with seated(site, invite["url"], "eve") as eve:
        assert ctl(site, *(invite["id"] if word == "INVITE" else word for word in words)).code == 0
        since = time.monotonic()
        assert eve.read_to_the_end() == code
        assert f"concordiactl: {sentence}" in eve.screen.text
        # The program's own end is in it too.
        assert time.monotonic() - since < 2.0 + LATE_S
    ran = run(friend(site, "eve"), "join", invite["url"])
    assert ran.code == 4
    assert "not admitted" in ran.err


def test_who_comes_back_is_the_same_person(daemon: Daemon, site: Site) -> None:
    """By an invite that is used up; somebody else is not let in by it, and a namesake is told apart."""
    link = invited(site, "--role", "driver")["url"]
    assert run(friend(site, "eve"), "join", link, "--name", "eve", stdin=b"[[text:1]]\n").code == 0
    assert run(friend(site, "eve"), "join", link, stdin=b"[[text:2]]\n").code == 0
    assert run(friend(site, "bob"), "join", link, "--name", "bob", stdin=b"[[text:3]]\n").code == 4
    other = invited(site, "--role", "driver")["url"]
    assert run(friend(site, "bob"), "join", other, "--name", "Eve", stdin=b"[[text:4]]\n").code == 0
    prompts = ctl_json(site, "history", "--prompts")["prompts"]
    authors = {prompt["text"]: prompt["author"] for prompt in prompts}
    assert authors["[[text:1]]"] == authors["[[text:2]]"]
    assert authors["[[text:4]]"]["name"] == "Eve (2)"
    assert len({author["id"] for author in authors.values()}) == 2


def test_a_pipe_goes_on_after_the_daemon_was_killed(site: Site, gate: Gate) -> None:
    """Every event once and in order over kill -9; what waited is answered, and it ends by itself."""
    with site.running() as daemon:
        link = invited(site, "--role", "driver")["url"]
        with piped(site, link, "eve") as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(b"[[text:before]]\n")
            child.stdin.flush()
            seen = read_until(child, "turn.finished")
            daemon.kill()
            with site.running():
                child.stdin.write(b"[[text:after]]\n")
                child.stdin.close()
                seen += [json.loads(line) for line in child.stdout]
                assert child.wait(PATIENCE_S) == 0
    numbers = [event["seq"] for event in seen if "seq" in event]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert seen[-1]["turn"]["answer"] == "after"
    assert len({event["epoch"] for event in seen}) == 2


def test_a_terminal_goes_on_after_the_daemon_was_killed(site: Site) -> None:
    """What is typed meanwhile is kept, and sent once to the next one."""
    with site.running() as daemon:
        link = invited(site, "--role", "driver")["url"]
        with seated(site, link, "eve") as eve:
            eve.type(f"[[text:before]]{ENTER}")
            eve.wait_for("✓")
            daemon.kill()
            eve.wait_for("not connected: trying again")
            eve.type(f"[[text:meanwhile]]{ENTER}")
            eve.wait_for("1 prompt to send")
            with site.running() as successor:
                eve.wait_for("connected again")
                eve.wait_for("rehearsal   meanwhile")
                texts = [prompt["text"] for prompt in ctl_json(site, "history", "--prompts")["prompts"]]
                assert sorted(texts) == ["[[text:before]]", "[[text:meanwhile]]"]
                assert eve.screen.text.count("rehearsal   before") == 1
                eve.type(CTRL_D)
                assert eve.read_to_the_end() == 0
                assert successor.is_running()


def test_a_stopping_daemon_is_waited_for(site: Site) -> None:
    """As one that was killed."""
    with site.running() as daemon:
        link = invited(site)["url"]
        with seated(site, link, "eve") as eve:
            assert daemon.stop() == 0
            eve.wait_for("not connected: trying again")
            with site.running():
                eve.wait_for("connected again")
                eve.type(CTRL_D)
                assert eve.read_to_the_end() == 0


@pytest.mark.parametrize("name", ["", "   ", "e\x1b[2Jve", "a\u202eb", "x" * 41, "two\nlines"])
def test_a_hostile_name_is_refused(daemon: Daemon, site: Site, name: str) -> None:
    """With what is wrong with it; the invite is not used up by that."""
    link = invited(site)["url"]
    ran = run(friend(site, "eve"), "join", link, "--name", name)
    assert ran.code == 2
    assert "name" in ran.err
    assert run(friend(site, "eve"), "join", link, "--name", "eve").code == 0


def test_hostile_text_moves_nothing(daemon: Daemon, site: Site) -> None:
    """One guest's prompt, and what the agent makes of it, on another guest's terminal."""
    link = invited(site, "--role", "driver", "--uses", "2")["url"]
    evil = "[[text:\x1b]52;c;cm0=\x07\x1b[2J\u202egone]]"
    with seated(site, link, "bob") as bob:
        ran = run(friend(site, "eve"), "join", link, "--name", "; rm -rf ~", stdin=evil.encode() + b"\n")
        assert ran.code == 0
        assert "\x1b" not in ran.out
        bob.wait_for("✓")
        assert "; rm -rf ~  " in bob.screen.text
        assert bob.screen.text.count("␛]52;c;cm0=␇␛[2J<U+202E>gone") >= 2
        assert bob.screen.bells == 0


def test_what_was_before_is_not_shown(daemon: Daemon, site: Site) -> None:
    """But to those whose invite says so."""
    ctl(site, "submit", "--wait", "[[text:a secret]]")
    for history, is_shown in (("joining", False), ("start", True)):
        link = invited(site, "--history", history)["url"]
        ran = run(friend(site, history), "join", link, "--name", history, "--lines", "100")
        assert ran.code == 0, ran.err
        assert ("a secret" in ran.out) == is_shown


def test_no_door_no_invite(tmp_path: Path) -> None:
    """It is said what is missing."""
    site = Site(tmp_path)
    with site.running():
        ran = ctl(site, "invite", "create")
    assert ran.code == 75
    assert "[guests]" in ran.err
