"""Compiled modules of which a full disk has left the first half."""

import compileall
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
FIRST: Final = {"concordiad/__init__.py", "concordiad/bytecode.py", "ctl/__init__.py"}
"""What is read before half of anything is passed over: small enough to be on a disk whole, or not at all."""
BLOCK_BYTES: Final = 4096
SMALL_BYTES: Final = 200
"""Of a module with nothing but its docstring half is the header, of which Python sees itself that nothing follows."""


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the program, compile it, and cut each compiled module but for those few in half."""
    place = tmp_path_factory.mktemp("halved")
    for package in ("concordiad", "ctl"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
        assert compileall.compile_dir(place / package, quiet=1)
        for source in (place / package).rglob("*.py"):
            name = str(source.relative_to(place))
            compiled = Path(importlib.util.cache_from_source(str(source)))
            if name not in FIRST and compiled.stat().st_size > SMALL_BYTES:
                compiled.write_bytes(compiled.read_bytes()[: compiled.stat().st_size // 2])
    return place


def run(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python there."""
    return subprocess.run([sys.executable, *words], cwd=place, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("concordiad", "--version"),
        ("concordiad", "--check"),
        ("ctl", "--version"),
        ("ctl", "submit", "--help"),
        ("concordiad.agent.rehearsal", "--version"),
    ],
)
def test_half_of_a_compiled_module_is_passed_over(halved: Path, words: tuple[str, ...]) -> None:
    """Every program starts all the same, from the sources."""
    done = run(halved, "-m", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_python_itself_starts_nothing_with_it(halved: Path) -> None:
    """What the test above shows is not what Python would do anyway."""
    of_python = "from importlib.machinery import SourceFileLoader as L; read = L.get_code; import concordiad"
    done = run(halved, "-c", f"{of_python}; L.get_code = read; import concordiad.core.model")
    assert done.returncode == 1
    assert "EOFError" in done.stderr


def test_what_is_read_before_is_there_whole_or_not_at_all(halved: Path) -> None:
    """A full disk leaves whole blocks."""
    for name in FIRST:
        assert Path(importlib.util.cache_from_source(str(halved / name))).stat().st_size < BLOCK_BYTES, name
