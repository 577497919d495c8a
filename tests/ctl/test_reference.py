"""The manual of the command line."""

import re
import shlex

import click
import pytest

from ctl.cli import make_cli
from ctl.program import PROGRAM
from ctl.reference import EXIT_CODES, every_command, write
from ctl.settings import Command, Group
from tests.ctl.program import ROOT


def test_the_manual_is_up_to_date() -> None:
    """If not: `python -m ctl.reference > docs/cli.md`."""
    assert write() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_has_its_section() -> None:
    """With the words that name it."""
    sections = {line.lstrip("# ") for line in write().splitlines() if line.startswith("#")}
    assert {" ".join(path) for path, _ in every_command(make_cli()) if path} <= sections


def test_every_exit_code_is_explained() -> None:
    """Each that the table of codes can give, and our own."""
    from concordiad.core import codes

    ours = {value for name, value in vars(codes).items() if name.startswith("EXIT_") and isinstance(value, int)}
    assert set(EXIT_CODES) == ours - {codes.EXIT_CONFIG}


EXAMPLES = [
    line
    for _, command in every_command(make_cli())
    if isinstance(command, Command | Group)
    for line, _ in command.examples
]


def test_every_command_teaches_by_examples() -> None:
    """Its help ends with some."""
    silent = [path for path, command in every_command(make_cli()) if not getattr(command, "examples", ())]
    assert silent == []


@pytest.mark.parametrize("line", [line for line in EXAMPLES if "COMMAND" not in line])
def test_an_example_is_a_line_that_we_take(line: str) -> None:
    """Each call in it names a command, and arguments that this has."""
    calls = re.findall(rf"{PROGRAM} [^|)<>]*", re.sub(r"\$\([^)]*\)", "x", line))
    assert calls
    for call in calls:
        try:
            words = shlex.split(call)[1:]
        except ValueError:  # it stands in the quotes of an echo
            words = shlex.split(call.replace("'", ""))[1:]
        _parse(make_cli(), words if "xargs" not in line or words[-1] != "cancel" else [*words, "01932f"])


def _parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Read the words as click would before it calls the command; UsageError if they make no sense."""
    context = command.make_context(command.name, words, parent=parent)
    if isinstance(command, click.Group):
        _, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert below is not None
        _parse(below, rest, context)
