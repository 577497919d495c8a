"""`submit`, with what becomes of the prompt."""

import json
import os
import signal
import subprocess
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.ctl.program import run, run_on_terminal, start
from tests.ctl.samples import (
    ADA,
    APPROVAL,
    BOB,
    LISTENING,
    PROMPT,
    TURN,
    delta,
    event,
    finished_turn,
    merge,
    permission,
    prompt,
    question,
    running_turn,
    sharer,
    told,
)
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

SUBMITTED = {"prompt": prompt(), "turn": None}
STARTED = event("turn.started", turn=told(running_turn()))
TEXT = event("agent.text", turn=TURN, block=0, text="forty-two")


def finished(**changes: Any) -> dict[str, Any]:
    """Make the event that ends the turn."""
    return event("turn.finished", turn=told(finished_turn(**changes)), by=None)


def taking(*events: dict[str, Any], submitted: dict[str, Any] = SUBMITTED) -> Script:
    """Listen, take the prompt, and let this happen."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", submitted)
        for each in events:
            client.event(each)
        client.wait_until_gone()

    return script


def submitting(result: dict[str, Any], expected: dict[str, Any]) -> Script:
    """Take a prompt that must have these params."""

    def script(client: Client) -> None:
        assert expected == client.answer("prompt.submit", result)

    return script


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PLAIN = {"text": "what is the answer?", "room": "main"}


@pytest.mark.parametrize(
    ("words", "params"),
    [
        (("what", "is", "the", "answer?"), {}),
        (("--", "--raw", "-x"), {"text": "--raw -x"}),
        (("what is the answer?", "--key", "k1"), {"key": "k1"}),
        (("what is the answer?", "--priority", "high"), {"priority": "high"}),
        (("what is the answer?", "--expires", "5m"), {"expires_s": 300.0}),
        (("what is the answer?", "--alone", "--raw"), {"alone": True, "raw": True}),
        (("what is the answer?", "--room", "lab"), {"room": "lab"}),
    ],
)
def test_a_prompt_is_what_was_typed(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, Any]
) -> None:
    """Every flag has its field, and what was not said is not sent; the id is all that is printed."""
    with scripted_daemon(control_socket, submitting(SUBMITTED, PLAIN | params)):
        assert (0, f"{PROMPT}\n", "") == run(tmp_path, "submit", *words)


@pytest.mark.parametrize("more", [(), ("--expires", "5m")])
@pytest.mark.parametrize(("given", "is_taken"), [(TRACEPARENT, True), (TRACEPARENT[:-1], False), ("", False)])
def test_a_trace_that_it_is_part_of_goes_along(
    tmp_path: Path, control_socket: Path, more: tuple[str, ...], given: str, *, is_taken: bool
) -> None:
    """Both ways of submitting take it from the environment, as other programs do, where it can be one."""
    expected = PLAIN | ({"expires_s": 300.0} if more else {}) | ({"traceparent": TRACEPARENT} if is_taken else {})
    with scripted_daemon(control_socket, submitting(SUBMITTED, expected)):
        assert run(tmp_path, "submit", PLAIN["text"], *more, TRACEPARENT=given).code == 0


@pytest.mark.parametrize("words", [("-",), ()])
def test_a_prompt_can_be_piped_in(tmp_path: Path, control_socket: Path, words: tuple[str, ...]) -> None:
    """With - or nothing; the line end that `echo` adds is not part of it."""
    text = "Grüße\n\tzwei"
    with scripted_daemon(control_socket, submitting(SUBMITTED, PLAIN | {"text": text})):
        assert run(tmp_path, "submit", *words, stdin=text.encode() + b"\n").code == 0


def test_json_is_the_object_of_the_contract(tmp_path: Path, control_socket: Path) -> None:
    """The prompt, and null for the turn that has not been."""
    with scripted_daemon(control_socket, submitting(SUBMITTED, PLAIN)):
        ran = run(tmp_path, "-o", "json", "submit", PLAIN["text"])
    assert json.loads(ran.out) == SUBMITTED


@pytest.mark.parametrize(
    ("words", "stdin", "sentence"),
    [
        ((), b"", "the prompt is empty"),
        ((), b" \n", "the prompt is empty"),
        (("",), b"", "the prompt is empty"),
        ((), b"\xff\xfe", "standard input is not UTF-8 (byte 0)"),
        (("-", "x"), b"", "it stands alone"),
        (("x", "-z"), b"", "If it belongs to the prompt, write -- before the prompt"),
        (("x", "--timeout", "5m"), b"", "give --wait or --follow"),
        (("x", "--expires", "soon"), b"", "write 90, 90s, 5m, 2h or 1d"),
        (("x", "--priority", "urgent"), b"", "'low', 'normal', 'high'"),
        (("x\udcff",), b"", "not UTF-8"),
    ],
)
def test_what_is_no_prompt_is_refused(tmp_path: Path, words: tuple[str, ...], stdin: bytes, sentence: str) -> None:
    """Before anybody is asked."""
    ran = run(tmp_path, "submit", *words, stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err


def test_without_a_prompt_at_a_terminal_nothing_is_read(tmp_path: Path) -> None:
    """Somebody who typed `submit` alone is told how, and not left before an empty line."""
    ours, theirs = os.openpty()
    with start(tmp_path, "submit", stdin=theirs) as child:
        assert child.stderr is not None
        errors = child.stderr.read()
    os.close(theirs)
    os.close(ours)
    assert child.returncode == 2
    assert b"no prompt: write it behind `submit`" in errors


def test_waiting_prints_the_answer(tmp_path: Path, control_socket: Path) -> None:
    """Once, when it is whole, and nothing else."""
    with scripted_daemon(control_socket, taking(STARTED, delta(0, "forty"), TEXT, finished())):
        assert run(tmp_path, "submit", "--wait", "x") == (0, "forty-two\n", "")


def test_waiting_listens_before_it_submits(tmp_path: Path, control_socket: Path) -> None:
    """A turn that ends before the answer to `prompt.submit` comes is seen."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.request("prompt.submit")
        client.event(STARTED)
        client.event(finished())
        client.result(SUBMITTED)
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "submit", "--wait", "x").out == "forty-two\n"


def test_other_peoples_turns_are_not_waited_for(tmp_path: Path, control_socket: Path) -> None:
    """The room goes on around us."""
    other = told(finished_turn("no", id="01932f00-0000-7000-8000-00000000000b", prompts=["someone's"]))
    with scripted_daemon(control_socket, taking(event("turn.finished", turn=other), STARTED, finished())):
        assert run(tmp_path, "submit", "--wait", "x").out == "forty-two\n"


def test_a_returned_turn_is_waited_for_again(tmp_path: Path, control_socket: Path) -> None:
    """The answer is the second turn's."""
    back = event("turn.returned", turn=told(running_turn(state="returned", reason="the agent went away")), by=None)
    again = finished(answer="at last", id="01932f00-0000-7000-8000-00000000000c")
    with scripted_daemon(control_socket, taking(STARTED, back, again)):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert (ran.code, ran.out) == (0, "at last\n")
    assert "went back to the queue: the agent went away" in ran.err


def test_a_long_answer_is_fetched_whole(tmp_path: Path, control_socket: Path) -> None:
    """The event carries only its beginning."""
    whole = finished_turn("ü" * 50_000)
    head = told(whole, answer="ü" * 100)

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", SUBMITTED)
        client.event(event("turn.finished", turn=head))
        assert client.answer("turn.get", {"turn": whole, "prompts": [prompt()]}) == {"room": "main", "id": TURN}

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert ran.out == "ü" * 50_000 + "\n"


@pytest.mark.parametrize("flag", ["--wait", "--follow"])
def test_waiting_in_json_ends_with_prompt_and_turn(tmp_path: Path, control_socket: Path, flag: str) -> None:
    """Both as they are at the end; --follow has the events before them, as they were received."""
    end = {"prompt": prompt(state="answered", turn=TURN, place=None), "turn": finished_turn()}
    other = event("notice", 7, code="x", message="y")
    ours = [each | {"seq": seq} for seq, each in enumerate((STARTED, TEXT, finished()), 8)]

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", SUBMITTED)
        for each in (other, *ours):
            client.event(each)
        client.answer("prompt.get", end)

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", flag, "x", "-o", "json")
    *events, last = [json.loads(line) for line in ran.out.splitlines()]
    assert end == last
    assert events == (ours if flag == "--follow" else [])


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("failed", "the turn failed: because"),
        ("interrupted", "the turn was interrupted: because"),
        ("timed_out", "the turn took too long and was stopped: because"),
        ("uncertain", "nobody can tell whether the turn ran to its end: because"),
    ],
)
def test_a_turn_that_was_not_completed_has_its_exit_code(
    tmp_path: Path, control_socket: Path, outcome: str, sentence: str
) -> None:
    """What there is of an answer is printed; why it is no more is told."""
    with scripted_daemon(control_socket, taking(finished(answer="so far", outcome=outcome, reason="because"))):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert (ran.code, ran.out) == (3, "so far\n")
    assert f"concordiactl: {sentence}\n  see it: concordiactl show {TURN}\n" == ran.err


def test_a_cancelled_prompt_is_not_waited_for(tmp_path: Path, control_socket: Path) -> None:
    """Who did it is told."""
    with scripted_daemon(control_socket, taking(event("prompt.cancelled", prompt=prompt(state="cancelled"), by=BOB))):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert (3, "", f"concordiactl: prompt {PROMPT} was cancelled by bob\n") == ran


def test_an_expired_prompt_is_not_waited_for(tmp_path: Path, control_socket: Path) -> None:
    """Its turn did not start in time."""
    with scripted_daemon(control_socket, taking(event("prompt.expired", prompt=prompt(state="expired")))):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert (3, "", f"concordiactl: prompt {PROMPT} was expired\n") == ran


def test_a_repeated_key_prints_the_answer_that_there_is(tmp_path: Path, control_socket: Path) -> None:
    """Nothing has to happen for it."""
    before = {"prompt": prompt(state="answered", turn=TURN, place=None, key="k"), "turn": finished_turn()}
    with scripted_daemon(control_socket, taking(submitted=before)):
        assert run(tmp_path, "submit", "--wait", "x", "--key", "k") == (0, "forty-two\n", "")


def test_a_repeated_key_joins_the_running_turn(tmp_path: Path, control_socket: Path) -> None:
    """What that turn waits for is told, and live text that began before is printed when it is whole."""
    before = {"prompt": prompt(state="running", turn=TURN, place=None, key="k"), "turn": running_turn()}

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", before)
        client.answer("approval.list", {"approvals": [permission(), permission(id="other", turn="other")]})
        for each in (delta(5, "-two"), TEXT, finished()):
            client.event(each)
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", "--follow", "x", "--key", "k")
    assert ran.out == "forty-two\n"
    assert f"concordiactl approve {APPROVAL}" in ran.err
    assert "approve other" not in ran.err


def test_following_prints_text_as_it_comes(tmp_path: Path, control_socket: Path) -> None:
    """Every piece is there before the next one is sent."""
    ours, theirs = os.pipe()

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", SUBMITTED)
        client.event(STARTED)
        for offset, piece in ((0, "for"), (3, "ty"), (5, "-two")):
            client.event(delta(offset, piece))
            assert piece.encode() == os.read(ours, 100)
        client.event(TEXT)
        client.event(finished())
        client.wait_until_gone()

    with scripted_daemon(control_socket, script), start(tmp_path, "submit", "--follow", "x", stdout=theirs) as child:
        os.close(theirs)
    assert (child.returncode, os.read(ours, 100)) == (0, b"\n")
    os.close(ours)


def test_following_prints_each_block_once(tmp_path: Path, control_socket: Path) -> None:
    """With live text, without, or with a gap in it; thinking is not the answer."""
    thought = delta(0, "hmm", block=9) | {"kind": "thinking"}
    script = taking(
        STARTED,
        thought,
        delta(0, "a1 "),
        delta(3, "a2"),
        event("agent.text", turn=TURN, block=0, text="a1 a2"),
        event("agent.text", turn=TURN, block=1, text="b1 b2\n"),
        delta(0, "c1 ", block=2),
        delta(6, "c3", block=2),
        event("agent.text", turn=TURN, block=2, text="c1 c2 c3"),
        finished(answer="c1 c2 c3"),
    )
    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "submit", "--follow", "x") == (0, "a1 a2\nb1 b2\nc1 c2 c3\n", "")


def test_following_tells_of_tools_on_standard_error(tmp_path: Path, control_socket: Path) -> None:
    """The answer alone is on standard output."""
    tool = event("agent.tool_use", turn=TURN, block=1, id="t", tool="Bash", input={"command": "ls -la\nrm x"})
    with scripted_daemon(control_socket, taking(STARTED, tool, TEXT, finished())):
        assert run(tmp_path, "submit", "--follow", "x") == (0, "forty-two\n", "⚙ Bash  ls -la …\n")


def test_an_answer_that_had_no_block_is_printed_at_the_end(tmp_path: Path, control_socket: Path) -> None:
    """As when the API failed: the agent says so in its result only."""
    script = taking(STARTED, finished(answer="API Error: 529", outcome="failed", reason=None))
    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "submit", "--follow", "x").out == "API Error: 529\n"


@pytest.mark.parametrize("flag", ["--wait", "--follow"])
def test_approvals_are_announced_with_what_to_type(tmp_path: Path, control_socket: Path, flag: str) -> None:
    """Else a wait would look like a hang; the command leads to the same daemon and room."""
    script = taking(STARTED, event("approval.requested", approval=permission()), finished())
    socket = tmp_path / "a socket"
    with scripted_daemon(socket, script):
        ran = run(tmp_path, "--socket", str(socket), "--room", "lab", "submit", flag, "x")
    assert "the agent asks to use Bash" in ran.err
    assert "  $ rm -r build\n" in ran.err
    assert f"concordiactl --socket '{socket}' --room lab approve {APPROVAL}\n" in ran.err


def test_a_question_is_announced_with_its_choices(tmp_path: Path, control_socket: Path) -> None:
    """Numbered as `approve` takes them."""
    script = taking(STARTED, event("approval.requested", approval=question()), finished())
    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert "1. Which colour?  [Colour]\n       1) red  like fire\n" in ran.err
    assert f"concordiactl approve {APPROVAL} --answer 1=CHOICE --answer 2=CHOICE\n" in ran.err


def test_own_time_out_leaves_the_prompt(tmp_path: Path, control_socket: Path) -> None:
    """And says how to come back to it."""
    with scripted_daemon(control_socket, taking()):
        ran = run(tmp_path, "submit", "--wait", "--timeout", "1", "x")
    assert (ran.code, ran.out) == (124, "")
    assert "the prompt goes on" in ran.err
    assert f"stop it: concordiactl cancel {PROMPT}\n" in ran.err


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ((), "did not answer events.subscribe in time: the prompt was not handed in\n"),
        (("events.subscribe",), "nobody can tell whether it was kept\n"),
    ],
)
def test_own_time_out_holds_for_a_daemon_that_says_nothing(
    tmp_path: Path, control_socket: Path, answered: tuple[str, ...], told: str
) -> None:
    """One that is stopped, or out of descriptors, accepts and then never answers."""

    def script(client: Client) -> None:
        for method in answered:
            client.answer(method, LISTENING)
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", "--wait", "--timeout", "1", "x")
    assert (ran.code, ran.out) == (124, "")
    assert told in ran.err


def interrupted(tmp_path: Path, control_socket: Path, *events: dict[str, Any]) -> "tuple[int, str]":
    """Press Ctrl-C once these events were shown; the last one must be the beginning of a text."""
    ours, theirs = os.pipe()
    children: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", SUBMITTED)
        for each in events:
            client.event(each)
        os.read(ours, 100)
        children.get().send_signal(signal.SIGINT)
        client.wait_until_gone()

    follow = start(tmp_path, "submit", "--follow", "x", stdout=theirs)
    with scripted_daemon(control_socket, script), follow as child:
        os.close(theirs)
        children.put(child)
        assert child.stderr is not None
        errors = child.stderr.read()
    os.close(ours)
    return child.returncode, errors.decode()


def test_ctrl_c_says_how_to_stop_the_turn(tmp_path: Path, control_socket: Path) -> None:
    """The prompt goes on without us."""
    code, errors = interrupted(tmp_path, control_socket, STARTED, delta(0, "for"))
    assert code == 130
    assert f"see it:  concordiactl show {PROMPT}\n" in errors
    assert f"stop it: concordiactl interrupt --turn {TURN}\n" in errors


def test_a_lost_connection_names_the_prompt(tmp_path: Path, control_socket: Path) -> None:
    """What became of it can be asked when the daemon is back."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", SUBMITTED)

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", "--wait", "x", "--reconnect", "0")
    assert (ran.code, ran.out) == (69, "")
    assert f"once the daemon is back: concordiactl show {PROMPT}\n" in ran.err


def test_an_answer_does_not_rewrite_the_screen(tmp_path: Path, control_socket: Path) -> None:
    """The agent repeats what it has read, so its text may hold anything."""
    with scripted_daemon(control_socket, taking(finished(answer="\x1b]0;owned\x07\x9b2J"))):
        assert run(tmp_path, "submit", "--wait", "x").out == "␛]0;owned␇<9B>2J\n"


def test_json_escapes_what_would_rewrite_the_screen(tmp_path: Path, control_socket: Path) -> None:
    """It means the same to a program."""
    result = {"prompt": prompt(text="\x9b2J \u202e ü"), "turn": None}
    with scripted_daemon(control_socket, submitting(result, PLAIN | {"text": "x"})):
        ran = run(tmp_path, "-o", "json", "submit", "x")
    assert "\\u009b2J \\u202e ü" in ran.out
    assert result == json.loads(ran.out)


def test_progress_is_taken_away_from_a_terminal(tmp_path: Path, control_socket: Path) -> None:
    """The place in the queue is shown while we wait, and only the answer stays."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", {"prompt": prompt(place=3), "turn": None})
        client.event(event("turn.started", turn=told(running_turn(id="other", prompts=["other"]))))
        client.answer("prompt.get", {"prompt": prompt(place=2), "turn": None})
        client.event(STARTED)
        client.event(finished())
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        ran = run_on_terminal(tmp_path, "submit", "--wait", "x", NO_COLOR="1")
    assert "waits at place 2" in ran.out
    assert ran.out.rpartition("\x1b[K")[2] == "forty-two\n"


def test_a_rehearsal_is_never_taken_for_a_model(tmp_path: Path, control_socket: Path) -> None:
    """Whoever waits is told that no model answers."""
    rehearsed = event("turn.started", turn=told(running_turn()), rehearsal=True)
    with scripted_daemon(control_socket, taking(rehearsed, finished())):
        assert "no model is asked" in run(tmp_path, "submit", "--wait", "x").err


def test_an_agent_that_ends_is_told_of(tmp_path: Path, control_socket: Path) -> None:
    """It explains why it takes so long."""
    ended = event("agent.exited", incarnation="i", code=None, signal="SIGKILL", reason="killed", next_attempt_s=2.0)
    with scripted_daemon(control_socket, taking(ended, finished())):
        ran = run(tmp_path, "submit", "--wait", "x")
    assert ran.err == "the agent ended: killed; it is started again in 2.0s\n"


def test_a_name_is_made_harmless(tmp_path: Path, control_socket: Path) -> None:
    """Names are other people's text as well."""
    by = ADA | {"name": "\x1b[2Jada"}
    with scripted_daemon(control_socket, taking(event("prompt.cancelled", prompt=prompt(), by=by))):
        assert "\x1b" not in run(tmp_path, "submit", "--wait", "x").err


def joined(text: str = "what's the answer?") -> dict[str, Any]:
    """Make the event that our prompt, ada's, is merged with bob's, who has asked this."""
    ours = prompt(merge=merge("near", 0.968, asked=text) | {"leader": "b"})
    first = {"id": "b", "author": BOB, "text": text}
    return event("prompt.merged", **{"prompt": ours, "with": [first], "stage": "near", "similarity": 0.968}, asked=text)


MERGED = "⇉ one turn with bob’s (nearly the same words, 97%); asked is: what's the answer?\n"


@pytest.mark.parametrize("how", ["--wait", "--follow"])
def test_a_merge_is_told_beside_the_answer(tmp_path: Path, control_socket: Path, how: str) -> None:
    """Whoever gets the answer to somebody else's words is told whose, and which."""
    apart = event("prompt.split", **{"prompt": prompt(), "from": ["b"], "by": None, "reason": "bob has left"})
    with scripted_daemon(control_socket, taking(joined(), apart, STARTED, TEXT, finished())):
        ran = run(tmp_path, "submit", how, "x")
    assert ran == (0, "forty-two\n", f"{MERGED}⇇ has a turn of its own again: bob has left\n")


def test_a_merge_is_told_on_a_terminal(tmp_path: Path, control_socket: Path) -> None:
    """Above the line that is written over."""
    with scripted_daemon(control_socket, taking(joined(), STARTED, finished())):
        ran = run_on_terminal(tmp_path, "submit", "--wait", "x", NO_COLOR="1")
    assert MERGED in ran.out
    assert ran.out.endswith("forty-two\n")


def test_a_program_is_told_of_a_merge_by_the_prompt(tmp_path: Path, control_socket: Path) -> None:
    """The object of the contract has it; nothing is said beside it."""
    shared = prompt(state="answered", turn=TURN, merge=merge("near", 0.968))

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", SUBMITTED)
        for each in (joined(), STARTED, finished()):
            client.event(each)
        client.answer("prompt.get", {"prompt": shared, "turn": finished_turn(), "merged": []})

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", "--wait", "x", "-o", "json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == {"prompt": shared, "turn": finished_turn()}


def test_a_key_that_was_merged_says_so(tmp_path: Path, control_socket: Path) -> None:
    """Whoever comes back to a prompt was told of no event."""
    shared = prompt(merge=merge("near", 0.968, asked="what's the answer?") | {"leader": "b"})
    first = sharer("first", prompt="b", author=BOB, text="what's the answer?")

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.submit", {"prompt": shared, "turn": None})
        got = {"prompt": shared, "turn": None, "merged": [first, sharer("near", 0.968)]}
        assert client.answer("prompt.get", got) == {"room": "main", "id": PROMPT}
        for each in (joined(), STARTED, finished()):
            client.event(each)
        client.wait_until_gone()

    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "submit", "--wait", "--key", "k", "x") == (0, "forty-two\n", MERGED)
