"""
What can go wrong, by who must act on it.

A message says what happened, to which thing, and what to do next, in one sentence that may be shown to a person.
"""

from concordiad.core.codes import CONFLICT, INVALID_PARAMS, NOT_ALLOWED, NOT_FOUND, NOT_NOW, Code


class ConcordiaError(Exception):
    """Anything that Concordia raises on purpose."""


class LocalProtocolError(ConcordiaError):
    """Our own bug: a state machine was given what cannot come in its state. Crash loudly."""


class RemoteProtocolError(ConcordiaError):
    """A peer sent what the protocol does not allow; `code` is what it is answered."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


class AgentError(ConcordiaError):
    """The agent process failed; the keeper's restart policy decides."""


class AgentUnfit(AgentError):
    """The agent cannot be started, and a further attempt would end in the same way."""


class AgentGone(AgentError):
    """
    The agent's stdin took no more.

    Attributes:
        begun: whether a byte of the line was written.
        is_stuck: whether its pipe is there and full, rather than broken.
    """

    def __init__(self, message: str, *, begun: bool, is_stuck: bool = False) -> None:
        super().__init__(message)
        self.begun = begun
        self.is_stuck = is_stuck


class JournalError(ConcordiaError):
    """The journal cannot record or read; nothing may be acknowledged."""


class JournalStalled(JournalError):
    """The journal cannot record for now, and says why; nothing of it was recorded, and it may be tried again."""


class ConfigError(ConcordiaError):
    """The configuration or the machine is not fit: which key, what is wrong, what would be right."""


class NotAnswered(ConfigError):
    """A program was asked whether it is fit, and gave no answer in time: another attempt may be answered."""


class RoomError(ConcordiaError):
    """The caller of a room is told this; `code` is the row of the table of codes."""

    def __init__(self, code: Code, message: str, *, field: str | None = None, retry_after_s: float | None = None):
        super().__init__(message)
        self.code = code
        self.field = field
        self.retry_after_s = retry_after_s

    @classmethod
    def not_found(cls, message: str) -> "RoomError":
        """Make the error for a thing that does not exist."""
        return cls(NOT_FOUND, message)

    @classmethod
    def conflict(cls, message: str) -> "RoomError":
        """Make the error for a thing that is no longer in the right state."""
        return cls(CONFLICT, message)

    @classmethod
    def not_now(cls, message: str, retry_after_s: float | None = None) -> "RoomError":
        """Make the error for what may work later."""
        return cls(NOT_NOW, message, retry_after_s=retry_after_s)

    @classmethod
    def not_allowed(cls, message: str) -> "RoomError":
        """Make the error for what the caller's role does not include."""
        return cls(NOT_ALLOWED, message)

    @classmethod
    def invalid(cls, field: str, message: str) -> "RoomError":
        """Make the error for one bad field."""
        return cls(INVALID_PARAMS, message, field=field)
