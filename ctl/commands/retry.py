"""`retry`: ask a prompt again that came to nothing."""

import click

from ctl.printing import print_result
from ctl.settings import Command, Settings, complete_past


@click.command(
    cls=Command,
    examples=(
        ("concordiactl retry 01932f", "Ask it again; prints the id of the new prompt."),
        ("concordiactl retry --key again-01932f 01932f", "The same, however often it is called."),
    ),
)
@click.argument("id", shell_complete=complete_past)
@click.option("--key", help="Make a second try harmless: the same key is the same new prompt.")
@click.pass_obj
def retry(settings: Settings, id: str, key: str | None) -> None:  # noqa: A002  # click names it for the person
    """
    Ask a prompt again that failed, expired, was cancelled, or is uncertain.

    It becomes a new prompt of yours, which names the old one. Look first whether an uncertain one was done.
    """
    more = {} if key is None else {"key": key}
    with settings.connect() as connection:
        result = connection.call("prompt.retry", room=settings.room_name, id=id, **more)
    print_result(settings, result, result["prompt"]["id"])
