"""What a guest may not see is answered exactly like what does not exist, by every method that reads."""

from pathlib import Path
from typing import Any

from concordiad.core.codes import NOT_FOUND
from concordiad.front.caller import Caller
from tests.front.inside import HOST, Inside, open_house

NOBODY = "00000000-0000-7000-8000-000000000000"


async def past_and_present(inside: Inside) -> tuple[dict[str, Any], str, str]:
    """Have something over, something running and something waiting; return the first and the ids of the others."""
    over = await inside.until(await inside.submit(HOST, "[[text:secret]]"), "answered")
    running = await inside.submit(HOST, "[[hang]]")
    await inside.until(running, "running")
    waiting = await inside.submit(HOST, "wait")
    return over, running, waiting


async def same_refusals(inside: Inside, caller: Caller, method: str, hidden: str, **params: Any) -> bool:
    """Tell whether a hidden id is refused just like one that never was, whole and as a beginning."""
    answers = []
    for identity in (hidden, hidden[:-2], NOBODY, NOBODY[:-2]):
        refusal = await inside.refusal(caller, method, **{**params, _id_of(method): identity})
        assert refusal is not None
        answers.append((refusal[0], refusal[1].replace(identity, "ID")))
    return len(set(answers)) == 1 and answers[0][0] is NOT_FOUND


def _id_of(method: str) -> str:
    return "turn" if method == "turn.interrupt" else "id"


async def test_what_was_over_is_not_there(tmp_path: Path) -> None:
    """Neither by its id nor by its beginning, in no page and in no event; what runs or waits is."""
    async with open_house(tmp_path, "main") as inside:
        over, running, waiting = await past_and_present(inside)
        guest = await inside.guest()
        for method, identity in (
            ("prompt.get", over["prompt"]["id"]),
            ("prompt.cancel", over["prompt"]["id"]),
            ("prompt.retry", over["prompt"]["id"]),
            ("turn.get", over["turn"]["id"]),
            ("turn.interrupt", over["turn"]["id"]),
        ):
            assert await same_refusals(inside, guest, method, identity), method
        prompts = (await inside.call(guest, "prompt.list"))["prompts"]
        turns = (await inside.call(guest, "turn.list"))["turns"]
        assert [prompt["id"] for prompt in prompts] == [waiting, running]
        assert [turn["prompts"] for turn in turns] == [[running]]
        assert (await inside.call(guest, "prompt.get", id=running))["turn"]["id"] == turns[0]["id"]
        events = (await inside.call(guest, "events.list"))["events"]
        assert [event["type"] for event in events] == ["guest.joined"]


async def test_beginning_of_an_id_means_what_can_be_seen(tmp_path: Path) -> None:
    """What is hidden makes no beginning of an id ambiguous."""
    async with open_house(tmp_path, "main") as inside:
        over, running, waiting = await past_and_present(inside)
        guest = await inside.guest()
        await inside.call(HOST, "prompt.cancel", id=waiting)
        shared = "".join(a for a, b in zip(over["prompt"]["id"], running, strict=True) if a == b)[:6]
        assert over["prompt"]["id"].startswith(shared)
        assert (await inside.call(guest, "prompt.get", id=shared))["prompt"]["id"] == running


async def test_cursors_lead_nowhere_behind_the_horizon(tmp_path: Path) -> None:
    """A hidden id as a cursor is like one that never was, and a page that is the last one says so."""
    async with open_house(tmp_path, "main") as inside:
        over, running, waiting = await past_and_present(inside)
        guest = await inside.guest()
        first = await inside.call(guest, "prompt.list", limit=1)
        second = await inside.call(guest, "prompt.list", limit=1, cursor=first["next"])
        assert [page["prompts"][0]["id"] for page in (first, second)] == [waiting, running]
        assert (first["next"], second["next"]) == (waiting, None)
        for method, hidden in (("prompt.list", over["prompt"]["id"]), ("turn.list", over["turn"]["id"])):
            answers = [await inside.call(guest, method, cursor=cursor) for cursor in (hidden, NOBODY)]
            assert answers[0] == answers[1]
        everything = await inside.call(HOST, "prompt.list", limit=2)
        rest = await inside.call(HOST, "prompt.list", limit=2, cursor=everything["next"])
        assert [prompt["id"] for prompt in rest["prompts"]] == [over["prompt"]["id"]]


async def test_transcript_begins_at_the_horizon(tmp_path: Path) -> None:
    """Whatever a subscription asks for; a cursor from before it is like one that never was."""
    async with open_house(tmp_path, "main") as inside:
        await past_and_present(inside)
        guest = await inside.guest()
        horizon = guest.after_seq
        assert horizon > 3
        epoch = inside.main.transcript.epoch
        for params in ({"last": 100}, {"since": 0}, {"since": 2}):
            assert (await inside.call(guest, "events.subscribe", **params))["cursor"]["seq"] == horizon
        real, made_up = [
            await inside.call(guest, "events.subscribe", after={"epoch": number, "seq": 2}) for number in (epoch, 7)
        ]
        for answer in (real, made_up):
            # A moment lies between the two.
            assert answer["snapshot"]["turn"].pop("silent_s") >= 0
            answer["snapshot"]["room"].pop("turn")
        assert real == made_up
        assert real["resync"] and [event["type"] for event in real["snapshot"]["events"]] == ["guest.joined"]
        good = await inside.call(guest, "events.subscribe", after={"epoch": epoch, "seq": horizon})
        assert (good["resync"], good["snapshot"]) == (False, None)
        assert (await inside.call(guest, "events.list", last=1000))["events"][0]["seq"] == horizon + 1
        assert (await inside.call(guest, "events.list", since=1, limit=1))["events"][0]["seq"] == horizon + 1


async def test_guest_from_the_start_sees_everything_but_the_machine(tmp_path: Path) -> None:
    """Its invite said so; the directory, the process and the conversation's file are nobody's outside."""
    async with open_house(tmp_path, "main") as inside:
        over, *_ = await past_and_present(inside)
        guest = await inside.guest(history="start")
        assert (await inside.call(guest, "turn.get", id=over["turn"]["id"]))["turn"]["answer"] == "secret"
        assert (await inside.call(guest, "events.list"))["events"][0]["seq"] == 1
        room = (await inside.call(guest, "events.subscribe"))["snapshot"]["room"]
        assert [room["workdir"], room["agent"]["pid"], room["agent"]["session_id"]] == [None] * 3
        hosts = (await inside.call(HOST, "events.subscribe"))["snapshot"]["room"]
        assert None not in (hosts["workdir"], hosts["agent"]["pid"], hosts["agent"]["session_id"])
        for reader, pid in ((HOST, hosts["agent"]["pid"]), (guest, None)):
            events = (await inside.call(reader, "events.list"))["events"]
            assert [event["pid"] for event in events if event["type"] == "agent.started"] == [pid]


async def test_other_rooms_are_not_there(tmp_path: Path) -> None:
    """To every method a room that is there is like one that is not, and a room that is left out is the guest's."""
    async with open_house(tmp_path, "main", "lab") as inside:
        lab_prompt = await inside.submit(HOST, "[[text:x]]", "lab")
        guest = await inside.guest(may_approve=True)
        needed: dict[str, dict[str, Any]] = {
            "prompt.submit": {"text": "hi"},
            "prompt.cancel": {"id": lab_prompt},
            "prompt.get": {"id": lab_prompt},
            "prompt.retry": {"id": lab_prompt},
            "turn.get": {"id": NOBODY},
            "approval.answer": {"id": NOBODY, "allow": True},
        }
        reading = ("prompt.list", "turn.list", "turn.interrupt", "events.subscribe", "events.list", "approval.list")
        for method in (*needed, *reading, "guest.list"):
            there, nowhere = [
                await inside.refusal(guest, method, **needed.get(method, {}), room=room) for room in ("lab", "bal")
            ]
            assert there is not None and nowhere is not None, method
            assert (there[0], there[1].replace("lab", "bal")) == nowhere, method
        assert await same_refusals(inside, guest, "prompt.get", lab_prompt)
        shown = await inside.call(guest, "prompt.submit", text="hi")
        assert shown["prompt"]["room"] == "main"
        lab_guest = await inside.guest(room="lab", name="eve")
        assert (await inside.call(lab_guest, "prompt.submit", text="hi"))["prompt"]["room"] == "lab"
