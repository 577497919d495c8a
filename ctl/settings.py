"""What the global options say, which every command takes before or after its own name."""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import click

from ctl.connection import Connection

DEFAULT_ROOM: Final = "main"
LONGEST_S: Final = 366 * 86400.0
"""The wire's own longest time, whose module is too heavy to be imported for it; a test holds the two together."""


class Settings(NamedTuple):
    """The global options; None where one was not given."""

    socket: str | None = None
    room: str | None = None
    output: str | None = None

    @property
    def room_name(self) -> str:
        """The room that a command is about."""
        return self.room or DEFAULT_ROOM

    @property
    def is_json(self) -> bool:
        """Whether the output is for programs."""
        return self.output == "json"

    def connect(
        self, path: str | None = None, timeout_s: float | None = None, deadline: float = math.inf
    ) -> Connection:
        """
        Connect to the daemon, or to the one at that socket again, within so many seconds.

        After the deadline, a time of `time.monotonic`, none of its answers is waited for any more.

        Raises:
            Failure: none accepts.
        """
        import os

        from ctl.lines import LineStream
        from ctl.sockets import candidates, connect

        paths = [path] if path else candidates(self.socket, os.environ)
        return Connection(LineStream(*connect(paths, timeout_s)), deadline)

    def command(self, *words: str) -> str:
        """Write a command that a person can type to go on, at the same daemon and in the same room."""
        from shlex import join

        options = ["--socket", self.socket] if self.socket else []
        options += ["--room", self.room] if self.room not in (None, DEFAULT_ROOM) else []
        return join(["concordiactl", *options, *(word for word in words if word)])


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value == "":
        # A script's unset "$ROOM" must not land in another room than the one that was meant.
        raise click.UsageError(f"--{parameter.name} is empty: say which one, or leave the option out", context)
    if value is not None and parameter.name is not None:
        context.obj = context.find_object(Settings)._replace(**{parameter.name: value})  # type: ignore[union-attr]


def _completer(name: str) -> Callable[[click.Context, click.Parameter, str], Any]:
    """Look a completing function up when a shell asks for it: no other call imports what it needs."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
        from ctl import completing

        return getattr(completing, f"complete_{name}")(context, parameter, incomplete)

    return complete


complete_room = _completer("room")
complete_waiting = _completer("waiting")
complete_past = _completer("past")
complete_running = _completer("running")
complete_any = _completer("any")
complete_approval = _completer("approval")
complete_invite = _completer("invite")
complete_guest = _completer("guest")
complete_author = _completer("author")
complete_agent = _completer("agent")


OUTPUTS: Final = ("text", "json")


def global_options(outputs: tuple[str, ...] = OUTPUTS) -> list[click.Option]:
    """Make the options that the group and every command have in common; some commands know more outputs."""
    common: dict[str, Any] = {"expose_value": False, "callback": _remember}
    return [
        # Whether it may be used is found out by connecting, which has an exit code of its own.
        click.Option(
            ["--socket"],
            metavar="PATH",
            type=click.Path(readable=False),
            help="The daemon's control socket.",
            **common,
        ),
        click.Option(
            ["--room"],
            metavar="NAME",
            help=f"The room (default: {DEFAULT_ROOM}).",
            shell_complete=complete_room,
            **common,
        ),
        click.Option(["-o", "--output"], type=click.Choice(outputs), help="For people, or for programs.", **common),
    ]


class WholeNumber(click.IntRange):
    """A whole number, which is refused in words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number", param, ctx)
        if self.min is not None and number < self.min:
            self.fail(f"{number} is too small: {self.min:g} at least", param, ctx)
        if self.max is not None and number > self.max:
            self.fail(f"{number} is too large: {self.max:g} at most", param, ctx)
        return number


def read_duration(text: str, least_s: float = 0.001) -> float:
    """
    Read the value of an option that takes a duration, of at least so many seconds.

    Raises:
        BadParameter: it is none, or none that anybody can mean.
    """
    from ctl.quantities import parse_duration

    try:
        seconds = parse_duration(text, may_be_zero=least_s == 0)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds < least_s:
        raise click.BadParameter(f"{text!r} is too short: {least_s:g}s at least")
    if seconds > LONGEST_S:
        raise click.BadParameter(f"{text!r} is too long: {LONGEST_S / 86400:g}d at most")
    return seconds


def _read_patience(text: str) -> float:
    return read_duration(text, least_s=0)


reconnect_option = click.option(
    "--reconnect",
    type=_read_patience,
    metavar="DURATION",
    default="60s",
    show_default=True,
    help="How long the daemon may be away, as in a restart, before this ends; 0: not at all.",
)


def waiting_options(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command wait for the turn of the prompt that it hands in: `wait`, `follow`, `timeout` and `reconnect`."""
    help_of_timeout = "Stop waiting after this time; the prompt goes on."
    options = (
        click.option("--wait", is_flag=True, help="Wait until its turn ends, and print the answer."),
        click.option("--follow", is_flag=True, help="Wait, and print the answer as it comes."),
        click.option("--timeout", type=read_duration, metavar="DURATION", help=help_of_timeout),
        reconnect_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


def will_wait(*, wait: bool, follow: bool, timeout: float | None) -> bool:
    """
    Tell whether these say to wait.

    Raises:
        UsageError: they do not, but say for how long.
    """
    if timeout is not None and not (wait or follow):
        raise click.UsageError("--timeout is about waiting: give --wait or --follow with it")
    return wait or follow


Examples = tuple[tuple[str, str], ...]
"""Command lines, each with what it does."""


def write_examples(formatter: click.HelpFormatter, examples: Examples) -> None:
    """Write the examples at the end of a help page."""
    if examples:
        with formatter.section("Examples"):
            for line, meaning in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
                formatter.indent()
                formatter.write_text(meaning)
                formatter.dedent()


class Command(click.Command):
    """A command that takes the global options as well, and teaches by examples."""

    def __init__(
        self, *arguments: Any, examples: Examples = (), outputs: tuple[str, ...] = OUTPUTS, **attributes: Any
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = examples
        self.params.extend(global_options(outputs))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)


class Group(click.Group):
    """A group of commands that takes the global options, teaches by examples, and knows what may have been meant."""

    def __init__(self, *arguments: Any, examples: Examples = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = examples
        self.params.extend(global_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed, or say which one may have been meant."""
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            if ctx.resilient_parsing:
                # Whoever presses Tab behind a slip is not told of it; but nothing can stand there.
                return name, click.Command(name, add_help_option=False), args[1:]
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            meant = f": did you mean {near[0]!r}?" if near else f": there are {', '.join(known)}"
            raise click.UsageError(f"there is no command {name!r}{meant}", ctx)
        return super().resolve_command(ctx, args)
