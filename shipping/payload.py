"""
The program itself as it is installed: a virtualenv in PREFIX/lib/concordia, from the locked wheels.

It is made by hand, so that it can be made for another interpreter than the one that runs here, and in another place
than the one where it will be used.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
OWN: Final = ("concordiad", "ctl")
PROGRAMS: Final = {"concordiad": "concordiad.__main__", "concordiactl": "ctl.__main__"}
LOCK: Final = ROOT / "constraints-run.txt"
NOT_AT_RUN_TIME: Final = ("setuptools",)
"""In the lock because Concordia's own wheel is built with it."""
PIP: Final = ("-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check")
LIBCS: Final = ("2_17", "2_28", "2_34")
"""Versions of glibc that wheels are built for, and that every distribution with Python 3.11 has."""


def lay_out(library: Path, programs: Path, interpreter: str, versions: Sequence[str], *, final: Path) -> None:
    """
    Write the virtualenv and the two programs.

    Args:
        library: where the virtualenv is written.
        programs: where the two programs are written.
        interpreter: the Python that will run it.
        versions: the versions that this may be, such as "3.11"; the one that runs this, where there are none.
        final: where `library` will be at last.
    """
    names = versions or (f"{sys.version_info.major}.{sys.version_info.minor}",)
    packages = library / "lib" / f"python{names[0]}" / "site-packages"
    packages.mkdir(parents=True)
    for other in names[1:]:
        (library / "lib" / f"python{other}").symlink_to(f"python{names[0]}")
    (library / "bin").mkdir()
    (library / "bin/python3").symlink_to(interpreter)
    home = os.path.dirname(interpreter)
    (library / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n", encoding="utf-8")
    _install_wheels(packages, versions)
    for name in OWN:
        shutil.copytree(ROOT / name, packages / name, ignore=shutil.ignore_patterns("__pycache__"))
    programs.mkdir(parents=True, exist_ok=True)
    for name, module in PROGRAMS.items():
        _write_program(programs / name, final / "bin/python3", module)


def _write_program(path: Path, python: Path, module: str) -> None:
    # Isolated: neither the variables nor the working directory of whoever calls it have a say in what is imported.
    path.write_text(f"#!{python} -I\nfrom {module} import main\n\nmain()\n", encoding="utf-8")
    path.chmod(0o755)


def _install_wheels(packages: Path, versions: Sequence[str]) -> None:
    locked = dict(_at_run_time(LOCK.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as directory:
        for number, options in enumerate(_targets(versions)):
            target = Path(directory) / str(number)
            wanted = Path(directory) / f"{number}.txt"
            # Only compiled modules differ from version to version, and those have it in their names.
            names = locked if number == 0 else _compiled(packages)
            wanted.write_text("".join(locked[name] for name in names), encoding="utf-8")
            command = [sys.executable, *PIP, "install", "--no-compile", "--no-deps", "--require-hashes"]
            command += ["--only-binary=:all:", f"--target={target}", f"--requirement={wanted}", *options]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            shutil.rmtree(target / "bin", ignore_errors=True)
            shutil.copytree(target, packages, dirs_exist_ok=True)


def _at_run_time(lock: str) -> Iterator[tuple[str, str]]:
    """Give the lock's entries by name, a package and its hashes each, less those that only building needs."""
    for entry in re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE):
        name = entry.partition("==")[0]
        if entry.strip() and name not in NOT_AT_RUN_TIME:
            yield name, entry


def _compiled(packages: Path) -> Iterator[str]:
    """Give the names of those packages that were installed as they were compiled for one version."""
    for wheel in sorted(packages.glob("*.dist-info/WHEEL")):
        if "Root-Is-Purelib: false" in wheel.read_text(encoding="utf-8"):
            yield wheel.parent.name.partition("-")[0].replace("_", "-").lower()


def _targets(versions: Sequence[str]) -> Iterator[list[str]]:
    """Say to pip what each of them is for; nothing where it is for the interpreter that runs this."""
    machine = os.uname().machine
    platforms = [f"--platform=manylinux_{libc}_{machine}" for libc in LIBCS]
    for version in versions:
        yield [f"--python-version={version}", "--implementation=cp", *platforms]
    if not versions:
        yield []
