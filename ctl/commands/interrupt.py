"""`interrupt`: stop the running turn."""

import click

from ctl.printing import print_result
from ctl.settings import Command, Settings, complete_running


@click.command(
    cls=Command,
    examples=(
        ("concordiactl interrupt", "Stop whatever runs in the room main."),
        ("concordiactl interrupt --turn 01932f", "Only if it is still that turn: nobody else's is hit."),
    ),
)
@click.option("--turn", metavar="ID", shell_complete=complete_running, help="Only if it is still this turn.")
@click.pass_obj
def interrupt(settings: Settings, turn: str | None) -> None:
    """Stop the running turn."""
    params = {} if turn is None else {"turn": turn}
    with settings.connect() as connection:
        result = connection.call("turn.interrupt", room=settings.room_name, **params)
    print_result(settings, result, f"interrupted turn {result['turn']['id']}")
