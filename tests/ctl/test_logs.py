"""`logs`: the daemon's log, from the daemon itself or from systemd's journal, chosen and shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import Ran, run
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

TURN = "01a1fc10-7121-7caa-a958-cae24ae0c2ec"
PROMPT = "01a1fc10-7000-7caa-a958-cae24ae0c2ec"
ENTRIES: list[dict[str, Any]] = [
    {"event": "journal_opened", "level": "info", "timestamp": "2026-11-21T08:00:00Z", "epoch": 3},
    {
        "event": "agent_exited",
        "level": "warning",
        "timestamp": "2026-11-21T08:01:00Z",
        "room": "docs",
        "stderr": "\x1b[2J no",
    },
    {
        "event": "turn_finished",
        "level": "info",
        "timestamp": "2026-11-21T08:02:00Z",
        "room": "main",
        "turn": TURN,
        "prompts": [PROMPT],
        "reason": None,
    },
]


def kept(*entries: dict[str, Any], unit: dict[str, Any] | None = None) -> Script:
    """Answer like a daemon that keeps these entries."""

    def script(client: Client) -> None:
        client.answer("log.tail", {"entries": list(entries), "next": len(entries), "epoch": 3, "unit": unit})

    return script


def asked(home: Path, control_socket: Path, *words: str) -> Ran:
    """Ask a daemon that keeps all of them."""
    with scripted_daemon(control_socket, kept(*ENTRIES)):
        return run(home, "logs", *words, PATH="/nowhere")


def test_entries_are_lines_to_read(tmp_path: Path, control_socket: Path) -> None:
    """When, how grave, what, and all that is known; what an agent wrote is harmless; what is not known is left out."""
    assert asked(tmp_path, control_socket).out.splitlines() == [
        "2026-11-21 08:00:00  info     journal_opened  epoch=3",
        '2026-11-21 08:01:00  warning  agent_exited  room=docs stderr="\\u001b[2J no"',
        f'2026-11-21 08:02:00  info     turn_finished  room=main turn={TURN} prompts="[\\"{PROMPT}\\"]"',
    ]


@pytest.mark.parametrize(
    ("words", "events"),
    [
        (("--room", "docs"), ["agent_exited"]),
        (("--turn", TURN[:13]), ["turn_finished"]),
        (("--prompt", PROMPT), ["turn_finished"]),
        (("--request", PROMPT), []),
        (("-n", "1"), ["turn_finished"]),
        (("-n", "0"), []),
        (("--since", "2026-11-21T08:00:30Z", "-n", "1"), ["turn_finished"]),
        (("--since", "2026-11-21T08:02:30Z"), []),
    ],
)
def test_entries_are_chosen(tmp_path: Path, control_socket: Path, words: tuple[str, ...], events: list[str]) -> None:
    """By what they are about, in short or whole, and how many are wanted of those."""
    lines = asked(tmp_path, control_socket, *words, "-o", "json").out.splitlines()
    assert [json.loads(line)["event"] for line in lines] == events


JOURNALCTL = """#!/bin/sh
echo "$@" >"$HOME/asked"
cat "$HOME/journal"
exit $(cat "$HOME/status")
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Give a directory with a journalctl that has some entries."""
    fields = [
        {
            "__REALTIME_TIMESTAMP": "1795248000000000",
            "MESSAGE": "turn_finished room=main",
            "PRIORITY": "6",
            "CONCORDIA_EVENT": "turn_finished",
            "CONCORDIA_TURN": TURN,
            "CONCORDIA_PROMPTS": json.dumps([PROMPT]),
            "CONCORDIA_COST_USD": "0.5",
            "CONCORDIA_REASON": [27, 91, 50],
        },
        {"__REALTIME_TIMESTAMP": "1795248001000000", "MESSAGE": "Stopped concordiad.", "PRIORITY": "4"},
    ]
    (tmp_path / "journal").write_text("".join(json.dumps(each) + "\n" for each in fields))
    (tmp_path / "status").write_text("0")
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(JOURNALCTL)
    program.chmod(0o755)
    return program.parent


def test_journal_of_a_unit_is_asked_without_a_daemon(tmp_path: Path, journal: Path) -> None:
    """What a daemon said that is not there any more, and what systemd said of it, is told from systemd's journal."""
    ran = run(tmp_path, "logs", "--unit", "concordiad.service", "-n", "7", PATH=f"{journal}:/usr/bin:/bin")
    first, second = ran.out.splitlines()
    assert (
        first.startswith(f'2026-11-21 08:00:00  info     turn_finished  turn={TURN} prompts="')
        and "cost_usd=0.5" in first
    )
    assert "\x1b" not in first
    assert second == "2026-11-21 08:00:01  warning  Stopped concordiad."
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["--unit", "concordiad.service", "--output=json", "--no-pager", "--lines=7"]


def test_journal_is_asked_where_the_daemon_says_so(tmp_path: Path, control_socket: Path, journal: Path) -> None:
    """A daemon whose log is in the journal of a person's own unit leads there; a choice reads all of it."""
    with scripted_daemon(control_socket, kept(unit={"name": "concordiad.service", "of_user": True})):
        ran = run(tmp_path, "logs", "--prompt", PROMPT[:8], "-o", "json", PATH=f"{journal}:/usr/bin:/bin")
    entry = json.loads(ran.out)
    assert (entry["event"], entry["prompts"], entry["cost_usd"]) == ("turn_finished", [PROMPT], 0.5)
    assert (tmp_path / "asked").read_text().split()[0] == "--user-unit"


@pytest.mark.parametrize(("status", "entries"), [("1", None), ("0", "")])
def test_who_may_not_read_the_journal_asks_the_daemon(
    tmp_path: Path, control_socket: Path, journal: Path, status: str, entries: str | None
) -> None:
    """A member of the daemon's group is a host, but mostly not of the groups that may read systemd's journal."""
    (tmp_path / "status").write_text(status)
    if entries is not None:
        (tmp_path / "journal").write_text(entries)
    with scripted_daemon(control_socket, kept(*ENTRIES, unit={"name": "concordiad.service", "of_user": False})):
        ran = run(tmp_path, "logs", "-o", "json", PATH=f"{journal}:/usr/bin:/bin")
    assert [json.loads(line)["event"] for line in ran.out.splitlines()] == [each["event"] for each in ENTRIES]
    assert (ran.code, ran.err) == (0, "")


def test_journal_that_cannot_be_read_is_a_failure(tmp_path: Path, journal: Path) -> None:
    """Whoever may not read the journal does not take it for empty."""
    (tmp_path / "status").write_text("1")
    ran = run(tmp_path, "logs", "--unit", "concordiad.service", PATH=f"{journal}:/usr/bin:/bin")
    assert ran.code == 1 and "journalctl could not show the log" in ran.err


def test_no_daemon_leads_to_the_journal(tmp_path: Path) -> None:
    """Where nobody answers, the person is told how to see what was said before."""
    ran = run(tmp_path, "logs")
    assert ran.code == 69 and "concordiactl logs --unit concordiad.service" in ran.err


def test_another_run_of_the_daemon_is_followed_from_its_beginning(tmp_path: Path, control_socket: Path) -> None:
    """Over a restart the numbers begin anew, and so does the reading."""

    def restarted(client: Client) -> None:
        assert client.answer("log.tail", {"entries": [], "next": 1, "epoch": 4, "unit": None})["after"] == 3
        client.answer("log.tail", {"entries": [ENTRIES[0]], "next": 1, "epoch": 4, "unit": None})

    def gone(client: Client) -> None:
        client.request("log.tail")

    with scripted_daemon(control_socket, kept(*ENTRIES), restarted, gone):
        ran = run(tmp_path, "logs", "-f", "-n", "0", "--reconnect", "0", "-o", "json", PATH="/nowhere")
    assert [json.loads(line)["event"] for line in ran.out.splitlines()] == ["journal_opened"]
    assert ran.code == 69
