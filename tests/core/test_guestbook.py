"""The guestbook: whatever is asked of it in whatever order, it keeps its laws; and what it decides is told once."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from concordiad.core.admission import EXPIRED, REMOVED, REVOKED, Admission, Entries, hash_of
from concordiad.core.codes import CONFLICT, INVALID_PARAMS, NOT_ALLOWED, NOT_FOUND, NOT_NOW
from concordiad.core.guestbook import LINGER_S, RETURN_S, Guestbook
from concordiad.core.model import History, Horizon, Invite, InviteState, Member
from concordiad.core.params import InviteCreate
from concordiad.core.roles import Role
from concordiad.errors import RoomError
from tests.core.things import ALICE
from tests.support.seats import Chair, seated

KEY = "0123456789abcdef"


class Times:
    """Three clocks that a test sets: the wall's, a monotonic one, and one that goes on while the machine sleeps."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.clock = 50.0
        self.elapsed = 70.0

    def pass_by(self, seconds: float) -> None:
        """Let time pass on all."""
        self.now += seconds
        self.clock += seconds
        self.elapsed += seconds


class Ledger:
    """A guestbook with what it had recorded: its events in order, and its rows as they are now."""

    def __init__(self) -> None:
        self.times = Times()
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self.rows: dict[str, Invite | Member] = {}
        self.book = self.make()

    def make(self) -> Guestbook:
        """Make an empty guestbook."""
        return Guestbook(
            "main",
            lambda: self.times.now,
            lambda: self.times.clock,
            lambda: f"{next(self.numbers):08d}",
            lambda: f"token {next(self.numbers)}",
            elapsed=lambda: self.times.elapsed,
        )

    def restored(self) -> Guestbook:
        """Make the guestbook that a restart would find."""
        book = self.make()
        invites = [row for row in self.rows.values() if isinstance(row, Invite) and row.revoked_at is None]
        open_ids = {invite.id for invite in invites}
        members = [row for row in self.rows.values() if isinstance(row, Member) and row.removed_at is None]
        book.load(invites, [member for member in members if member.invite in open_ids])
        return book

    def record(self, decide: Callable[[Entries], Any]) -> Any:
        """Let something be decided, and record it, also what the clock asks for."""
        entries = Entries()
        try:
            return decide(entries)
        finally:
            self.book.tick(entries)
            self.events += [{"type": name, **json.loads(b"{%b}" % body)} for name, body in entries.events]
            self.rows |= entries.rows

    def invite(self, **wanted: Any) -> tuple[Invite, str]:
        """Make an invite."""
        made: tuple[Invite, str] = self.record(
            lambda entries: self.book.make_invite(InviteCreate(**{"role": Role.DRIVER, **wanted}), ALICE, entries)
        )
        return made

    def admit(self, token: str, name: str = "bob", key: str | None = None, seq: int = 7) -> Admission:
        """Let somebody in."""
        admission: Admission = self.record(lambda entries: self.book.admit(token, name, key, seq, entries))
        return admission

    def refusal(self, token: str, name: str = "bob", key: str | None = None) -> RoomError:
        """Return why somebody is not let in."""
        with pytest.raises(RoomError) as caught:
            self.admit(token, name, key)
        return caught.value

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and let what it asks for be recorded."""
        self.times.pass_by(seconds)
        self.record(lambda entries: None)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """List the events of one kind."""
        return [event for event in self.events if event["type"] == kind]


@pytest.fixture
def ledger() -> Ledger:
    """Give an empty guestbook."""
    return Ledger()


def test_invite_makes_a_member(ledger: Ledger) -> None:
    """Its token is traded for a member's; who came, as what, and by which invite is told."""
    invite, token = ledger.invite(may_approve=True)
    admission = ledger.admit(token, "  Ada ")
    assert admission.member_token is not None and admission.member_token != token
    assert (admission.author.name, admission.author.id) == ("Ada", f"guest:{admission.member.id}")
    assert (admission.role, admission.may_approve) == (Role.DRIVER, True)
    guest = {"id": admission.author.id, "name": "Ada", "kind": "guest"}
    assert ledger.told("guest.joined") == [
        {"type": "guest.joined", "guest": guest, "role": "driver", "invite": invite.id, "may_approve": True}
    ]


def test_only_hashes_are_kept(ledger: Ledger) -> None:
    """Neither rows nor events hold what lets anybody in."""
    _, token = ledger.invite()
    admission = ledger.admit(token, key=KEY)
    kept = repr([(row.token_hash, getattr(row, "key_hash", None), row) for row in ledger.rows.values()])
    told = json.dumps(ledger.events)
    assert [secret for secret in (token, admission.member_token, KEY) if str(secret) in kept + told] == []


@pytest.mark.parametrize("uses", [1, 3])
def test_invite_makes_no_more_members_than_its_uses(ledger: Ledger, uses: int) -> None:
    """When it is used up it lets nobody else in, and says no more than it does of any other token."""
    _, token = ledger.invite(uses=uses)
    members = {ledger.admit(token).member.id for _ in range(uses)}
    refusal = ledger.refusal(token)
    assert (len(members), refusal.code, str(refusal)) == (uses, NOT_ALLOWED, str(ledger.refusal("nonsense")))
    assert ledger.book.invites()[0][1] is InviteState.USED_UP


def test_member_comes_back_when_its_invite_is_used_up(ledger: Ledger) -> None:
    """Its own token makes it the same guest, for as long as the invite is not over; its name cannot change."""
    _, token = ledger.invite(uses=1)
    first = ledger.admit(token, "Ada")
    again = ledger.admit(str(first.member_token), "Eve")
    assert (again.author, again.member_token) == (first.author, None)


@pytest.mark.parametrize("uses", [1, 5])
def test_lost_answer_is_asked_for_again_with_its_key(ledger: Ledger, uses: int) -> None:
    """The same key is the same member, with a new token; no use is taken, and the token that was lost opens nothing."""
    _, token = ledger.invite(uses=uses)
    lost = ledger.admit(token, "Ada", KEY)
    again = ledger.admit(token, "Ada", KEY)
    assert (again.author, again.invite.used) == (lost.author, 1)
    assert ledger.book.find(str(again.member_token)) and not ledger.book.find(str(lost.member_token))
    assert len(ledger.told("guest.joined")) == 1


def test_another_key_is_somebody_else(ledger: Ledger) -> None:
    """A key makes nothing of an invite that is used up."""
    _, token = ledger.invite(uses=1)
    ledger.admit(token, "Ada", KEY)
    assert ledger.refusal(token, "Ada", KEY[::-1]).code is NOT_ALLOWED


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\x1b[2J"])
def test_bad_name_takes_no_use(ledger: Ledger, name: str) -> None:
    """With a good token somebody is told that the name will not do, and may try again."""
    _, token = ledger.invite(uses=1)
    refusal = ledger.refusal(token, name)
    assert (refusal.code, refusal.field) == (INVALID_PARAMS, "name")
    assert ledger.refusal("nonsense", name).code is NOT_ALLOWED
    assert ledger.admit(token, "Ada").author.name == "Ada"


def test_names_that_look_the_same_are_told_apart(ledger: Ledger) -> None:
    """Nobody takes a name that another member has, in whatever case or width it is written."""
    _, token = ledger.invite(uses=None)
    names = [ledger.admit(token, name).author.name for name in ("ada", "ADA", "ａｄａ", "ada (2)", "Ben")]  # noqa: RUF001
    assert names == ["ada", "ADA (2)", "ａｄａ (3)", "ada (2) (2)", "Ben"]  # noqa: RUF001


def test_name_of_who_was_removed_is_free(ledger: Ledger) -> None:
    """A name belongs to whoever may come back under it."""
    _, token = ledger.invite(uses=None)
    ledger.admit(token, "ada")
    ledger.record(lambda entries: ledger.book.kick("ada", None, ALICE, entries))
    assert ledger.admit(token, "ada").author.name == "ada"


@pytest.mark.parametrize(
    ("history", "horizon"), [(History.JOINING, Horizon(7, 1_700_000_000.0)), (History.START, None)]
)
def test_past_begins_where_the_invite_says(ledger: Ledger, history: History, horizon: Horizon | None) -> None:
    """It begins with joining for the first time, and not anew when the guest comes back."""
    _, token = ledger.invite(history=history)
    first = ledger.admit(token, seq=7)
    ledger.pass_by(3600)
    again = ledger.admit(str(first.member_token), seq=900)
    assert first.horizon == again.horizon == horizon


def test_revoking_ends_all_that_came_by_it(ledger: Ledger) -> None:
    """Members and invite alike: connections are dismissed at once, tokens open nothing, and who was here has left."""
    invite, token = ledger.invite(uses=None)
    chair, admission = Chair(), ledger.admit(token)
    with seated(ledger.book, chair, admission):
        revoked, closed = ledger.record(lambda entries: ledger.book.revoke(invite.id[:8], ALICE, entries))
        assert (revoked.revoked_at, closed, chair.dismissed) == (ledger.times.now, 1, [REVOKED])
    assert [ledger.book.find(each) for each in (token, str(admission.member_token))] == [False, False]
    assert [event["reason"] for event in ledger.told("guest.left")] == ["revoked"]
    assert [event["invite"]["state"] for event in ledger.told("invite.revoked")] == ["revoked"]
    with pytest.raises(RoomError) as caught:
        ledger.record(lambda entries: ledger.book.revoke(invite.id, ALICE, entries))
    assert caught.value.code is NOT_FOUND


def test_expiry_ends_all_that_came_by_it(ledger: Ledger) -> None:
    """At its time the invite is over for everybody, and not a moment before."""
    _, token = ledger.invite(uses=None, expires_s=60)
    chair, admission = Chair(), ledger.admit(token)
    with seated(ledger.book, chair, admission):
        assert ledger.book.next_deadline() == ledger.times.clock + 60
        ledger.pass_by(59.5)
        assert (ledger.book.find(token), chair.dismissed) == (True, [])
        ledger.pass_by(0.5)
        assert chair.dismissed == [EXPIRED]
    assert not ledger.book.find(token) and not ledger.book.find(str(admission.member_token))
    assert [event["reason"] for event in ledger.told("guest.left")] == ["expired"]


def test_a_sleep_of_the_machine_lengthens_no_invite(ledger: Ledger) -> None:
    """It is over as soon as the machine is awake, even before expiry is worked on."""
    invite, token = ledger.invite(expires_s=60)
    ledger.times.elapsed += 60
    assert (ledger.book.find(token), ledger.book.state_of(invite)) == (False, InviteState.EXPIRED)
    assert ledger.book.next_deadline() == ledger.times.clock
    assert ledger.refusal(token).code is NOT_ALLOWED


@pytest.mark.parametrize("jump_s", [-86400.0, 86400.0])
def test_a_jump_of_the_wall_clock_ends_and_lengthens_no_invite(ledger: Ledger, jump_s: float) -> None:
    """What was left of it is left of it."""
    invite, token = ledger.invite(expires_s=60, uses=None)
    ledger.times.now += jump_s
    assert ledger.book.next_deadline() == ledger.times.clock + 60
    ledger.admit(token)
    ledger.pass_by(59.5)
    assert (ledger.book.find(token), ledger.book.state_of(invite)) == (True, InviteState.OPEN)
    ledger.pass_by(0.5)
    assert (ledger.book.find(token), ledger.book.state_of(invite)) == (False, InviteState.EXPIRED)


@pytest.mark.parametrize("called", ["{author}", "{id}", "0000000", "ADA"])
def test_kicked_guest_cannot_come_back(ledger: Ledger, called: str) -> None:
    """Whatever it is called by, its connections are dismissed, its token and key open nothing; the invite goes on."""
    _, token = ledger.invite(uses=1)
    chair, admission = Chair(), ledger.admit(token, "Ada", KEY)
    who = called.format(author=admission.author.id, id=admission.member.id)
    with seated(ledger.book, chair, admission):
        member, invite, closed = ledger.record(lambda entries: ledger.book.kick(who, "spam", ALICE, entries))
    assert (member.id, invite.used, closed, chair.dismissed) == (admission.member.id, 1, 1, [REMOVED])
    assert not ledger.book.find(str(admission.member_token))
    assert ledger.refusal(token, "Ada", KEY).code is NOT_ALLOWED
    assert [event["type"] for event in ledger.events[-2:]] == ["guest.kicked", "guest.left"]
    assert (ledger.events[-2]["reason"], ledger.events[-1]["reason"]) == ("spam", "kicked")


def test_kick_hits_nobody_by_chance(ledger: Ledger) -> None:
    """What could mean two guests means neither, also when one has taken the other's id for its name."""
    _, token = ledger.invite(uses=None)
    ada = ledger.admit(token, "Ada")
    ledger.admit(token, ada.member.id[:7])
    for who, code in ((ada.member.id[:7], CONFLICT), ("nobody", NOT_FOUND)):
        with pytest.raises(RoomError) as caught:
            ledger.book.kick(who, None, ALICE, Entries())
        assert caught.value.code is code
    assert ledger.book.count == 2


def test_guest_who_is_back_in_time_never_left(ledger: Ledger) -> None:
    """A lost connection is nobody's business if there is another one soon."""
    _, token = ledger.invite()
    admission = ledger.admit(token)
    with seated(ledger.book, Chair(), admission):
        ledger.pass_by(100)
    ledger.pass_by(LINGER_S - 0.5)
    with seated(ledger.book, Chair(), ledger.admit(str(admission.member_token))):
        ledger.pass_by(100)
        assert (ledger.book.count, ledger.told("guest.left"), len(ledger.told("guest.joined"))) == (1, [], 1)


def test_guest_leaves_with_its_last_connection(ledger: Ledger) -> None:
    """As long as one is left it is here; when it comes back later that is told again."""
    _, token = ledger.invite()
    admission = ledger.admit(token)
    with seated(ledger.book, Chair(), admission):
        with seated(ledger.book, Chair(), admission):
            assert ledger.book.guests(is_for_host=True)[0]["connections"] == 2
        ledger.pass_by(LINGER_S)
        assert ledger.told("guest.left") == []
    ledger.pass_by(LINGER_S)
    assert [event["reason"] for event in ledger.told("guest.left")] == ["left"]
    ledger.admit(str(admission.member_token))
    assert len(ledger.told("guest.joined")) == 2


def test_guest_who_never_took_its_seat_leaves(ledger: Ledger) -> None:
    """Whoever was let in and was gone before it was told so is not here for ever."""
    _, token = ledger.invite()
    ledger.admit(token)
    ledger.pass_by(LINGER_S)
    assert (ledger.book.count, len(ledger.told("guest.left"))) == (0, 1)


def test_guest_whose_seat_came_late_is_here_again(ledger: Ledger) -> None:
    """Whoever takes its seat only after it was told to have left is told of anew."""
    _, token = ledger.invite()
    admission = ledger.admit(token)
    ledger.pass_by(LINGER_S)
    woken: list[float] = []
    ledger.book.watch(woken.append)
    with seated(ledger.book, Chair(), admission):
        assert woken == [ledger.times.clock]
        ledger.pass_by(0)
        assert (ledger.book.count, len(ledger.told("guest.joined"))) == (1, 2)


def test_right_that_was_lost_meanwhile_takes_no_seat(ledger: Ledger) -> None:
    """Between the admission and the seat the invite may be revoked."""
    invite, token = ledger.invite()
    admission = ledger.admit(token)
    ledger.record(lambda entries: ledger.book.revoke(invite.id, ALICE, entries))
    with pytest.raises(RoomError) as caught, seated(ledger.book, Chair(), admission):
        raise AssertionError("it was let in")
    assert caught.value.code is NOT_ALLOWED


def test_who_was_here_before_a_restart_may_come_back(ledger: Ledger) -> None:
    """It is still here for a while, so that a restart is no leaving; then it has left."""
    _, token = ledger.invite(uses=None)
    back, gone = ledger.admit(token, "back"), ledger.admit(token, "gone")
    ledger.book = ledger.restored()
    ledger.pass_by(RETURN_S - 1)
    assert {person["name"] for person in msgspec.json.decode(ledger.book.people())} == {"back", "gone"}
    with seated(ledger.book, Chair(), ledger.admit(str(back.member_token))):
        ledger.pass_by(1)
        assert [event["guest"]["id"] for event in ledger.told("guest.left")] == [gone.author.id]
        assert len(ledger.told("guest.joined")) == 2


def test_who_was_here_when_its_invite_expired_while_the_daemon_was_away_has_left(ledger: Ledger) -> None:
    """The first thing that a restart tells."""
    _, token = ledger.invite(expires_s=60)
    ledger.admit(token)
    ledger.times.pass_by(61)
    ledger.book = ledger.restored()
    assert not ledger.book.find(token)
    ledger.pass_by(0)
    assert [event["reason"] for event in ledger.told("guest.left")] == ["expired"]


def test_closing_revokes_everything_and_hangs_up_on_nobody(ledger: Ledger) -> None:
    """The guests of a room that closes may read its last events."""
    _, token = ledger.invite()
    chair, admission = Chair(), ledger.admit(token)
    with seated(ledger.book, chair, admission):
        ledger.record(lambda entries: ledger.book.close(ALICE, entries))
        assert (chair.dismissed, ledger.book.has_closed, ledger.book.find(token)) == ([], True, False)
        ledger.book.dismiss_all(4404, "closed")
        assert chair.dismissed == [(4404, "closed")]


def test_full_room(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invite without a limit cannot fill the memory."""
    monkeypatch.setattr("concordiad.core.guestbook.MEMBERS", 2)
    _, token = ledger.invite(uses=None)
    first = ledger.admit(token, "a")
    ledger.admit(token, "b")
    assert ledger.refusal(token, "c").code is NOT_NOW
    assert ledger.admit(str(first.member_token)).author == first.author


def test_one_guest_has_not_all_the_places(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more connection than a guest may have is refused, until one of them has ended; another guest has its own."""
    monkeypatch.setattr("concordiad.core.guestbook.SEATS", 2)
    _, token = ledger.invite(uses=None)
    ann, bob = ledger.admit(token, "ann"), ledger.admit(token, "bob")
    with seated(ledger.book, Chair(), ann), seated(ledger.book, Chair(), bob):
        with seated(ledger.book, Chair(), ann), pytest.raises(RoomError) as refusal:
            ledger.book.sit(Chair(), ann)
        assert refusal.value.code is CONFLICT
        with seated(ledger.book, Chair(), ann):
            assert ledger.book.count == 2


def test_hash_takes_any_text() -> None:
    """Whatever a stranger sends as a token has a hash."""
    assert hash_of("\ud800") != hash_of("") != hash_of("é")


class Room(RuleBasedStateMachine):
    """Guests, hosts and the clock do as they like; a plain list of rights says what must come of it."""

    tokens: Bundle[str] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.invites: dict[str, tuple[str, int | None, float | None]] = {}
        self.used: dict[str, int] = {}
        self.members: dict[str, str] = {}
        self.invite_of: dict[str, str] = {}
        self.over: set[str] = set()
        self.kicked: set[str] = set()
        self.seats: list[Any] = []

    def is_open(self, invite: str) -> bool:
        """Tell whether an invite is not over."""
        ends = self.invites[invite][2]
        return invite not in self.over and (ends is None or ends > self.ledger.times.now)

    def opens(self, token: str) -> bool:
        """Tell whether a token must be known."""
        if token in self.members:
            member = self.members[token]
            return member not in self.kicked and self.is_open(self.invite_of[member])
        return any(known == token and self.is_open(invite) for invite, (known, *_) in self.invites.items())

    @rule(target=tokens, uses=st.sampled_from([1, 2, None]), expires_s=st.sampled_from([None, 10.0, 60.0]))
    def invite(self, uses: int | None, expires_s: float | None) -> str:
        """A host makes an invite."""
        invite, token = self.ledger.invite(uses=uses, expires_s=expires_s)
        self.invites[invite.id] = (token, uses, invite.expires_at)
        self.used[invite.id] = 0
        return token

    @rule(target=tokens, token=tokens, name=st.sampled_from(["ada", "ADA", "ben"]), seat=st.booleans())
    def come(self, token: str, name: str, seat: bool) -> str:
        """Somebody comes with a token, and takes a seat, or is gone."""
        is_member = token in self.members
        try:
            admission = self.ledger.admit(token, name)
        except RoomError:
            used_up = [
                known == token and uses is not None and self.used[invite] >= uses
                for invite, (known, uses, _) in self.invites.items()
            ]
            assert not self.opens(token) or (not is_member and any(used_up))
            return token
        assert self.opens(token)
        if not is_member:
            self.used[admission.invite.id] += 1
            self.members[str(admission.member_token)] = admission.member.id
            self.invite_of[admission.member.id] = admission.invite.id
        if seat:
            chair = Chair()
            self.ledger.book.sit(chair, admission)
            self.seats.append((chair, admission.member.id))
        return admission.member_token or token

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        """A connection ends."""
        seat = data.draw(st.sampled_from(self.seats))
        self.seats.remove(seat)
        self.ledger.book.leave(*seat)

    @precondition(lambda self: self.invites)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        """A host revokes an invite, which may be over."""
        invite = data.draw(st.sampled_from(sorted(self.invites)))
        was_open = self.is_open(invite)
        try:
            self.ledger.record(lambda entries: self.ledger.book.revoke(invite, ALICE, entries))
        except RoomError:
            assert not was_open
        self.over.add(invite)

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def kick(self, data: st.DataObject) -> None:
        """A host removes a guest, who may be gone for good."""
        member = data.draw(st.sampled_from(sorted(self.invite_of)))
        was_living = member not in self.kicked and self.is_open(self.invite_of[member])
        try:
            self.ledger.record(lambda entries: self.ledger.book.kick(member, None, ALICE, entries))
        except RoomError:
            assert not was_living
        self.kicked.add(member)

    @rule(seconds=st.sampled_from([0.0, 1.0, LINGER_S, RETURN_S]))
    def pass_by(self, seconds: float) -> None:
        """Time passes."""
        self.ledger.pass_by(seconds)

    @precondition(lambda self: not self.seats)
    @rule()
    def restart(self) -> None:
        """The daemon is started anew while nobody is connected."""
        self.ledger.book = self.ledger.restored()
        self.ledger.pass_by(0)

    @invariant()
    def tokens_open_what_they_should(self) -> None:
        """Each token ever made is known exactly as long as it gives a right."""
        tokens = [*self.members, *(token for token, *_ in self.invites.values())]
        assert [token for token in tokens if self.ledger.book.find(token) != self.opens(token)] == []

    @invariant()
    def uses_are_kept(self) -> None:
        """No invite has made more members than it has uses."""
        for invite, (_, uses, _) in self.invites.items():
            row = self.ledger.rows[invite]
            assert isinstance(row, Invite) and row.used == self.used[invite] and (uses is None or row.used <= uses)

    @invariant()
    def people_are_those_who_have_joined_and_not_left(self) -> None:
        """The events alone say who is here, and nobody joins or leaves twice."""
        here: set[str] = set()
        for event in self.ledger.events:
            if event["type"] == "guest.joined":
                assert event["guest"]["id"] not in here
                here.add(event["guest"]["id"])
            elif event["type"] == "guest.left":
                here.remove(event["guest"]["id"])
        assert here == {person["id"] for person in msgspec.json.decode(self.ledger.book.people())}
        assert len(here) == self.ledger.book.count

    @invariant()
    def names_differ(self) -> None:
        """No two who are here have one name."""
        names = [person["name"].casefold() for person in msgspec.json.decode(self.ledger.book.people())]
        assert len(names) == len(set(names))

    @invariant()
    def restored_state_is_the_live_one(self) -> None:
        """What a restart would find is what there is."""
        book = self.ledger.restored()
        tokens = [*self.members, *(token for token, *_ in self.invites.values())]
        assert [book.find(token) for token in tokens] == [self.ledger.book.find(token) for token in tokens]
        assert book.people() == self.ledger.book.people()


TestRoom = Room.TestCase
TestRoom.settings = settings(derandomize=True, deadline=None, max_examples=150, stateful_step_count=30)
