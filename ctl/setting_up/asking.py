"""Asking a person: for a secret, which is not shown, and for a yes or no."""

import sys
import termios

from ctl.failures import Failure

LONGEST_KEY = 4096
"""Characters: whoever pipes in a file by mistake need not wait for its end."""


def is_conversation() -> bool:
    """Tell whether somebody is there who can answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def ask_hidden(question: str) -> str:
    """
    Ask for one line that does not appear on the terminal.

    Raises:
        Failure: the terminal has ended.
    """
    descriptor = sys.stdin.fileno()
    usual = termios.tcgetattr(descriptor)
    hidden = [*usual]
    hidden[3] &= ~termios.ECHO
    try:
        # What was typed before the question is no answer to it, and was shown.
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, hidden)
        print(question, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, usual)
        print(file=sys.stderr, flush=True)
    if not line:
        raise Failure("nothing was entered, and nothing was changed")
    return line.strip()


def ask_yes(question: str) -> bool:
    """Ask for a yes; whatever else is entered is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def read_piped() -> str:
    """Read the first line of what was piped in."""
    return "" if sys.stdin is None else sys.stdin.readline(LONGEST_KEY).strip()
