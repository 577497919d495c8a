"""`approvals`: what the agent waits for people to decide."""

import time

import click

from ctl.asking import answering, describe, heading
from ctl.printing import print_result
from ctl.screen import Screen, indent
from ctl.settings import Command, Settings


@click.command(cls=Command)
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
    entries = []
    for approval in () if settings.is_json else result["approvals"]:
        approve, deny = (settings.command(word, approval["id"]) for word in ("approve", "deny"))
        more = f"{describe(approval)}\n{answering(approval, approve, deny)}"
        entries.append(f"{out.style(approval['id'], 'bold')}  {heading(out, approval, now)}\n{indent(more, 2)}\n")
    print_result(settings, result, "\n".join(entries))
