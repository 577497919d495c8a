"""Who sits in a room without a connection: tests see what becomes of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from concordiad.core.admission import Admission, Seat
from concordiad.core.guestbook import Guestbook


class Chair:
    """A connection that remembers why it was dismissed."""

    address = "192.0.2.1"

    def __init__(self) -> None:
        self.dismissed: list[tuple[int, str]] = []

    def dismiss(self, code: int, reason: str) -> None:
        """Remember it."""
        self.dismissed.append((code, reason))

    def lag(self) -> tuple[int, int]:
        """Tell that nothing waits."""
        return 0, 0


@contextmanager
def seated(book: Guestbook, seat: Seat, admission: Admission) -> Iterator[None]:
    """Be here with a connection. Raises RoomError."""
    book.sit(seat, admission)
    try:
        yield
    finally:
        book.leave(seat, admission.member.id)
