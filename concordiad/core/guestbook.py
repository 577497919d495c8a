"""
Who may come into a room, and who is here: decided at once, for the caller to record before anybody is told.

Laws: a token opens a room only while its invite is neither revoked nor over, and a member's own token only until it is
removed; an invite makes no more members than it has uses, and one at most for each key; a guest of whom the transcript
says that it is here has come, and each `guest.joined` has its one `guest.left`. Who loses a right loses it at once, not
only once that is recorded.
"""

import math
from collections.abc import Callable, Iterable
from hmac import compare_digest
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from concordiad.core.admission import (
    EXPIRED,
    NOT_ADMITTED,
    REMOVED,
    REVOKED,
    Admission,
    Closing,
    Entries,
    Seat,
    hash_of,
)
from concordiad.core.checks import fault_of_name
from concordiad.core.model import Author, Invite, InviteState, Member
from concordiad.core.namesakes import Namesakes
from concordiad.core.nearest import did_you_mean
from concordiad.core.params import InviteCreate
from concordiad.core.roles import Role
from concordiad.core.views import author_view, guest_view, invite_view, person_view
from concordiad.errors import RoomError

T = TypeVar("T")

NEVER: Final = math.inf
LINGER_S: Final = 5.0
"""How long a guest whose last connection ended may take to come back before the others are told that it left."""
RETURN_S: Final = 30.0
"""The same after a start of the daemon: clients of a daemon that was away wait longer from try to try."""
MEMBERS: Final = 20_000
"""Guests that a room remembers at most, away ones too: some 20 MB."""
SEATS: Final = 32
"""Connections of one guest at once: a few devices and pages, and not all the places of the house."""


class Guestbook:
    """
    The invites of one room that are not over, their members, and who is here.

    Args:
        room: its name.
        now: Unix seconds.
        clock: monotonic seconds, by which guests linger.
        new_id: makes ids.
        new_token: makes tokens of 192 random bits.
        taken: names of people who are no guests, and of what else speaks in the room.
        elapsed: seconds by which invites end: like `clock`, but it goes on while the machine sleeps. The wall clock,
            which may be set, decides only how much of an invite is left at a start.
    """

    def __init__(
        self,
        room: str,
        now: Callable[[], float],
        clock: Callable[[], float],
        new_id: Callable[[], str],
        new_token: Callable[[], str],
        taken: Iterable[str] = (),
        elapsed: Callable[[], float] | None = None,
    ) -> None:
        self._room = room
        self._now = now
        self._clock = clock
        self._elapsed = elapsed or clock
        self._new_id = new_id
        self._new_token = new_token
        self._invites: dict[str, Invite] = {}
        self._ends: dict[str, float] = {}
        self._members: dict[str, Member] = {}
        self._of_invite: dict[str, dict[str, None]] = {}
        self._invite_by_token: dict[bytes, str] = {}
        self._member_by_token: dict[bytes, str] = {}
        self._by_key: dict[tuple[str, bytes], str] = {}
        self._names = Namesakes(taken)
        self._seats: dict[str, tuple[Seat, ...]] = {}
        self._due: dict[str, float] = {}
        self._count = 0
        self._people: bytes | None = None
        self._shown: tuple[bytes | None, bytes, msgspec.Raw] = (None, b"", msgspec.Raw())
        self._wake: Callable[[float], None] = _nobody
        self.has_closed = False

    def load(self, invites: Iterable[Invite], known: Iterable[Member]) -> None:
        """Take what the journal knows: invites that are not over, and their members that nobody removed."""
        for invite in invites:
            self._keep_invite(invite)
        for member in known:
            self._keep_member(member)
            if member.here_since is not None:
                self._count += 1
                self._due[member.id] = self._clock() + RETURN_S

    def watch(self, wake: Callable[[float], None]) -> None:
        """Have somebody told whenever there is something to do at a monotonic time."""
        self._wake = wake

    def find(self, token: str) -> bool:
        """Tell whether a token belongs to this room and its invite is not over."""
        return self._find(hash_of(token)) is not None

    def invites(self) -> list[tuple[Invite, InviteState]]:
        """List the invites that are neither revoked nor expired, oldest first."""
        return [(invite, self.state_of(invite)) for invite in self._invites.values() if not self._is_over(invite)]

    def state_of(self, invite: Invite) -> InviteState:
        """Tell where an invite of this room stands, also one of the past."""
        if invite.revoked_at is None and (invite.id not in self._invites or self._is_over(invite)):
            return InviteState.EXPIRED
        return invite.state(-math.inf)

    @property
    def count(self) -> int:
        """How many guests are here."""
        return self._count

    @property
    def detached(self) -> int:
        """How many of the guests who are here have events to catch up with, because they read too slowly."""
        return sum(any(seat.lag()[0] for seat in seats) for seats in self._seats.values())

    def has_another(self, author: str) -> bool:
        """Tell whether a guest is connected who is not this author and may ask something, too."""
        return any(
            member.author.id != author and self._invites[member.invite].role is not Role.VIEWER
            for member in map(self._members.get, self._seats)
            if member is not None
        )

    def people(self, hosts: bytes = b"") -> msgspec.Raw:
        """
        Show the guests of whom the transcript says that they are here, in the order in which they came, behind hosts.

        It is JSON, written once for all who ask until somebody leaves: each of a thousand who come is told of all.

        Args:
            hosts: PERSONs with commas between them.
        """
        if self._people is None:
            here = [(member.here_since, member) for member in self._members.values() if member.here_since is not None]
            self._people = b",".join(
                _person(member, self._invites[member.invite]) for _, member in sorted(here, key=lambda each: each[0])
            )
        guests, earlier_hosts, whole = self._shown
        if guests is not self._people or earlier_hosts != hosts:
            guests, comma = self._people, b"," if hosts and self._people else b""
            whole = msgspec.Raw(b"[%b%b%b]" % (hosts, comma, guests))
            self._shown = guests, hosts, whole
        return whole

    def guests(self, *, is_for_host: bool) -> list[dict[str, Any]]:
        """Show the guests that are here."""
        return [
            self.view(member, self._invites[member.invite], is_for_host=is_for_host)
            for member in self._members.values()
            if member.here_since is not None
        ]

    def view(self, member: Member, invite: Invite, *, is_for_host: bool) -> dict[str, Any]:
        """Show a guest, also one of the past."""
        known = self._members.get(member.id)
        seats = () if known is None else self._seats.get(member.id, ())
        return guest_view(known or member, invite, seats, is_for_host=is_for_host)

    def next_deadline(self) -> float:
        """Tell when an invite ends or somebody is to be told of a guest, in monotonic seconds."""
        left = min(self._ends.values(), default=NEVER) - self._elapsed()
        return min(self._clock() + left, min(self._due.values(), default=NEVER))

    def make_invite(self, wanted: InviteCreate, by: Author, entries: Entries) -> tuple[Invite, str]:
        """Make an invite; return it and its token, which is told only this once."""
        token, now = self._new_token(), self._now()
        invite = Invite(
            id=self._new_id(),
            room=self._room,
            role=wanted.role,
            token_hash=hash_of(token),
            created_at=now,
            created_by=by,
            expires_at=None if wanted.expires_s is None else now + wanted.expires_s,
            uses=wanted.uses,
            name_hint=wanted.name,
            may_approve=wanted.may_approve,
            history=wanted.history,
        )
        self._keep_invite(invite)
        entries.rows[invite.id] = invite
        entries.add("invite.created", invite=invite_view(invite, InviteState.OPEN), by=author_view(by))
        return invite, token

    def admit(self, token: str, name: str, key: str | None, seq: int, entries: Entries) -> Admission:
        """
        Let somebody in, or back in.

        Args:
            token: an invite's or a member's.
            name: of a new member.
            key: by which a lost answer may be asked for again.
            seq: the last event that is published.
            entries: what is to be recorded before anybody is told.

        Raises:
            RoomError: not admitted, whatever the reason; or the name is bad.
        """
        found = self._find(hash_of(token))
        if found is None:
            raise RoomError.not_allowed(NOT_ADMITTED)
        if isinstance(found, Member):
            return self._come_in(found, self._invites[found.invite], None, entries)
        key_hash = None if key is None else hash_of(key)
        earlier = None if key_hash is None else self._by_key.get((found.id, key_hash))
        if earlier is not None:
            return self._come_in_anew(self._members[earlier], found, entries)
        if self.state_of(found) is not InviteState.OPEN:
            raise RoomError.not_allowed(NOT_ADMITTED)
        fault = fault_of_name(name)
        if fault is not None:
            raise RoomError.invalid("name", f"name {fault}")
        if len(self._members) >= MEMBERS:
            raise RoomError.not_now(f"room {self._room} has {MEMBERS} guests: revoke the invites that are done with")
        member_token = self._new_token()
        member = Member(
            id=self._new_id(),
            room=self._room,
            invite=found.id,
            name=self._names.choose(name),
            token_hash=hash_of(member_token),
            key_hash=key_hash,
            joined_at=self._now(),
            from_seq=seq,
        )
        invite = replace(found, used=found.used + 1)
        self._keep_invite(invite)
        self._keep_member(member)
        entries.rows[invite.id] = invite
        return self._come_in(member, invite, member_token, entries)

    def _come_in_anew(self, member: Member, invite: Invite, entries: Entries) -> Admission:
        """Answer once more, with another token: the first one is not known any more, not even here."""
        member_token = self._new_token()
        del self._member_by_token[member.token_hash]
        member = replace(member, token_hash=hash_of(member_token))
        self._keep_member(member)
        entries.rows[member.id] = member
        return self._come_in(member, invite, member_token, entries)

    def _come_in(self, member: Member, invite: Invite, member_token: str | None, entries: Entries) -> Admission:
        if member.here_since is None:
            member = self._note_joined(member, invite, entries)
        if not self._seats.get(member.id):
            self._due[member.id] = self._clock() + LINGER_S
        return Admission(member, invite, member_token)

    def revoke(self, identity: str, by: Author, entries: Entries) -> tuple[Invite, int]:
        """
        End an invite by its id or the beginning of that; return it and how many connections are closed.

        Raises:
            RoomError: there is none, or it is over already.
        """
        living = {each.id: each for each in self._invites.values() if not self._is_over(each)}
        found = [invite for each, invite in living.items() if each.startswith(identity)]
        if not found:
            hint = did_you_mean(identity, living, "see `concordiactl invite list`")
            raise RoomError.not_found(f"no invite {identity[:40]} in force in room {self._room}{hint}")
        invite = _only(found, f"invite {identity[:40]}", self._room)
        return self._revoke(invite, by, entries, REVOKED)

    def forget_invite(self, invite: Invite) -> None:
        """Undo the making of an invite that could not be recorded: nobody was told its token."""
        if invite.id in self._invites:
            self._end_invite(self._invites[invite.id], "", None, Entries())

    def forget_admission(self, admission: Admission, entries: Entries) -> None:
        """Undo an admission that could not be recorded; `entries` is what it came to."""
        member = self._members.get(admission.member.id)
        if member is None:
            return
        has_joined = any(event_type == "guest.joined" for event_type, _ in entries.events)
        if admission.invite.id in entries.rows:
            self._end_member(member, "", None, Entries())
            invite = self._invites[member.invite]
            self._keep_invite(replace(invite, used=invite.used - 1))
        elif has_joined and not self._seats.get(member.id):
            self._note_left(member, "", Entries())
            self._due.pop(member.id, None)

    def close(self, by: Author, entries: Entries) -> None:
        """End every invite, because the room closes for good; the guests may read its last events."""
        self.has_closed = True
        for invite in list(self._invites.values()):
            self._revoke(invite, by, entries, None)

    def _revoke(self, invite: Invite, by: Author, entries: Entries, closing: Closing | None) -> tuple[Invite, int]:
        revoked = replace(invite, revoked_at=self._now())
        entries.rows[revoked.id] = revoked
        entries.add("invite.revoked", invite=invite_view(revoked, InviteState.REVOKED), by=author_view(by))
        return revoked, self._end_invite(invite, "revoked", closing, entries)

    def kick(self, who: str, reason: str | None, by: Author, entries: Entries) -> tuple[Member, Invite, int]:
        """
        Remove a guest by its id, the beginning of its UUID, or its name; its token opens nothing any more.

        Returns:
            The guest, its invite, and how many connections are closed.

        Raises:
            RoomError: there is none, or more than one.
        """
        found = self._called(who)
        if not found:
            hint = did_you_mean(who, [each.name for each in self._members.values()], "see `concordiactl guests --all`")
            raise RoomError.not_found(f"no guest {who[:40]} in room {self._room}{hint}")
        member = _only(found, f"guest {who[:40]}", self._room)
        removed = replace(member, removed_at=self._now())
        entries.rows[member.id] = removed
        entries.add("guest.kicked", guest=author_view(member.author), by=author_view(by), reason=reason)
        closed = self._end_member(removed, "kicked", REMOVED, entries)
        return replace(removed, here_since=None), self._invites[member.invite], closed

    def _called(self, who: str) -> list[Member]:
        identity = who.removeprefix("guest:")
        if identity in self._members:
            return [self._members[identity]]
        found = {member.id: member for member in self._members.values() if member.id.startswith(identity.lower())}
        named = self._names.find(who)
        if named is not None:
            found[named] = self._members[named]
        return list(found.values())

    def tick(self, entries: Entries) -> None:
        """Do what the clock asks for: end invites, and tell who has come or gone."""
        for invite in [each for each in self._invites.values() if self._is_over(each)]:
            self._end_invite(invite, "expired", EXPIRED, entries)
        clock = self._clock()
        for identity in [identity for identity, at in self._due.items() if at <= clock]:
            del self._due[identity]
            member = self._members[identity]
            if not self._seats.get(identity):
                self._note_left(member, "left", entries)
            elif member.here_since is None:
                self._note_joined(member, self._invites[member.invite], entries)

    def sit(self, seat: Seat, admission: Admission) -> None:
        """
        Be here with a connection, until `leave`.

        Raises:
            RoomError: the right to be here was lost meanwhile (`not_allowed`), or it has as many already as one guest
                may have (`conflict`).
        """
        identity = admission.member.id
        member = self._members.get(identity)
        if member is None or self._is_over(self._invites[member.invite]):
            raise RoomError.not_allowed(NOT_ADMITTED)
        seats = self._seats.get(identity, ())
        if len(seats) >= SEATS:
            raise RoomError.conflict(f"guest {member.name} has {SEATS} connections here already")
        self._seats[identity] = (*seats, seat)
        if member.here_since is None:
            self._plan(identity, self._clock())
        else:
            self._due.pop(identity, None)

    def leave(self, seat: Seat, identity: str) -> None:
        """Be here with that connection no more."""
        seats = tuple(each for each in self._seats[identity] if each is not seat)
        if seats:
            self._seats[identity] = seats
        else:
            del self._seats[identity]
            if identity in self._members:
                self._plan(identity, self._clock() + LINGER_S)

    def dismiss_all(self, code: int, reason: str) -> None:
        """Have every connection closed."""
        for seats in self._seats.values():
            for seat in seats:
                seat.dismiss(code, reason)

    def _plan(self, identity: str, at: float) -> None:
        self._due[identity] = at
        self._wake(at)

    def _find(self, token_hash: bytes) -> Invite | Member | None:
        found: Invite | Member
        if token_hash in self._member_by_token:
            found = self._members[self._member_by_token[token_hash]]
            invite = self._invites[found.invite]
        elif token_hash in self._invite_by_token:
            found = invite = self._invites[self._invite_by_token[token_hash]]
        else:
            return None
        return found if compare_digest(found.token_hash, token_hash) and not self._is_over(invite) else None

    def _is_over(self, invite: Invite) -> bool:
        return self._ends.get(invite.id, NEVER) <= self._elapsed()

    def _keep_invite(self, invite: Invite) -> None:
        if invite.id not in self._invites and invite.expires_at is not None:
            self._ends[invite.id] = self._elapsed() + invite.expires_at - self._now()
        self._invites[invite.id] = invite
        self._of_invite.setdefault(invite.id, {})
        self._invite_by_token[invite.token_hash] = invite.id

    def _keep_member(self, member: Member) -> None:
        self._members[member.id] = member
        self._of_invite[member.invite][member.id] = None
        self._member_by_token[member.token_hash] = member.id
        self._names.keep(member.name, member.id)
        if member.key_hash is not None:
            self._by_key[member.invite, member.key_hash] = member.id

    def _end_invite(self, invite: Invite, reason: str, closing: Closing | None, entries: Entries) -> int:
        closed = sum(
            self._end_member(self._members[identity], reason, closing, entries)
            for identity in list(self._of_invite[invite.id])
        )
        del self._invites[invite.id], self._of_invite[invite.id], self._invite_by_token[invite.token_hash]
        self._ends.pop(invite.id, None)
        return closed

    def _end_member(self, member: Member, reason: str, closing: Closing | None, entries: Entries) -> int:
        if member.here_since is not None:
            self._note_left(member, reason, entries)
        del self._members[member.id], self._of_invite[member.invite][member.id]
        del self._member_by_token[member.token_hash]
        self._names.forget(member.name)
        self._due.pop(member.id, None)
        if member.key_hash is not None:
            del self._by_key[member.invite, member.key_hash]
        seats = self._seats.get(member.id, ())
        if closing is not None:
            for seat in seats:
                seat.dismiss(*closing)
        return len(seats)

    def _note_joined(self, member: Member, invite: Invite, entries: Entries) -> Member:
        here = replace(member, here_since=self._now())
        self._members[member.id] = entries.rows[member.id] = here
        self._count += 1
        if self._people:
            self._people = b"%b,%b" % (self._people, _person(here, invite))
        else:
            self._people = None
        entries.add(
            "guest.joined",
            guest=author_view(member.author),
            role=invite.role.value,
            invite=invite.id,
            may_approve=invite.may_approve,
        )
        return here

    def _note_left(self, member: Member, reason: str, entries: Entries) -> None:
        self._members[member.id] = entries.rows[member.id] = replace(member, here_since=None)
        self._count -= 1
        self._people = None
        entries.add("guest.left", guest=author_view(member.author), reason=reason)


def _person(member: Member, invite: Invite) -> bytes:
    return msgspec.json.encode(person_view(member, invite))


def _nobody(_: float) -> None:
    """Be told, and do nothing about it."""


def _only(found: list[T], what: str, room: str) -> T:
    if len(found) > 1:
        raise RoomError.conflict(f"{len(found)} could be meant by {what} in room {room}: give the whole id")
    return found[0]
