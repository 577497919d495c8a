"""Links: what is one and what is none; who one is, kept over the end of the program."""

import json
import os
import stat
from pathlib import Path

import pytest

from ctl.failures import Failure
from ctl.joining.link import Link, read_link
from ctl.joining.places import KEPT, Place, Places, invite_of

TOKEN = "dG9rZW4tZm9yLXRlc3RzLW9ubHktMDA"


@pytest.mark.parametrize(
    ("text", "link"),
    [
        (
            f"https://example.org/#main.{TOKEN}",
            Link("https://example.org", "example.org", 443, True, "/ws", "main", TOKEN),
        ),
        (
            f" https://Example.org:443/#main.{TOKEN}\n",
            Link("https://example.org", "example.org", 443, True, "/ws", "main", TOKEN),
        ),
        (
            f"https://example.org:8443/rooms/#lab-2.{TOKEN}",
            Link("https://example.org:8443", "example.org", 8443, True, "/rooms/ws", "lab-2", TOKEN),
        ),
        (
            f"http://127.0.0.1:8765/#main.{TOKEN}",
            Link("http://127.0.0.1:8765", "127.0.0.1", 8765, False, "/ws", "main", TOKEN),
        ),
        (f"http://localhost#main.{TOKEN}", Link("http://localhost", "localhost", 80, False, "/ws", "main", TOKEN)),
        (f"http://[::1]:8765/#main.{TOKEN}", Link("http://[::1]:8765", "::1", 8765, False, "/ws", "main", TOKEN)),
        (
            f"concordia://127.0.0.1:8765/{TOKEN}",
            Link("http://127.0.0.1:8765", "127.0.0.1", 8765, False, "/ws", None, TOKEN),
        ),
        (
            f"https://b\u00fccher.example/#main.{TOKEN}",
            Link("https://xn--bcher-kva.example", "xn--bcher-kva.example", 443, True, "/ws", "main", TOKEN),
        ),
    ],
)
def test_a_link_is_read(text: str, link: Link) -> None:
    """As a browser would, down to the origin."""
    assert read_link(text) == link


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "https://example.org/",
        f"https://example.org/#{TOKEN}",
        f"https://example.org/#Main.{TOKEN}",
        "https://example.org/#main.short",
        f"https://example.org/#main.{TOKEN}/../x",
        f"https://example.org/?token={TOKEN}#main.{TOKEN}",
        f"https://ada:{TOKEN}@example.org/#main.{TOKEN}",
        f"https://example.org:99999/#main.{TOKEN}",
        f"https://exa mple.org/#main.{TOKEN}",
        f"https:///#main.{TOKEN}",
        f"https://[::1/#main.{TOKEN}",
        f"ftp://example.org/#main.{TOKEN}",
        f"javascript:alert(1)#main.{TOKEN}",
        f"concordia://127.0.0.1/{TOKEN}",
        "concordia://127.0.0.1:8765/",
        f"concordia://127.0.0.1:8765/{TOKEN}#main.{TOKEN}",
        f"https://{'a' * 70}.example/#main.{TOKEN}",
        f"https://example.org/#main.{TOKEN}\r\nX-Header: 1",
    ],
)
def test_what_is_no_link_is_refused(text: str) -> None:
    """With what one looks like, and never with the token."""
    with pytest.raises(Failure) as refused:
        read_link(text)
    assert refused.value.exit_code == 2
    assert "https://HOST/#ROOM.TOKEN" in refused.value.message
    assert TOKEN not in refused.value.message


LINK = read_link(f"https://example.org/#main.{TOKEN}")


def place(name: str = "eve", link: Link = LINK, member_token: str | None = "m") -> Place:
    """Make somebody's place."""
    return Place(link.origin, invite_of(link), name, link.room, "k" * 32, member_token)


def test_a_place_is_found_again(tmp_path: Path) -> None:
    """By the link, and by the name where one is given; the last one otherwise."""
    places = Places(tmp_path / "guest")
    places.keep(place())
    places.keep(place("bob"))
    assert Places(tmp_path / "guest").find(LINK, None) == place("bob")
    assert places.find(LINK, "eve") == place()
    assert places.find(LINK, "ada") is None


def test_a_place_is_for_one_origin_and_one_invite(tmp_path: Path) -> None:
    """A token that one daemon gave is never shown to another one."""
    places = Places(tmp_path)
    places.keep(place())
    assert places.find(LINK._replace(origin="https://evil.example"), None) is None
    assert places.find(LINK._replace(token=TOKEN + "x"), None) is None


def test_a_place_is_kept_once(tmp_path: Path) -> None:
    """The latest of the same person, and none that was forgotten."""
    places = Places(tmp_path)
    places.keep(place(member_token=None))
    places.keep(place())
    assert len(json.loads((tmp_path / "places.json").read_text())) == 1
    places.forget(place())
    assert places.find(LINK, None) is None


def test_places_are_their_owners(tmp_path: Path) -> None:
    """Nobody else reads them, whatever the umask; and no invite can be read from them."""
    before = os.umask(0)
    try:
        Places(tmp_path / "guest").keep(place())
    finally:
        os.umask(before)
    file = tmp_path / "guest" / "places.json"
    assert stat.S_IMODE((tmp_path / "guest").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert TOKEN not in file.read_text()


def test_places_are_bounded(tmp_path: Path) -> None:
    """The oldest are forgotten."""
    places = Places(tmp_path)
    for number in range(KEPT + 1):
        places.keep(place(f"n{number}"))
    assert places.find(LINK, "n0") is None
    assert places.find(LINK, "n1") is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, {}]",
        b"[" * 5000,
        b'[{"origin": 1, "invite": "", "name": "", "key": ""}]',
        b"7",
        b"null",
        b"\xff",
    ],
)
def test_a_damaged_file_is_no_place(tmp_path: Path, content: bytes) -> None:
    """It is as if nothing was kept, and what is kept next is there."""
    (tmp_path / "places.json").write_bytes(content)
    places = Places(tmp_path)
    assert places.find(LINK, None) is None
    places.keep(place())
    assert places.find(LINK, None) == place()
