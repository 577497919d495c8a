"""`setup gemini`, with a stub of the API, on pipes and on a real terminal."""

import json
import os
import pty
import select
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from concordiad.config import parse_config
from tests.ctl.program import command, environment, run
from tests.support.gemini_stub import KEY, Fail, GeminiStub, Raw
from tests.support.patience import PATIENCE_S

OLD = "old-key-that-works"


@pytest.fixture
def api() -> Iterator[GeminiStub]:
    """The stub, to which an old key is good, too."""
    with GeminiStub(keys=(KEY, OLD)) as stub:
        yield stub


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Tell where the key comes to lie."""
    return tmp_path / ".config" / "concordia" / "gemini_api_key"


def keep_old(stored: Path) -> None:
    """Store a key as an earlier `setup` did."""
    stored.parent.mkdir(parents=True)
    stored.touch(mode=0o600)
    stored.write_text(f"{OLD}\n")


class Terminal:
    """The program on a terminal of its own, with somebody who answers what it asks."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self._child = subprocess.Popen(
            command(*arguments),
            env=environment(home),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self._read_to = 0

    def answer(self, question: str, line: str) -> None:
        """Wait until a question is asked after what was answered last, and type a line."""
        deadline = time.monotonic() + PATIENCE_S
        while (at := self.shown.find(question, self._read_to)) < 0:
            assert select.select([self._ours], [], [], deadline - time.monotonic())[0], self.shown
            self._read()
        self._read_to = at + len(question)
        os.write(self._ours, line.encode())

    def end(self) -> int:
        """Wait until it has ended, and return its exit code."""
        while self._read():
            pass
        os.close(self._ours)
        code: int = self._child.wait(PATIENCE_S)
        return code

    def _read(self) -> bool:
        try:
            chunk = os.read(self._ours, 65536)
        except OSError:
            # Linux says so when nobody has the other end any more.
            return False
        self.shown += chunk.decode()
        return bool(chunk)


def test_what_can_be_set_up(tmp_path: Path) -> None:
    """Without more words it is listed."""
    ran = run(tmp_path, "setup")
    assert (ran.code, "concordiactl setup gemini" in ran.out) == (0, True)
    assert json.loads(run(tmp_path, "setup", "-o", "json").out) == {"things": ["gemini"]}


def test_piped_key_is_checked_and_stored(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """With mode 0600, without a trace in the output; what the configuration lacks is said."""
    ran = run(tmp_path, "setup", "gemini", "--base-url", api.url, stdin=f"{KEY}\n".encode())
    assert (ran.code, ran.out) == (0, f"{stored}\n")
    assert stored.read_text() == f"{KEY}\n"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert [path.name for path in stored.parent.iterdir()] == [stored.name], "nothing else is left there"
    assert "[gemini]" in ran.err and "LoadCredential=gemini_api_key:" in ran.err
    assert KEY not in ran.out + ran.err
    assert len(api.requests) == 1


def test_answer_for_programs(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """Where it is stored, whether it was checked, whether the configuration uses it."""
    config = tmp_path / "concordiad.toml"
    config.write_text(f'[gemini]\nbase_url = "{api.url}"\n')
    ran = run(tmp_path, "setup", "gemini", "-o", "json", "--config", str(config), stdin=KEY.encode())
    assert json.loads(ran.out) == {"stored": str(stored), "checked": True, "configured": True}


def test_configured_file_is_where_the_key_goes(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """A path in the configuration is taken as it is."""
    config, place = tmp_path / "concordiad.toml", tmp_path / "keys" / "mine"
    config.write_text(f'[gemini]\nbase_url = "{api.url}"\ncredential = "{place}"\n')
    assert run(tmp_path, "setup", "gemini", "--config", str(config), stdin=KEY.encode()).code == 0
    assert place.read_text() == f"{KEY}\n" and not stored.exists()


@pytest.mark.parametrize("fail", [Fail(400), Fail(401), Fail(403), Fail(400, reason="API_KEY_INVALID")])
def test_refused_key_changes_nothing(tmp_path: Path, api: GeminiStub, stored: Path, fail: Fail) -> None:
    """For a program it is an error with a code of its own, and what is stored stays."""
    keep_old(stored)
    api.otherwise = fail
    ran = run(tmp_path, "setup", "gemini", "--base-url", api.url, stdin=b"another\n")
    assert (ran.code, stored.read_text()) == (4, f"{OLD}\n")
    assert "refuses" in ran.err and "another" not in ran.err.replace("another one", "")


@pytest.mark.parametrize("fail", [Fail(429), Fail(500), Fail(503), Raw(b"\x00\xffnope"), Raw(b"<html>Log in first")])
def test_passing_error_never_touches_a_stored_key(
    tmp_path: Path, api: GeminiStub, stored: Path, fail: Fail | Raw
) -> None:
    """Whatever goes wrong on the way says nothing about a key: the old one stays, byte for byte, and that is said."""
    keep_old(stored)
    before = stored.stat()
    api.otherwise = fail
    ran = run(tmp_path, "setup", "gemini", "--base-url", api.url, stdin=KEY.encode())
    assert (ran.code, stored.read_text()) == (75, f"{OLD}\n")
    assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert "stays: try again later" in ran.err


def test_no_network(tmp_path: Path, stored: Path) -> None:
    """Nobody there is a passing error; without a person to ask, nothing is stored unchecked."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ran = run(tmp_path, "setup", "gemini", "--base-url", url, stdin=KEY.encode())
    assert (ran.code, stored.exists()) == (75, False)
    assert "could not be checked" in ran.err


@pytest.mark.parametrize("stdin", [b"", b"\n", b"two words\n", "schlüssel".encode()])
def test_what_is_no_key_is_not_asked_about(tmp_path: Path, api: GeminiStub, stored: Path, stdin: bytes) -> None:
    """Nothing is sent, nothing is stored."""
    ran = run(tmp_path, "setup", "gemini", "--base-url", api.url, stdin=stdin)
    assert (ran.code, stored.exists(), api.requests) == (1, False, [])


def test_unknown_model_is_said(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """It is no fault of the key's, and nothing that passes."""
    config = tmp_path / "concordiad.toml"
    config.write_text(f'[gemini]\nbase_url = "{api.url}"\nmodel = "clever"\n')
    ran = run(tmp_path, "setup", "gemini", "--config", str(config), stdin=KEY.encode())
    assert (ran.code, stored.exists()) == (1, False)
    assert "does not know the model" in ran.err and ran.err.endswith("correct that, and try again\n")


@pytest.mark.parametrize("url", ["http://a.example", "nonsense"])
def test_bad_address_is_a_slip(tmp_path: Path, url: str) -> None:
    """A key is not sent in plain text over a network, whoever wishes it."""
    assert run(tmp_path, "setup", "gemini", "--base-url", url, stdin=KEY.encode()).code == 2


def test_bad_configuration_is_said_first(tmp_path: Path) -> None:
    """Before anybody has typed a key."""
    config = tmp_path / "concordiad.toml"
    config.write_text("[gemin]\n")
    ran = run(tmp_path, "setup", "gemini", "--config", str(config), stdin=KEY.encode())
    assert (ran.code, "did you mean 'gemini'" in ran.err) == (1, True)


def test_person_is_asked_again_when_the_key_is_refused(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """On a terminal: what is typed is not shown; the table is added to the configuration if that is wanted."""
    config = tmp_path / ".config" / "concordia" / "concordiad.toml"
    config.parent.mkdir(parents=True)
    config.write_text('# mine\n[rooms.main]\nworkdir = "/"\n')
    config.chmod(0o640)
    terminal = Terminal(tmp_path, "setup", "gemini", "--base-url", api.url)
    terminal.answer("(not shown): ", "wrong-key\n")
    terminal.answer("refuses the key", "")
    terminal.answer("(not shown): ", "not a key\n")
    terminal.answer("That is no key", "")
    terminal.answer("(not shown): ", f"{KEY}\n")
    terminal.answer("[y/N] ", "y\n")
    assert terminal.end() == 0
    assert stored.read_text() == f"{KEY}\n"
    assert "wrong-key" not in terminal.shown and KEY not in terminal.shown
    assert config.read_text().startswith('# mine\n[rooms.main]\nworkdir = "/"\n')
    added = parse_config(config.read_text()).gemini
    assert added is not None and added.base_url == api.url
    assert stat.S_IMODE(config.stat().st_mode) == 0o640


def test_person_may_decline(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """Nothing is configured without a yes; the key is stored, and what to write is shown."""
    terminal = Terminal(tmp_path, "setup", "gemini", "--base-url", api.url)
    terminal.answer("(not shown): ", f"{KEY}\n")
    terminal.answer("[y/N] ", "\n")
    assert terminal.end() == 0
    assert stored.exists() and not (stored.parent / "concordiad.toml").exists()
    assert "write this into" in terminal.shown


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 75)])
def test_first_key_may_be_stored_unchecked(
    tmp_path: Path, api: GeminiStub, stored: Path, answer: str, code: int
) -> None:
    """If it could not be checked, there is none yet, and the person says yes."""
    api.otherwise = Fail(503)
    terminal = Terminal(tmp_path, "setup", "gemini", "--base-url", api.url)
    terminal.answer("(not shown): ", f"{KEY}\n")
    terminal.answer("Store it unchecked? [y/N] ", f"{answer}\n")
    if answer == "y":
        terminal.answer("[y/N] ", "n\n")
    assert terminal.end() == code
    assert stored.exists() == (answer == "y")


def test_stored_key_is_not_replaced_by_an_unchecked_one(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """Not even on a terminal: nobody is asked."""
    keep_old(stored)
    api.otherwise = Fail(503)
    terminal = Terminal(tmp_path, "setup", "gemini", "--base-url", api.url)
    terminal.answer("(not shown): ", f"{KEY}\n")
    assert terminal.end() == 75
    assert stored.read_text() == f"{OLD}\n"
    assert "unchecked" not in terminal.shown


def test_end_of_the_terminal_ends_it(tmp_path: Path, api: GeminiStub, stored: Path) -> None:
    """Whoever gives up has changed nothing."""
    terminal = Terminal(tmp_path, "setup", "gemini", "--base-url", api.url)
    terminal.answer("(not shown): ", "\x04")
    assert terminal.end() == 1
    assert not stored.exists()
