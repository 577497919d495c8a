"""
What a shell can complete: rooms, ids, people, agents, as the daemon knows them at that moment.

Law: whoever presses Tab is never told of an error and never waits: without a daemon there is just nothing.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ctl.asking import tool_line
from ctl.connection import Connection
from ctl.failures import Failure
from ctl.harmless import first_line
from ctl.people import role_of, short_id, uses_of
from ctl.settings import Settings

PATIENCE_S: Final = 0.5
"""Longer than the daemon ever takes, and not yet annoying."""
SOME: Final = 50
"""More than anybody reads through."""
HELP_CHARACTERS: Final = 60
_PLAIN: Final = re.compile(r"[\w.@-]+")
"""Names that no shell has to quote, and that move nothing on the screen."""

Items = list[CompletionItem[str]]


def complete_room(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a room."""
    return _matching(incomplete, ((room["name"], room["state"]) for room in _rooms(context)))


def complete_waiting(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete the id of a prompt that waits."""
    return _matching(incomplete, _waiting(context))


def complete_running(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete the id of the turn that runs."""
    return _matching(incomplete, _running(context))


def complete_any(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete the id of a prompt that waits, or of one of the last turns."""
    asked = _ask(context, "turn.list", room=_room(context), limit=SOME)
    turns = ((turn["id"], turn["text"]) for turn in asked.get("turns", ()))
    return _matching(incomplete, [*_waiting(context), *turns])


def complete_past(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete the id of one of the last prompts that came to nothing."""
    states = ["failed", "uncertain", "cancelled", "expired"]
    asked = _ask(context, "prompt.list", room=_room(context), states=states, limit=SOME)
    return _matching(incomplete, ((prompt["id"], prompt["text"]) for prompt in asked.get("prompts", ())))


def complete_approval(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete the id of something that the agent asks."""
    asked = _ask(context, "approval.list", room=_room(context))
    approvals = ((each["id"], tool_line(each["tool"], each["input"])) for each in asked.get("approvals", ()))
    return _matching(incomplete, approvals)


def complete_invite(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete the id of an invite that can be revoked."""
    asked = _ask(context, "invite.list", room=_room(context))
    invites = ((each["id"], _invite(each)) for each in asked.get("invites", ()))
    return _matching(incomplete, invites)


def complete_guest(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete a guest who is here: by name, where only one has it and a shell can take it, else by id."""
    listed = _ask(context, "guest.list", room=_room(context)).get("guests", ())
    names = Counter(guest["name"] for guest in listed)
    guests = (
        (
            guest["name"] if names[guest["name"]] == 1 and _PLAIN.fullmatch(guest["name"]) else short_id(guest["id"]),
            guest,
        )
        for guest in listed
    )
    return _matching(incomplete, ((value, f"{guest['name']}, {role_of(guest)}") for value, guest in guests))


def complete_author(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete who has asked lately: by name where a shell can take it, else by id."""
    prompts = _ask(context, "prompt.list", room=_room(context), limit=SOME).get("prompts", ())
    authors = {prompt["author"]["id"]: prompt["author"]["name"] for prompt in prompts}
    named = ((name if _PLAIN.fullmatch(name) else identity, name) for identity, name in authors.items())
    return _matching(incomplete, dict(named).items())


def complete_agent(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Complete an agent of the configuration that some room has."""
    agents = {room["agent"]["name"]: room["agent"]["kind"] for room in _rooms(context)}
    return _matching(incomplete, agents.items())


def _invite(invite: dict[str, Any]) -> str:
    hint = f"for {invite['name_hint']}, " if invite["name_hint"] else ""
    return f"{hint}{role_of(invite)}, used {uses_of(invite)}"


def _waiting(context: click.Context) -> list[tuple[str, str]]:
    asked = _ask(context, "prompt.list", room=_room(context), states=["waiting"], limit=SOME)
    return [(prompt["id"], f"{prompt['author']['name']}: {prompt['text']}") for prompt in asked.get("prompts", ())]


def _running(context: click.Context) -> list[tuple[str, str]]:
    turns = (room["turn"] for room in _rooms(context) if room["name"] == _room(context))
    return [(turn["id"], turn["text"]) for turn in turns if turn is not None]


def _rooms(context: click.Context) -> list[dict[str, Any]]:
    rooms: list[dict[str, Any]] = _ask(context, "room.list").get("rooms", [])
    return rooms


def _room(context: click.Context) -> str:
    settings = context.find_object(Settings) or Settings()
    return settings.room_name


def _ask(context: click.Context, method: str, **params: Any) -> dict[str, Any]:
    settings = context.find_object(Settings) or Settings()
    try:
        with settings.connect(timeout_s=PATIENCE_S) as connection:
            return _answer(connection, method, params)
    except Failure:
        return {}


def _answer(connection: Connection, method: str, params: dict[str, Any]) -> dict[str, Any]:
    connection.request(method, **params)
    return connection.answer(time.monotonic() + PATIENCE_S) or {}


def _matching(incomplete: str, found: Iterable[tuple[str, str]]) -> Items:
    return [
        CompletionItem(value, help=first_line(meaning)[:HELP_CHARACTERS])
        for value, meaning in found
        if value.startswith(incomplete)
    ]
