"""The table of commands; each is imported when it is used, so that one starts fast however many there are."""

from importlib import import_module
from typing import Final

import click

from ctl.settings import Group, Settings

COMMANDS: Final = {
    "submit": "ctl.commands.submit",
    "tail": "ctl.commands.tail",
    "status": "ctl.commands.status",
    "queue": "ctl.commands.queue",
    "show": "ctl.commands.show",
    "cancel": "ctl.commands.cancel",
    "split": "ctl.commands.split",
    "retry": "ctl.commands.retry",
    "history": "ctl.commands.history",
    "interrupt": "ctl.commands.interrupt",
    "approvals": "ctl.commands.approvals",
    "approve": "ctl.commands.approve",
    "deny": "ctl.commands.approve",
    "room": "ctl.commands.room",
    "invite": "ctl.commands.invite",
    "guests": "ctl.commands.guests",
    "kick": "ctl.commands.kick",
    "join": "ctl.commands.join",
    "logs": "ctl.commands.logs",
    "export": "ctl.commands.export",
    "stats": "ctl.commands.stats",
    "doctor": "ctl.commands.doctor",
    "setup": "ctl.commands.setup",
    "journal": "ctl.commands.journal",
    "completion": "ctl.commands.completion",
}


class Commands(Group):
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


def _show_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not context.resilient_parsing:
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
        params=[version],
        examples=(
            ('concordiactl submit --wait "What is in this directory?"', "Ask, and wait for the answer."),
            ("concordiactl tail", "See what everybody asks and what the agent does."),
            ("concordiactl COMMAND --help", "Learn more about a command."),
        ),
        help="Share one Claude Code session with other people, through a concordiad.",
        context_settings={"help_option_names": ["-h", "--help"], "obj": Settings(), "max_content_width": 100},
    )
