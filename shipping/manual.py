"""`python -m shipping.manual DIRECTORY`: the manual pages, from the help of the programs and from docs/."""

import re
import sys
from pathlib import Path
from typing import Final

import concordiad
from concordiad.__main__ import DESCRIPTION, OPTIONS, VERSION
from ctl import reference
from shipping.payload import ROOT
from shipping.roff import Page, manual_page

OPERATION: Final = ("Start", "Reload", "Stop", "Files", "Errors at the start")
"""What concordiad(8) takes from docs/operation.md."""


def pages() -> dict[str, str]:
    """Write every page; by the names of their files."""
    texts = {
        Page("concordiactl", "1", "use a Concordia daemon", concordiad.__version__): reference.write(),
        Page("concordiad", "8", "share one Claude Code session", concordiad.__version__): _of_daemon(),
        Page("concordiad.toml", "5", "configuration of concordiad", concordiad.__version__): _read("configuration.md"),
    }
    return {f"{page.name}.{page.section}": manual_page(page, text) for page, text in texts.items()}


def _read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _of_daemon() -> str:
    options = "".join(
        f"| `{name if value is None else f'{name} {value}'}` | {meaning} |\n"
        for name, meaning, value in (*OPTIONS, VERSION)
    )
    parts = [
        f"## Synopsis\n\n`concordiad [OPTIONS]`\n\n## Description\n\n{DESCRIPTION}\n",
        f"## Options\n\n| option | what it does |\n| --- | --- |\n{options}",
        *_sections(_read("operation.md"), OPERATION),
        "## See also\n\nconcordiactl(1), concordiad.toml(5), systemctl(1)\n",
    ]
    return "\n".join(parts)


def _sections(markdown: str, titles: tuple[str, ...]) -> list[str]:
    """Take some sections of a page of documentation, as they stand there."""
    found = {part.partition("\n")[0]: part for part in re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]}
    return [f"## {found[title]}" for title in titles]


def main() -> None:
    """Write the pages into a directory."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
