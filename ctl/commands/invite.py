"""`invite`: links by which others come into a room."""

import time
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import click

from ctl.connection import Connection
from ctl.harmless import first_line, harmless
from ctl.people import expiry_of, role_of, uses_of
from ctl.printing import print_result
from ctl.quantities import plural, relative, unix_time
from ctl.screen import Screen, table
from ctl.settings import Command, Group, Settings, complete_invite, read_duration

HEADER: Final = ("ID", "ROLE", "FOR", "USED", "EXPIRES", "STATE", "MADE BY")
LOOPBACK: Final = ("localhost", "127.", "::1")
OTHERS_TERMS: Final = (
    "one person's login for several people may break the provider's terms: give the agent an API key of your"
    " organisation"
)


@click.group(
    cls=Group,
    examples=(
        ("concordiactl invite create --role driver", "A link for one person, good for a day."),
        ("concordiactl invite list", "Which links are open."),
        ("concordiactl invite revoke 01932f", "End a link, and put out whoever came by it."),
    ),
)
def invite() -> None:
    """Make, list and revoke the links by which others come into a room."""


def _read_expiry(text: str) -> float | None:
    return None if text == "never" else read_duration(text, least_s=1)


def _read_uses(text: str) -> int | None:
    if text == "unlimited":
        return None
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise click.BadParameter(f"{text!r} is no number of uses: write 1, 2, … or unlimited")
    return int(text)


def _meaning(settings: Settings, made: dict[str, Any]) -> str:
    """Say who may do what by a link, for how long, and how to take it back."""
    who = "any number of people" if made["uses"] is None else plural(made["uses"], "person", "people")
    since = "from the start" if made["history"] == "start" else "from joining on"
    may = f"a {made['role']} reads the transcript {since}"
    if made["role"] == "driver":
        may += " and can make the agent run code as its user"
    if made["may_approve"]:
        may += ", also by answering what the agent asks to be allowed"
    lines = [f"for {who} to join room {made['room']} as a {made['role']}: {may}"]
    if made["expires_at"] is None:
        lines += ["it never expires"]
    else:
        at = datetime.fromtimestamp(unix_time(made["expires_at"])).astimezone()
        ends = relative(made["expires_at"], unix_time(made["created_at"]))
        lines += [f"it expires {ends}, at {at:%Y-%m-%d %H:%M}; who joined by it goes too"]
    lines += [
        "it is shown this once; whoever has it can use it",
        f"take it back: {settings._replace(room=made['room']).command('invite', 'revoke', made['id'])}",
    ]
    return "\n".join(lines)


def _warnings(connection: Connection, made: dict[str, Any]) -> list[str]:
    address = urlsplit(made["url"])
    found = []
    if address.scheme == "http":
        if (address.hostname or "").startswith(LOOPBACK):
            found.append("the link leads to this machine only: from elsewhere it takes a tunnel or a public_url")
        found.append("the link is http: the operator of a tunnel or a network on the way sees everything in plaintext")
    rooms = connection.call("room.list")["rooms"]
    agents = [room["agent"] for room in rooms if room["name"] == made["room"]]
    if agents and not agents[0]["rehearsal"]:
        found += _login_warning(agents[0]["name"], connection.path)
    return found


def _login_warning(agent: str, socket: str) -> list[str]:
    from ctl.health.sharing import is_personal
    from ctl.sockets import SYSTEM_SOCKET

    personal = is_personal(agent, is_service=socket == SYSTEM_SOCKET)
    if personal is None:
        return [f"if the agent {first_line(agent)} has a personal login: {OTHERS_TERMS}"]
    return [f"the agent {first_line(agent)} has a personal login: {OTHERS_TERMS}"] if personal else []


@invite.command(
    cls=Command,
    examples=(
        ("concordiactl invite create", "A link for one person to read along, good for a day."),
        ("concordiactl invite create --role driver --name ada --expires 7d", "For ada, who may ask the agent too."),
        ("concordiactl invite create --uses unlimited --history start", "For a whole team to read all there was."),
        ("concordiactl invite create -o json | jq -r .url", "For a program."),
    ),
)
@click.option(
    "--role",
    type=click.Choice(["viewer", "driver"]),
    default="viewer",
    show_default=True,
    help="A viewer reads; a driver asks the agent too, and so can make it run code as its user.",
)
@click.option(
    "--expires",
    type=_read_expiry,
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="How long it is good for, such as 24h or 7d, or never; who came by it goes with it.",
)
@click.option(
    "--uses",
    type=_read_uses,
    metavar="N",
    default="1",
    show_default=True,
    help="How many people may join by it, or unlimited; who comes back is no new use.",
)
@click.option("--name", metavar="HINT", help="Who it is meant for; they may still choose another name.")
@click.option("--may-approve", is_flag=True, help="Who joins may answer what the agent asks; only with --role driver.")
@click.option(
    "--history",
    type=click.Choice(["joining", "start"]),
    default="joining",
    show_default=True,
    help="From when on they read the transcript.",
)
@click.pass_obj
def create(
    settings: Settings,
    role: str,
    expires: float | None,
    uses: int | None,
    name: str | None,
    may_approve: bool,
    history: str,
) -> None:
    """
    Make a link by which others join the room; prints it on standard output, and on standard error what it means.

    It is opened in a browser, or by `concordiactl join`. It is shown this once: the daemon keeps only a hash of it.
    """
    if may_approve and role != "driver":
        raise click.UsageError("--may-approve is for drivers: give --role driver with it")
    params: dict[str, Any] = {"role": role, "expires_s": expires, "uses": uses, "name": name}
    with settings.connect() as connection:
        made = connection.call(
            "invite.create", room=settings.room_name, may_approve=may_approve, history=history, **params
        )["invite"]
        print_result(settings, made, first_line(made["url"]))
        err = Screen.err()
        if not settings.is_json:
            err.line(harmless(_meaning(settings, made)))
        for warning in _warnings(connection, made):
            err.line(f"concordiactl: {err.style('warning', 'yellow')}: {warning}")


def _row(about: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        about["id"],
        role_of(about),
        first_line(about["name_hint"] or ""),
        uses_of(about),
        expiry_of(about, now),
        first_line(about["state"]).replace("_", " "),
        first_line(about["created_by"]["name"]),
    )


@invite.command(
    name="list",
    cls=Command,
    examples=(
        ("concordiactl invite list", "The links that let somebody in, or back in."),
        ("concordiactl invite list --all -o json | jq -r '.invites[].state'", "All that ever were, for a program."),
    ),
)
@click.option("--all", "with_ended", is_flag=True, help="Also those that are expired or revoked.")
@click.pass_obj
def list_invites(settings: Settings, with_ended: bool) -> None:
    """List the room's invites; never their links."""
    with settings.connect() as connection:
        result = connection.call("invite.list", room=settings.room_name, all=with_ended)
    if not result["invites"] and not settings.is_json:
        Screen.err().line(f"no invite {'was ever made' if with_ended else 'is in force'} in room {settings.room_name}")
        return
    now = time.time()
    text = "" if settings.is_json else table(Screen.out(), HEADER, [_row(about, now) for about in result["invites"]])
    print_result(settings, result, text)


@invite.command(
    cls=Command,
    examples=(
        ("concordiactl invite revoke 01932f", "The beginning of an id is enough, where no other begins so."),
        ("concordiactl invite revoke 01932f -o json | jq .closed", "How many connections were closed, for a program."),
    ),
)
@click.argument("id", shell_complete=complete_invite)
@click.pass_obj
def revoke(settings: Settings, id: str) -> None:  # noqa: A002  # click shows it as ID
    """End an invite: nobody joins by it any more, and who did is put out within a second."""
    with settings.connect() as connection:
        result = connection.call("invite.revoke", room=settings.room_name, id=id)
    ended = plural(result["closed"], "connection was", "connections were")
    text = f"revoked {result['invite']['id']}; {ended if result['closed'] else 'no connection was'} closed"
    print_result(settings, result, text)
