"""The reception with a real fan-out and a journal: durable before it is told, many at once, and how it ends."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.admission import EXPIRED, REVOKED, Admission
from concordiad.core.backlog import EpochStart
from concordiad.core.codes import NOT_NOW
from concordiad.core.guestbook import LINGER_S, RETURN_S, Guestbook
from concordiad.core.model import Invite, Member
from concordiad.core.params import InviteCreate
from concordiad.errors import RoomError
from concordiad.journal import Journal, open_journal, open_memory_journal
from concordiad.journal.events import last_seq, read_events
from concordiad.journal.people import read_invites, read_members
from concordiad.ops.ids import IdFactory
from concordiad.room import slices
from concordiad.room.fanout import Transcript, run_fanout
from concordiad.room.messages import ask
from concordiad.room.reception import ReceptionEnds, open_guestbook, run_reception
from concordiad.room.to_fanout import DRAFTS, Post
from concordiad.room.to_reception import (
    ARRIVALS,
    Admit,
    EndInvites,
    Invited,
    Kick,
    Kicked,
    Knock,
    MakeInvite,
    Revoked,
    RevokeInvite,
    ToReception,
)
from tests.journal.test_outages import forbid
from tests.room.recorders import Recorder
from tests.room.samples import ANN, NOW, types_of
from tests.support.seats import Chair, seated

KEY = "0123456789abcdef"


class Desk:
    """What everybody outside has of a reception."""

    def __init__(self, guestbook: Guestbook, inbox: trio.MemorySendChannel[ToReception], journal: Journal) -> None:
        self.guestbook = guestbook
        self.inbox = inbox
        self.journal = journal

    async def invite(self, **wanted: Any) -> Invited:
        """Make an invite."""
        return await ask(self.inbox, lambda reply: MakeInvite(InviteCreate(**wanted), ANN, reply))

    async def admit(self, token: str | None, name: str = "bob", key: str | None = None) -> Admission:
        """Let somebody in."""
        return await ask(self.inbox, lambda reply: Admit(str(token), name, key, reply))

    async def revoke(self, invite: str) -> Revoked:
        """End an invite."""
        return await ask(self.inbox, lambda reply: RevokeInvite(invite, ANN, reply))

    async def kick(self, who: str) -> Kicked:
        """Remove a guest."""
        return await ask(self.inbox, lambda reply: Kick(who, "spam", ANN, reply))

    async def close(self) -> None:
        """End every invite."""
        await ask(self.inbox, lambda reply: EndInvites(ANN, reply))

    async def events(self) -> list[dict[str, Any]]:
        """Read what was recorded."""
        recorded = await self.journal.read(read_events, "main", 1, 5000, 1 << 30)
        return [msgspec.json.decode(event.json) for event in recorded]

    async def told(self) -> list[str]:
        """Read what was recorded, by type, and by reason where there is one."""
        return [f"{event['type']} {event.get('reason') or ''}".strip() for event in await self.events()]


def virtual_now() -> float:
    """Tell a wall clock that goes with the virtual one."""
    return NOW + trio.current_time()


@asynccontextmanager
async def working(
    journal: Journal, now: Callable[[], float] = virtual_now, at: Callable[[], float] | None = None
) -> AsyncIterator[Desk]:
    """Run a reception and a fan-out as a room does, and let them drain; the fan-out asks `at` once a commit."""
    last = await journal.read(last_seq, "main")
    transcript = Transcript("main", [EpochStart(journal.epoch, last + 1)], last, 1)
    send, inbox = trio.open_memory_channel[ToReception](ARRIVALS)
    to_fanout, posts = trio.open_memory_channel[Post](DRAFTS)
    guestbook = await open_guestbook("main", journal, IdFactory(now), now)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_fanout, posts, transcript, journal, at or now)
        nursery.start_soon(run_reception, guestbook, transcript, journal, ReceptionEnds(inbox, to_fanout))
        with send:
            yield Desk(guestbook, send, journal)


@pytest.fixture
def skipping(autojump_clock: MockClock) -> MockClock:
    """Let virtual time pass whenever everybody waits."""
    return autojump_clock


async def test_nobody_is_told_before_it_is_durable() -> None:
    """While the disk is slow, whoever wants to come in waits; row and event are of one commit."""
    recorder = Recorder()
    send, inbox = trio.open_memory_channel[ToReception](ARRIVALS)
    admitted: list[Admission] = []
    async with open_memory_journal() as journal:
        guestbook = await open_guestbook("main", journal, IdFactory(), lambda: NOW)
        transcript = Transcript("main", [EpochStart(1, 1)], 0, 1)
        desk = Desk(guestbook, send, journal)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.work)
            nursery.start_soon(run_reception, guestbook, transcript, journal, ReceptionEnds(inbox, recorder.ends))
            with send:
                _, token = await desk.invite()

                async def come() -> None:
                    admitted.append(await desk.admit(token))

                recorder.hold()
                nursery.start_soon(come)
                await wait_all_tasks_blocked()
                assert admitted == []
                recorder.let_go()
                await wait_all_tasks_blocked()
    assert len(admitted) == 1
    assert types_of(recorder.posts[1:]) == ["guest.joined"]
    assert [type(change) for change in recorder.posts[1].changes] == [Invite, Member]
    assert recorder.posts[1].is_durable


async def test_somebody_answers_a_knock() -> None:
    """As long as the journal records; with a journal that does not, nobody could be let in."""
    async with open_memory_journal() as journal, working(journal) as desk:
        await ask(desk.inbox, Knock)
        await forbid(journal)
        with pytest.raises(RoomError):
            await desk.invite()
        with pytest.raises(RoomError, match="readonly"):
            await ask(desk.inbox, Knock)
        await forbid(journal, is_forbidden=False)


async def test_a_thousand_come_in_few_commits(tmp_path: Path) -> None:
    """With one link and one name: each is somebody, and they do not wait for a thousand disks."""
    commits = itertools.count(1)
    async with (
        open_journal(tmp_path / "journal.db") as journal,
        working(journal, lambda: NOW, lambda: NOW + next(commits)) as desk,
    ):
        _, token = await desk.invite(uses=None)
        admitted: list[Admission] = []

        async def come() -> None:
            admitted.append(await desk.admit(token, "ada"))

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(come)
        assert len({admission.author.name for admission in admitted}) == desk.guestbook.count == 1000
        used = [invite.used for invite in await journal.read(read_invites, "main", 10)]
        joined = [event for event in await desk.events() if event["type"] == "guest.joined"]
    assert (used, len({event["guest"]["id"] for event in joined})) == ([1000], 1000)
    assert len({event["at"] for event in joined}) <= 1000 // ARRIVALS + 1


async def test_others_work_while_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes at the same time is looked at in slices, here of one each, and recorded together."""
    monkeypatch.setattr(slices, "SLICE_S", 0.0)
    done: list[str] = []

    async def work() -> None:
        while True:
            done.append("work")
            await trio.lowlevel.checkpoint()

    async with open_memory_journal() as journal, working(journal, lambda: NOW) as desk:
        admit = desk.guestbook.admit

        def admitted(*about: Any) -> Any:
            done.append("a guest")
            return admit(*about)

        monkeypatch.setattr(desk.guestbook, "admit", admitted)
        _, token = await desk.invite(uses=None)
        async with trio.open_nursery() as others:
            others.start_soon(work)
            async with trio.open_nursery() as coming:
                for _ in range(ARRIVALS):
                    coming.start_soon(desk.admit, token)
            others.cancel_scope.cancel()
        assert desk.guestbook.count == done.count("a guest") == ARRIVALS
    # Trio has each task take one step a round, in any order: so two guests may meet, at the ends of two rounds.
    assert "a guest" * 3 not in "".join(done)


async def test_invites_and_members_outlive_a_restart(tmp_path: Path) -> None:
    """With the journal on a disk: who may come in, who is who, what a key answers, and who was here."""
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal, working(journal, lambda: NOW) as desk:
        open_invite, open_token = await desk.invite(uses=2)
        over, over_token = await desk.invite(uses=None)
        ada = await desk.admit(open_token, "ada", KEY)
        eve = await desk.admit(over_token, "eve")
        ben = await desk.admit(open_token, "ben")
        await desk.revoke(over.id)
        await desk.kick("ben")
    async with open_journal(path) as journal, working(journal, lambda: NOW) as desk:
        opening = (open_token, over_token, ada.member_token, eve.member_token, ben.member_token)
        assert [desk.guestbook.find(str(token)) for token in opening] == [True, False, True, False, False]
        assert [person["name"] for person in msgspec.json.decode(desk.guestbook.people())] == ["ada"]
        again = await desk.admit(ada.member_token)
        assert (again.author, again.horizon, again.invite.used) == (ada.author, ada.horizon, 2)
        anew = await desk.admit(open_token, "ada", KEY)
        assert anew.author == ada.author
        with pytest.raises(RoomError):
            await desk.admit(open_token, "new")
        assert (await desk.told())[-2:] == ["guest.kicked spam", "guest.left kicked"]
        known = await journal.read(read_members, "main", 10)
        assert [member.name for member, _ in known] == ["ada", "eve", "ben"]
    assert open_invite.id == again.invite.id


async def test_expiry_comes_by_itself(skipping: MockClock) -> None:
    """Nobody has to ask: connections are dismissed at the very time, and who was here has left."""
    async with open_memory_journal() as journal, working(journal) as desk:
        _, token = await desk.invite(expires_s=60)
        chair = Chair()
        with seated(desk.guestbook, chair, await desk.admit(token)):
            await trio.sleep(59.9)
            assert chair.dismissed == []
            await trio.sleep(0.2)
            assert chair.dismissed == [EXPIRED]
        assert (await desk.told())[-1] == "guest.left expired"


async def test_revoking_is_at_once(skipping: MockClock) -> None:
    """By the time that the host is answered the connections are dismissed and the token opens nothing."""
    async with open_memory_journal() as journal, working(journal) as desk:
        invite, token = await desk.invite(uses=None)
        chairs = [Chair(), Chair()]
        with (
            seated(desk.guestbook, chairs[0], await desk.admit(token)),
            seated(desk.guestbook, chairs[1], await desk.admit(token)),
        ):
            assert (await desk.revoke(invite.id)).closed == 2
            assert [chair.dismissed for chair in chairs] == [[REVOKED], [REVOKED]]
        with pytest.raises(RoomError):
            await desk.admit(token)
        assert await desk.told() == [
            "invite.created",
            *["guest.joined"] * 2,
            "invite.revoked",
            *["guest.left revoked"] * 2,
        ]


async def test_what_cannot_be_recorded_gives_nobody_a_right(skipping: MockClock) -> None:
    """The first who asks on a full disk gets no invite and is not let in, also not later; who is out stays out."""
    async with open_memory_journal() as journal, working(journal) as desk:
        invite, token = await desk.invite(uses=2)
        ann = await desk.admit(token, "ann")
        lost, _ = await desk.invite()
        before = await desk.told()
        open_invites = desk.guestbook.invites()
        refusals: list[str] = []

        async def refused(asking: Awaitable[object]) -> None:
            # The journal is well again before each of them, so that it is each time the first to find out.
            await forbid(journal)
            with pytest.raises(RoomError) as refusal:
                await asking
            assert refusal.value.code is NOT_NOW
            refusals.append(str(refusal.value))
            await forbid(journal, is_forbidden=False)
            await journal.health.wait_until(is_well=True)

        await refused(desk.invite())
        await refused(desk.admit(token, "bob"))
        await refused(desk.admit(token, "bob", KEY))
        assert (await desk.told(), desk.guestbook.invites(), desk.guestbook.count) == (before, open_invites, 1)
        await refused(desk.revoke(lost.id))
        assert ["holds from now on" in why for why in refusals] == [False, False, False, True]
        assert await desk.told() == [*before, "invite.revoked"]
        assert [each.id for each, _ in desk.guestbook.invites()] == [invite.id]
        bob = await desk.admit(token, "bob", KEY)
        assert (bob.member.name, bob.invite.used, desk.guestbook.count) == ("bob", 2, 2)
        assert [each.used for each in await journal.read(read_invites, "main", 10) if each.id == invite.id] == [2]
        assert ann.member.id != bob.member.id


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_right_is_taken_while_nothing_can_be_recorded(skipping: MockClock, is_known: bool) -> None:
    """Whoever finds out that the disk is full: who is put out is out, and that is recorded later."""
    async with open_memory_journal() as journal, working(journal) as desk:
        made = [await desk.invite() for _ in range(3)]
        guests = [await desk.admit(token, f"guest {number}") for number, (_, token) in enumerate(made)]
        chairs = [Chair() for _ in guests]
        before = await desk.told()
        with ExitStack() as seats:
            for chair, guest in zip(chairs, guests, strict=True):
                seats.enter_context(seated(desk.guestbook, chair, guest))
            dismissed = []
            for asking in (desk.revoke(made[0].invite.id), desk.kick("guest 1"), desk.close()):
                await forbid(journal)
                if is_known:
                    with pytest.raises(RoomError):
                        await desk.invite()
                with pytest.raises(RoomError, match="holds from now on, but it is not recorded yet"):
                    await asking
                dismissed.append([bool(chair.dismissed) for chair in chairs])
                await forbid(journal, is_forbidden=False)
                await journal.health.wait_until(is_well=True)
        # Who was invited to a room that closes may read its last events.
        assert dismissed == [[True, False, False], [True, True, False], [True, True, False]]
        ends = ["invite.revoked", "guest.left revoked", "guest.kicked spam", "guest.left kicked"]
        assert (await desk.told())[len(before) :] == [*ends, "invite.revoked", "invite.revoked", "guest.left revoked"]
        assert all(each.revoked_at is not None for each in await journal.read(read_invites, "main", 10))


@pytest.mark.parametrize("is_known", [True, False])
async def test_who_has_a_right_is_back_while_nothing_can_be_recorded(skipping: MockClock, is_known: bool) -> None:
    """Whoever finds out that the disk is full: who left is let in again and told of later; nobody new is."""
    async with open_memory_journal() as journal, working(journal) as desk:
        _, token = await desk.invite(uses=None)
        ann = await desk.admit(token, "ann")
        await trio.sleep(LINGER_S + 0.1)
        before = await desk.told()
        await forbid(journal)
        if is_known:
            with pytest.raises(RoomError):
                await desk.invite()
        with seated(desk.guestbook, Chair(), await desk.admit(ann.member_token)):
            assert desk.guestbook.count == 1
            with pytest.raises(RoomError) as refusal:
                await desk.admit(token, "bob")
            assert (refusal.value.code, desk.guestbook.count) == (NOT_NOW, 1)
            await forbid(journal, is_forbidden=False)
            await journal.health.wait_until(is_well=True)
            await desk.admit(token, "carol")
            assert (await desk.told())[len(before) :] == ["guest.joined", "guest.joined"]


async def test_leaving_is_told_after_a_while(skipping: MockClock) -> None:
    """A guest whose connection ended is here until it has had the time to come back."""
    async with open_memory_journal() as journal, working(journal) as desk:
        _, token = await desk.invite()
        with seated(desk.guestbook, Chair(), await desk.admit(token)):
            await trio.sleep(1000)
        await trio.sleep(LINGER_S - 0.1)
        assert desk.guestbook.count == 1
        await trio.sleep(0.2)
        assert (desk.guestbook.count, (await desk.told())[-1]) == (0, "guest.left left")


async def test_who_does_not_come_back_after_a_restart_has_left(skipping: MockClock) -> None:
    """It is told without anybody's asking."""
    async with open_memory_journal() as journal:
        async with working(journal) as desk:
            _, token = await desk.invite()
            await desk.admit(token)
        async with working(journal) as desk:
            await trio.sleep(RETURN_S + 0.1)
            assert (await desk.told())[-1] == "guest.left left"


async def test_drain(skipping: MockClock) -> None:
    """When nobody can ask any more it ends; who was here is still here in the journal, and later seats do no harm."""
    async with open_memory_journal() as journal:
        async with working(journal) as desk:
            _, token = await desk.invite()
            admission = await desk.admit(token)
            chair = Chair()
            desk.guestbook.sit(chair, admission)
        desk.guestbook.leave(chair, admission.member.id)
        [(member, _)] = await journal.read(read_members, "main", 10)
        assert member.here_since is not None
        with pytest.raises(RoomError) as refusal:
            await desk.admit(token)
    assert refusal.value.code is NOT_NOW


async def test_cancel() -> None:
    """Cancelled while it records, it leaves nobody waiting."""
    recorder = Recorder()
    recorder.hold()
    send, inbox = trio.open_memory_channel[ToReception](ARRIVALS)
    refusals: list[RoomError] = []
    async with open_memory_journal() as journal:
        guestbook = await open_guestbook("main", journal, IdFactory(), lambda: NOW)
        transcript = Transcript("main", [EpochStart(1, 1)], 0, 1)
        desk = Desk(guestbook, send, journal)

        async def want() -> None:
            with pytest.raises(RoomError) as refusal:
                await desk.invite()
            refusals.append(refusal.value)

        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as inner:
                    inner.start_soon(recorder.work)
                    inner.start_soon(run_reception, guestbook, transcript, journal, ReceptionEnds(inbox, recorder.ends))
                    for _ in range(3):
                        nursery.start_soon(want)
                        await wait_all_tasks_blocked()
                    scope.cancel()
            recorder.fail()
    assert [refusal.code for refusal in refusals] == [NOT_NOW] * 3
