"""What a configuration's keys say of each other: that rooms have agents, that addresses are safe, that times agree."""

import difflib
import re
from collections.abc import Mapping

from attrs import evolve

from concordiad.config.doors import DEFAULT_LISTEN, Guests
from concordiad.config.tables import ROOM_NAME, Agent, Config
from concordiad.core.agents import Kind
from concordiad.core.model import Stage
from concordiad.errors import ConfigError


def check(config: Config, agent_socket: str | None) -> Config:
    """
    Check what keys say of each other, and say where each agent runs; those that name no socket have `agent_socket`.

    Raises:
        ConfigError: naming the key, what is wrong, and what would be right.
    """
    agents = dict(config.agents)
    agents.setdefault("claude", Agent())
    agents.setdefault("rehearsal", Agent(kind=Kind.REHEARSAL))
    if not config.rooms:
        raise ConfigError("rooms is empty: give at least one, such as [rooms.main]")
    for name, room in config.rooms.items():
        if not ROOM_NAME.fullmatch(name):
            raise ConfigError(f"rooms.{name}: a room's name has 1 to 32 of a-z, 0-9 and -")
        if room.agent not in agents:
            raise ConfigError(
                f"rooms.{name}.agent is {room.agent!r}, but there is no [agents.{room.agent}]"
                f"{nearest(room.agent, agents)}"
            )
    for name, agent in agents.items():
        if agent.command is not None and not agent.command:
            raise ConfigError(f"agents.{name}.command is empty: leave it out to have the CLI found")
        for variable in (*agent.env, *agent.credentials):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
                raise ConfigError(f"agents.{name}: {variable!r} is no name of an environment variable")
    if config.guests is not None:
        _check_guests(config.guests)
    _check_merging(config)
    return evolve(config, agents={name: _place(agent, agent_socket) for name, agent in agents.items()})


def _place(agent: Agent, default: str | None) -> Agent:
    """Say where an agent runs: as its table says, else as those that say nothing of it; empty is a plain child."""
    return evolve(agent, socket=(default if agent.socket is None else agent.socket) or None)


def _check_merging(config: Config) -> None:
    tables = {f"rooms.{name}.merging": room.merging for name, room in config.rooms.items()}
    for where, merging in {"merging": config.merging, **tables}.items():
        if merging is None:
            continue
        stages = merging.stages or ()
        if Stage.MEANING in stages and config.gemini is None:
            raise ConfigError(
                f'{where}.stages has "meaning", but there is no [gemini]: add that table, or leave it out'
            )
        twice = next((stage for stage in stages if stages.count(stage) > 1), None)
        if twice is not None:
            raise ConfigError(f'{where}.stages has "{twice}" more than once: name each stage once')
        if merging.window_max_s < merging.window_s:
            raise ConfigError(
                f"{where}.window_max_s is {merging.window_max_s:g}, which is less than {where}.window_s"
                f" ({merging.window_s:g}): raise it to that at least, or set window_s = 0 for no window"
            )


def _check_guests(guests: Guests) -> None:
    if (guests.tls_certificate is None) != (guests.tls_key is None):
        raise ConfigError("guests.tls_certificate and guests.tls_key go together: give both, or neither")
    if not guests.address.is_loopback and not guests.has_tls and not guests.behind_proxy:
        raise ConfigError(
            f"guests.listen is {guests.listen}, which other machines can reach, and without TLS everybody on the way"
            " could read along and take the links: give tls_certificate and tls_key, or set behind_proxy = true if a"
            f' proxy in front of it speaks TLS, or listen on "{DEFAULT_LISTEN}"'
        )
    if guests.address.is_wildcard and guests.public_url is None:
        raise ConfigError(
            f"guests.listen is {guests.listen}, every address of this machine, which no link can be made of: give"
            ' public_url = "https://…", as people will reach it'
        )


def nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    """Say which known name somebody may have meant; empty where none is like it."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
