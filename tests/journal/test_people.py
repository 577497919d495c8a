"""Invites and members in the journal: read back as they were, and forgotten with what else is over."""

import sqlite3

from concordiad.core.model import History, Invite, Member
from concordiad.core.roles import Role
from concordiad.journal.changes import Prune, Transaction
from concordiad.journal.people import read_guestbook, read_invites, read_members
from concordiad.journal.writing import write
from tests.core.things import make_invite, make_member

NOW = 1_700_000_000.0


def put(connection: sqlite3.Connection, *rows: Invite | Member | Prune) -> None:
    """Record rows."""
    write(connection, [Transaction("main", changes=rows)])


def test_what_was_recorded_is_read_back(connection: sqlite3.Connection) -> None:
    """Every field comes back, with its type."""
    invite = make_invite(
        role=Role.VIEWER,
        expires_at=NOW + 1.5,
        uses=3,
        used=2,
        name_hint="Ada",
        may_approve=True,
        history=History.START,
    )
    member = make_member(key_hash=b"k" * 32, here_since=NOW + 0.25)
    put(connection, invite, member)
    assert read_guestbook(connection, "main", NOW) == ([invite], [member])
    assert read_members(connection, "main", 10) == [(member, invite)]


def test_guestbook_is_what_still_matters(connection: sqlite3.Connection) -> None:
    """Invites that are not over, or whose guests are still to be told of as gone; members that nobody removed."""
    living, revoked = make_invite("a"), make_invite("b", revoked_at=NOW)
    expired, expired_but_here = make_invite("c", expires_at=NOW), make_invite("d", expires_at=NOW)
    removed = make_member("m1", invite="a", removed_at=NOW)
    away, gone = make_member("m2", invite="a"), make_member("m3", invite="c")
    here = make_member("m4", invite="d", here_since=NOW)
    put(connection, living, revoked, expired, expired_but_here, removed, away, gone, here)
    assert read_guestbook(connection, "main", NOW) == ([living, expired_but_here], [away, here])
    assert read_guestbook(connection, "lab", NOW) == ([], [])
    assert [invite.id for invite in read_invites(connection, "main", 2)] == ["c", "d"]


def test_what_is_over_for_long_is_forgotten(connection: sqlite3.Connection) -> None:
    """An invite with its members, once retention says so, but never one of which somebody is still here."""
    never, old, recent, busy = (
        make_invite("a"),
        make_invite("b", revoked_at=NOW),
        make_invite("c", expires_at=NOW + 9),
        make_invite("d", expires_at=NOW),
    )
    members = [make_member(f"m{each.id}", invite=each.id) for each in (never, old, recent)]
    here = make_member("md", invite="d", here_since=NOW)
    put(connection, never, old, recent, busy, *members, here)
    put(connection, Prune("main", 0, NOW + 5))
    assert [invite.id for invite in read_invites(connection, "main", 10)] == ["a", "c", "d"]
    assert [member.id for member, _ in read_members(connection, "main", 10)] == ["ma", "mc", "md"]
