"""The manual of the command line."""

from ctl.cli import make_cli
from ctl.reference import EXIT_CODES, every_command, write
from tests.ctl.program import ROOT


def test_the_manual_is_up_to_date() -> None:
    """If not: `python -m ctl.reference > docs/cli.md`."""
    assert write() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_has_its_section() -> None:
    """With the words that name it."""
    sections = {line.lstrip("# ") for line in write().splitlines() if line.startswith("#")}
    assert {" ".join(path) for path, _ in every_command(make_cli()) if path} <= sections


def test_every_exit_code_is_explained() -> None:
    """Each that the table of codes can give, and our own."""
    from concordiad.core import codes

    ours = {value for name, value in vars(codes).items() if name.startswith("EXIT_") and isinstance(value, int)}
    assert set(EXIT_CODES) == ours - {codes.EXIT_CONFIG}
