"""`kick`: remove a guest."""

import click

from ctl.harmless import first_line
from ctl.printing import print_result
from ctl.quantities import plural
from ctl.screen import Screen
from ctl.settings import Command, Settings, complete_guest


@click.command(
    cls=Command,
    examples=(
        ("concordiactl kick ada", "By name, where only one has it."),
        ("concordiactl kick 01932f --reason 'see you on Monday'", "By id, as `guests` shows it."),
    ),
)
@click.argument("who", shell_complete=complete_guest)
@click.option("--reason", help="What the others read about it.")
@click.pass_obj
def kick(settings: Settings, who: str, reason: str | None) -> None:
    """
    Put a guest out within a second; their way back in is closed.

    An invite that has uses left stays open, and anybody who has its link may still use it: `invite revoke` ends that.
    """
    with settings.connect() as connection:
        result = connection.call("guest.kick", room=settings.room_name, id=who, reason=reason)
    ended = plural(result["closed"], "connection was", "connections were")
    text = f"removed {first_line(result['guest']['name'])}; {ended if result['closed'] else 'no connection was'} closed"
    print_result(settings, result, text)
    if result["invite"]["state"] == "open":
        revoke = settings.command("invite", "revoke", result["invite"]["id"])
        Screen.err().line(f"the invite has uses left, also for whoever was removed; end it: {revoke}")
