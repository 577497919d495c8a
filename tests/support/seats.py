"""Somebody who is here for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from concordiad.core.admission import Admission, Seat
from concordiad.core.guestbook import Guestbook


@contextmanager
def seated(book: Guestbook, seat: Seat, admission: Admission) -> Iterator[None]:
    """Be here with a connection. Raises RoomError."""
    book.sit(seat, admission)
    try:
        yield
    finally:
        book.leave(seat, admission.member.id)
