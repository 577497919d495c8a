"""
A Debian tree to boot machines from: built once by debootstrap, kept in the person's cache by what it is made of.

The mirror is the one that apt itself uses, asked for when it is needed. Where no tree can be built, tests that want a
machine are skipped, unless CONCORDIA_REQUIRE_SYSTEMD is set.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

REQUIRED: Final = "CONCORDIA_REQUIRE_SYSTEMD"
"""With this in the environment, a machine that cannot be booted here fails its test instead of skipping it."""
SUITE: Final = "bookworm"
PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "dbus-user-session"),
    *("python3", "procps", "man-db", "strace"),
)
VERSION: Final = "1"
"""Part of the key: another one has every tree built anew."""
BUILD_S: Final = 1200.0
"""The end of a build that hangs; on a quiet machine it takes two minutes."""


def cannot(why: str) -> None:
    """Skip the test, loudly; or fail it, where that is asked for."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {why}")
    pytest.skip(f"{why}: set {REQUIRED}=1 to have this fail instead")


def debian_tree() -> Path:
    """Return the root of the tree; it is built where it is not there yet, and nobody changes it."""
    if os.geteuid() != 0:
        cannot("only root can boot a machine")
    for program, package in (("systemd-nspawn", "systemd-container"), ("debootstrap", "debootstrap")):
        if shutil.which(program) is None:
            cannot(f"{program} is not here (Debian: apt install {package})")
    place = _cache() / key()
    place.parent.mkdir(parents=True, exist_ok=True)
    # Suites that run beside each other wait for the one that builds.
    with _locked(place.with_name(f"{place.name}.lock")):
        if not place.exists():
            _build(place)
    return place


def key() -> str:
    """Name a tree by its ingredients."""
    return hashlib.sha256("\n".join((VERSION, SUITE, *PACKAGES)).encode()).hexdigest()[:16]


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "concordia" / "nspawn"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _build(place: Path) -> None:
    half = place.with_name(f"{place.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    print(f"building a Debian tree in {place}, this once")
    include = f"--include={','.join(PACKAGES)}"
    command = ["debootstrap", "--variant=minbase", include, SUITE, str(half), _mirror()]
    nothing = subprocess.DEVNULL
    done = subprocess.run(command, check=False, stdin=nothing, capture_output=True, text=True, timeout=BUILD_S)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        cannot(f"debootstrap has ended with {done.returncode}:\n{said}")
    shutil.rmtree(half / "var/cache/apt/archives", ignore_errors=True)
    half.rename(place)


def _mirror() -> str:
    """Ask apt where it finds the suite."""
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    try:
        targets = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        cannot(f"apt cannot be asked for its mirror: {error}")
        raise
    for release, component, uri in (line.split(" ", 2) for line in targets.splitlines()):
        if (release, component) == (SUITE, "main"):
            return uri
    cannot(f"apt's sources here have no {SUITE} to build from")
    raise LookupError(SUITE)
