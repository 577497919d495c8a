import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import run
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

SUMS = {
    "prompts": 2,
    "turns": 1,
    "duration_s": 65.0,
    "input_tokens": 1234.5,
    "output_tokens": 60,
    "cost_usd": 0.0123,
}
TIMES = {f"{what}_{which}_s": 1.5 for what in ("duration", "ttft", "wait") for which in ("p50", "p95")}
OUTCOMES = {"completed": 0, "failed": 1, "interrupted": 0, "timed_out": 2, "uncertain": 0}
PERIOD = {**SUMS, **TIMES, "outcomes": OUTCOMES}
EVIL = "=HYPERLINK(1)\x1b[2J"
FIGURES: dict[str, Any] = {
    "room": "main",
    "since": "2026-10-22T00:00:00.000Z",
    "until": "2026-11-21T08:00:00.000Z",
    "utc_offset_s": 0,
    "total": PERIOD,
    "days": [{"day": "2026-11-20", **PERIOD}],
    "people": [{"author": {"id": "member:1", "name": EVIL, "kind": "guest"}, **SUMS}, {"author": None, **SUMS}],
    "shares": [
        {"day": "2026-11-20", "author_id": "member:1", **SUMS},
        {"day": "2026-11-20", "author_id": None, **SUMS},
    ],
}
LINK = {"url": "https://x.example/stats.html#token", "room": None, "expires_at": "2126-11-21T08:00:00.000Z"}


def serving(figures: dict[str, Any]) -> Script:
    """Answer with figures."""

    def script(client: Client) -> None:
        client.answer("stats.get", figures)

    return script


def test_figures_by_day_and_by_person(tmp_path: Path, control_socket: Path) -> None:
    """What is odd about a day is named; names cannot command the terminal."""

    def script(client: Client) -> None:
        assert client.answer("stats.get", FIGURES) == {"room": "main", "utc_offset_s": 0}

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "stats")
    lines = [line.split() for line in ran.out.splitlines()]
    day = ["2", "1", "1", "failed,", "2", "timed", "out", "1m", "05s", "1.5s", "1.5s", "1.5s", "1.2k/60", "$0.0123"]
    assert lines[1:3] == [["2026-11-20", *day], ["in", "all", *day]]
    assert lines[-1] == ["nobody", "2", "1", "1m", "05s", "1.2k/60", "$0.0123"]
    assert "\x1b" not in ran.out


def test_a_spreadsheet_gets_a_row_a_day_and_person(tmp_path: Path, control_socket: Path) -> None:
    """And computes nothing that somebody chose as a name."""
    with scripted_daemon(control_socket, serving(FIGURES)):
        ran = run(tmp_path, "stats", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    amounts = {name: str(value) for name, value in SUMS.items()}
    assert rows[0] == {
        "day": "2026-11-20",
        "author_id": "member:1",
        "author": "'=HYPERLINK(1)␛[2J",
        "kind": "guest",
        **amounts,
    }
    assert rows[1] == {"day": "2026-11-20", "author_id": "", "author": "", "kind": "", **amounts}


def test_time_and_rooms_are_passed_on(tmp_path: Path, control_socket: Path) -> None:
    """No room means all of them, and midnight is the one here."""

    def script(client: Client) -> None:
        asked = client.answer("stats.get", FIGURES)
        assert asked == {
            "room": None,
            "since": "2026-11-01T00:00:00.000000Z",
            "until": "2026-11-02T00:00:00.000000Z",
            "utc_offset_s": 19800,
        }

    words = ("--all-rooms", "--since", "2026-11-01T05:30", "--until", "2026-11-02T05:30", "-o", "json")
    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "stats", *words, TZ="Asia/Kolkata").code == 0


def test_no_turns_are_a_sentence(tmp_path: Path, control_socket: Path) -> None:
    """Not an empty table."""
    nothing = {**FIGURES, "total": {**PERIOD, "turns": 0}, "days": [], "people": [], "shares": []}
    with scripted_daemon(control_socket, serving(nothing)):
        ran = run(tmp_path, "stats")
    assert (ran.code, ran.out, ran.err) == (0, "", "room main has no turn that ended in that time\n")


def test_address_of_the_page(tmp_path: Path, control_socket: Path) -> None:
    """Alone on standard output; what it is worth is said beside it."""

    def script(client: Client) -> None:
        assert client.answer("stats.link", LINK) == {"room": None, "expires_s": 600.0}

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "stats", "--all-rooms", "--link", "--expires", "10m")
    assert (ran.code, ran.out) == (0, f"{LINK['url']}\n")
    assert "whoever has this address may read the figures of all rooms" in ran.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--all-rooms", "--room", "x"), "--all-rooms and --room exclude each other"),
        (("--expires", "1h"), "--expires is about the address of --link"),
        (("--link", "--since", "1h"), "leave the other options out"),
        (("--link", "-o", "csv"), "leave the other options out"),
        (("--link", "--expires", "soon"), "'soon' is not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """Before anybody is asked."""
    ran = run(tmp_path, "stats", *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
