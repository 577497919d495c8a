"""Invites and members as rows and back."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from concordiad.core.model import Author, AuthorKind, History, Invite, Member
from concordiad.core.roles import Role
from concordiad.journal.sums import INVITES, MEMBERS


def write_invite(connection: sqlite3.Connection, invite: Invite) -> None:
    """Write an invite as it is from now on."""
    by = invite.created_by
    row = (
        invite.id,
        invite.room,
        invite.role,
        invite.token_hash,
        invite.created_at,
        by.id,
        by.name,
        by.kind,
        invite.expires_at,
        invite.uses,
        invite.used,
        invite.name_hint,
        invite.may_approve,
        invite.history,
        invite.revoked_at,
    )
    INVITES.put(connection, row)


def _invite(row: Sequence[Any]) -> Invite:
    return Invite(
        id=row[0],
        room=row[1],
        role=Role(row[2]),
        token_hash=row[3],
        created_at=row[4],
        created_by=Author(row[5], row[6], AuthorKind(row[7])),
        expires_at=row[8],
        uses=row[9],
        used=row[10],
        name_hint=row[11],
        may_approve=bool(row[12]),
        history=History(row[13]),
        revoked_at=row[14],
    )


def read_guestbook(connection: sqlite3.Connection, room: str, now: float) -> tuple[list[Invite], list[Member]]:
    """Read the invites that let anybody in, or by which somebody is still here, and their members; oldest first."""
    condition = (
        "WHERE room = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?"
        " OR EXISTS (SELECT 1 FROM members WHERE invite = invites.id AND here_since IS NOT NULL)) ORDER BY id"
    )
    invites = [_invite(row) for row in INVITES.read(connection, condition, (room, now))]
    condition = "WHERE invite = ? AND removed_at IS NULL ORDER BY id"
    return invites, [Member(*row) for invite in invites for row in MEMBERS.read(connection, condition, (invite.id,))]


def read_invites(connection: sqlite3.Connection, room: str, limit: int) -> list[Invite]:
    """Read a room's latest invites, also those that are over, oldest first."""
    rows = INVITES.read(connection, "WHERE room = ? ORDER BY id DESC LIMIT ?", (room, limit))
    return [_invite(row) for row in rows][::-1]


def read_members(connection: sqlite3.Connection, room: str, limit: int) -> list[tuple[Member, Invite]]:
    """Read a room's latest members, also those that are gone for good, with their invites; oldest first."""
    members = [
        Member(*row) for row in MEMBERS.read(connection, "WHERE room = ? ORDER BY id DESC LIMIT ?", (room, limit))
    ]
    wanted = dict.fromkeys(member.invite for member in members)
    invites = {
        identity: _invite(row) for identity in wanted for row in INVITES.read(connection, "WHERE id = ?", (identity,))
    }
    return [(member, invites[member.invite]) for member in members[::-1] if member.invite in invites]
