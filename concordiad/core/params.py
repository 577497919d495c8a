"""The params of every method, as attrs classes: the vocabulary of the wire."""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from concordiad.core.checks import (
    DAY_S,
    HOUR_S,
    LAST_LIMIT,
    LOG_LIMIT,
    LONGEST_S,
    PAGE_LIMIT,
    USES_LIMIT,
    is_between,
    is_guests_name,
    is_guests_role,
    is_hello_key,
    is_name,
    is_text,
    is_time,
)
from concordiad.core.model import AfterCrash, History, Outcome, Priority, PromptState
from concordiad.core.roles import Role
from concordiad.core.strict import FieldError


@frozen
class Cursor:
    """A place in a room's transcript: the event `seq` as numbered in `epoch`."""

    epoch: int = field(validator=is_between(0, 2**53))
    seq: int = field(validator=is_between(0, 2**53))


@frozen
class Nothing:
    """Params of a method that takes none."""


@frozen
class PromptSubmit:
    """Hand in a prompt; answered once it is durable."""

    text: str = field(validator=is_text)
    room: str = "main"
    key: str | None = field(default=None, validator=is_name)
    priority: Priority = Priority.NORMAL
    expires_s: float | None = field(default=None, validator=is_between(0.001, LONGEST_S))
    alone: bool = False
    raw: bool = False
    traceparent: str | None = field(default=None, validator=is_name)


@frozen
class PromptRetry:
    """Ask a prompt again that came to nothing; answered once the new one is durable."""

    id: str = field(validator=is_name)
    room: str = "main"
    key: str | None = field(default=None, validator=is_name)


@frozen
class ById:
    """One thing of a room."""

    id: str = field(validator=is_name)
    room: str = "main"


@frozen
class PromptList:
    """
    A page of prompts: those that wait in the order of their places, all others newest first.

    `author` is an author's id or name; `since` and `until` bound the time of submission.
    """

    room: str = "main"
    states: tuple[PromptState, ...] = ()
    author: str | None = field(default=None, validator=is_name)
    since: str | None = field(default=None, validator=is_time)
    until: str | None = field(default=None, validator=is_time)
    limit: int = field(default=100, validator=is_between(1, PAGE_LIMIT))
    cursor: str | None = field(default=None, validator=is_name)


@frozen
class TurnInterrupt:
    """Stop the running turn; with `turn`, only if it is still that one."""

    room: str = "main"
    turn: str | None = field(default=None, validator=is_name)


@frozen
class TurnList:
    """
    A page of turns, newest first.

    `author` is the id or name of one of a turn's authors; `since` and `until` bound the time of its start.
    """

    room: str = "main"
    outcomes: tuple[Outcome, ...] = ()
    author: str | None = field(default=None, validator=is_name)
    since: str | None = field(default=None, validator=is_time)
    until: str | None = field(default=None, validator=is_time)
    limit: int = field(default=50, validator=is_between(1, PAGE_LIMIT))
    cursor: str | None = field(default=None, validator=is_name)


@frozen
class EventsSubscribe:
    """
    Follow a room's transcript on this connection.

    At most one of: `after` (continue there), `since` (from that number on), `last` (that many recorded events first).
    """

    room: str = "main"
    after: Cursor | None = None
    since: int | None = field(default=None, validator=is_between(0, 2**53))
    last: int | None = field(default=None, validator=is_between(0, LAST_LIMIT))

    def __attrs_post_init__(self) -> None:
        """Refuse two starting points."""
        if sum(given is not None for given in (self.after, self.since, self.last)) > 1:
            raise ValueError("after, since and last exclude each other: give one of them")


@frozen
class EventsList:
    """A page of recorded events from `since` on, oldest first; or the `last` ones."""

    room: str = "main"
    since: int = field(default=0, validator=is_between(0, 2**53))
    last: int | None = field(default=None, validator=is_between(0, LAST_LIMIT))
    limit: int = field(default=PAGE_LIMIT, validator=is_between(1, PAGE_LIMIT))


@frozen
class InRoom:
    """Params of a method that only needs a room."""

    room: str = "main"


@frozen
class RoomCreate:
    """Open a new room; it is opened again at every start of the daemon until it is closed."""

    name: str = field(validator=is_name)
    workdir: str
    agent: str = "claude"
    model: str | None = field(default=None, validator=is_name)
    permission_mode: str | None = field(default=None, validator=is_name)
    idle_s: float = field(default=0.0, validator=is_between(0, LONGEST_S))
    after_crash: AfterCrash = AfterCrash.LEAVE


@frozen
class RoomRestart:
    """End a room's agent after what runs, and start it again; with `fresh` with a new conversation."""

    room: str = "main"
    fresh: bool = False


@frozen
class ApprovalAnswer:
    """Approve or deny what the agent asked for; the first answer wins."""

    id: str = field(validator=is_name)
    allow: bool
    room: str = "main"
    answers: Mapping[str, str] = field(factory=dict)
    reason: str | None = None


@frozen
class InviteCreate:
    """
    Make an invite; its link and token are in the answer and never shown again.

    `name` is a hint for who is invited. With null for `expires_s` it never expires, with null for `uses` it may be used
    any number of times.
    """

    room: str = "main"
    role: Role = field(default=Role.VIEWER, validator=is_guests_role)
    expires_s: float | None = field(default=DAY_S, validator=is_between(1, LONGEST_S))
    uses: int | None = field(default=1, validator=is_between(1, USES_LIMIT))
    name: str | None = field(default=None, validator=is_guests_name)
    may_approve: bool = False
    history: History = History.JOINING

    def __attrs_post_init__(self) -> None:
        """Refuse what would grant nothing."""
        if self.may_approve and self.role is not Role.DRIVER:
            raise FieldError(
                "may_approve", f"is for drivers, a {self.role} cannot answer approvals: leave one of them out"
            )


@frozen
class InviteList:
    """The invites of a room that are neither revoked nor expired; with `all` also those that are."""

    room: str = "main"
    all: bool = False


@frozen
class InviteRevoke:
    """End an invite and the connections of everybody who came by it."""

    id: str = field(validator=is_name)
    room: str = "main"


@frozen
class GuestList:
    """The guests of a room who are here; with `all` also those who may come back, or were here once."""

    room: str = "main"
    all: bool = False


@frozen
class GuestKick:
    """
    Remove a guest, end its connections, and take from it the means to come back.

    `id` is the guest's id, the beginning of its UUID, or its name if only one has that.
    """

    id: str = field(validator=is_name)
    room: str = "main"
    reason: str | None = field(default=None, validator=is_name)


@frozen
class JournalPrune:
    """
    Forget what ended longer ago, and the oldest events beyond so many bytes a room; what has not ended is kept.

    Without rooms, in every one that the journal knows; without either limit, nothing is forgotten.
    """

    older_than_s: float | None = field(default=None, validator=is_between(1, LONGEST_S))
    keep_bytes: int | None = field(default=None, validator=is_between(0, 2**53))
    rooms: tuple[str, ...] = ()


@frozen
class StatsGet:
    """
    What the turns came to that began between `since` and `until`, by day and by person.

    With null for `room` of all rooms; without `until` until now, without `since` from 30 days before that. A day begins
    at midnight where clocks are `utc_offset_s` seconds ahead of UTC; the hours of summer are not looked at.
    """

    room: str | None = field(default="main", validator=is_name)
    since: str | None = field(default=None, validator=is_time)
    until: str | None = field(default=None, validator=is_time)
    utc_offset_s: int = field(default=0, validator=is_between(-14 * HOUR_S, 14 * HOUR_S))


@frozen
class StatsLink:
    """Make the address of the page with the statistics, of one room or of all; whoever has it may read them."""

    room: str | None = field(default="main", validator=is_name)
    expires_s: float = field(default=HOUR_S, validator=is_between(1, DAY_S))


@frozen
class LogTail:
    """
    The latest entries of the daemon's log, as far as it keeps them: the last ones, or those after a number.

    A number is what an earlier answer gave as `next`; they count anew at every start of the daemon.
    """

    after: int | None = field(default=None, validator=is_between(0, 2**53))
    last: int = field(default=100, validator=is_between(0, LOG_LIMIT))


@frozen
class Hello:
    """
    Come in: the first message of a guest's connection, and of no other.

    `token` is an invite's or the `member_token` of an earlier answer; `key` makes it harmless to ask for a lost answer
    again.
    """

    token: str = field(validator=is_name, repr=False)
    name: str = ""
    key: str | None = field(default=None, validator=is_hello_key, repr=False)
    room: str | None = field(default=None, validator=is_name)
    after: Cursor | None = None
    last: int = field(default=100, validator=is_between(0, LAST_LIMIT))


Params = (
    Nothing
    | PromptSubmit
    | PromptRetry
    | ById
    | PromptList
    | TurnInterrupt
    | TurnList
    | EventsSubscribe
    | EventsList
    | InRoom
    | RoomCreate
    | RoomRestart
    | ApprovalAnswer
    | InviteCreate
    | InviteList
    | InviteRevoke
    | GuestList
    | GuestKick
    | JournalPrune
    | StatsGet
    | StatsLink
    | LogTail
    | Hello
)
METHODS: Final[dict[str, type[Params]]] = {
    "prompt.submit": PromptSubmit,
    "prompt.retry": PromptRetry,
    "prompt.cancel": ById,
    "prompt.split": ById,
    "prompt.get": ById,
    "prompt.list": PromptList,
    "turn.interrupt": TurnInterrupt,
    "turn.get": ById,
    "turn.list": TurnList,
    "events.subscribe": EventsSubscribe,
    "events.list": EventsList,
    "approval.list": InRoom,
    "approval.answer": ApprovalAnswer,
    "room.list": Nothing,
    "room.create": RoomCreate,
    "room.close": InRoom,
    "room.pause": InRoom,
    "room.resume": InRoom,
    "room.restart": RoomRestart,
    "invite.create": InviteCreate,
    "invite.list": InviteList,
    "invite.revoke": InviteRevoke,
    "guest.list": GuestList,
    "guest.kick": GuestKick,
    "journal.prune": JournalPrune,
    "stats.get": StatsGet,
    "stats.link": StatsLink,
    "log.tail": LogTail,
    "daemon.status": Nothing,
    "daemon.measure": Nothing,
    "rpc.discover": Nothing,
    "hello": Hello,
}
DEFAULT_ROOM: Final = "main"
"""The room of a request over the control socket that names none."""
