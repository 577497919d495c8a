"""
The daemon: what is opened in which order, what it says when it is ready, and how it stops.

The nesting of `run_daemon` is the order of starting and, read from the inside out, of stopping: no new connections,
then the rooms drain, then those who were connected have read the end, then the journal closes.
"""

import math
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog
import trio
from msgspec.structs import replace

from concordiad.agent.leftovers import END_GRACE_S, end_leftovers, find_journals, mark_of
from concordiad.agent.spec import AgentSpec, make_spec
from concordiad.agent.spool import remove_spools
from concordiad.config.doors import Metrics
from concordiad.config.places import Directories
from concordiad.config.tables import Agent, Config, Gemini, Traces
from concordiad.core.agents import Kind
from concordiad.core.discreet import Discreet
from concordiad.errors import ConfigError, RoomError
from concordiad.front.company import Company, run_wheel
from concordiad.front.control_socket import bind_control_socket, run_control_socket
from concordiad.front.door import DoorState, run_door
from concordiad.front.entrance import bind_door, fit_to_descriptors
from concordiad.front.newcomer import Newcomer
from concordiad.front.pages import WEB, read_pages
from concordiad.front.summary import summarise
from concordiad.house import run_house
from concordiad.house.commands import COMMANDS, Command
from concordiad.house.handle import House, Unopened
from concordiad.house.housekeeper import Housekeeper
from concordiad.house.setup import HouseSetup, SpecMaker
from concordiad.journal import Journal, open_journal
from concordiad.journal.patience import giving_up
from concordiad.journal.schema import check_sqlite
from concordiad.meaning import Grouper
from concordiad.meaning.key import find_key, without_key
from concordiad.ops.activation import Passed, take_sockets
from concordiad.ops.ids import IdFactory
from concordiad.ops.jobs import is_for_good
from concordiad.ops.locks import hold_state
from concordiad.ops.log import Log
from concordiad.ops.notify import Manager, find_manager, run_notifying
from concordiad.ops.store import DescriptorStore, find_store
from concordiad.ops.threads import in_thread
from concordiad.room.handle import Room
from concordiad.room.heritage import Keeping

ENDS: Final = (signal.SIGTERM, signal.SIGINT)
RELOADS: Final = (signal.SIGHUP,)
SPOOLS: Final = "spool"
"""The directory, in that of the state, of what agents that may outlive the daemon have said."""
LAST_EVENTS_S: Final = 2.0
"""How long clients may take to read the last events after the rooms have ended."""
FULL_PATIENCE_S: Final = 10.0
"""
How long a service waits for space at its start before it ends: what systemd starts again ten times a minute at most it
goes on starting then, however long the disk is full.
"""
SAME_WISH_S: Final = 0.3
"""A second signal within this is the same wish: timeout(1) and others signal the process and then its whole group."""

_log = structlog.get_logger("concordiad")

Serve = Callable[[House], Awaitable[None]]
"""Serves a house until it is cancelled."""


class Setup(Discreet, frozen=True):
    """
    Everything that is known before the first task runs.

    Attributes:
        may_move_door: the guests' port may be another one if the default one is taken.
        manager: who started the daemon and wants to hear of it.
        passed: the sockets that are open already.
        read_config: reads the configuration again; raises ConfigError.
        log: where the log goes.
        key: that of the language model; None where none is to be asked.
        token: what whoever asks for measures has to show; None where there are none.
        store: where the service manager keeps what is to outlive the daemon; None where it keeps nothing.
    """

    UNSAID = ("key", "token")

    config: Config
    directories: Directories
    make_spec: SpecMaker
    may_move_door: bool
    manager: Manager
    passed: Passed
    read_config: Callable[[], Config]
    log: Log
    key: str | None = None
    token: str | None = None
    store: DescriptorStore | None = None


def prepare(
    read_config: Callable[[], Config],
    directories: Directories,
    environment: Mapping[str, str],
    log: Log,
    *,
    is_try: bool,
) -> Setup:
    """
    Find out what is missing before anything is started.

    Raises:
        ConfigError: what is missing, and how to mend it.
    """
    check_sqlite()
    config = read_config()
    log.configure(config.log.format, config.log.level)
    for directory in (directories.state, directories.runtime):
        _make_directory(directory)
    key = _find_key(config, environment, is_try=is_try)
    token = _find_token(config, environment)
    _check_traces(config)
    log.hide(each for each in (key, token) if each is not None)
    # Our key is no business of an agent's; another one in a variable of that name may be.
    for_agents = environment if key is None else without_key(environment, key)

    def make(name: str, agent: Agent, workdir: Path) -> AgentSpec:
        spec = make_any(name, agent, workdir)
        log.hide(spec.secrets)
        return spec if key is None else replace(spec, secrets=[*spec.secrets, key])

    def make_any(name: str, agent: Agent, workdir: Path) -> AgentSpec:
        try:
            return make_spec(name, agent, workdir, for_agents)
        except ConfigError as error:
            if not is_try or agent.kind is Kind.REHEARSAL:
                raise type(error)(f"agents.{name}: {error}") from error
            _log.warning("no_real_agent", agent=name, why=str(error), instead="the rehearsal agent: no model answers")
            # What is wrong with the mode itself is no reason to rehearse: it is wrong there too.
            rehearsal = Agent(kind=Kind.REHEARSAL, permission_mode=agent.permission_mode, socket=agent.socket)
            return make_spec("rehearsal", rehearsal, workdir, for_agents)

    passed = take_sockets(environment)
    manager = find_manager(environment)
    if passed.guests is not None and config.guests is None:
        raise ConfigError(
            "the service manager passed a TCP socket, but there is no table [guests]: add it, or disable that socket"
        )
    store = find_store(manager, environment, passed.stored or {})
    return Setup(config, directories, make, is_try, manager, passed, read_config, log, key, token, store)


def _find_token(config: Config, environment: Mapping[str, str]) -> str | None:
    if config.metrics is None:
        return None
    # Only who wants measures pays for importing what writes them.
    from concordiad.front.metrics import find_token  # noqa: PLC0415

    return find_token(config.metrics, environment)


def _find_key(config: Config, environment: Mapping[str, str], *, is_try: bool) -> str | None:
    if config.gemini is None:
        return None
    try:
        return find_key(config.gemini, environment)
    except ConfigError as error:
        if not is_try:
            raise
        _log.warning("no_language_model", why=str(error), instead="prompts are merged without it")
        return None


@asynccontextmanager
async def _open_grouper(settings: Gemini | None, key: str | None) -> AsyncIterator[Grouper | None]:
    """Hold the language model's client, where there is to be one."""
    if settings is None or key is None:
        yield None
        return
    # Only who has a model pays for importing an HTTP library.
    from concordiad.meaning.client import open_gemini  # noqa: PLC0415

    async with open_gemini(settings, key) as gemini:
        yield gemini


def _check_traces(config: Config) -> None:
    if config.traces is None:
        return
    try:
        is_there = find_spec("opentelemetry.exporter.otlp.proto.http") and find_spec("opentelemetry.sdk")
    except ModuleNotFoundError:
        is_there = None
    if is_there is None:
        raise ConfigError("traces: OpenTelemetry's library is missing: `pip install 'concordia[otel]'`")


@asynccontextmanager
async def _open_traces(settings: Traces | None, log: Log) -> AsyncIterator[None]:
    """Have what is logged of prompts sent as traces, where that is wanted."""
    if settings is None:
        yield
        return
    # Only who wants traces pays for importing the library.
    from concordiad.ops.traces import open_traces  # noqa: PLC0415

    async with open_traces(settings.endpoint, log):
        yield


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{directory} cannot be created: {error.strerror}; choose another directory") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(f"{directory} cannot be written by this user: chown it, or choose another directory")


@contextmanager
def _prepare_door(config: Config, passed: socket.socket | None, *, may_move: bool) -> Iterator[DoorState | None]:
    """Bind the guests' port, where there is to be one."""
    if config.guests is None:
        yield None
        return
    settings = fit_to_descriptors(config.guests, config.limits.connections)
    with bind_door(settings, may_move=may_move, passed=passed) as entrance:
        yield DoorState(settings, entrance, read_pages(WEB), config.graces.head_s)


@contextmanager
def _prepare_metrics(settings: Metrics | None, token: str | None) -> Iterator[Serve | None]:
    """Bind the port for measures, where there is to be one."""
    if settings is None or token is None:
        yield None
        return
    from concordiad.front.metrics import bind_metrics, run_metrics  # noqa: PLC0415

    with bind_metrics(settings) as listener:
        yield partial(run_metrics, listener, token)


async def run_daemon(setup: Setup, announce: Callable[[Setup, House], None]) -> None:
    """
    Serve until SIGTERM or SIGINT, then drain; a second signal leaves no grace.

    Args:
        setup: what was prepared.
        announce: called once everything answers.

    Raises:
        ConfigError: the place is taken, or a room cannot be opened.
        JournalError: the journal cannot be opened, or (in a group) it failed while the daemon ran.
    """
    directories, config = setup.directories, setup.config
    rooms: dict[str, Room] = {}
    unopened: dict[str, Unopened] = {}
    closing, hurry = trio.Event(), trio.Event()
    spools, turn_s = directories.state / SPOOLS, config.graces.turn_s
    keeping = None if setup.store is None else Keeping(setup.store, spools)
    # Where it runs at a terminal, that one's end is the wish to stop.
    ends, reloads = (ENDS, RELOADS) if not os.isatty(0) else ((*ENDS, *RELOADS), ())
    send_command, commands = trio.open_memory_channel[Command](COMMANDS)
    for number in (*ends, *reloads):
        # What is in force again once the receiver below has ended: a late signal finds everything closed.
        signal.signal(number, signal.SIG_IGN)
    with (
        hold_state(directories.state, directories.socket),
        bind_control_socket(directories.socket, config.control.group, setup.passed.control) as listener,
        _prepare_door(config, setup.passed.guests, may_move=setup.may_move_door) as door,
        _prepare_metrics(config.metrics, setup.token) as metrics,
        trio.open_signal_receiver(*ends) as signals,
        _receive_all(reloads) as wishes,
        send_command,
    ):
        async with _open_traces(config.traces, setup.log), trio.open_nursery() as watchers:
            accepting = trio.CancelScope()
            watchers.start_soon(_watch_signals, signals, setup.manager, accepting, closing, hurry, keeping, turn_s)
            patience_s = 0.0 if setup.manager.address is None else FULL_PATIENCE_S

            def tell(words: str) -> None:
                setup.manager.tell(STATUS=words)

            opened = open_journal(directories.journal, config.journal.damaged, patience_s, tell, config.rooms)
            async with opened as journal:
                kept = [] if setup.store is None else setup.store.incarnations
                await trio.to_thread.run_sync(remove_spools, spools, {incarnation for _, incarnation in kept})
                spared = [mark_of(journal.id, *each) for each in kept]
                left = await trio.to_thread.run_sync(_end_leftovers, journal, spared)
                _log.info("journal_opened", epoch=journal.epoch, processes_left_by_last_run=left)
                started_at, ended = time.time(), trio.Event()
                url = None if door is None else door.entrance.url
                new_id = IdFactory()
                async with _open_grouper(config.gemini, setup.key) as grouper, trio.open_nursery() as connections:
                    for_rooms = HouseSetup(
                        journal, setup.make_spec, new_id, time.time, closing, hurry, grouper, keeping
                    )
                    keeper = Housekeeper(for_rooms, config, rooms, unopened)
                    house = House(
                        rooms,
                        journal,
                        lambda: keeper.config,
                        directories.state,
                        started_at,
                        ended,
                        send_command,
                        url,
                        unopened,
                        log=setup.log,
                        new_id=new_id,
                    )
                    async with trio.open_nursery() as houses:
                        async with giving_up(journal.health, patience_s, tell, closing):
                            await houses.start(run_house, keeper, commands)
                        connections.start_soon(_accept_within, accepting, listener, door, metrics, house, connections)
                        watchers.start_soon(run_notifying, setup.manager, partial(summarise, house))
                        watchers.start_soon(run_reloading, wishes, setup, house)
                        if not closing.is_set():
                            announce(setup, house)
                    house.ended.set()
                    connections.cancel_scope.deadline = trio.current_time() + LAST_EVENTS_S
            watchers.cancel_scope.cancel()
    _log.info("stopped")


def _end_leftovers(journal: Journal, spared: Collection[str]) -> int:
    """End what agents of an earlier run have left, also of one whose journal was another one."""
    journals = {journal.id, *find_journals(journal.place)}
    return sum(end_leftovers(mark_of(each), END_GRACE_S, spared) for each in sorted(journals))


async def _accept_within(
    scope: trio.CancelScope,
    listener: trio.SocketListener,
    door: DoorState | None,
    metrics: Serve | None,
    house: House,
    connections: trio.Nursery,
) -> None:
    graces = house.config.graces
    with scope:
        async with trio.open_nursery() as loops:
            loops.start_soon(run_control_socket, listener, house, graces.message_s, connections)
            if metrics is not None:
                loops.start_soon(metrics, house)
            if door is not None:
                company = Company(door.settings, graces.hello_s)
                loops.start_soon(run_wheel, company)
                meet = partial(Newcomer, house=house, company=company)
                loops.start_soon(run_door, door, house, meet, connections)


@contextmanager
def _receive_all(numbers: Sequence[signal.Signals]) -> Iterator[AsyncIterator[int] | None]:
    if not numbers:
        yield None
        return
    with trio.open_signal_receiver(*numbers) as received:
        yield received


async def run_reloading(wishes: AsyncIterator[int] | None, setup: Setup, house: House) -> None:
    """
    Read the configuration again whenever that is wished for; a bad one changes nothing.

    Owns: nothing, the house does. Ends when: it is cancelled, or nobody can wish.
    """
    if wishes is None:
        return
    async for _ in wishes:
        setup.manager.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        said = await _reload(setup, house)
        setup.manager.tell(READY=1, STATUS=said)


async def _reload(setup: Setup, house: House) -> str:
    try:
        config = await in_thread(setup.read_config)
        done = await house.reload(config)
    except (ConfigError, RoomError) as error:
        _log.error("configuration_refused", why=str(error), in_force="the one before")
        return f"the configuration was refused, the one before is in force: {error}"
    setup.log.configure(config.log.format, config.log.level)
    _log.info("configuration_reloaded", **done._asdict())
    if done.at_restart:
        _log.warning("needs_a_restart", tables=done.at_restart)
    return "the configuration was read again" + (
        f"; [{'], ['.join(done.at_restart)}] come into force at a restart" if done.at_restart else ""
    )


async def _watch_signals(
    signals: AsyncIterator[int],
    manager: Manager,
    accepting: trio.CancelScope,
    closing: trio.Event,
    hurry: trio.Event,
    keeping: Keeping | None,
    turn_s: float,
) -> None:
    told_at = math.inf
    async for number in signals:
        name = signal.Signals(number).name
        if not closing.is_set():
            told_at = trio.current_time()
            accepting.cancel()
            if keeping is not None and not await is_for_good():
                keeping.leaving.set()
                _log.info("leaving", signal=name, agents="those that are kept go on; the others drain")
                manager.tell(STOPPING=1, STATUS="stopping: agents go on where they are kept, what waits stays waiting")
            else:
                _log.info("draining", signal=name, running_turns_have_s=turn_s, hint="a second signal leaves no grace")
                manager.tell(STOPPING=1, STATUS="draining: what runs may end, what waits stays waiting")
            closing.set()
        elif trio.current_time() - told_at >= SAME_WISH_S:
            _log.warning("hurrying", signal=name)
            hurry.set()
