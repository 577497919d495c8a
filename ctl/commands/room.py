"""`room`: the rooms of the daemon, and what a host can do with one."""

from pathlib import Path
from typing import Any, Final

import click

from ctl.harmless import first_line
from ctl.patience import call_patiently
from ctl.printing import print_result
from ctl.quantities import plural
from ctl.screen import Screen, table
from ctl.settings import Command, Group, Settings, complete_agent, complete_room, read_duration

MODES: Final = ("default", "acceptEdits", "plan", "auto", "dontAsk", "bypassPermissions")
"""Claude Code's, for completion; an agent takes or refuses what it knows."""
HEADER = ("ROOM", "STATE", "AGENT", "QUEUE", "APPROVALS", "DIRECTORY")


def _complete_mode(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [mode for mode in MODES if mode.startswith(incomplete)]


@click.group(
    cls=Group,
    examples=(
        ("concordiactl room list", "Which rooms there are, and how they are."),
        ("concordiactl room create docs --workdir ~/docs", "A room of its own for another directory."),
        ("concordiactl room restart --fresh", "Begin a new conversation in the room main."),
    ),
)
def room() -> None:
    """List, create, close, pause, resume and restart rooms."""


def _the_room(settings: Settings, name: str | None) -> str:
    if name == "":
        raise click.UsageError("the room's name is empty: say which room")
    if name is not None and settings.room not in (None, name):
        raise click.UsageError(f"{name} and --room {settings.room} are two rooms: name one")
    return name or settings.room_name


def _row(about: dict[str, Any]) -> tuple[str, ...]:
    agent = about["agent"]
    kind = "rehearsal" if agent["rehearsal"] else agent["kind"]
    return (
        about["name"],
        first_line(about["state"]),
        first_line(agent["name"]) if agent["name"] == kind else f"{first_line(agent['name'])} ({first_line(kind)})",
        str(about["queue"]),
        str(about["approvals"]),
        first_line(about["workdir"]),
    )


@room.command(
    name="list",
    cls=Command,
    examples=(
        ("concordiactl room list", "A line for each room."),
        ("concordiactl room list -o json", "All there is to know, for a program."),
    ),
)
@click.pass_obj
def list_rooms(settings: Settings) -> None:
    """List the rooms."""
    with settings.connect() as connection:
        result = connection.call("room.list")
    rows = [_row(about) for about in result["rooms"]]
    rows += [
        (room["name"], "not open", first_line(room["agent"]), "", "", first_line(room["workdir"]))
        for room in result.get("unopened", [])
    ]
    text = "" if settings.is_json else table(Screen.out(), HEADER, rows)
    for room in result.get("unopened", []):
        click.echo(f"concordiactl: {first_line(room['reason'])}", err=True)
    print_result(settings, result, text)


@room.command(
    cls=Command,
    examples=(
        ("concordiactl room create docs --workdir ~/docs", "A room named docs for another directory."),
        (
            "concordiactl room create review --model opus --permission-mode plan",
            "Another model, that may only read, for the directory where you are.",
        ),
        (
            "concordiactl room create night --agent rehearsal --idle 30m",
            "Let the agent end after half an hour without a turn; the next prompt wakes it.",
        ),
        (
            "concordiactl room create docs --after-crash ask_again",
            "Ask again what the agent was at when the daemon is killed.",
        ),
    ),
)
@click.argument("name")
@click.option(
    "--workdir",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="Where the agent works (default: the current directory).",
)
@click.option(
    "--agent",
    shell_complete=complete_agent,
    help="A table under [agents] in the daemon's configuration (default: claude).",
)
@click.option("--model", help="Instead of the agent's own.")
@click.option(
    "--permission-mode",
    metavar="MODE",
    shell_complete=_complete_mode,
    help="Instead of the agent's own: default, plan, acceptEdits, …",
)
@click.option(
    "--idle",
    type=read_duration,
    metavar="DURATION",
    help="End the agent after so long without a turn; the next prompt starts it again, in the same conversation.",
)
@click.option(
    "--after-crash",
    type=click.Choice(["leave", "ask_again", "from_history"]),
    help="What becomes of what the agent is at when the daemon is killed: it is uncertain (default), is asked again,"
    " or is answered where the agent's own history shows that it finished.",
)
@click.pass_obj
def create(
    settings: Settings,
    name: str,
    workdir: Path,
    agent: str | None,
    model: str | None,
    permission_mode: str | None,
    idle: float | None,
    after_crash: str | None,
) -> None:
    """
    Open a new room.

    It is there again after every start of the daemon, until it is closed. NAME is 1 to 32 of a-z, 0-9 and -. With the
    name of a closed room its transcript goes on, which every host can read from its beginning.
    """
    params: dict[str, Any] = {"name": name, "workdir": str(workdir.expanduser().resolve())}
    given = {
        "agent": agent,
        "model": model,
        "permission_mode": permission_mode,
        "idle_s": idle,
        "after_crash": after_crash,
    }
    params |= {key: value for key, value in given.items() if value is not None}
    with settings.connect() as connection:
        result = call_patiently(connection, "the agent is looked at", "room.create", **params)
    for warning in result["warnings"]:
        Screen.err().line(f"concordiactl: warning: {first_line(warning)}")
    about = result["room"]
    text = f"created room {about['name']}: {first_line(about['agent']['name'])} in {first_line(about['workdir'])}"
    print_result(settings, result, text)


@room.command(
    cls=Command,
    examples=(
        ("concordiactl room close docs", "Cancel what waits there, let the running turn end, and end the agent."),
        ("concordiactl room close docs -o json", "How many prompts were cancelled, for a program."),
    ),
)
@click.argument("name", required=False, shell_complete=complete_room)
@click.pass_obj
def close(settings: Settings, name: str | None) -> None:
    """
    Close a room for good.

    What waits there is cancelled, the running turn ends first. The transcript is kept: `export`, `history`, `show` and
    `tail --no-follow` go on reading it, and a room that is created with this name goes on with it. Nothing is asked,
    so the room must be named.
    """
    if name is None and settings.room is None:
        raise click.UsageError("say which room: `concordiactl room close NAME`")
    named = _the_room(settings, name)
    with settings.connect() as connection:
        result = call_patiently(connection, "the running turn ends first", "room.close", room=named)
    cancelled = f"{plural(result['cancelled'], 'prompt was', 'prompts were')} cancelled"
    print_result(settings, result, f"closed room {named}; {cancelled if result['cancelled'] else 'no prompt waited'}")
    there = Settings(settings.socket, named)
    Screen.err().line(f"its transcript is kept: {there.command('export')}")


@room.command(
    cls=Command,
    examples=(
        ("concordiactl room pause", "Hold the room main: the running turn goes on, nothing new begins."),
        ("concordiactl room pause docs", "Hold another room."),
    ),
)
@click.argument("name", required=False, shell_complete=complete_room)
@click.pass_obj
def pause(settings: Settings, name: str | None) -> None:
    """
    Hold a room: what waits goes on waiting, new prompts are refused.

    The running turn goes on (`interrupt` stops it). A paused room stays paused over a restart of the daemon.
    """
    named = _the_room(settings, name)
    with settings.connect() as connection:
        result = connection.call("room.pause", room=named)
    about = result["room"]
    notes = [plural(about["queue"], "prompt waits", "prompts wait")] if about["queue"] else []
    notes += ["the running turn goes on"] if about["turn"] is not None else []
    print_result(settings, result, "; ".join([f"paused room {named}", *notes]))


@room.command(
    cls=Command,
    examples=(
        ("concordiactl room resume", "Let the room main go on."),
        ("concordiactl room resume docs", "Let another room go on."),
    ),
)
@click.argument("name", required=False, shell_complete=complete_room)
@click.pass_obj
def resume(settings: Settings, name: str | None) -> None:
    """Let a paused room go on."""
    named = _the_room(settings, name)
    with settings.connect() as connection:
        result = connection.call("room.resume", room=named)
    queued = result["room"]["queue"]
    waiting = f"; {plural(queued, 'prompt waits', 'prompts wait')}" if queued else ""
    print_result(settings, result, f"room {named} goes on{waiting}")


@room.command(
    cls=Command,
    examples=(
        ("concordiactl room restart", "End the agent after its turn and start it again, in the same conversation."),
        ("concordiactl room restart docs --fresh", "The same, and forget the conversation."),
    ),
)
@click.argument("name", required=False, shell_complete=complete_room)
@click.option("--fresh", is_flag=True, help="Begin a new conversation.")
@click.pass_obj
def restart(settings: Settings, name: str | None, fresh: bool) -> None:
    """
    Restart a room's agent.

    The running turn ends first; what waits goes on waiting.
    """
    named = _the_room(settings, name)
    with settings.connect() as connection:
        result = call_patiently(connection, "the running turn ends first", "room.restart", room=named, fresh=fresh)
    with_what = " with a new conversation" if fresh else ""
    print_result(settings, result, f"restarted the agent of room {named}{with_what}")
