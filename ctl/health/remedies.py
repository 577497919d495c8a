"""
What to type: commands that work on this machine, for whoever asks, as they stand.

A remedy that is one command stands bare; a command among words stands between backticks.
"""

import grp
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import concordiad

SYSTEMD: Final = Path("/run/systemd/system")
"""There where systemd runs the machine: sd_booted(3)."""
UNIT: Final = "concordiad.service"
SYSTEMCTL_S: Final = 3.0
PASTE: Final = "paste it, end with Enter and Ctrl-D"


def type_out(*words: str | Path) -> str:
    """Write a command as a shell reads it."""
    return shlex.join(map(str, words))


def move_away(path: Path) -> str:
    """Write what takes a file out of the way and keeps it."""
    return type_out("mv", path, f"{path}.old")


def has_systemd() -> bool:
    """Tell whether systemd runs this machine."""
    return SYSTEMD.is_dir()


def has_unit() -> bool:
    """Tell whether systemd runs this machine, and has a unit for the daemon."""
    program = shutil.which("systemctl")
    if program is None or not has_systemd():
        return False
    try:
        asked = subprocess.run(
            [program, "cat", UNIT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SYSTEMCTL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def start_daemon(options: Sequence[str]) -> str:
    """Write what starts a daemon: with these options, or, without any, the installed one or that of a checkout."""
    if not options and has_unit():
        return "systemctl start concordiad"
    checkout = Path(concordiad.__file__).parents[1]
    if not options and (checkout / "Makefile").is_file() and Path.cwd() == checkout:
        return "make run"
    return type_out(*_daemon(), "--try", *options)


def _daemon() -> list[str]:
    """Find the program: the one that was installed together with this one."""
    beside = Path(sys.executable).with_name("concordiad")
    if not os.access(beside, os.X_OK):
        return [sys.executable, "-m", "concordiad"]
    found = shutil.which("concordiad")
    return ["concordiad"] if found is not None and Path(found).resolve() == beside.resolve() else [str(beside)]


def write_secret(path: Path) -> str:
    """Write what makes a file for a secret that only its owner can read, without the secret in the shell's history."""
    return type_out("install", "-D", "-m", "600", "/dev/stdin", path)


def join(gid: int) -> str | None:
    """Write what lets whoever asks into a group; None for root's, and for one without a name."""
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return None
    user = name_user(os.geteuid())
    if gid == 0:
        return None
    if user in group.gr_mem and gid not in os.getgroups():
        return f"log in again: you are in the group {group.gr_name} by now, but this login is older"
    return f"as root `{type_out('usermod', '-aG', group.gr_name, user)}`, then log in again"


def name_user(uid: int) -> str:
    """Name a user as chown takes it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
