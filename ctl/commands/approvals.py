"""`approvals`: what the agent waits for people to decide."""

import time

import click

from ctl.asking import announcement
from ctl.printing import print_result
from ctl.screen import Screen
from ctl.settings import Command, Settings


@click.command(
    cls=Command,
    examples=(
        ("concordiactl approvals", "What the agent wants, and what to type."),
        ("concordiactl approvals -o json | jq -r '.approvals[].tool'", "For a program."),
    ),
)
@click.pass_obj
def approvals(settings: Settings) -> None:
    """List what the agent asks to be allowed, and its questions."""
    with settings.connect() as connection:
        result = connection.call("approval.list", room=settings.room_name)
    if not result["approvals"] and not settings.is_json:
        Screen.err().line(f"nothing waits for an answer in room {settings.room_name}")
        return
    out = Screen.out()
    now = time.time()
    entries = [
        f"{out.style(approval['id'], 'bold')}  {announcement(out, approval, now, settings.command)}\n"
        for approval in result["approvals"]
    ]
    print_result(settings, result, "\n".join(entries))
