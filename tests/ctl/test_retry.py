"""`retry`, alone and with what becomes of the new prompt."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import run
from tests.ctl.samples import LISTENING, PROMPT, TURN, delta, event, finished_turn, prompt, running_turn, told
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

NEW = "01932f00-0000-7000-8000-000000000002"
ASKED = {"prompt": prompt(id=NEW, retry_of=PROMPT), "turn": None}
STARTED = event("turn.started", turn=told(running_turn(prompts=[NEW])))
TEXT = event("agent.text", turn=TURN, block=0, text="forty-two")


def finished(**changes: Any) -> dict[str, Any]:
    """Make the event that ends the new prompt's turn."""
    return event("turn.finished", turn=told(finished_turn(prompts=[NEW], **changes)), by=None)


def retrying(expected: dict[str, Any], *events: dict[str, Any]) -> Script:
    """Listen, take a request to ask again that must have these params, and let this happen."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        assert expected == client.answer("prompt.retry", ASKED)
        for each in events:
            client.event(each)
        client.wait_until_gone()

    return script


@pytest.mark.parametrize(("words", "params"), [((), {}), (("--key", "k"), {"key": "k"})])
def test_the_new_prompts_id_is_printed(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, str]
) -> None:
    """Alone, as `submit` does."""

    def script(client: Client) -> None:
        assert {"room": "main", "id": PROMPT, **params} == client.answer("prompt.retry", ASKED)

    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "retry", PROMPT, *words) == (0, f"{NEW}\n", "")


@pytest.mark.parametrize(("words", "params"), [(("--wait",), {}), (("--follow", "--key", "k"), {"key": "k"})])
def test_the_new_prompt_is_waited_for(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, str]
) -> None:
    """Its answer is printed, whole or as it comes."""
    script = retrying({"room": "main", "id": PROMPT, **params}, STARTED, delta(0, "forty"), TEXT, finished())
    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "retry", PROMPT, *words) == (0, "forty-two\n", "")


def test_what_comes_to_nothing_again_has_the_same_exit_code(tmp_path: Path, control_socket: Path) -> None:
    """As with `submit`."""
    script = retrying({"room": "main", "id": PROMPT}, finished(answer=None, outcome="failed", reason="because"))
    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "retry", "--wait", PROMPT)
    assert (3, "", f"concordiactl: the turn failed: because\n  see it: concordiactl show {TURN}\n") == ran


def test_json_ends_with_the_new_prompt_and_its_turn(tmp_path: Path, control_socket: Path) -> None:
    """The old one is named in it."""
    end = {"prompt": prompt(id=NEW, retry_of=PROMPT, state="answered", turn=TURN), "turn": finished_turn()}

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        client.answer("prompt.retry", ASKED)
        client.event(finished())
        assert client.answer("prompt.get", end) == {"room": "main", "id": NEW}

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "-o", "json", "retry", "--wait", PROMPT)
    assert json.loads(ran.out) == end


def test_a_time_to_wait_without_waiting_is_a_slip(tmp_path: Path) -> None:
    """It is told before anybody is asked."""
    ran = run(tmp_path, "retry", "--timeout", "5m", PROMPT)
    assert (ran.code, ran.out) == (2, "")
    assert "give --wait or --follow" in ran.err
