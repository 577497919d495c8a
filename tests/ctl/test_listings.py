"""The commands that ask once and print: status, queue, show, history, cancel, interrupt."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ctl.quantities import unix_time
from tests.ctl.program import run, run_on_terminal
from tests.ctl.samples import (
    ADA,
    BOB,
    PROMPT,
    TURN,
    finished_turn,
    merge,
    merging,
    prompt,
    room,
    running_turn,
    sharer,
    status,
)
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon


def serving(method: str, result: dict[str, Any], **expected: Any) -> Script:
    """Answer one request, which must have these params."""

    def script(client: Client) -> None:
        assert expected == client.answer(method, result)

    return script


def statused(tmp_path: Path, control_socket: Path, *rooms: dict[str, Any], words: tuple[str, ...] = ()) -> str:
    """Print the status of these rooms."""
    with scripted_daemon(control_socket, serving("daemon.status", status(*rooms))):
        ran = run(tmp_path, "status", *words)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def test_status_names_the_daemon(tmp_path: Path, control_socket: Path) -> None:
    """Which one answered, and where its things are."""
    out = statused(tmp_path, control_socket)
    assert out.startswith("concordiad 0.1.0, pid 99, up 1m 04s\n")
    assert f"  socket  {control_socket}\n  state   /var/x\n" in out


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("starting", "the agent is starting"),
        ("idle", "ready for prompts"),
        ("busy", "a turn is running"),
        ("paused", "held by a host: prompts wait, new ones are refused"),
        ("asleep", "ready for prompts; the agent is started again for the next one"),
        ("agent-down", "the agent is not running; prompts wait"),
        ("agent-failing", "the agent has failed too often; prompts wait until `room restart`"),
        ("api-failing", "the agent's API fails; prompts wait"),
        ("draining", "stopping: no new turns"),
    ],
)
def test_status_says_what_a_state_means(tmp_path: Path, control_socket: Path, state: str, sentence: str) -> None:
    """With the daemon's reason behind it."""
    out = statused(tmp_path, control_socket, room(state=state, reason="because"))
    assert f"● {state}  {sentence}, because\n" in out


@pytest.mark.parametrize(("state", "count"), [("busy", 1), ("paused", 0)])
def test_status_says_that_nothing_new_begins(tmp_path: Path, control_socket: Path, state: str, count: int) -> None:
    """Also while a turn runs; once is enough."""
    out = statused(tmp_path, control_socket, room(state=state, paused=True))
    assert out.count("paused: nothing new begins") == count


def test_status_shows_the_agent(tmp_path: Path, control_socket: Path) -> None:
    """What it is, and that it had to be started again."""
    out = statused(tmp_path, control_socket, room(agent=room()["agent"] | {"restarts": 2}))
    assert "claude (claude-code 2.1.329 opus), pid 4242, started " in out
    assert ", 2 restarts\n" in out


def test_status_of_an_agent_that_is_not_there(tmp_path: Path, control_socket: Path) -> None:
    """What is not known is not said."""
    nothing = dict.fromkeys(("version", "model", "pid", "incarnation", "started_at"))
    out = statused(tmp_path, control_socket, room(agent=room()["agent"] | nothing))
    assert "agent      claude (claude-code)\n" in out


def test_status_shows_what_waits(tmp_path: Path, control_socket: Path) -> None:
    """And what to type about it."""
    out = statused(tmp_path, control_socket, room(name="lab", queue=2, approvals=1))
    assert "2 prompts wait\n" in out
    assert "1 approval waits: concordiactl --room lab approvals\n" in out


def test_status_shows_what_merging_did(tmp_path: Path, control_socket: Path) -> None:
    """Once it has done something, with the estimate called one."""
    out = statused(tmp_path, control_socket, room(merging=merging(24_000, same=2, near=1)))
    assert "merging    3 prompts shared another one's turn (2 same, 1 near); about 24k tokens saved\n" in out


def test_status_says_nothing_of_merging_before_there_was_any(tmp_path: Path, control_socket: Path) -> None:
    """A line of noughts helps nobody."""
    assert "merging" not in statused(tmp_path, control_socket, room())


def test_status_shows_the_running_turn(tmp_path: Path, control_socket: Path) -> None:
    """With how long it has been running."""
    out = statused(tmp_path, control_socket, room(state="busy", turn=running_turn()))
    assert f"turn       {TURN}, for " in out
    assert "what is the answer?" in out


@pytest.mark.parametrize(("silent_s", "words"), [(600.0, ", silent for 10m 00s"), (29.0, "")])
def test_status_says_that_nothing_comes(tmp_path: Path, control_socket: Path, silent_s: float, words: str) -> None:
    """Once it has been so for a while."""
    out = statused(tmp_path, control_socket, room(state="busy", turn=running_turn() | {"silent_s": silent_s}))
    (line,) = [line for line in out.splitlines() if TURN in line]
    assert line.partition(", silent")[2] == words.partition(", silent")[2]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"acknowledged": True, "stopping": None}, ""),
        ({"acknowledged": False, "stopping": None}, ", not acknowledged"),
        (
            {"acknowledged": False, "stopping": "no_acknowledgement: nothing\x1b[2J"},
            ", not acknowledged; no_acknowledgement: nothing\N{SYMBOL FOR ESCAPE}[2J",
        ),
    ],
)
def test_status_shows_what_waits_behind_a_turn_of_the_agents_own(
    tmp_path: Path, control_socket: Path, more: dict[str, Any], words: str
) -> None:
    """A turn that is stuck behind others is not hidden by them."""
    behind = {"id": "t9", "prompts": ["p9"], "started_at": "2020-01-01T00:00:00.000Z", **more}
    out = statused(tmp_path, control_socket, room(state="busy", turn=running_turn() | {"behind": behind}))
    (line,) = [line for line in out.splitlines() if "behind it" in line]
    assert line.startswith("  behind it  t9, handed over ")
    assert line.partition(" ago")[2] == words


def test_status_says_that_it_is_a_rehearsal(tmp_path: Path, control_socket: Path) -> None:
    """Nobody takes it for a model."""
    out = statused(tmp_path, control_socket, room(agent=room()["agent"] | {"rehearsal": True}))
    assert "rehearsal: no model answers here" in out


def test_status_shows_the_room_that_was_named(tmp_path: Path, control_socket: Path) -> None:
    """Without a name, it shows all."""
    out = statused(tmp_path, control_socket, room(), room(name="lab"), words=("--room", "lab", "-o", "json"))
    assert status(room(name="lab")) | {"guests": []} == json.loads(out)


def test_status_of_a_room_that_is_not_there_fails(tmp_path: Path, control_socket: Path) -> None:
    """A script asks whether a room is there."""
    with scripted_daemon(control_socket, serving("daemon.status", status(room()))):
        assert run(tmp_path, "status", "--room", "lab") == (
            1,
            "",
            "concordiactl: there is no room 'lab': there are main\n",
        )


def queued(*prompts: dict[str, Any], shown: dict[str, Any] | None = None) -> Script:
    """Answer with a queue, and where there is one with the room, which has nothing to do unless this is shown."""

    def script(client: Client) -> None:
        expected = {"room": "main", "states": ["waiting"], "limit": 100}
        assert expected == client.answer("prompt.list", {"prompts": list(prompts), "next": None})
        if prompts:
            assert client.answer("room.list", {"rooms": [room(name="lab", paused=True), shown or room()]}) == {}

    return script


def test_the_queue_is_a_table(tmp_path: Path, control_socket: Path) -> None:
    """Place, id, age, author, and the text's first line."""
    with scripted_daemon(control_socket, queued(prompt(), prompt(place=2, author=BOB, text="日本\nx"))):
        header, first, second = run(tmp_path, "queue").out.splitlines()
    assert header.split() == ["PLACE", "ID", "SINCE", "AUTHOR", "TEXT"]
    assert first.startswith(f"1      {PROMPT}  ")
    assert first.endswith("  ada     what is the answer?")
    assert second.endswith("  bob     日本 …")


def test_the_queue_shows_priorities_that_matter(tmp_path: Path, control_socket: Path) -> None:
    """Only where one is not the usual one."""
    with scripted_daemon(control_socket, queued(prompt(priority="low"))):
        assert "low" in run(tmp_path, "queue").out


def test_the_queue_shows_what_becomes_one_turn(tmp_path: Path, control_socket: Path) -> None:
    """At one place, and by which stage each came to the first one."""
    first = prompt(merge=merge("first"))
    same, near = (prompt(author=BOB, merge=merge(*how)) for how in (("same", 1.0), ("near", 0.968)))
    with scripted_daemon(control_socket, queued(first, same, near, prompt(place=2))):
        header, *lines = run(tmp_path, "queue").out.splitlines()
    at = header.index("ONE TURN")
    shown = [line[at : header.index("TEXT")].strip() for line in lines]
    assert shown == ["first", "the same words", "nearly the same words, 97%", ""]


def test_an_empty_queue_is_no_data(tmp_path: Path, control_socket: Path) -> None:
    """The sentence about it is for people."""
    with scripted_daemon(control_socket, queued()):
        assert run(tmp_path, "queue") == (0, "", "no prompt waits in room main\n")


def test_a_long_queue_is_read_to_its_end(tmp_path: Path, control_socket: Path) -> None:
    """Page by page, if all of it is wanted."""

    def script(client: Client) -> None:
        client.answer("prompt.list", {"prompts": [prompt()], "next": "c"})
        assert client.answer("prompt.list", {"prompts": [prompt(place=2)], "next": None})["cursor"] == "c"

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "queue", "--all", "-o", "json")
    assert {"prompts": [prompt(), prompt(place=2)], "next": None} == json.loads(ran.out)


def test_the_queue_says_how_to_go_on(tmp_path: Path, control_socket: Path) -> None:
    """With the same filters."""
    page = {"prompts": [prompt()], "next": "c 1"}
    expected = {"room": "lab", "states": ["waiting"], "limit": 1, "author": "ada"}

    def script(client: Client) -> None:
        assert expected == client.answer("prompt.list", page)
        client.answer("room.list", {"rooms": [room(name="lab")]})

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "queue", "--lines", "1", "--author", "ada", "--room", "lab")
    assert ran.err == "more: concordiactl --room lab queue --author ada --lines 1 --cursor 'c 1'\n"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ""),
        (
            {"state": "agent-failing", "reason": "exit status 1"},
            "concordiactl: the agent has failed too often; prompts wait until `concordiactl room restart` "
            "(exit status 1)\n",
        ),
        (
            {"state": "busy", "paused": True},
            "concordiactl: the room is held by a host: prompts wait, new ones are refused; "
            "`concordiactl room resume` lets it go on\n",
        ),
    ],
)
def test_the_queue_says_what_holds_it_up(
    tmp_path: Path, control_socket: Path, changes: dict[str, Any], told: str
) -> None:
    """Beside the table, and what to do; a busy room is nothing of that kind."""
    with scripted_daemon(control_socket, queued(prompt(), shown=room(**changes))):
        ran = run(tmp_path, "queue")
    assert (ran.code, ran.err) == (0, told)
    assert PROMPT in ran.out


TIMES = [
    ("2026-11-21T08:00:00Z", "2026-11-21T08:00:00.000000Z"),
    ("2026-11-21T08:00:00.5+01:00", "2026-11-21T07:00:00.500000Z"),
    ("2026-11-21T08:00", "2026-11-21T08:00:00.000000Z"),
    ("2026-11-21", "2026-11-21T00:00:00.000000Z"),
]


@pytest.mark.parametrize(("typed", "sent"), TIMES)
def test_a_time_can_be_typed(tmp_path: Path, control_socket: Path, typed: str, sent: str) -> None:
    """With an offset, or as the clock on the wall here has it (UTC in this test)."""
    expected = {"room": "main", "states": ["waiting"], "limit": 100, "since": sent}
    with scripted_daemon(control_socket, serving("prompt.list", {"prompts": [], "next": None}, **expected)):
        ran = run(tmp_path, "queue", "--since", typed)
    assert ran.err == "no prompt that is like that waits in room main\n"


def test_a_time_can_be_so_long_ago(tmp_path: Path, control_socket: Path) -> None:
    """Counted from now."""

    def script(client: Client) -> None:
        params = client.answer("turn.list", {"turns": [], "next": None})
        assert 7200 <= time.time() - unix_time(params["since"]) < 7260
        assert 60 <= time.time() - unix_time(params["until"]) < 120

    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "history", "--since", "2h", "--until", "1m").code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("queue", "--since", "yesterday"), "'yesterday' is no time: write 2026-11-21"),
        (("queue", "--since", "99999999d"), "'99999999d' is no time"),
        (("queue", "--since", "9" * 400), "is no time"),
        (("history", "--since", "1h", "--until", "2h"), "--since is later than --until"),
        (("history", "--lines", "5", "--all"), "--lines and --all exclude each other"),
        (("history", "--state", "complete"), "--state 'complete' is none: did you mean completed?"),
        (("history", "--state", "xyz"), "is none: there are completed, failed,"),
        (("history", "--prompts", "--state", "canceled"), "did you mean cancelled?"),
        (("queue", "--autor", "ada"), "Did you mean one of: '--author'"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """Before anybody is asked, and with what may have been meant."""
    ran = run(tmp_path, *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err


COMPANY = [
    sharer("first", text="sum\nup"),
    sharer("meaning", 0.9, prompt="2", author=BOB, text="sum up"),
    sharer("same", 1.0, prompt="3", author=BOB | {"name": "cleo"}, text="sum"),
]


def test_a_prompt_is_shown_in_full(tmp_path: Path, control_socket: Path) -> None:
    """With its turn and the whole answer."""
    result = {"prompt": prompt(text="a\nb", state="answered", turn=TURN), "turn": finished_turn("c\nd", text="a\nb")}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id=PROMPT)):
        out = run(tmp_path, "show", PROMPT).out
    assert "author     ada (local)\n" in out
    assert "\ntext\n  a\n  b\n" in out
    assert "state       completed\n" in out
    assert "took        3.2s, first word after 0.4s\n" in out
    assert out.endswith("\nanswer\n  c\n  d\n")


def test_a_merged_text_is_shown_beside_the_prompts_own(tmp_path: Path, control_socket: Path) -> None:
    """What the agent was told is not what one person wrote."""
    result = {"prompt": prompt(turn=TURN), "turn": finished_turn(text="of two people")}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id=PROMPT)):
        assert "\nasked as one\n  of two people\n" in run(tmp_path, "show", PROMPT).out


def test_a_merge_is_shown_before_its_turn_begins(tmp_path: Path, control_socket: Path) -> None:
    """With whose prompt, why, and what will be asked."""
    shared = merge("meaning", 0.9, asked="sum up")
    result = {"prompt": prompt(id="2", author=BOB, merge=shared), "turn": None, "merged": COMPANY}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id="2")):
        out = run(tmp_path, "show", "2").out
    assert "one turn   with ada’s and cleo’s (the same meaning, 90%)\n" in out
    assert f"\none turn with\n  {PROMPT}  ada (first): sum …\n  3  cleo (the same words): sum\n" in out
    assert out.endswith("\nasked as one\n  sum up\n")


@pytest.mark.parametrize("is_over", [False, True])
def test_the_first_one_shows_who_was_merged_with_it(tmp_path: Path, control_socket: Path, *, is_over: bool) -> None:
    """By name and why, before the turn and after it."""
    result = {"prompt": prompt(merge=merge("first")), "turn": None, "merged": COMPANY}
    if is_over:
        ours = prompt(merge=merge("first"), state="answered", turn=TURN)
        result = {"prompt": ours, "turn": finished_turn(merged=COMPANY), "merged": []}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id=PROMPT)):
        out = run(tmp_path, "show", PROMPT).out
    assert "one turn   with bob’s and cleo’s, this one first\n" in out
    assert "\none turn with\n  2  bob (the same meaning, 90%): sum up\n  3  cleo (the same words): sum\n" in out


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (merge("first"), "others are merged with this one"),
        (merge("near", 0.968), f"with {PROMPT}: nearly the same words, 97%"),
    ],
)
def test_a_merge_of_which_no_names_are_told_is_shown(
    tmp_path: Path, control_socket: Path, share: dict[str, Any], said: str
) -> None:
    """By a daemon of before: its update waits for the next restart."""
    result = {"prompt": prompt(merge=share), "turn": None}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id=PROMPT)):
        assert f"one turn   {said}\n" in run(tmp_path, "show", PROMPT).out


def test_who_was_a_companion_once_is_none_any_more(tmp_path: Path, control_socket: Path) -> None:
    """A turn that was returned may have been of more prompts than the next one."""
    returned = finished_turn(state="returned", merged=COMPANY)
    result = {"prompt": prompt(turn=TURN), "turn": returned, "merged": []}
    with scripted_daemon(control_socket, serving("prompt.get", result, room="main", id=PROMPT)):
        assert "one turn" not in run(tmp_path, "show", PROMPT).out


def test_a_turn_is_shown_in_full(tmp_path: Path, control_socket: Path) -> None:
    """When no prompt has that id."""
    prompts = [
        prompt(merge=merge("first")),
        prompt(id="2", author=BOB, text="what's\nthe answer?", merge=merge("near", 0.968)),
    ]
    result = {"turn": finished_turn(), "prompts": prompts}

    def script(client: Client) -> None:
        client.request("prompt.get")
        client.error(-32001, "no such prompt")
        client.answer("turn.get", result)

    with scripted_daemon(control_socket, script):
        out = run(tmp_path, "show", TURN).out
    assert "authors     ada, bob\n" in out
    assert (
        f"\nprompts\n  {PROMPT}  ada (first)\n    what is the answer?\n"
        "  2  bob (nearly the same words, 97%)\n    what's\n    the answer?\n"
    ) in out
    assert out.endswith("\nanswer\n  forty-two\n")


def test_a_turns_long_prompts_are_read_one_by_one(tmp_path: Path, control_socket: Path) -> None:
    """What is too long to be told together is shown in full all the same."""
    cut = prompt(id="2", author=BOB, text="so it", text_chars=9, merge=merge("same", 1.0))

    def script(client: Client) -> None:
        client.request("prompt.get")
        client.error(-32001, "no such prompt")
        client.answer("turn.get", {"turn": finished_turn(), "prompts": [prompt(merge=merge("first")), cut]})
        whole = {"prompt": cut | {"text": "so it is.", "text_chars": None}, "turn": finished_turn()}
        assert client.answer("prompt.get", whole) == {"room": "main", "id": "2"}

    with scripted_daemon(control_socket, script):
        out = run(tmp_path, "show", TURN).out
    assert "2  bob (the same words)\n    so it is.\n" in out


@pytest.mark.parametrize(
    ("of_prompt", "of_turn", "hint"),
    [
        ("list them", "list them", "list them"),
        ("did you mean 1?", "list them", "did you mean 1?"),
        ("list them", "did you mean 2?", "did you mean 2?"),
    ],
)
def test_what_is_neither_is_not_found(
    tmp_path: Path, control_socket: Path, of_prompt: str, of_turn: str, hint: str
) -> None:
    """One sentence for both attempts, with the nearest that there is."""

    def script(client: Client) -> None:
        client.request("prompt.get")
        client.error(-32001, f"no prompt x in room main: {of_prompt}")
        client.request("turn.get")
        client.error(-32001, f"no turn x in room main: {of_turn}")

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "show", "x")
    assert ran == (1, "", f"concordiactl: room main has no prompt and no turn 'x': {hint}\n")


def past(**changes: Any) -> dict[str, Any]:
    """Make a turn as `turn.list` has it."""
    return finished_turn() | {"authors": [ADA, BOB]} | changes


def test_history_is_a_table(tmp_path: Path, control_socket: Path) -> None:
    """Outcome, duration, tokens, cost, authors, text."""
    listed = {"turns": [past(), past(outcome=None, state="running", cost_usd=None)], "next": None}
    with scripted_daemon(control_socket, serving("turn.list", listed, room="main", limit=20)):
        ran = run(tmp_path, "history")
    header, first, second = ran.out.splitlines()
    assert header.split() == ["TURN", "STARTED", "OUTCOME", "TOOK", "TOKENS", "COST", "AUTHORS", "TEXT"]
    assert first.startswith(f"{TURN}  ")
    assert first.endswith("  completed  3.2s  1.2k/56  $0.0123  ada, bob  what is the answer?")
    assert "  running  " in second


def test_history_reads_as_many_pages_as_it_needs(tmp_path: Path, control_socket: Path) -> None:
    """And says how to go on."""

    def script(client: Client) -> None:
        assert client.answer("turn.list", {"turns": [past()] * 100, "next": "c1"}) == {"room": "main", "limit": 100}
        expected = {"room": "main", "limit": 50, "cursor": "c1"}
        assert expected == client.answer("turn.list", {"turns": [past()] * 50, "next": "c2"})

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "history", "--lines", "150")
    assert len(ran.out.splitlines()) == 151
    assert ran.err == "older ones: concordiactl history --lines 150 --cursor c2\n"


def test_history_can_be_read_to_its_end(tmp_path: Path, control_socket: Path) -> None:
    """Page by page."""

    def script(client: Client) -> None:
        client.answer("turn.list", {"turns": [past()] * 100, "next": "c1"})
        client.answer("turn.list", {"turns": [past()], "next": None})

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "history", "--all", "-o", "json")
    assert {"turns": [past()] * 101, "next": None} == json.loads(ran.out)


def test_history_can_be_filtered(tmp_path: Path, control_socket: Path) -> None:
    """The filters are there again in what is to be typed next."""
    expected = {
        "room": "main",
        "limit": 1,
        "author": "ada",
        "outcomes": ["failed", "timed_out"],
        "until": "2026-11-21T00:00:00.000000Z",
    }
    words = ("--author", "ada", "--until", "2026-11-21T00:00:00.000000Z", "--state", "failed", "--state", "timed_out")
    with scripted_daemon(control_socket, serving("turn.list", {"turns": [past()], "next": "c2"}, **expected)):
        ran = run(tmp_path, "history", "-n", "1", *words)
    assert ran.err == f"older ones: concordiactl history {' '.join(words)} --lines 1 --cursor c2\n"


def test_history_lists_prompts(tmp_path: Path, control_socket: Path) -> None:
    """Also those that never had a turn."""
    listed = {"prompts": [prompt(state="cancelled", place=None), prompt(state="expired", author=BOB)], "next": "c"}
    expected = {"room": "main", "limit": 2, "states": ["cancelled", "expired"]}
    with scripted_daemon(control_socket, serving("prompt.list", listed, **expected)):
        ran = run(tmp_path, "history", "--prompts", "--state", "cancelled", "--state", "expired", "-n", "2")
    header, first, second = ran.out.splitlines()
    assert header.split() == ["PROMPT", "SUBMITTED", "STATE", "AUTHOR", "TEXT"]
    assert first.startswith(f"{PROMPT}  ")
    assert first.endswith("  cancelled  ada     what is the answer?")
    assert "  expired    bob  " in second
    assert "concordiactl history --prompts --state cancelled --state expired --lines 2 --cursor c\n" in ran.err


def test_a_history_that_has_nothing_like_that_says_so(tmp_path: Path, control_socket: Path) -> None:
    """It does not mean that there is none."""
    with scripted_daemon(control_socket, nothing_of("eve", "turns", prompt(), limit=20)):
        assert run(tmp_path, "history", "--author", "eve") == (0, "", "room main has no turns like that\n")


def nothing_of(author: str, member: str, *own: dict[str, Any], **expected: Any) -> Script:
    """List nothing of somebody, then what that one has ever asked, then, if that is nothing, who has asked lately."""

    def script(client: Client) -> None:
        said = {"room": "main", "author": author}
        assert said | expected == client.answer(f"{member[:-1]}.list", {member: [], "next": None})
        assert said | {"limit": 1} == client.answer("prompt.list", {"prompts": list(own), "next": None})
        if not own:
            lately = {"prompts": [prompt(), prompt(author=BOB), prompt()], "next": "c"}
            assert client.answer("prompt.list", lately) == {"room": "main", "limit": 100}

    return script


@pytest.mark.parametrize(
    ("author", "sentence"),
    [
        ("adda", "nobody called adda has asked anything in room main: did you mean ada?\n"),
        ("x\x1bzz", "nobody called x␛zz has asked anything in room main: those who have lately are ada, bob\n"),
    ],
)
def test_an_author_who_is_none_is_told(tmp_path: Path, control_socket: Path, author: str, sentence: str) -> None:
    """With whom was meant; a program gets its empty list as ever."""
    queued = nothing_of(author, "prompts", states=["waiting"], limit=100)
    turned = nothing_of(author, "turns", limit=20)
    with scripted_daemon(control_socket, queued, turned, turned):
        assert run(tmp_path, "queue", "--author", author) == (0, "", sentence)
        assert run(tmp_path, "history", "--author", author) == (0, "", sentence)
        ran = run(tmp_path, "history", "--author", author, "-o", "json")
    assert (json.loads(ran.out), ran.err) == ({"turns": [], "next": None}, sentence)


def test_history_goes_on_at_a_cursor(tmp_path: Path, control_socket: Path) -> None:
    """In JSON the next one is in the object."""
    listed = {"turns": [past()], "next": "c2"}
    with scripted_daemon(control_socket, serving("turn.list", listed, room="main", limit=1, cursor="c1")):
        ran = run(tmp_path, "history", "--lines", "1", "--cursor", "c1", "-o", "json")
    assert (listed, "") == (json.loads(ran.out), ran.err)


def test_no_history_is_no_data(tmp_path: Path, control_socket: Path) -> None:
    """The sentence about it is for people."""
    with scripted_daemon(control_socket, serving("turn.list", {"turns": [], "next": None}, room="main", limit=20)):
        assert run(tmp_path, "history") == (0, "", "room main has no turns yet\n")


def test_a_table_fits_its_terminal(tmp_path: Path, control_socket: Path) -> None:
    """On 80 columns the text has a line of its own."""
    listed = {"turns": [past(text="x" * 500)], "next": None}
    with scripted_daemon(control_socket, serving("turn.list", listed, room="main", limit=20)):
        ran = run_on_terminal(tmp_path, "history", columns=100, NO_COLOR="1")
    assert max(map(len, ran.out.splitlines())) <= 100


def test_cancel_says_what_it_did(tmp_path: Path, control_socket: Path) -> None:
    """On standard output, as the thing that was asked for."""
    result = {"prompt": prompt(state="cancelled")}
    with scripted_daemon(control_socket, serving("prompt.cancel", result, room="main", id=PROMPT)):
        assert (0, f"cancelled prompt {PROMPT}\n", "") == run(tmp_path, "cancel", PROMPT)


def test_split_says_what_it_did(tmp_path: Path, control_socket: Path) -> None:
    """And where the prompt stands by that."""
    result = {"prompt": prompt(alone=True, place=3)}
    with scripted_daemon(control_socket, serving("prompt.split", result, room="main", id=PROMPT)):
        ran = run(tmp_path, "split", PROMPT)
    assert ran == (0, f"prompt {PROMPT} has a turn for itself, place 3\n", "")


@pytest.mark.parametrize(("words", "params"), [((), {}), (("--turn", TURN), {"turn": TURN})])
def test_interrupt_can_be_guarded(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, str]
) -> None:
    """With --turn it stops nothing but that."""
    result = {"turn": running_turn()}
    with scripted_daemon(control_socket, serving("turn.interrupt", result, room="main", **params)):
        assert (0, f"interrupted turn {TURN}\n", "") == run(tmp_path, "interrupt", *words)
