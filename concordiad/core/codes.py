"""
Every error code of the wire, its name, and the exit code that a command line gives it: one table.

Codes from -32700 to -32600 are JSON-RPC 2.0's own; those from -32000 down are Concordia's. This module imports nothing
heavy, because the command line reads it on its fast path.
"""

from typing import Final, NamedTuple


class Code(NamedTuple):
    """One row: the number on the wire, its name, the exit code of `concordiactl`, and when it is sent."""

    number: int
    name: str
    exit_code: int
    meaning: str


EXIT_DONE: Final = 0
EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_COMPLETED: Final = 3
EXIT_NOT_ALLOWED: Final = 4
EXIT_NO_DAEMON: Final = 69
EXIT_NOT_NOW: Final = 75
EXIT_CONFIG: Final = 78
EXIT_TIMED_OUT: Final = 124
EXIT_CTRL_C: Final = 130

PARSE_ERROR: Final = Code(-32700, "parse_error", EXIT_FAILURE, "the message is not one JSON value in UTF-8")
INVALID_REQUEST: Final = Code(-32600, "invalid_request", EXIT_FAILURE, "the JSON is not a JSON-RPC 2.0 request")
UNKNOWN_METHOD: Final = Code(-32601, "unknown_method", EXIT_FAILURE, "there is no such method")
INVALID_PARAMS: Final = Code(-32602, "invalid_params", EXIT_USAGE, "a field is missing, unknown, or has a bad value")
INTERNAL_ERROR: Final = Code(-32603, "internal_error", EXIT_FAILURE, "the daemon could not do it; its log says why")
NOT_FOUND: Final = Code(-32001, "not_found", EXIT_FAILURE, "no room and nothing in it has that name or id")
NOT_ALLOWED: Final = Code(-32002, "not_allowed", EXIT_NOT_ALLOWED, "the caller's role does not include this")
NOT_NOW: Final = Code(-32003, "not_now", EXIT_NOT_NOW, "refused for now; the same request may work later")
CONFLICT: Final = Code(-32004, "conflict", EXIT_FAILURE, "the thing is no longer in a state that allows this")
TOO_LARGE: Final = Code(-32005, "too_large", EXIT_FAILURE, "the message is longer than the limit")

CODES: Final = (
    PARSE_ERROR,
    INVALID_REQUEST,
    UNKNOWN_METHOD,
    INVALID_PARAMS,
    INTERNAL_ERROR,
    NOT_FOUND,
    NOT_ALLOWED,
    NOT_NOW,
    CONFLICT,
    TOO_LARGE,
)
EXIT_CODES: Final = {code.number: code.exit_code for code in CODES}
