"""
Guests and invites as people read them: in listings, and in what the transcript tells of them.

Names and reasons are other people's words, so all of it passes ctl.harmless.
"""

from typing import Any, Final

from ctl.harmless import first_line
from ctl.quantities import count, plural, relative

Json = dict[str, Any]

_LEFT: Final = {
    "left": "left",
    "kicked": "is out: removed by a host",
    "revoked": "is out: the invite was revoked",
    "expired": "is out: the invite has expired",
}
"""Reasons of `guest.left`."""


def short_id(guest_id: str) -> str:
    """Take what is told apart from an author's id: the UUID of a guest."""
    return first_line(guest_id.removeprefix("guest:"))


def role_of(one: Json) -> str:
    """Say what a guest, or whoever comes by an invite, may do."""
    return f"{first_line(one['role'])}, may approve" if one.get("may_approve") else first_line(one["role"])


def lag_of(guest: Json) -> str:
    """Say how far a guest is behind; nothing where that is not told."""
    events, size = guest.get("lag_events"), guest.get("lag_bytes")
    if events is None and size is None:
        return ""
    if not events and not size:
        return "none"
    return f"{plural(events or 0, 'event')}, {count(size or 0)}B"


def uses_of(invite: Json) -> str:
    """Say how often an invite was used, of how many times."""
    allowed = "unlimited" if invite["uses"] is None else str(invite["uses"])
    return f"{invite['used']} of {allowed}"


def expiry_of(invite: Json, now: float) -> str:
    """Say when an invite ends, or ended."""
    return "never" if invite["expires_at"] is None else relative(invite["expires_at"], now)


def deed_of(kind: str, event: Json) -> tuple[Json, str] | None:
    """Say an event about people as who did what; None for one that is not known."""
    if kind == "guest.joined":
        return event["guest"], f"joined as {a_role(event)}"
    if kind == "guest.left":
        reason = event["reason"]
        return event["guest"], _LEFT.get(reason, f"left: {first_line(str(reason))}")
    if kind == "guest.kicked":
        why = f": {first_line(event['reason'])}" if event["reason"] else ""
        return event["by"], f"removed {first_line(event['guest']['name'])}{why}"
    if kind in ("invite.created", "invite.revoked"):
        did = "made" if kind == "invite.created" else "revoked"
        invite = event["invite"]
        hint = f", meant for {first_line(invite['name_hint'])}" if invite.get("name_hint") else ""
        return event["by"], f"{did} an invite for {a_role(invite)}{hint}"
    return None


def a_role(one: Json) -> str:
    """Say what a guest, or whoever comes by an invite, is."""
    role = first_line(one["role"])
    return f"a {role} who may answer approvals" if one.get("may_approve") else f"a {role}"
