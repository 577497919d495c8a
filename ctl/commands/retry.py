"""`retry`: ask a prompt again that came to nothing; with --wait or --follow, see it through to its end."""

from typing import Any

import click

from ctl.printing import print_result
from ctl.settings import Command, Settings, complete_past, waiting_options, will_wait


@click.command(
    cls=Command,
    examples=(
        ("concordiactl retry 01932f", "Ask it again; prints the id of the new prompt."),
        ("concordiactl retry --follow 01932f", "Ask it again, and see the answer as it comes."),
        ("concordiactl retry --key again-01932f 01932f", "The same, however often it is called."),
    ),
)
@click.argument("id", shell_complete=complete_past)
@waiting_options
@click.option("--key", help="Make a second try harmless: the same key is the same new prompt.")
@click.pass_obj
def retry(
    settings: Settings,
    id: str,  # noqa: A002  # click names it for the person
    wait: bool,
    follow: bool,
    timeout: float | None,
    reconnect: float,
    key: str | None,
) -> None:
    """
    Ask a prompt again that failed, expired, was cancelled, or is uncertain.

    ID is a prompt's, or that of a turn with one prompt.

    It becomes a new prompt of yours, which names the old one. Look first whether an uncertain one was done. A
    DURATION is 90, 90s, 5m, 2h or 1d.
    """
    params: dict[str, Any] = {"room": settings.room_name, "id": id} | ({} if key is None else {"key": key})
    if will_wait(wait=wait, follow=follow, timeout=timeout):
        from ctl.following import submit_and_wait

        submit_and_wait(settings, "prompt.retry", params, timeout, reconnect, is_streaming=follow)
        return
    with settings.connect() as connection:
        result = connection.call("prompt.retry", **params)
    print_result(settings, result, result["prompt"]["id"])
