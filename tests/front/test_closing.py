"""A room that is closed invites nobody any more, whatever the journal could record of that."""

from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import asdict, replace

from concordiad.core.codes import NOT_NOW
from concordiad.core.model import Author, RoomRow
from concordiad.journal import Journal
from concordiad.journal.changes import Transaction
from concordiad.journal.people import read_invites
from concordiad.room.handle import Room
from tests.front.inside import HOST, Inside, open_house
from tests.journal.test_outages import forbid


class RoomWhoseCloseIsTheLastWrite(Room, frozen=True, kw_only=True):
    """A room after whose closing the journal's disk is read-only."""

    failing: Journal

    async def cancel_all(self, row: RoomRow, by: Author) -> int:
        """Close it for good, and let every write fail from then on."""
        cancelled = await super().cancel_all(row, by)
        await forbid(self.failing)
        return cancelled


async def invite_into(inside: Inside, room: str) -> str:
    """Make an invite into a room and return its token."""
    made = await inside.call(HOST, "invite.create", room=room)
    token: str = made["invite"]["token"]
    assert inside.house.rooms[room].guestbook.find(token)
    return token


async def test_room_that_cannot_be_closed_stays_as_it_is(tmp_path: Path) -> None:
    """While nothing can be recorded a close is refused, and whoever was invited still is."""
    async with open_house(tmp_path, "main", "lab", in_memory=True) as inside:
        token = await invite_into(inside, "lab")
        await forbid(inside.house.journal)
        refusal = await inside.refusal(HOST, "room.close", room="lab")
        assert refusal is not None and refusal[0] is NOT_NOW
        await forbid(inside.house.journal, is_forbidden=False)
        await inside.house.journal.health.wait_until(is_well=True)
        assert inside.house.rooms["lab"].guestbook.find(token)
        await inside.call(HOST, "room.close", room="lab")
        assert "lab" not in inside.house.rooms


async def test_invites_of_a_closed_room_end_once_that_can_be_recorded(tmp_path: Path) -> None:
    """It is closed, with a word about what is not recorded yet; that is recorded when the disk takes it, once."""
    async with open_house(tmp_path, "main", "lab", in_memory=True) as inside:
        journal = inside.house.journal
        token = await invite_into(inside, "lab")
        failing = RoomWhoseCloseIsTheLastWrite(**asdict(inside.house.rooms["lab"]), failing=journal)
        cast("dict[str, Room]", inside.house.rooms)["lab"] = failing
        refusal = await inside.refusal(HOST, "room.close", room="lab")
        assert refusal is not None and refusal[0] is NOT_NOW
        assert refusal[1].startswith("room lab is closed, and nobody is invited any more: this holds from now on")
        assert "lab" not in inside.house.rooms
        await forbid(journal, is_forbidden=False)
        await journal.health.wait_until(is_well=True)
        await inside.call(HOST, "room.create", name="lab", workdir=str(tmp_path))
        assert not inside.house.rooms["lab"].guestbook.find(token)
        events = (await inside.call(HOST, "events.list", room="lab"))["events"]
        assert [event["type"] for event in events].count("invite.revoked") == 1


@pytest.mark.parametrize("is_created", [False, True])
async def test_invites_that_a_crash_has_left_open_nothing_when_a_room_is_opened_anew(
    tmp_path: Path, is_created: bool
) -> None:
    """The daemon died after the close and before its invites' end; what is made afterwards holds, also over a start."""
    configured = ("main",) if is_created else ("main", "lab")
    new_room = {"name": "lab", "workdir": str(tmp_path)}
    async with open_house(tmp_path, *configured) as inside:
        if is_created:
            await inside.call(HOST, "room.create", **new_room)
        token = await invite_into(inside, "lab")
        ann = await inside.house.rooms["lab"].admit(token, "ann", None)
        assert ann.member_token is not None
        closed = replace(inside.house.rooms["lab"].setup.row, is_closed=True)
        await inside.house.journal.record(Transaction("lab", changes=[closed], is_durable=True))
    async with open_house(tmp_path, *configured) as inside:
        if is_created:
            await inside.call(HOST, "room.create", **new_room)
        assert not inside.house.rooms["lab"].guestbook.find(token)
        assert not inside.house.rooms["lab"].guestbook.find(ann.member_token)
        guests = (await inside.call(HOST, "guest.list", room="lab", all=True))["guests"]
        assert [(guest["name"], guest["here_since"]) for guest in guests] == [("ann", None)]
        known = await inside.house.journal.read(read_invites, "lab", 10)
        assert [each.revoked_at is None for each in known] == [False]
        later = await invite_into(inside, "lab")
    async with open_house(tmp_path, *configured) as inside:
        assert inside.house.rooms["lab"].guestbook.find(later)


async def test_room_that_could_not_be_opened_is_closed_with_its_invites(tmp_path: Path) -> None:
    """Another one of its name lets nobody in who was invited into that one."""
    async with open_house(tmp_path, "main") as inside:
        await inside.call(HOST, "room.create", name="lab", workdir=str(tmp_path))
        token = await invite_into(inside, "lab")
        strange = replace(inside.house.rooms["lab"].setup.row, agent="gone")
        await inside.house.journal.record(Transaction("lab", changes=[strange], is_durable=True))
    async with open_house(tmp_path, "main") as inside:
        assert [each["name"] for each in (await inside.call(HOST, "room.list"))["unopened"]] == ["lab"]
        await inside.call(HOST, "room.close", room="lab")
        await inside.call(HOST, "room.create", name="lab", workdir=str(tmp_path))
        assert not inside.house.rooms["lab"].guestbook.find(token)
