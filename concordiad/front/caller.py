"""Who calls: what every method and every reading goes by."""

from msgspec import Struct

from concordiad.core.model import Author, Horizon
from concordiad.core.roles import Role


class Caller(Struct, frozen=True):
    """
    Who calls, as the transport found out; never what the caller says of itself.

    Attributes:
        author: whom it acts as.
        role: without one it gets nothing.
        room: the one room that there is for it, which makes it a guest; None for all of them.
        horizon: where the past begins that it may see; None for all of it.
        may_approve: whether its invite grants what only some may do.
    """

    author: Author
    role: Role | None
    room: str | None = None
    horizon: Horizon | None = None
    may_approve: bool = False

    @property
    def is_host(self) -> bool:
        """Whether everything may be told to it."""
        return self.role is Role.HOST and self.room is None

    @property
    def reader(self) -> str | None:
        """Who reads, by the author's id; None for a host, to whom everything may be told."""
        return None if self.is_host else self.author.id

    @property
    def after_seq(self) -> int:
        """The number of the event before the first one that it may see."""
        return 0 if self.horizon is None else self.horizon.after_seq

    @property
    def seen_from(self) -> float | None:
        """Unix seconds: what was over by then it may not see; None: it may see everything."""
        return None if self.horizon is None else self.horizon.since
