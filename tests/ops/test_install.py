"""`make install` and `make uninstall`, for one person and for a package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


def install(*options: str) -> str:
    """Do what make does, and return what it says."""
    command = [sys.executable, "-m", "shipping.install", *options]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
    return done.stdout


def files_below(directory: Path) -> set[str]:
    """List the files and links of a tree."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def test_a_person_installs_runs_and_uninstalls(tmp_path: Path) -> None:
    """The programs run from there with nothing of the checkout, the units name them, and nothing stays behind."""
    prefix = tmp_path / "local"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/own").touch()
    said = install(f"--prefix={prefix}", "--personal")
    assert "systemctl --user" in said
    for program in ("concordiad", "concordiactl"):
        command = [str(prefix / "bin" / program), "--version"]
        done = subprocess.run(command, cwd="/", check=True, env={}, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.stdout.startswith(program)
    # What runs, and the modules of what it starts, are those that were installed.
    python = [str(prefix / "lib/concordia/bin/python3"), "-P", "-c", "import concordiad; print(concordiad.__file__)"]
    found = subprocess.run(python, cwd=ROOT, check=True, env={}, capture_output=True, text=True, timeout=PATIENCE_S)
    assert found.stdout.startswith(str(prefix))
    unit = (prefix / "share/systemd/user/concordiad.service").read_text()
    assert f"\nExecStart={prefix}/bin/concordiad\n" in unit
    assert not (prefix / "lib/systemd").exists()
    install(f"--prefix={prefix}", "--uninstall")
    assert files_below(prefix) == {"bin/own"}


def test_what_comes_next_can_be_done_where_systemd_does_not_look(tmp_path: Path) -> None:
    """Below another prefix than its own, its units are linked and then enabled, and taken away again."""
    said = install("--prefix=/opt/c", f"--destdir={tmp_path}")
    units = sorted(
        f"/opt/c/lib/systemd/system/{path.name}" for path in (tmp_path / "opt/c/lib/systemd/system").iterdir()
    )
    for path in re.findall(r"/opt/c/\S+\.(?:conf|toml)", said):
        assert (tmp_path / path[1:]).is_file()
    if shutil.which("systemctl") is None:
        pytest.skip("no systemctl is here: that units can be linked was not tried")
    for verb, words in re.findall(r"systemctl (link|enable|disable) (?:--now )?([^\n)]+)", said):
        named = units if "*" in words else words.split()
        names = [Path(name).name for name in named] if verb == "disable" else named
        command = ["systemctl", f"--root={tmp_path}", verb, *names]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
        there = {path.name for path in (tmp_path / "etc/systemd/system").rglob("*") if path.is_symlink()}
        assert there == (set() if verb == "disable" else {Path(unit).name for unit in units})
    assert verb == "disable"


def test_a_packager_gets_everything_below_destdir(tmp_path: Path) -> None:
    """Nothing is written beside it, and nothing in it names it."""
    options = ("--prefix=/usr/local", f"--destdir={tmp_path}")
    assert "enable --now concordiad.socket concordia-agent.socket concordiad.service" in install(*options)
    found = files_below(tmp_path)
    assert {"usr/local/bin/concordiad", "usr/local/lib/systemd/system/concordiad.service"} <= found
    assert {path.split("/")[0] for path in found} == {"usr"}
    named = [path for path in found if str(tmp_path).encode() in (tmp_path / path).resolve().read_bytes()]
    assert named == []
    install(*options, "--uninstall")
    assert files_below(tmp_path) == set()
