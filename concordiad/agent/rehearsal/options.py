"""Flags: those of `claude -p` that this program obeys or knowingly ignores, and its own."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from concordiad import __version__

VERSION: Final = f"{__version__} (Concordia rehearsal agent)"
MODEL: Final = "rehearsal"
MODES: Final = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
IGNORED_SWITCHES: Final = frozenset(
    {
        "-p",
        "--print",
        "--verbose",
        "--replay-user-messages",
        "--strict-mcp-config",
        "--restricted",
        "--bare",
        "--no-session-persistence",
    }
)
IGNORED_VALUES: Final = frozenset(
    {
        "--input-format",
        "--output-format",
        "--fallback-model",
        "--disallowed-tools",
        "--tools",
        "--max-budget-usd",
        "--system-prompt",
        "--append-system-prompt",
        "--add-dir",
        "--mcp-config",
        "--settings",
        "--setting-sources",
    }
)


class Options:
    """
    What the flags and the environment say.

    Attributes:
        resume: the session to continue, or None.
        session_id: the id that a new session shall have, or None for any.
        model: may be changed by set_model.
        permission_mode: one of MODES; may be changed by set_permission_mode.
        max_turns: requests to the API that one turn may make, or None.
        log: file that gets a JSON line for every prompt, or None.
        partial: whether stream_event lines are wanted.
        can_ask: whether permission requests go to standard output; without that they are denied.
        bash_allowed: whether Bash runs without asking.
        states: whether session_state_changed lines are wanted.
        background: whether Bash may run in the background.
        pace_s: pause between two words.
        max_retries: how often the API is tried again.
    """

    def __init__(self) -> None:
        self.resume: str | None = None
        self.session_id: str | None = None
        self.model = MODEL
        self.permission_mode = "default"
        self.max_turns: int | None = None
        self.log: str | None = None
        self.partial = False
        self.can_ask = False
        self.bash_allowed = False
        self.states = os.environ.get("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS") == "1"
        self.background = os.environ.get("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS") != "1"
        self.pace_s = float(os.environ.get("CONCORDIA_REHEARSAL_PACE_MS", "15")) / 1000
        self.max_retries = int(os.environ.get("CLAUDE_CODE_MAX_RETRIES", "10"))


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line, each value as `--flag=value` or `--flag value`; exits with 1 where the CLI would."""
    options = Options()
    rest = list(arguments)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        if flag in IGNORED_SWITCHES:
            continue
        if flag in {"--version", "-v"}:
            sys.stdout.write(VERSION + "\n")
            raise SystemExit(0)
        if flag == "--include-partial-messages":
            options.partial = True
            continue
        if flag not in OBEYED and flag not in IGNORED_VALUES:
            refuse(f"unknown option '{flag}'")
        if not equals:
            value = rest.pop(0) if rest else refuse(f"option '{flag}' argument missing")
        if flag in OBEYED:
            OBEYED[flag](options, value)
    return options


def refuse(reason: str) -> NoReturn:
    """End the program as the CLI does over a bad command line."""
    sys.stderr.write(f"error: {reason}\n")
    raise SystemExit(1)


def take_mode(options: Options, value: str) -> None:
    """Take a permission mode, if there is one of that name."""
    if value not in MODES:
        refuse(f"option '--permission-mode' argument '{value}' is invalid. Allowed choices are {', '.join(MODES)}.")
    options.permission_mode = value


def take_turns(options: Options, value: str) -> None:
    """Take the number of requests that one turn may make."""
    if not value.isdigit() or not int(value):
        refuse(f"option '--max-turns' argument '{value}' is invalid")
    options.max_turns = int(value)


def take_prompt_tool(options: Options, value: str) -> None:
    """Take where permission requests go: only `stdio` is somewhere."""
    options.can_ask = value == "stdio"


def take_allowed(options: Options, value: str) -> None:
    """Take the allowed tools; a pattern such as Bash(ls:*) allows nothing here, so the tool asks."""
    options.bash_allowed = options.bash_allowed or "Bash" in value.replace(",", " ").split()


def plain(name: str) -> Callable[[Options, str], None]:
    """Return a setter for an option that is taken as it stands."""
    return lambda options, value: setattr(options, name, value)


OBEYED: Final[dict[str, Callable[[Options, str], None]]] = {
    "--resume": plain("resume"),
    "--session-id": plain("session_id"),
    "--model": plain("model"),
    "--log": plain("log"),
    "--permission-mode": take_mode,
    "--max-turns": take_turns,
    "--permission-prompt-tool": take_prompt_tool,
    "--allowed-tools": take_allowed,
    "--allowedTools": take_allowed,
}
