"""What `doctor` says of the language model."""

from pathlib import Path

import pytest

from concordiad.config.tables import Gemini
from ctl.health import Finding, Status
from ctl.health.meaning import check_meaning

KEY = "AIza-hush-0123456789"
CONFIG = Path("/etc/concordia/concordiad.toml")


def look(
    home: Path, settings: Gemini | None, *, runs: bool = False, variables: dict[str, str] | None = None
) -> list[Finding]:
    """Look as somebody with that home."""
    found = list(check_meaning(settings, CONFIG, {"HOME": str(home), **(variables or {})}, runs=runs))
    assert KEY not in str(found)
    return found


def store(home: Path, mode: int = 0o600) -> Path:
    """Store a key as `setup` does."""
    path = home / ".config" / "concordia" / "gemini_api_key"
    path.parent.mkdir(parents=True)
    path.write_text(KEY)
    path.chmod(mode)
    return path


def test_nothing_is_said_where_nobody_wants_it(tmp_path: Path) -> None:
    """Without a table and without a key there is nothing to look at."""
    assert look(tmp_path, None) == []


def test_key_that_is_not_used(tmp_path: Path) -> None:
    """A key without a table is worth a warning."""
    path = store(tmp_path)
    (found,) = look(tmp_path, None)
    assert (found.status, str(path) in found.found) == (Status.WARNING, True)


def test_key_in_its_place(tmp_path: Path) -> None:
    """A stored key is in order; whether it is good is not asked here."""
    path = store(tmp_path)
    (found,) = look(tmp_path, Gemini())
    assert (found.status, str(path) in found.found) == (Status.OK, True)
    (found,) = look(tmp_path / "elsewhere", Gemini(), variables={"GEMINI_API_KEY": KEY})
    assert (found.status, "GEMINI_API_KEY" in found.found) == (Status.OK, True)


def test_key_that_others_can_read(tmp_path: Path) -> None:
    """The daemon would refuse it."""
    path = store(tmp_path, 0o644)
    (found,) = look(tmp_path, Gemini())
    assert (found.status, f"chmod 600 {path}" in found.found) == (Status.ERROR, True)


@pytest.mark.parametrize(("runs", "status"), [(False, Status.ERROR), (True, Status.WARNING)])
def test_missing_key(tmp_path: Path, runs: bool, status: Status) -> None:
    """An error, unless a daemon runs, which has found its key where we may not look."""
    (found,) = look(tmp_path, Gemini(), runs=runs)
    assert (found.status, "the key is missing" in found.found) == (status, True)
