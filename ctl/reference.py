"""`python -m ctl.reference > docs/cli.md`: the manual of the command line, from the same words as its help."""

import inspect
import re
from collections.abc import Iterator

import click

from concordiad.core.codes import (
    EXIT_CTRL_C,
    EXIT_DONE,
    EXIT_FAILURE,
    EXIT_NO_DAEMON,
    EXIT_NOT_ALLOWED,
    EXIT_NOT_COMPLETED,
    EXIT_NOT_NOW,
    EXIT_TIMED_OUT,
    EXIT_USAGE,
)
from ctl.cli import make_cli
from ctl.program import PROGRAM
from ctl.settings import Command, Group, global_options

INTRODUCTION = f"""\
# {PROGRAM}

<!-- Made by `python -m ctl.reference > docs/cli.md`; a test sees to it that it is up to date. -->

{PROGRAM} talks to a running `concordiad` through its control socket: the one that `--socket` or `$CONCORDIA_SOCKET`
names, else the person's own (`$XDG_RUNTIME_DIR/concordia/control.sock`, or `run/control.sock` in the state directory),
else the system's (`/run/concordia/control.sock`).

Standard output carries the data, standard error the rest. Colour and progress are for terminals only, and `NO_COLOR` is
honoured. An id may be shortened as long as no other begins like it. `{PROGRAM} completion` teaches a shell to complete
commands, options, rooms and ids; `{PROGRAM} COMMAND --help` says what stands here.
"""

EXIT_CODES = {
    EXIT_DONE: "done",
    EXIT_FAILURE: "another failure",
    EXIT_USAGE: "the command line makes no sense",
    EXIT_NOT_COMPLETED: "the turn ended in anything but `completed`",
    EXIT_NOT_ALLOWED: "not allowed",
    EXIT_NO_DAEMON: "no daemon is there, or it stayed away, or the room is gone",
    EXIT_NOT_NOW: "not now: the queue is full, or the room is paused; try again later",
    EXIT_TIMED_OUT: "our own patience is over; a prompt that was handed in goes on",
    EXIT_CTRL_C: "Ctrl-C here",
}


def every_command(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Give a command and all that are below it, each with the words that name it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from every_command(below, (*path, name))


def write() -> str:
    """Write the manual."""
    cli = make_cli()
    parts = [INTRODUCTION, _options("Options of every command", global_options()), _exit_codes()]
    parts += [_section(path, command) for path, command in every_command(cli) if path]
    return "\n".join(parts)


def _section(path: tuple[str, ...], command: click.Command) -> str:
    parent: click.Context | None = None
    for name in (PROGRAM, *path[:-1]):
        parent = click.Context(make_cli(), info_name=name, parent=parent)
    context = click.Context(command, info_name=path[-1], parent=parent)
    usage = " ".join([PROGRAM, *path, *command.collect_usage_pieces(context)])
    lines = [f"{'#' * (len(path) + 1)} {' '.join(path)}\n\n```\n{usage}\n```\n", _prose(command.help or "")]
    if isinstance(command, click.Group):
        below = [(f"`{' '.join([*path, name])}`", command.get_command(context, name)) for name in command.commands]
        rows = "".join(f"| {name} | {found.get_short_help_str(200)} |\n" for name, found in below if found)
        lines.append(f"| command | what it does |\n| --- | --- |\n{rows}")
    own = [option for option in command.params if isinstance(option, click.Option) and option.expose_value]
    if own:
        lines.append(_options("", own))
    examples = command.examples if isinstance(command, Command | Group) else ()
    if examples:
        shown = "\n\n".join(f"# {meaning}\n{line}" for line, meaning in examples)
        lines.append(f"```sh\n{shown}\n```\n")
    return "\n".join(lines)


def _prose(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(re.sub(r"\s+", " ", paragraph) for paragraph in paragraphs) + "\n"


def _options(title: str, options: list[click.Option]) -> str:
    heading = f"## {title}\n\n" if title else ""
    rows = []
    for option in options:
        record = option.get_help_record(click.Context(click.Command("")))
        if record is not None:
            names, meaning = (re.sub(r" *\[x>=\d+\]", "", part).replace("|", "\\|") for part in record)
            rows.append(f"| `{names}` | {_prose(meaning).strip()} |\n")
    return f"{heading}| option | what it does |\n| --- | --- |\n{''.join(rows)}"


def _exit_codes() -> str:
    rows = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    return f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{rows}"


if __name__ == "__main__":
    click.echo(write(), nl=False)
