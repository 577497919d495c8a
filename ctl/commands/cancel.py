"""`cancel`: withdraw a prompt that waits."""

import click

from ctl.printing import print_result
from ctl.settings import Command, Settings, complete_waiting


@click.command(
    cls=Command,
    examples=(
        ("concordiactl cancel 01932f", "The beginning of an id is enough, where no other begins so."),
        ("concordiactl queue -o json | jq -r '.prompts[].id' | xargs -n1 concordiactl cancel", "All that wait."),
    ),
)
@click.argument("id", shell_complete=complete_waiting)
@click.pass_obj
def cancel(settings: Settings, id: str) -> None:  # noqa: A002  # click names it for the person
    """
    Withdraw a prompt that waits.

    One that runs is stopped by `interrupt`.
    """
    with settings.connect() as connection:
        result = connection.call("prompt.cancel", room=settings.room_name, id=id)
    print_result(settings, result, f"cancelled prompt {result['prompt']['id']}")
