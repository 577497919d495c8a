"""How the answer of a command that is no stream is printed."""

import json
from typing import Any

from ctl.screen import Screen
from ctl.settings import Settings


def print_result(settings: Settings, result: dict[str, Any], text: str) -> None:
    """Print a result: the object for programs, or the text, which is harmless already, for people."""
    if settings.is_json:
        Screen.out().json(json.dumps(result, ensure_ascii=False))
    elif text:
        Screen.out().write(text if text.endswith("\n") else text + "\n")
