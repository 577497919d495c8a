"""
The text of a prompt, from the command line or from standard input.

Imports nothing that Python has not loaded by itself (see ctl.quick).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TRACEPARENT_CHARACTERS = 55


def read_text(words: tuple[str, ...]) -> str:
    """
    Take the prompt from the arguments, or from standard input for `-` or nothing.

    Raises:
        Failure: there is none, or it is not UTF-8.
    """
    text = _read_input(words) if words in ((), ("-",)) else " ".join(words)
    if "-" in words and len(words) > 1:
        raise _failure("- reads the whole prompt from standard input, so it stands alone")
    if not text.strip():
        raise _failure("the prompt is empty: say what you want to ask")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        from ctl.failures import INVALID_UNICODE

        raise _failure(INVALID_UNICODE) from error
    return text


def find_traceparent(environment: Mapping[str, str]) -> str | None:
    """Find where in somebody's trace this call belongs, as far as it can be that: the daemon reads it."""
    given = environment.get("TRACEPARENT", "")
    return given if len(given) == TRACEPARENT_CHARACTERS and given.isascii() and given.isprintable() else None


def _read_input(words: tuple[str, ...]) -> str:
    if sys.stdin is None or (not words and sys.stdin.isatty()):
        raise _failure(
            "no prompt: write it behind `submit`, or `submit -` and type it, ending with Ctrl-D, or pipe it in"
        )
    try:
        return sys.stdin.buffer.read().decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _failure(
            f"standard input is not UTF-8 (byte {error.start}): convert it first, for example with iconv"
        ) from error
    except OSError as error:
        raise _failure(f"cannot read standard input: {error.strerror}") from error


def _failure(message: str) -> Exception:
    from concordiad.core.codes import EXIT_USAGE
    from ctl.failures import Failure

    return Failure(message, EXIT_USAGE)
