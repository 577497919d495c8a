"""`split`: give a waiting prompt a turn for itself."""

import click

from ctl.printing import print_result
from ctl.settings import Command, Settings, complete_waiting


@click.command(
    cls=Command,
    examples=(
        ("concordiactl queue", "See what waits, and what was merged with what."),
        ("concordiactl split 01932f", "The beginning of an id is enough, where no other begins so."),
    ),
)
@click.argument("id", shell_complete=complete_waiting)
@click.pass_obj
def split(settings: Settings, id: str) -> None:  # noqa: A002  # click names it for the person
    """
    Give a prompt that waits a turn for itself.

    It is taken out of those that were merged, and is never merged again. To begin with, `submit --alone`.
    """
    with settings.connect() as connection:
        result = connection.call("prompt.split", room=settings.room_name, id=id)
    prompt = result["prompt"]
    print_result(settings, result, f"prompt {prompt['id']} has a turn for itself, place {prompt['place']}")
