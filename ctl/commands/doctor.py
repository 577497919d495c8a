"""`doctor`: what is missing, and how to mend it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from concordiad.core.codes import EXIT_DONE, EXIT_FAILURE
from ctl.harmless import harmless
from ctl.health import Finding, Status
from ctl.screen import Progress, Screen, pad
from ctl.settings import Command, Settings
from ctl.wrapping import Wrapper

if TYPE_CHECKING:
    from concordiad.config.tables import Config

COLOURS: Final = {Status.OK: "green", Status.WARNING: "yellow", Status.ERROR: "red"}
NAME_COLUMNS: Final = 15
MARGIN: Final = len(Status.WARNING) + 2
SYSTEM_STATE: Final = Path("/var/lib/concordia")
PLACE: Final = click.Path(path_type=Path, readable=False)
"""Whether it can be read is for a finding to say."""


def _look(settings: Settings, config_path: Path | None, state: Path | None, runtime: Path | None) -> Iterator[Finding]:
    from concordiad.config.places import Directories, find_directories, find_file
    from concordiad.config.tables import Config
    from ctl.health import daemon, journal, machine, meaning, measures, places, store, taken, units
    from ctl.sockets import SYSTEM_SOCKET, candidates

    yield from machine.check_python()
    named = settings.socket or (None if runtime is not None else os.environ.get("CONCORDIA_SOCKET"))
    sockets = candidates(named, os.environ)
    if named is not None:
        runtime = Path(named).parent
    elif runtime is not None:
        sockets = [str(runtime / "control.sock")]
    directories = find_directories(state, runtime, os.environ)
    options = [
        f"{option}={place}"
        for option, place in (("--config", config_path), ("--state-dir", state), ("--runtime-dir", runtime))
        if place is not None
    ]
    # Before anybody connects: that alone starts a service.
    managers = list(units.find_managers())
    found, about_socket = daemon.find_daemon(sockets, directories.state, options)
    if found is not None:
        managers = list(units.find_managers())
    is_service, uid = found is not None and str(found.socket) == SYSTEM_SOCKET, None
    user = units.user_of_service(managers)
    if found is None and not options and named is None and user is not None:
        # It is down, and what is asked about is that one.
        is_service, directories, uid = (
            True,
            Directories(SYSTEM_STATE, Path(SYSTEM_SOCKET).parent),
            places.number_of(user),
        )
    path = config_path or find_file(os.environ, is_service=is_service)
    service_uid = None
    if path == find_file(os.environ, is_service=True):
        service_uid = found.uid if found is not None and is_service else places.number_of(user or "")
    config, about_config = places.check_configuration(path, is_named=config_path is not None, service_uid=service_uid)
    yield about_config
    known = config or Config()
    if known.control.group is not None:
        yield places.check_group(known.control.group)
    state_dir, runtime_dir = directories.state, directories.runtime
    if found is not None:
        state_dir = state or Path(found.about["state_dir"])
        runtime_dir, uid = found.socket.parent, found.uid
    yield places.check_directory("state", state_dir, may_group_pass=False, daemon_uid=uid)
    may_group_pass = known.control.group is not None or (is_service if found is None else found.is_open_to_group)
    yield places.check_directory("runtime", runtime_dir, may_group_pass=may_group_pass, daemon_uid=uid)
    yield from about_socket
    yield from units.check_units(managers, None if found is None else found.pid, known.graces)
    pid = found.pid if found is not None and Path(found.about["state_dir"]) == state_dir else None
    report, about_journal = journal.check_journal(state_dir / "journal.db", uid, pid)
    yield about_journal
    about_set_aside = journal.check_set_aside(state_dir / "journal.db")
    if about_set_aside is not None:
        yield about_set_aside
    yield places.check_disk(state_dir)
    rooms = len(found.rooms) if found is not None else len(known.rooms)
    yield machine.check_descriptors(known.limits, rooms, None if found is None else found.pid)
    yield machine.check_clock(None if report is None else report.newest_event_at)
    if found is not None:
        there = {room["name"]: (Path(room["workdir"]), room["agent"]["name"]) for room in found.rooms}
    else:
        rooms_here = {} if config is None else config.rooms
        there = {name: (Path(room.workdir).expanduser().absolute(), room.agent) for name, room in rooms_here.items()}
    used = {name: known.agents[agent] for name, (_, agent) in there.items() if agent in known.agents}
    yield from places.check_workdirs({name: path for name, (path, _) in there.items()}, used)
    if config is not None:
        secrets, runs = store.store_of(path, os.environ), found is not None
        yield from meaning.check_meaning(config.gemini, path, os.environ, runs=runs, store=secrets)
        yield from measures.check_measures(config.metrics, os.environ, runs=runs, store=secrets)
        if found is not None and path.exists():
            yield from taken.check_taken(config, path, found, managers)
        yield from _look_at_agents(config, path, None if found is None else found.rooms)


def _look_at_agents(config: "Config", path: Path, running: list[dict[str, Any]] | None) -> Iterator[Finding]:
    """Look at the agents of the configured rooms, and of those that were created in a daemon that runs."""
    from ctl.health import agents, warning
    from ctl.health.store import store_of

    serving = {about["name"]: about["agent"]["name"] for about in running or ()}
    uses: dict[str, dict[agents.Choice, list[str]]] = {}
    for name in serving if running is not None else config.rooms:
        room = config.rooms.get(name)
        agent = serving[name] if room is None or running is not None else room.agent
        own = (None, None) if room is None or room.agent != agent else (room.model, room.permission_mode)
        uses.setdefault(agent, {}).setdefault(own, []).append(name)
    for name, choices in sorted(uses.items()):
        if name in config.agents:
            place = agents.Place(name, path)
            yield from agents.check_agent(
                place,
                config.agents[name],
                choices,
                os.environ,
                runs=running is not None,
                store=store_of(path, os.environ),
            )
        else:
            found = f"a room uses it, but {path} does not have it: the daemon was started with another configuration"
            yield warning(f"agent {name}", found, "name that with --config")


def _show(out: Screen, finding: Finding) -> None:
    status = out.style(pad(finding.status.value, MARGIN), COLOURS[finding.status])
    lines = [(f"{pad(finding.name, NAME_COLUMNS)}  ", finding.found)]
    lines += [("→ ", finding.remedy)] if finding.remedy else []
    for number, (head, text) in enumerate(lines):
        wrapper = Wrapper(out.width, MARGIN + 2)
        body = wrapper.feed(head + harmless(text)) + wrapper.end()
        out.line((status if number == 0 else " " * MARGIN) + body)


@click.command(
    cls=Command,
    examples=(
        ("concordiactl doctor", "Look at everything; a daemon need not run."),
        ("concordiactl doctor --state-dir /srv/state --runtime-dir /run/x", "For a daemon with places of its own."),
        ("concordiactl doctor -o json | jq '.findings[] | select(.status != \"ok\")'", "For a program."),
    ),
)
@click.option("--config", "config_path", type=PLACE, help="The daemon's configuration file.")
@click.option("--state-dir", type=PLACE, help="Where the daemon's journal is.")
@click.option("--runtime-dir", type=PLACE, help="Where the daemon's socket is.")
@click.pass_context
def doctor(context: click.Context, config_path: Path | None, state_dir: Path | None, runtime_dir: Path | None) -> None:
    """
    Say what is missing, and how to mend it.

    Looks at the machine, the configuration, the daemon's directories, its socket, its units in systemd and its journal,
    and asks the agents' programs for their version, whether they accept every flag that they will get, and whether they
    have credentials: in the environment of this shell, or in a unit like their own where they have one and root asks.
    Ends with 1 if anything is an error, with 0 if there are only warnings.
    """
    settings = context.find_object(Settings) or Settings()
    out = Screen.out()
    progress = Progress(Screen.err())
    findings: list[Finding] = []
    progress.show("looking")
    for finding in _look(settings, config_path, state_dir, runtime_dir):
        findings.append(finding)
        progress.clear()
        if not settings.is_json:
            _show(out, finding)
        progress.show("looking")
    progress.clear()
    seen = {finding.status for finding in findings}
    worst = next(status for status in (Status.ERROR, Status.WARNING, Status.OK) if status in seen)
    if settings.is_json:
        out.json(json.dumps({"status": worst, "findings": [finding._asdict() for finding in findings]}))
    context.exit(EXIT_FAILURE if worst is Status.ERROR else EXIT_DONE)
