"""From the command line to the daemon: arguments, configuration, exit codes."""
# ruff: noqa: E402  # the signal comes first: the imports take a second on a busy machine

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

from concordiad.ops.postponed import import_own_hashes, postpone, version

import_own_hashes()
for name in ("asyncio", "difflib", "lzma", "ssl"):
    postpone(name)
postpone("importlib.metadata", version=version)

import argparse
import faulthandler
import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import attrs
import trio

import concordiad
from concordiad.config import parse_config, read_config
from concordiad.config.doors import Guests
from concordiad.config.places import find_agent_socket, find_directories, find_file
from concordiad.config.tables import Config
from concordiad.core.codes import EXIT_CONFIG, EXIT_FAILURE
from concordiad.core.logbook import Level
from concordiad.daemon import Setup, prepare, run_daemon
from concordiad.errors import ConcordiaError, ConfigError, JournalError, NotAnswered
from concordiad.house.handle import House
from concordiad.ops.log import Log
from concordiad.ops.memory import keep_freed_memory, spare_what_stays


class Option(NamedTuple):
    """One option of the command line: what it does, and what its value is called, if it has one."""

    name: str
    meaning: str
    value: str | None = None


DESCRIPTION: Final = "Let several people share one Claude Code session."
OPTIONS: Final = (
    Option("--config", "The configuration file.", "PATH"),
    Option("--state-dir", "Where the journal is kept.", "PATH"),
    Option("--runtime-dir", "Where the control socket is made.", "PATH"),
    Option("--try", "Fall back to the rehearsal agent if the real one cannot run; open the guests' port on loopback."),
    Option("--check", "Check the configuration, print what is in force, and end."),
    Option("--verbose", "Log all that there is: log.level is debug."),
)
LAST_STANDARD: Final = 2
"""The number of standard error."""
VERSION: Final = Option("--version", "Show the version and exit.")


def make_parser() -> argparse.ArgumentParser:
    """Make what reads the command line; argparse, because click would take another 0.7 MiB for as long as it runs."""
    parser = argparse.ArgumentParser("concordiad", description=DESCRIPTION, allow_abbrev=False)
    for name, meaning, value in OPTIONS:
        if value is None:
            parser.add_argument(name, help=meaning, action="store_true")
        else:
            parser.add_argument(name, help=meaning, metavar=value, type=Path)
    said = f"concordiad, version {concordiad.__version__}"
    parser.add_argument(VERSION.name, help=VERSION.meaning, action="version", version=said)
    return parser


def main() -> None:
    """Let several people share one Claude Code session."""
    given = vars(make_parser().parse_args())
    is_try: bool = given["try"]
    _hold_descriptors()
    log = Log()
    log.configure()
    # Python's own messages, too, neither end the daemon nor hold it up.
    sys.stderr = log.stream
    # A watchdog ends a loop that hangs with SIGABRT: where it hung is then in the log.
    faulthandler.enable()
    keep_freed_memory()
    status = 0
    try:
        environment = _as_in_service(given["config"]) if given["check"] else os.environ
        read = partial(_read, given["config"], environment, is_try=is_try, is_verbose=given["verbose"])
        if given["check"]:
            sys.stdout.write(f"{json.dumps(_effective(read()), indent=2)}\n")
            return
        directories = find_directories(given["state_dir"], given["runtime_dir"], os.environ)
        setup = prepare(read, directories, os.environ, log, is_try=is_try)
        spare_what_stays()
        trio.run(run_daemon, setup, _announce)
    except* NotAnswered as errors:
        # Not for good: a service manager is to try again.
        status = _say(errors, EXIT_FAILURE)
    except* ConfigError as errors:
        status = _say(errors, EXIT_CONFIG)
    except* JournalError as errors:
        status = _say(errors, EXIT_FAILURE)
    sys.exit(status)


def _hold_descriptors() -> None:
    """Have the three that everybody writes to open: else the next file that is opened would be one of them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD:
        pass
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = os.fdopen(LAST_STANDARD, "w", encoding="utf-8", closefd=False)


def _as_in_service(path: Path | None) -> Mapping[str, str]:
    # The daemon itself has its service's variables already, and need not load this.
    from concordiad.agent.service import as_in_service  # noqa: PLC0415

    file = path or find_file(os.environ, is_service="STATE_DIRECTORY" in os.environ)
    return as_in_service(file, os.environ)


def _read(path: Path | None, environment: Mapping[str, str], *, is_try: bool, is_verbose: bool) -> Config:
    config = _read_file(path, environment, is_try=is_try)
    if is_verbose:
        config = attrs.evolve(config, log=attrs.evolve(config.log, level=Level.DEBUG))
    return attrs.evolve(config, guests=Guests()) if is_try and config.guests is None else config


def _read_file(path: Path | None, environment: Mapping[str, str], *, is_try: bool) -> Config:
    agent_socket = find_agent_socket(environment)
    is_service = "STATE_DIRECTORY" in environment
    default = find_file(environment, is_service=is_service)
    if path is not None or default.exists() or (is_service and not is_try):
        return read_config(path or default, agent_socket)
    if is_try:
        default.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        default.write_text(FIRST_CONFIG, encoding="utf-8")
        _tell(f"concordiad: wrote a first configuration to {default}")
        return parse_config(FIRST_CONFIG, agent_socket)
    return parse_config("", agent_socket)


FIRST_CONFIG = """\
# Concordia's configuration; docs/configuration.md explains every key.

[guests]              # the page and the WebSocket for people with an invite; without this table there is no port
# listen = "127.0.0.1:8765"
# public_url = "https://…"    # what invites are made of, if people come by another way than that

[rooms.main]
workdir = "."         # where `concordiad` is started
agent = "claude"

[agents.claude]
kind = "claude-code"
# command = ["claude"]
# model = "sonnet"
# permission_mode = "default"
# credentials = { ANTHROPIC_API_KEY = "/path/to/a/file/with/mode/0600" }
"""


def _effective(config: Config) -> dict[str, Any]:
    shown: dict[str, Any] = attrs.asdict(config)
    for agent in shown["agents"].values():
        # A value in env may be a secret that somebody put in the wrong place.
        agent["env"] = dict.fromkeys(agent["env"], "…")
    return shown


def _announce(setup: Setup, house: House) -> None:
    lines = [f"concordiad {concordiad.__version__} is ready, its socket is {setup.directories.socket}"]
    for name, room in house.rooms.items():
        spec = room.setup.spec
        lines.append(f"  room {name}: {spec.name} {spec.version or ''} in {spec.workdir}")
        if spec.is_rehearsal:
            lines.append("  *** This is the REHEARSAL agent: no model is behind it, it only echoes. ***")
    if house.page_url is not None:
        lines.append(f"  guests: {house.page_url}, for whoever has a link of an invite")
    # Nobody types where a service manager's log is read.
    _tell("\n".join(lines if setup.manager.address is not None else ["", *lines, *_what_to_type(setup, house), ""]))


def _what_to_type(setup: Setup, house: House) -> list[str]:
    program = Path(sys.argv[0]).with_name("concordiactl")
    ctl = str(program) if program.exists() else "concordiactl"
    if setup.directories.socket != find_directories(None, None, os.environ).socket:
        ctl += f" --socket {setup.directories.socket}"
    return [
        "Now type, in another terminal:",
        f'  {ctl} submit --follow "Hello, who are you?"',
        f"  {ctl} tail",
        *([f"  {ctl} invite create"] if house.page_url is not None else []),
        "Ctrl-C here drains and stops; twice hurries.",
    ]


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _say(errors: BaseExceptionGroup[ConcordiaError], status: int) -> int:
    # One fault may reach several tasks.
    for sentence in dict.fromkeys(map(str, _leaves(errors))):
        _tell(f"concordiad: {sentence}")
    return status


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


if __name__ == "__main__":
    main()
