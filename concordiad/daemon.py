"""
The daemon: what is opened in which order, what it says when it is ready, and how it stops.

The nesting of `run_daemon` is the order of starting and, read from the inside out, of stopping: no new connections,
then the rooms drain, then those who were connected have read the end, then the journal closes.
"""

import fcntl
import math
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import trio
from attrs import evolve, frozen

from concordiad.agent.find import CODECS, agent_environment, check_flags, find_command, has_credentials, read_version
from concordiad.agent.leftovers import end_leftovers, mark_of
from concordiad.config import Agent, Config, Directories
from concordiad.core.agents import Kind, Settings
from concordiad.errors import ConfigError
from concordiad.front.control_socket import bind_control_socket, run_control_socket
from concordiad.front.methods import House
from concordiad.journal import Journal, open_journal
from concordiad.ops.ids import IdFactory
from concordiad.room import Room, RoomSetup, run_room
from concordiad.room.keeper import AgentSpec

LAST_EVENTS_S: Final = 2.0
"""How long clients may take to read the last events after the rooms have ended."""
SAME_WISH_S: Final = 0.3
"""A second signal within this is the same wish: timeout(1) and others signal the process and then its whole group."""
OLDEST_SQLITE: Final = (3, 37, 0)
"""STRICT tables came with this version (2021-11-27)."""

_log = structlog.get_logger("concordiad")


@frozen
class Setup:
    """Everything that is known before the first task runs."""

    config: Config
    directories: Directories
    specs: Mapping[str, AgentSpec]
    """Per room: how its agent is started."""


def prepare(config: Config, directories: Directories, environment: Mapping[str, str], *, is_try: bool) -> Setup:
    """
    Find out what is missing before anything is started.

    Raises:
        ConfigError: what is missing, and how to mend it.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigError(f"Python's SQLite is {sqlite3.sqlite_version}, Concordia needs {oldest}: use a newer Python")
    for directory in (directories.state, directories.runtime):
        _make_directory(directory)
    probed: dict[str, AgentSpec] = {}
    specs: dict[str, AgentSpec] = {}
    places: dict[Path, str] = {}
    for name, room in config.rooms.items():
        workdir = Path(room.workdir).expanduser().absolute()
        if not workdir.is_dir():
            raise ConfigError(
                f"rooms.{name}.workdir {workdir} is no directory: create it, or correct the configuration"
            )
        if workdir in places:
            _log.warning("rooms_share_directory", rooms=[places[workdir], name], workdir=str(workdir))
        places[workdir] = name
        if room.agent not in probed:
            probed[room.agent] = _probe(room.agent, config.agents[room.agent], workdir, environment, is_try=is_try)
        specs[name] = evolve(probed[room.agent], workdir=workdir)
    return Setup(config, directories, specs)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{directory} cannot be created: {error.strerror}; choose another directory") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(f"{directory} cannot be written by this user: chown it, or choose another directory")


def _probe(name: str, agent: Agent, workdir: Path, environment: Mapping[str, str], *, is_try: bool) -> AgentSpec:
    try:
        return _probe_strictly(name, agent, workdir, environment)
    except ConfigError as error:
        if not is_try or agent.kind is Kind.REHEARSAL:
            raise ConfigError(f"agents.{name}: {error}") from error
        _log.warning("no_real_agent", agent=name, why=str(error), instead="the rehearsal agent: no model is behind it")
        return _probe_strictly("rehearsal", Agent(kind=Kind.REHEARSAL), workdir, environment)


def _probe_strictly(name: str, agent: Agent, workdir: Path, environment: Mapping[str, str]) -> AgentSpec:
    command = find_command(agent)
    variables = agent_environment(agent, environment)
    version = read_version(agent, command, variables)
    if agent.kind is Kind.CLAUDE_CODE:
        check_flags(agent, command, variables)
        if not has_credentials(command, variables):
            raise ConfigError(
                "the Claude Code CLI has no credentials: give it an API key with credentials = { ANTHROPIC_API_KEY ="
                ' "FILE" } in its table, or set ANTHROPIC_API_KEY, or run `claude` once and log in'
            )
    return AgentSpec(
        name=name,
        kind=agent.kind,
        command=command,
        workdir=workdir,
        environment=variables,
        settings=Settings(agent.model, agent.permission_mode, agent.args),
        make_codec=CODECS[agent.kind],
        version=version,
    )


@contextmanager
def hold_state(directory: Path, socket: Path) -> Iterator[None]:
    """
    Be the only daemon on a state directory.

    Raises:
        ConfigError: another one is; the message says which.
    """
    lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 4096).decode("utf-8", "replace").strip() or "another concordiad"
            raise ConfigError(f"{directory} is in use by {holder}: stop it, or choose another --state-dir") from error
        os.ftruncate(lock, 0)
        os.write(lock, f"concordiad, process {os.getpid()}, socket {socket}\n".encode())
        yield
    finally:
        os.close(lock)


async def run_daemon(setup: Setup, announce: Callable[[Setup], None]) -> None:
    """
    Serve until SIGTERM or SIGINT, then drain; a second signal leaves no grace.

    Args:
        setup: what was prepared.
        announce: called once everything answers.

    Raises:
        ConfigError: the place is taken.
        JournalError: the journal cannot be opened, or (in a group) it failed while the daemon ran.
    """
    directories, config = setup.directories, setup.config
    new_id = IdFactory()
    rooms: dict[str, Room] = {}
    with (
        hold_state(directories.state, directories.socket),
        bind_control_socket(directories.socket, config.control.group) as listener,
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
    ):
        async with open_journal(directories.journal) as journal:
            left = await trio.to_thread.run_sync(end_leftovers, mark_of(journal.id))
            _log.info("journal_opened", epoch=journal.epoch, processes_left_by_last_run=left)
            house = House(rooms, journal, config.limits, directories.state, time.time())
            async with trio.open_nursery() as connections:
                closing, hurry = trio.Event(), trio.Event()
                async with trio.open_nursery() as watchers:
                    async with trio.open_nursery() as room_tasks:
                        for name, spec in setup.specs.items():
                            room = _room_setup(name, spec, config, journal, new_id, closing, hurry)
                            rooms[name] = await room_tasks.start(run_room, room)
                        accepting = trio.CancelScope()
                        watchers.start_soon(_watch_signals, signals, accepting, closing, hurry)
                        watchers.start_soon(
                            _accept_within, accepting, listener, house, config.graces.message_s, connections
                        )
                        announce(setup)
                    watchers.cancel_scope.cancel()
                connections.cancel_scope.deadline = trio.current_time() + _linger_s(connections)
    _log.info("stopped")


def _room_setup(
    name: str,
    spec: AgentSpec,
    config: Config,
    journal: Journal,
    new_id: IdFactory,
    closing: trio.Event,
    hurry: trio.Event,
) -> RoomSetup:
    return RoomSetup(
        name=name,
        spec=spec,
        limits=config.limits,
        graces=config.graces,
        journal=journal,
        new_id=new_id,
        now=time.time,
        closing=closing,
        hurry=hurry,
    )


def _linger_s(connections: trio.Nursery) -> float:
    return LAST_EVENTS_S if connections.child_tasks else -math.inf


async def _accept_within(
    scope: trio.CancelScope, listener: trio.SocketListener, house: House, message_s: float, connections: trio.Nursery
) -> None:
    with scope:
        await run_control_socket(listener, house, message_s, connections)


async def _watch_signals(
    signals: AsyncIterator[int], accepting: trio.CancelScope, closing: trio.Event, hurry: trio.Event
) -> None:
    told_at = math.inf
    async for number in signals:
        name = signal.Signals(number).name
        if not closing.is_set():
            _log.info("draining", signal=name)
            told_at = trio.current_time()
            accepting.cancel()
            closing.set()
        elif trio.current_time() - told_at >= SAME_WISH_S:
            _log.warning("hurrying", signal=name)
            hurry.set()
