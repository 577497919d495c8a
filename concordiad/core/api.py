"""
How an agent's API fails, by name; and which of these failures a further prompt would meet too.

The statuses are those of the Messages API: 429 for too many requests of this account, 529 for too many of everybody.
"""

import enum
from typing import Final, NamedTuple

API_ANSWERS: Final = "the API answers again"
"""Why a room whose API failed goes on, as its transcript says."""


class ApiTrouble(enum.StrEnum):
    """A failure that is not the prompt's: the next one would meet it too."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    AUTHENTICATION = "authentication"
    NETWORK = "network"


class ApiFailing(NamedTuple):
    """
    That an agent's API fails turn after turn.

    Attributes:
        reason: how.
        wait_s: how long the queue waits after the last failure.
        tries_at: when the next prompt tries, in Unix seconds.
    """

    reason: str
    wait_s: float
    tries_at: float


def trouble_of(status: int | None) -> ApiTrouble | None:
    """Name the failure of a request by its HTTP status, None where there was no answer; None if it is the prompt's."""
    if status is None:
        return ApiTrouble.NETWORK
    if status == 429:
        return ApiTrouble.RATE_LIMIT
    if status == 529:
        return ApiTrouble.OVERLOADED
    if status in (401, 403):
        return ApiTrouble.AUTHENTICATION
    return ApiTrouble.SERVER_ERROR if status >= 500 else None
