"""
What ends the program early: one sentence for stderr, and the exit code that goes with it.

A sentence says what happened, to which thing, and what to do next.
"""

from typing import Final

from concordiad.core.codes import EXIT_CODES, EXIT_FAILURE, EXIT_NO_DAEMON, EXIT_TIMED_OUT

INVALID_UNICODE: Final = "the arguments are not UTF-8: pass the text on stdin, or set a UTF-8 locale"


class Failure(Exception):
    """Anything that the person is told after `concordiactl: `."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class ConnectionLost(Failure):
    """The daemon was there and is gone."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_NO_DAEMON)


class RoomGone(Failure):
    """The room that was followed is not there any more."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_NO_DAEMON)


class TimedOut(Failure):
    """Our own patience is over; the daemon goes on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_TIMED_OUT)


class Refused(Failure):
    """The daemon answered with an error object; `code` is its number (core.codes)."""

    def __init__(self, code: int, message: str, retry_after_s: float | None = None) -> None:
        later = "" if retry_after_s is None else f" (try again in {retry_after_s:g}s)"
        super().__init__(message + later, EXIT_CODES.get(code, EXIT_FAILURE))
        self.code = code
