"""The shortest way of `submit`: it reads what click reads, or leaves it to click."""

from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctl.cli import make_cli
from ctl.commands.submit import submit
from ctl.quick import understand
from ctl.settings import Settings
from tests.ctl.program import run
from tests.ctl.samples import PROMPT, prompt
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

PIECES = """
    submit --socket --socket=/s /s --room --room=lab --room= lab -o -o=text -otext text json --output
    --output=text --output=json --key --key=k --key=-k k --priority --priority=low low high urgent --alone --alone=x
    --raw -- - --wait --nonsense --roo -z x y=z tail --help
"""


def read_by_click(arguments: list[str]) -> tuple[Settings, dict[str, Any]] | None:
    """Tell what the command would be called with; None if click refuses, or is asked for something else."""
    seen: list[tuple[Settings, dict[str, Any]]] = []

    def callback(**params: Any) -> None:
        settings = click.get_current_context().find_object(Settings)
        assert settings is not None
        seen.append((settings, params))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submit, "callback", callback)
        cli = make_cli()
        try:
            with cli.make_context("concordiactl", list(arguments)) as context:
                cli.invoke(context)
        except (click.ClickException, click.exceptions.Exit):
            return None
    return seen[0] if seen else None


SOME = st.lists(st.sampled_from([*PIECES.split(), "", "\udcff"]), max_size=4)


@settings(max_examples=1000)
@given(SOME, SOME)
def test_both_ways_read_the_same(before: list[str], behind: list[str]) -> None:
    """Whatever is read here, click reads too, and in the same way."""
    arguments = [*before, "submit", *behind]
    understood = understand(arguments)
    if understood is None:
        return
    options, words = understood
    read = read_by_click(arguments)
    assert read is not None
    common, params = read
    assert (common.socket, common.room) == (options.pop("socket", None), options.pop("room", None))
    assert common.output in (None, "text")
    given_to_click = {name: value for name, value in params.items() if value not in (None, False)}
    assert given_to_click.pop("text") == words
    del given_to_click["reconnect"]
    assert given_to_click == options


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit"],
        ["submit", "-"],
        ["submit", "a", "b"],
        ["--socket", "/s", "--room=lab", "submit", "x", "-o", "text"],
        ["submit", "--key", "k", "--priority", "low", "--alone", "--raw", "--", "-x"],
    ],
)
def test_what_scripts_do_goes_the_short_way(arguments: list[str]) -> None:
    """Otherwise it would be for nothing."""
    assert understand(arguments) is not None


@pytest.mark.parametrize(
    "arguments", [["submit", "x", "-o", "json"], ["submit", "--wait", "x"], ["status"], ["submit", "--help"], []]
)
def test_everything_else_is_left_to_click(arguments: list[str]) -> None:
    """Nothing of it is understood here."""
    assert understand(arguments) is None


@given(st.text())
def test_a_prompt_is_written_as_json(text: str) -> None:
    """Whatever is in it, and in one line."""
    import json

    from ctl.quick import _literal

    written = _literal(text)
    assert text == json.loads(written)
    assert "\n" not in written


def answering(line: str) -> Script:
    """Take a prompt and answer with this line."""

    def script(client: Client) -> None:
        client.request("prompt.submit")
        client.line(line)

    return script


@pytest.mark.parametrize(
    "line",
    [
        f'{{"jsonrpc": "2.0", "id": 1, "result": {{"prompt": {{"id": "{PROMPT}"}}, "turn": null}}}}',
        f'{{"jsonrpc":"2.0","id":1,"result":{{"turn":null,"prompt":{{"state":"waiting","id":"{PROMPT}"}}}}}}',
        f'{{"jsonrpc":"2.0","id":1,"result":{{"prompt":{{"id":"\\u0030{PROMPT[1:]}"}}}}}}',
    ],
)
def test_an_answer_may_look_otherwise(tmp_path: Path, control_socket: Path, line: str) -> None:
    """A daemon that writes its JSON in another manner is understood."""
    with scripted_daemon(control_socket, answering(line)):
        assert (0, f"{PROMPT}\n", "") == run(tmp_path, "submit", "x")


@pytest.mark.parametrize("line", ["hello", "[]", '{"jsonrpc":"2.0","id":1,"result":{"prompt":{"id":"'])
def test_an_answer_that_is_none_is_told(tmp_path: Path, control_socket: Path, line: str) -> None:
    """In a sentence."""
    with scripted_daemon(control_socket, answering(line)):
        ran = run(tmp_path, "submit", "x")
    assert (ran.code, ran.out) == (1, "")
    assert f"the daemon at {control_socket} " in ran.err
    assert "Traceback" not in ran.err


def test_characters_arrive_as_they_were_typed(tmp_path: Path, control_socket: Path) -> None:
    """Quotes, backslashes, line ends, and what needs four bytes."""
    text = 'say "hi"\\\n\t\x7f\u2028 \U0001f600 ü'

    def script(client: Client) -> None:
        assert client.answer("prompt.submit", {"prompt": prompt(), "turn": None})["text"] == text

    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "submit", text).code == 0
