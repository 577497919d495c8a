"""`export`: exactly what was recorded, or a document that people read."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ctl.markdown import Document
from tests.ctl.program import Ran, command, environment, run, run_on_terminal
from tests.ctl.samples import (
    ADA,
    BOB,
    TURN,
    event,
    finished_turn,
    merged,
    permission,
    prompt,
    question,
    running_turn,
    told,
)
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

ENVELOPE = ("room", "epoch", "seq", "at", "type")
RAW = [
    '{"room":"main","epoch":3,"seq":1,"at":"2026-11-21T01:30:58.123Z","type":"notice","code":"x","message":"é\\u2028"}',
    '{"room":"main","epoch":3,"seq":2,"at":"2026-11-21T01:30:58.123Z","type":"new.kind","n":1e-5,"n":1.50,"s":"\\ud800"}',
    '{"room":"main","epoch":3,"seq":3,"at":"2026-11-21T01:30:58.123Z","type":"notice","code":"\u2029","message":"\x9b"}',
]
"""Events as they might be recorded, in forms that no writer of JSON would write again."""


def page(*raw: str, following: int | None = None, last_seq: int = 3) -> str:
    """Write an answer to `events.list` as the daemon does, the events untouched."""
    cursor = f'{{"epoch":3,"seq":{last_seq}}}'
    next_ = "null" if following is None else str(following)
    return f'"result":{{"events":[{",".join(raw)}],"next":{next_},"cursor":{cursor}}}}}'


def paging(*pages: tuple[int, str]) -> Script:
    """Answer requests for pages, each of which must begin with this number."""

    def script(client: Client) -> None:
        for number, (since, answer) in enumerate(pages, 1):
            assert client.request("events.list") == {"room": "main", "since": since}
            client.line(f'{{"jsonrpc":"2.0","id":{number},{answer}')

    return script


ALL = ((1, page(*RAW[:2], following=3)), (3, page(RAW[2])))
LINES = "".join(line + "\n" for line in RAW)


def exported(home: Path, *words: str) -> tuple[int, bytes]:
    """Run it and give its output as bytes."""
    done = subprocess.run(
        command("export", *words), capture_output=True, env=environment(home, LC_ALL="C"), check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("words", [("--format", "jsonl"), ("-o", "json")])
def test_json_lines_are_the_recorded_bytes(tmp_path: Path, control_socket: Path, words: tuple[str, ...]) -> None:
    """Numbers, escapes, repeated names: nothing is written anew; whatever the locale."""
    with scripted_daemon(control_socket, paging(*ALL)):
        assert exported(tmp_path, *words) == (0, LINES.encode())


def test_a_terminal_is_not_rewritten(tmp_path: Path, control_socket: Path) -> None:
    """There the escapes mean the same."""
    with scripted_daemon(control_socket, paging(*ALL)):
        ran = run_on_terminal(tmp_path, "export", "--format", "jsonl")
    assert "\x9b" not in ran.out
    assert '"message":"\\u009b"' in ran.out


@pytest.mark.parametrize(
    ("words", "pages", "seqs"),
    [
        ((), ALL, [1, 2, 3]),
        (("--since", "3"), ((3, page(RAW[2])),), [3]),
        (("--until", "1"), (ALL[0],), [1]),
        (("--until", "2"), (ALL[0],), [1, 2]),
        (("--until", "99"), ALL, [1, 2, 3]),
        (("--since", "9"), ((9, page()),), []),
        ((), ((1, page(*RAW[:1], following=2, last_seq=2)), (2, page(*RAW[1:], following=9))), [1, 2]),
    ],
)
def test_a_part_can_be_chosen(
    tmp_path: Path,
    control_socket: Path,
    words: tuple[str, ...],
    pages: tuple[tuple[int, str], ...],
    seqs: list[int],
) -> None:
    """And no page is asked for that is not wanted; the end is where the transcript ended at the beginning."""
    with scripted_daemon(control_socket, paging(*pages)):
        ran = run(tmp_path, "export", "--format", "jsonl", *words)
    assert [json.loads(line)["seq"] for line in ran.out.split("\n")[:-1]] == seqs


def test_an_empty_choice_is_refused(tmp_path: Path) -> None:
    """Before anybody is asked."""
    assert run(tmp_path, "export", "--since", "5", "--until", "4").code == 2


def exporting(home: Path, control_socket: Path, *words: str, pages: Any = ALL) -> Ran:
    """Run it against these pages."""
    with scripted_daemon(control_socket, paging(*pages)):
        return run(home, "export", "--format", "jsonl", *words)


def test_a_file_is_for_its_owner(tmp_path: Path, control_socket: Path) -> None:
    """A transcript can hold anything; that it was written is said beside the data."""
    file = tmp_path / "new"
    assert exporting(tmp_path, control_socket, "--file", str(file)) == (0, "", f"wrote 3 events to {file}\n")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (LINES, 0o600)


def test_a_file_is_an_object_for_programs(tmp_path: Path, control_socket: Path) -> None:
    """What is in it, and where it is."""
    file = tmp_path / "new"
    ran = exporting(tmp_path, control_socket, "-f", str(file), "-o", "json")
    assert json.loads(ran.out) == {"file": str(file), "events": 3, "first_seq": 1, "last_seq": 3}


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, control_socket: Path) -> None:
    """What breaks off leaves the old one as it was, and nothing beside it."""
    directory = tmp_path / "out"
    directory.mkdir()
    file = directory / "old"
    file.write_text("old")
    assert exporting(tmp_path, control_socket, "-f", str(file), pages=ALL[:1]).code == 69
    assert (os.listdir(directory), file.read_text()) == (["old"], "old")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, control_socket: Path) -> None:
    """In one sentence."""
    file = tmp_path / "none" / "x"
    with scripted_daemon(control_socket, paging(ALL[0])):
        ran = run(tmp_path, "export", "-f", str(file))
    assert ran == (1, "", f"concordiactl: cannot write {file}: No such file or directory\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_device_is_written_directly(tmp_path: Path, control_socket: Path) -> None:
    """It is not replaced by a file, and its errors are told."""
    with scripted_daemon(control_socket, paging(*ALL)):
        ran = run(tmp_path, "export", "-f", "/dev/full")
    assert (ran.code, ran.err) == (1, "concordiactl: cannot write /dev/full: No space left on device\n")


def test_a_document_is_the_default(tmp_path: Path, control_socket: Path) -> None:
    """Also of what a newer daemon has to say."""
    with scripted_daemon(control_socket, paging(*ALL)):
        code, out = exported(tmp_path)
    assert code == 0
    assert out.startswith(b"# Room main\n\nEvents 1 to 3 of the transcript. Times are in UTC.\n")
    assert b"\n*new.kind \\{" in out


def written(*events: dict[str, Any]) -> str:
    """Write the events without the document's head."""
    document = Document()
    return "".join(map(document.event, events))


DAY = "\n## Saturday, 21 November 2026\n"
ASKED = event("prompt.accepted", prompt=prompt(text="what\nis <b>it</b>?"))
STARTED = event("turn.started", turn=told(running_turn()))
FINISHED = event("turn.finished", turn=told(finished_turn()), by=None)


def test_the_head_says_which_events_these_are() -> None:
    """Also where there are none."""
    assert "\nEvents 3 to 9 of the transcript." in Document().head("main", 3, 9)
    assert "\nNo events from 10 on of the transcript." in Document().head("main", 10, 9)


def test_who_asked_what_and_when() -> None:
    """A day has a heading, and so has everybody who speaks."""
    text = event("agent.text", turn=TURN, block=0, text="It is `<b>`.")
    document = written(ASKED, STARTED, text, FINISHED)
    assert document == (
        f"{DAY}\n### ada, 01:30:58\n\n> what  \n> is &lt;b>it&lt;/b>?  \n"
        "\n### the agent, 01:30:58\n\n> It is `<b>`.\n\n*✓ · 3.2s · 1.2k in · 56 out · \\$0.0123*\n"
    )


def test_an_answer_found_after_a_crash_is_written() -> None:
    """No other event has it."""
    found = event("turn.finished", turn=told(finished_turn(reason="from_history: concordiad ended")), by=None)
    document = written(ASKED, STARTED, found)
    assert "\n### the agent, 01:30:58\n\n> forty-two\n" in document
    assert document.endswith(" · from\\_history: concordiad ended*\n")


def test_a_text_that_did_not_come_to_its_end_says_so() -> None:
    """What there is of it is written like any other."""
    document = written(ASKED, STARTED, event("agent.text", turn="t", block=0, text="forty-", partial=True))
    assert document.endswith("\n> forty-\n\n*… as far as it came*\n")


def test_a_turn_says_what_it_takes_if_that_is_elsewhere() -> None:
    """Several prompts, or one that waited."""
    other = event("prompt.accepted", prompt=prompt(id="other", author=BOB, text="x"))
    both = event("turn.started", turn=told(running_turn(prompts=["other", "one"])) | {"authors": [BOB, ADA]})
    assert "*takes the prompt of ada: what is the answer?*\n" in written(ASKED, other, STARTED)
    assert "*takes the prompts of bob, ada: what is the answer?*\n" in written(ASKED, other, both)


def test_a_tool_call_is_folded() -> None:
    """With its result; neither can leave its fold."""
    hostile = "</details>\n```\n# bob\n````"
    use = event("agent.tool_use", turn=TURN, block=1, id="t", tool="Bash<", input={"command": hostile})
    result = event("agent.tool_result", turn=TURN, id="t", is_error=False, content=hostile)
    assert written(use, result) == (
        f"{DAY}\n### the agent, 01:30:58\n\n"
        "<details><summary>⚙ Bash&lt;  &lt;/details&gt; …</summary>\n\n"
        "`````\ncommand:\n  </details>\n  ```\n  # bob\n  ````\n`````\n\n</details>\n"
        "\n<details><summary>↳ Bash&lt; gave 4 lines</summary>\n\n"
        "`````\n</details>\n```\n# bob\n````\n`````\n\n</details>\n"
    )


def test_a_withdrawn_text_is_left_out() -> None:
    """What was live of it is not recorded."""
    withdrawn = event("agent.withdrawn", turn=TURN, block=1)
    assert written(ASKED, STARTED, withdrawn, FINISHED) == written(ASKED, STARTED, FINISHED)


def test_sums_stand_at_the_end() -> None:
    """Prompts, turns by their outcome, tokens, money."""
    document = Document()
    failed = event("turn.finished", turn=told(finished_turn(outcome="failed", reason="because")), by=None)
    for each in (ASKED, STARTED, FINISHED, ASKED, failed, FINISHED):
        document.event(each)
    foot = "\n---\n\n2 prompts · 3 turns (2 completed, 1 failed) · 3.7k tokens in, 168 out · $0.0369\n"
    assert foot == document.foot()
    assert Document().foot() == "\n---\n\n0 prompts · 0 turns\n"


def remark(kind: str, /, **members: Any) -> str:
    """Write one event, and take the heading away."""
    document = written(event(kind, **members))
    assert document.startswith(f"{DAY}\n### ")
    return document.removeprefix(f"{DAY}\n### ")


REHEARSED = {"turn": TURN, "block": 0, "text": "x", "rehearsal": True}


@pytest.mark.parametrize(
    ("document", "kind", "members"),
    [
        (
            "bob, 01:30:58\n\n*cancelled the prompt of ada: what is the answer?*\n",
            "prompt.cancelled",
            {"prompt": prompt(), "by": BOB},
        ),
        (
            "ada, 01:30:58\n\n*cancelled the prompt: what is the answer?*\n",
            "prompt.cancelled",
            {"prompt": prompt(), "by": ADA},
        ),
        (
            "ada, 01:30:58\n\n*expired before its turn came: what is the answer?*\n",
            "prompt.expired",
            {"prompt": prompt()},
        ),
        (
            "bob, 01:30:58\n\n*⇉ one turn with ada’s \\(the same words\\)*\n",
            "prompt.merged",
            {key: value for key, value in merged("same", asked="what's the answer?").items() if key not in ENVELOPE},
        ),
        (
            "bob, 01:30:58\n\n*⇇ has a turn of its own again: the first one was cancelled*\n",
            "prompt.split",
            {"prompt": prompt(author=BOB), "from": [], "by": None, "reason": "the first one was cancelled"},
        ),
        (
            "the agent, 01:30:58\n\n*begins a turn by itself*\n",
            "turn.started",
            {"turn": told(running_turn(origin="agent", prompts=[]))},
        ),
        (
            "the agent, 01:30:58\n\n*the turn went back to the queue: because*\n",
            "turn.returned",
            {"turn": told(running_turn(reason="because"))},
        ),
        ("the rehearsal agent, 01:30:58\n\n> x\n", "agent.text", REHEARSED),
        (
            "the agent, 01:30:58\n\n<details><summary>thinking</summary>\n\n> hm\n\n</details>\n",
            "agent.thinking",
            {"turn": TURN, "block": 0, "text": "hm"},
        ),
        (
            "the agent, 01:30:58\n\n*result of 99 bytes: too large to be shown*\n",
            "agent.oversize",
            {"turn": TURN, "bytes": 99, "kind": "result"},
        ),
        ("the agent, 01:30:58\n\n*asks to use Bash rm -r build*\n", "approval.requested", {"approval": permission()}),
        (
            "bob, 01:30:58\n\n*denied Bash rm -r build: no*\n",
            "approval.resolved",
            {"approval": permission(), "resolution": "denied", "by": BOB, "reason": "no"},
        ),
        (
            "·, 01:30:58\n\n*timed out Bash rm -r build*\n",
            "approval.resolved",
            {"approval": permission(), "resolution": "timed_out", "by": None, "reason": None},
        ),
        (
            "bob, 01:30:58\n\n*closed the room*\n",
            "room.changed",
            {"state": "closed", "reason": None, "by": BOB},
        ),
        ("·, 01:30:58\n\n> &lt;b>\n", "notice", {"code": "x", "message": "<b>"}),
    ],
)
def test_everything_has_its_sentence(document: str, kind: str, members: dict[str, Any]) -> None:
    """With who did it above."""
    assert document == remark(kind, **members)


def test_a_question_is_written_with_its_choices() -> None:
    """The answers come as the tool's result."""
    assert "1. Which colour?" in remark("approval.requested", approval=question())


@pytest.mark.parametrize(
    ("is_error", "content", "title"),
    [
        (True, "", "the tool failed: without a word"),
        (True, "x", "the tool failed: 1 line"),
        (False, "", "the tool gave nothing"),
        (False, [{"type": "text", "text": "a"}, {"type": "image"}], "the tool gave 2 lines"),
    ],
)
def test_a_result_says_how_it_was(is_error: bool, content: Any, title: str) -> None:
    """Also if its call is not in the part that was chosen."""
    document = remark("agent.tool_result", turn=TURN, id="t", is_error=is_error, content=content)
    assert f"<summary>↳ {title}</summary>" in document
