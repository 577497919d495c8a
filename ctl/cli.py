"""The table of commands; each is imported when it is used, so that one starts fast however many there are."""

from importlib import import_module
from typing import Final

import click

from ctl.settings import Settings, global_options

COMMANDS: Final = {
    "submit": "ctl.commands.submit",
    "tail": "ctl.commands.tail",
    "status": "ctl.commands.status",
    "queue": "ctl.commands.queue",
    "show": "ctl.commands.show",
    "cancel": "ctl.commands.cancel",
    "history": "ctl.commands.history",
    "interrupt": "ctl.commands.interrupt",
    "approvals": "ctl.commands.approvals",
    "approve": "ctl.commands.approve",
    "deny": "ctl.commands.approve",
}


class Commands(click.Group):
    """The group of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed, or say which one may have been meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            meant = f": did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}{meant}", ctx)
        return super().resolve_command(ctx, args)


def _show_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from concordiad import __version__

        click.echo(f"concordiactl {__version__}")
        context.exit()


def make_cli() -> click.Group:
    """Make the program's command."""
    version = click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
    )
    return Commands(
        "concordiactl",
        params=[*global_options(), version],
        help="Share one Claude Code session with other people, through a concordiad.",
        context_settings={"help_option_names": ["-h", "--help"], "obj": Settings(), "max_content_width": 100},
    )
