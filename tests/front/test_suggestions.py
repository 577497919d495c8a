"""An id or a name that nothing has is answered with the nearest one, if the caller may know of it."""

from pathlib import Path

from concordiad.core.codes import NOT_FOUND
from concordiad.front.caller import Caller
from tests.front.inside import HOST, Inside, open_house


async def hint(inside: Inside, method: str, identity: str, caller: Caller = HOST, **params: object) -> str:
    """Ask for what is not there, and return how the refusal ends."""
    refusal = await inside.refusal(caller, method, id=identity, **params)
    assert refusal is not None and refusal[0] is NOT_FOUND
    return refusal[1].rpartition(": ")[2]


def slip(identity: str) -> str:
    """Type one character wrong."""
    return identity[:-1] + ("0" if identity[-1] != "0" else "1")


async def test_hosts_are_told_the_nearest(tmp_path: Path) -> None:
    """Of prompts, turns, approvals, invites and guests; where nothing is near, where to look."""
    async with open_house(tmp_path, "main") as inside:
        await inside.guest(name="dee", uses=2)
        invite = (await inside.call(HOST, "invite.list"))["invites"][0]["id"]
        prompt = await inside.submit(HOST, "[[tool:true]]")
        turn = (await inside.until(prompt, "running"))["turn"]["id"]
        while not (approvals := (await inside.call(HOST, "approval.list"))["approvals"]):
            pass
        approval = approvals[0]["id"]
        for method, identity in (
            ("prompt.get", prompt),
            ("prompt.cancel", prompt),
            ("prompt.retry", prompt),
            ("turn.get", turn),
            ("invite.revoke", invite),
        ):
            assert await hint(inside, method, slip(identity)) == f"did you mean {identity}?"
        assert await hint(inside, "approval.answer", slip(approval), allow=True) == f"did you mean {approval}?"
        assert await hint(inside, "guest.kick", "deee") == "did you mean dee?"
        assert await hint(inside, "turn.get", "nothing") == "list them with `concordiactl history`"
        assert await hint(inside, "prompt.retry", "nothing") == "list them with `concordiactl history --prompts`"
        assert await hint(inside, "approval.answer", "nothing", allow=True) == "see `concordiactl approvals`"
        assert await hint(inside, "invite.revoke", "nothing") == "see `concordiactl invite list`"
        assert await hint(inside, "guest.kick", "nobody") == "see `concordiactl guests --all`"


async def test_guests_are_told_nothing_of_what_is_recorded(tmp_path: Path) -> None:
    """What was before them must be like what never was."""
    async with open_house(tmp_path, "main") as inside:
        prompt = await inside.submit(HOST, "[[text:hi]]")
        await inside.until(prompt, "answered")
        guest = await inside.guest()
        own = await inside.submit(guest, "[[text:hi]]")
        for identity in (slip(prompt), slip(own), prompt):
            assert await hint(inside, "prompt.get", identity, guest) == f"no prompt {identity} in room main"
