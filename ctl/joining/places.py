"""
Who this person is in the rooms that they joined, kept over the end of the program.

Laws: a token is given only to the origin that gave it; the file is its owner's alone; what cannot be kept does not keep
anybody from joining.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Self

from ctl.failures import Failure
from ctl.files import replacing
from ctl.joining.link import Link

KEPT: Final = 200
"""Places that are kept; the oldest are forgotten."""
_MEMBERS: Final = ("origin", "invite", "name", "room", "key", "member_token")


class Place(NamedTuple):
    """
    A seat in a room.

    Attributes:
        origin: of the daemon.
        invite: the SHA-256 of the invite's token, in hexadecimal digits.
        name: that was asked for.
        room: None until it is known.
        key: with which the member token was asked for, so that a lost answer can be asked for again.
        member_token: None until it was given.
    """

    origin: str
    invite: str
    name: str
    room: str | None
    key: str
    member_token: str | None = None

    def is_seat_of(self, other: "Place") -> bool:
        """Tell whether both are the same person in the same room."""
        return self[:3] == other[:3]


def invite_of(link: Link) -> str:
    """Name the invite of a link without giving it away."""
    return sha256(link.token.encode()).hexdigest()


def state_directory() -> Path:
    """Name the person's directory for what is kept; it may not be there yet."""
    # The XDG specification: a relative path in this variable is invalid and counts as unset.
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if os.path.isabs(named) else Path("~/.local/state").expanduser()
    return base / "concordia" / "guest"


class Places:
    """The file of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "places.json"

    @classmethod
    def usual(cls) -> Self:
        """Take the person's own."""
        return cls(state_directory())

    def find(self, link: Link, name: str | None) -> Place | None:
        """Look for the seat that was last taken by a link, under that name if one is given."""
        invite = invite_of(link)
        for place in reversed(self._read()):
            if (place.origin, place.invite) == (link.origin, invite) and name in (None, place.name):
                return place
        return None

    def keep(self, place: Place) -> None:
        """
        Keep a seat, instead of what was known of it.

        Raises:
            Failure: it cannot be written.
        """
        with self._changing() as places:
            places[:] = [*(other for other in places if not other.is_seat_of(place)), place][-KEPT:]

    def forget(self, place: Place) -> None:
        """Forget a seat; raises what `keep` raises."""
        with self._changing() as places:
            places[:] = [other for other in places if not other.is_seat_of(place)]

    @contextmanager
    def _changing(self) -> Iterator[list[Place]]:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failure(f"cannot write {self._directory}: {error.strerror}") from error
        try:
            # Several of one person's programs may join at once; each holds the lock for a moment.
            fcntl.flock(lock, fcntl.LOCK_EX)
            places = self._read()
            yield places
            with replacing(self._path) as stream:
                stream.write(json.dumps([place._asdict() for place in places], indent=1).encode())
        finally:
            os.close(lock)

    def _read(self) -> list[Place]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return []
        if not isinstance(found, list):
            return []
        return [Place(**{name: each.get(name) for name in _MEMBERS}) for each in found if _is_place(each)]


def _is_place(found: object) -> bool:
    if not isinstance(found, dict):
        return False
    required = all(isinstance(found.get(name), str) for name in ("origin", "invite", "name", "key"))
    return required and all(isinstance(found.get(name), str | None) for name in ("room", "member_token"))
