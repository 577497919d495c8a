"""Every method for every kind of caller, through the one way in, and what is a caller's own."""

from pathlib import Path
from typing import Any

from concordiad.core.codes import CONFLICT, NOT_ALLOWED, NOT_FOUND, NOT_NOW
from concordiad.core.model import Author, AuthorKind
from concordiad.core.params import METHODS
from concordiad.core.roles import decide
from concordiad.front.caller import Caller
from tests.front.inside import HOST, PAGE, Inside, open_house

NOBODY = "00000000-0000-7000-8000-000000000000"
PARAMS: dict[str, dict[str, Any]] = {
    "prompt.submit": {"text": "hi"},
    "approval.answer": {"id": NOBODY, "allow": True},
    "turn.interrupt": {"turn": NOBODY},
    "room.create": {"name": "new", "workdir": "/nowhere"},
    "room.close": {"room": "nowhere"},
    "hello": {"token": "t"},
    **{
        name: {"id": NOBODY}
        for name in (
            *("prompt.get", "prompt.retry", "prompt.cancel", "prompt.split", "turn.get"),
            *("invite.revoke", "guest.kick"),
        )
    },
}
"""
The least that a method needs, and where it would do harm to what the others need, too little. What is interrupted is
nobody's turn: else that of another caller's prompt would be, which may run or not by then.
"""


async def callers_of(inside: Inside) -> dict[str, Caller]:
    """Return one caller of each kind."""
    return {
        "agent": Caller(Author("uid:1000", "ann", AuthorKind.LOCAL), None),
        "host": HOST,
        "driver": await inside.guest("driver", "dee"),
        "approver": await inside.guest("driver", "app", may_approve=True),
        "viewer": await inside.guest("viewer", "vic"),
    }


async def test_every_method_for_every_caller(tmp_path: Path) -> None:
    """Who has no right by the table is told `not_allowed`; who has one never is, for what is anybody's or nobody's."""
    wrong: list[str] = []
    async with open_house(tmp_path, "main") as inside:
        for kind, caller in (await callers_of(inside)).items():
            for method in METHODS:
                right = None if caller.role is None else decide(method, caller.role, may_approve=caller.may_approve)
                refusal = await inside.refusal(caller, method, **PARAMS.get(method, {}))
                if (right is None) != (refusal is not None and refusal[0] is NOT_ALLOWED):
                    wrong.append(f"{kind} {method}: {right}, {refusal}")
    assert wrong == []


async def test_driver_submits_plain_prompts_in_turn(tmp_path: Path) -> None:
    """It cannot have its slash commands obeyed, nor go before the others."""
    async with open_house(tmp_path, "main") as inside:
        driver = await inside.guest()
        for more in ({"raw": True}, {"priority": "high"}):
            refusal = await inside.refusal(driver, "prompt.submit", text="hi", **more)
            assert refusal is not None and refusal[0] is NOT_ALLOWED
        shown = await inside.call(driver, "prompt.submit", text="hi", priority="low")
        assert shown["prompt"]["author"] == {"id": driver.author.id, "name": "bob", "kind": "guest"}


async def test_driver_cancels_its_own_prompts(tmp_path: Path) -> None:
    """Somebody else's stays where it is."""
    async with open_house(tmp_path, "main") as inside:
        driver, other = await inside.guest(name="dee"), await inside.guest(name="eve")
        await inside.until(await inside.submit(HOST, "[[hang]]"), "running")
        own, foreign, hosts = [await inside.submit(who, "wait") for who in (driver, other, HOST)]
        for identity in (foreign, hosts):
            refusal = await inside.refusal(driver, "prompt.cancel", id=identity)
            assert refusal is not None and refusal[0] is NOT_ALLOWED
        cancelled = await inside.call(driver, "prompt.cancel", id=own)
        assert cancelled["prompt"]["state"] == "cancelled"
        assert [placed.prompt.id for placed in await inside.main.waiting()] == [foreign, hosts]


async def test_driver_asks_its_own_prompts_again(tmp_path: Path) -> None:
    """In its own name, once it came to nothing; a host asks anybody's again, in the host's."""
    async with open_house(tmp_path, "main") as inside:
        driver, other = await inside.guest(name="dee"), await inside.guest(name="eve")
        running = await inside.submit(HOST, "[[hang]]")
        await inside.until(running, "running")
        own, foreign = [await inside.submit(who, "[[text:hi]]") for who in (driver, other)]
        waits = await inside.refusal(driver, "prompt.retry", id=own)
        assert waits is not None and waits[0] is CONFLICT
        for identity in (own, foreign):
            await inside.call(HOST, "prompt.cancel", id=identity)
        refusal = await inside.refusal(driver, "prompt.retry", id=foreign)
        assert refusal is not None and refusal[0] is NOT_ALLOWED
        again = (await inside.call(driver, "prompt.retry", id=own, key="once"))["prompt"]
        assert (again["retry_of"], again["text"], again["author"]["name"]) == (own, "[[text:hi]]", "dee")
        assert (await inside.call(driver, "prompt.retry", id=own, key="once"))["prompt"]["id"] == again["id"]
        hosts = (await inside.call(HOST, "prompt.retry", id=foreign))["prompt"]
        assert (hosts["retry_of"], hosts["author"]["id"]) == (foreign, HOST.author.id)
        await inside.call(HOST, "turn.interrupt")
        await inside.until(hosts["id"], "answered")
        answered = await inside.refusal(HOST, "prompt.retry", id=hosts["id"])
        assert answered is not None and answered[0] is CONFLICT


async def test_a_turn_is_asked_again_by_its_prompt(tmp_path: Path) -> None:
    """A driver's own one of it; where a host would ask several, they are named instead."""
    async with open_house(tmp_path, "main") as inside:
        driver, viewer = await inside.guest(name="dee"), await inside.guest(name="eve")
        running = (await inside.until(await inside.submit(HOST, "[[hang]]"), "running"))["turn"]["id"]
        prompts = [await inside.submit(who, "[[hang]] together") for who in (HOST, driver)]
        early = await inside.refusal(HOST, "prompt.retry", id=running)
        assert early is not None and early[0] is CONFLICT
        await inside.call(HOST, "turn.interrupt")
        shared = (await inside.until(prompts[0], "running"))["turn"]
        assert shared["prompts"] == prompts
        await inside.call(HOST, "turn.interrupt")
        await inside.until(prompts[0], "cancelled")
        several = await inside.refusal(HOST, "prompt.retry", id=shared["id"])
        assert several is not None and several[0] is CONFLICT
        assert all(prompt in several[1] for prompt in prompts)
        own = (await inside.call(driver, "prompt.retry", id=shared["id"], key="once"))["prompt"]
        assert (own["retry_of"], own["author"]["name"]) == (prompts[1], "dee")
        foreign = await inside.refusal(viewer, "prompt.retry", id=shared["id"])
        assert foreign is not None and foreign[0] is NOT_ALLOWED
        again = (await inside.call(HOST, "prompt.retry", id=running))["prompt"]
        assert (again["text"], again["author"]["id"]) == ("[[hang]]", HOST.author.id)


async def test_driver_stops_a_turn_that_is_its_own(tmp_path: Path) -> None:
    """With or without its name; somebody else's goes on, and with nothing to stop nothing is."""
    async with open_house(tmp_path, "main") as inside:
        driver = await inside.guest()
        idle = await inside.refusal(driver, "turn.interrupt")
        hosts = await inside.until(await inside.submit(HOST, "[[hang]]"), "running")
        foreign = [
            await inside.refusal(driver, "turn.interrupt"),
            await inside.refusal(driver, "turn.interrupt", turn=hosts["turn"]["id"]),
        ]
        assert [refusal and refusal[0] for refusal in (idle, *foreign)] == [CONFLICT, NOT_ALLOWED, NOT_ALLOWED]
        await inside.call(HOST, "turn.interrupt")
        for named in (False, True):
            own = await inside.until(await inside.submit(driver, "[[hang]]"), "running")
            turn = {"turn": own["turn"]["id"]} if named else {}
            stopped = await inside.call(driver, "turn.interrupt", **turn)
            assert stopped["turn"]["id"] == own["turn"]["id"]
            await inside.until(own["prompt"]["id"], "cancelled")


async def test_whoever_is_copied_may_still_stop_the_turn(tmp_path: Path) -> None:
    """Its words are asked; who asked the same after it has no such right."""
    async with open_house(tmp_path, "main") as inside:
        first, second = await inside.guest(name="dee"), await inside.guest(name="eve")
        await inside.until(await inside.submit(HOST, "[[hang]]"), "running")
        prompts = [await inside.submit(who, "[[hang]]") for who in (first, second)]
        await inside.call(HOST, "turn.interrupt")
        turn = (await inside.until(prompts[1], "running"))["turn"]
        assert turn["prompts"] == prompts
        refusal = await inside.refusal(second, "turn.interrupt")
        assert refusal is not None and refusal[0] is NOT_ALLOWED
        stopped = await inside.call(first, "turn.interrupt")
        assert stopped["turn"]["id"] == turn["id"]
        await inside.until(prompts[1], "cancelled")


async def test_invite_needs_a_door(tmp_path: Path) -> None:
    """Without one its link would lead nowhere; with one the link has the room and the token behind the #."""
    async with open_house(tmp_path, "main") as inside:
        invite = (await inside.call(HOST, "invite.create", role="driver"))["invite"]
        assert invite["url"] == f"{PAGE}/#main.{invite['token']}"
        assert (len(invite["token"]), invite["uses_left"], invite["state"]) == (32, 1, "open")
        listed = (await inside.call(HOST, "invite.list"))["invites"]
        assert [(each["id"], each["url"], each["token"]) for each in listed] == [(invite["id"], None, None)]
        closed = Inside(type(inside.house)(*_without_door(inside)))
        refusal = await closed.refusal(HOST, "invite.create")
        assert refusal is not None and refusal[0] is NOT_NOW


def _without_door(inside: Inside) -> tuple[Any, ...]:
    house = inside.house
    return house.rooms, house.journal, house.config, house.state_dir, house.started_at, house.ended, house._commands


async def test_people_over_the_wire(tmp_path: Path) -> None:
    """Hosts see who is here and by which invite; guests see who is here; who was removed or revoked is told of."""
    async with open_house(tmp_path, "main") as inside:
        driver, viewer = await inside.guest(name="dee"), await inside.guest("viewer", "vic")
        for_host = (await inside.call(HOST, "guest.list"))["guests"]
        for_guest = (await inside.call(viewer, "guest.list"))["guests"]
        assert [guest["name"] for guest in for_host] == [guest["name"] for guest in for_guest] == ["dee", "vic"]
        assert [guest["invite"] for guest in for_guest] == [None, None]
        refusal = await inside.refusal(viewer, "guest.list", all=True)
        assert refusal is not None and refusal[0] is NOT_ALLOWED
        snapshot = (await inside.call(viewer, "events.subscribe"))["snapshot"]
        assert [(person["name"], person["role"]) for person in snapshot["people"]] == [
            ("dee", "driver"),
            ("vic", "viewer"),
        ]
        in_force = (await inside.call(HOST, "invite.list"))["invites"]
        assert [invite["state"] for invite in in_force] == ["used_up", "used_up"]
        kicked = await inside.call(HOST, "guest.kick", id="dee", reason="spam")
        revoked = await inside.call(HOST, "invite.revoke", id=for_host[1]["invite"])
        assert (kicked["guest"]["id"], kicked["invite"]["state"]) == (driver.author.id, "used_up")
        assert revoked["invite"]["state"] == "revoked"
        known = (await inside.call(HOST, "guest.list", all=True))["guests"]
        assert [(guest["name"], guest["here_since"]) for guest in known] == [("dee", None), ("vic", None)]
        assert (await inside.call(HOST, "guest.list"))["guests"] == []
        states = [invite["state"] for invite in (await inside.call(HOST, "invite.list", all=True))["invites"]]
        assert states == ["used_up", "revoked"]
        in_force = (await inside.call(HOST, "invite.list"))["invites"]
        assert [invite["state"] for invite in in_force] == ["used_up"]
        assert (await inside.call(HOST, "room.list"))["rooms"][0]["guests"] == 0


async def test_record_of_a_closed_room_is_for_hosts(tmp_path: Path) -> None:
    """Whoever was invited into a room reads nothing of it when it has closed."""
    async with open_house(tmp_path, "main", "lab") as inside:
        guest = await inside.guest(room="lab")
        prompt = await inside.submit(guest, "[[text:hi]]", room="lab")
        await inside.until(prompt, "answered", room="lab")
        await inside.call(HOST, "room.close", room="lab")
        assert (await inside.call(HOST, "prompt.get", id=prompt, room="lab"))["turn"]["answer"] == "hi"
        for method in ("events.list", "events.subscribe", "prompt.list", "turn.list"):
            refusal = await inside.refusal(guest, method, room="lab")
            assert refusal == (NOT_FOUND, "there is no room 'lab': you are in lab"), method


async def test_room_that_is_opened_anew_knows_no_old_invite(tmp_path: Path) -> None:
    """Whoever closes a room and opens another one of that name has invited nobody into that one."""
    async with open_house(tmp_path, "main", "lab") as inside:
        token = (await inside.call(HOST, "invite.create", room="lab"))["invite"]["token"]
        assert inside.house.rooms["lab"].guestbook.find(token)
        await inside.call(HOST, "room.close", room="lab")
        await inside.call(HOST, "room.create", name="lab", workdir=str(tmp_path))
        assert not inside.house.rooms["lab"].guestbook.find(token)
        refusal = await inside.refusal(HOST, "invite.revoke", id=NOBODY, room="lab")
        assert refusal is not None and refusal[0] is NOT_FOUND
