"""Prompts of several people that become one turn, as the guests' page shows them."""

from typing import Any

import pytest

from tests.e2e.gate import Gate
from tests.e2e.page.guest_page import Visit, run
from tests.support.browser import Browser

pytestmark = pytest.mark.browser

Json = dict[str, Any]


def person(name: str) -> Json:
    """Make an author."""
    return {"id": f"guest:{name}", "name": name, "kind": "guest"}


def prompt(name: str, text: str, place: int, merge: Json | None = None) -> Json:
    """Make a prompt that waits, whose id is its author's name."""
    return {
        "id": name,
        "author": person(name),
        "text": text,
        "text_chars": None,
        "priority": "normal",
        "place": place,
        "merge": merge,
        "state": "waiting",
    }


def merge(stage: str, similarity: float | None = None, asked: str = "run it") -> Json:
    """Make a share in the turn of ada's prompt."""
    return {
        "leader": "ada",
        "stage": stage,
        "similarity": similarity,
        "asked": asked,
        "asked_chars": None,
        "verbatim": stage in ("first", "same"),
    }


def merged(one: Json, *others: Json) -> Json:
    """Make the event that a prompt is merged with others."""
    companions = [{key: other[key] for key in ("id", "author", "text")} for other in others]
    told = {key: one["merge"][key] for key in ("stage", "similarity", "asked")}
    return {"type": "prompt.merged", "prompt": one, "with": companions, **told}


ADA = prompt("ada", "run it", 1)
BEN = prompt("ben", "look at it", 2)
CLEO = prompt("cleo", "Run it!", 1, merge("near", 0.968))

TURNS = """
    const room = new it.Room();
    const at = "2026-01-01T00:00:00.000Z";
    const snapshot = {queue: args[0], room: {cursor: {seq: 0}}, approvals: [], people: [], turn: null};
    room.reset(snapshot);
    args[1].forEach((event, index) => room.apply({seq: index + 1, at, ...event}));
    return [room.waiting.map((turn) => turn.map((prompt) => prompt.id)), room.placeOf("guest:cleo")];"""


@pytest.mark.parametrize(
    ("queue", "events", "turns", "place"),
    [
        ([CLEO, BEN, ADA | {"merge": merge("first")}], [], [["cleo", "ada"], ["ben"]], 1),
        ([ADA, BEN], [{"type": "prompt.accepted", "prompt": CLEO | {"place": 3}}], [["ada"], ["ben"], ["cleo"]], 3),
        ([ADA, BEN, CLEO | {"place": 3}], [merged(CLEO, ADA)], [["ada", "cleo"], ["ben"]], 1),
        (
            [ADA, CLEO, BEN],
            [{"type": "prompt.split", "prompt": CLEO | {"place": 3, "merge": None}}],
            [["ada"], ["ben"], ["cleo"]],
            3,
        ),
        ([ADA, CLEO, BEN], [{"type": "prompt.cancelled", "prompt": ADA}], [["cleo"], ["ben"]], 1),
        (
            [ADA, CLEO, BEN],
            [{"type": "turn.started", "turn": {"id": "t", "prompts": ["ada", "cleo"]}}],
            [["ben"]],
            None,
        ),
        (
            [ADA, CLEO, BEN],
            [
                {"type": "turn.started", "turn": {"id": "t", "prompts": ["ada", "cleo"]}},
                {"type": "turn.returned", "turn": {"id": "t", "prompts": ["ada", "cleo"]}},
            ],
            [["ada", "cleo"], ["ben"]],
            1,
        ),
    ],
)
def test_the_queue_is_of_turns(
    page: Browser, queue: list[Json], events: list[Json], turns: list[list[str]], place: int | None
) -> None:
    """What is merged stands together at its place, whatever happens around it."""
    assert run(page, "room.js", TURNS, queue, events) == [turns, place]


def test_a_prompt_keeps_the_text_that_is_known_of_it(page: Browser) -> None:
    """An event that tells of it again has only the beginning; where there is no more, that is what is shown."""
    long = "run it " * 300
    again = CLEO | {"text": long[:1024], "text_chars": len(long), "place": 1}
    body = """
        const room = new it.Room();
        room.reset({queue: args[0], room: {cursor: {seq: 0}}, approvals: [], people: [], turn: null});
        args[1].forEach((event, index) => room.apply({seq: index + 1, ...event}));
        return room.queue.map(({ id, text, text_chars }) => [id, text, text_chars]);"""
    accepted = {"type": "prompt.accepted", "prompt": CLEO | {"text": long, "place": 2}}
    told = run(page, "room.js", body, [ADA], [accepted, merged(again, ADA)])
    assert told == [["ada", "run it", None], ["cleo", long, None]]
    told = run(page, "room.js", body, [ADA], [merged(again, ADA)])
    assert told == [["ada", "run it", None], ["cleo", long[:1024], len(long)]]


@pytest.mark.parametrize(("similarity", "percent"), [(1.0, 100), (0.999, 99), (0.968, 97)])
def test_likeness_is_told_as_it_was_measured(page: Browser, similarity: float, percent: int) -> None:
    """What differs is never rounded up to all."""
    told = run(page, "likeness.js", 'return it.likeness("near", args[0]);', similarity)
    assert told == f"nearly the same words, {percent} %"


def shown(page: Browser, me: str, *prompts: Json) -> list[Json]:
    """Show a queue to somebody; returns what stands in each item, and the labels of its buttons."""
    body = """
        const {Room} = await import("/js/room.js");
        const room = new Room();
        room.reset({queue: args[1], room: {cursor: {seq: 0}}, approvals: [], people: [], turn: null});
        const queue = new it.Queue({cancel: async () => {}, split: async () => {}});
        queue.show(room, {id: args[0], role: "driver"});
        const texts = (node, css) => [...node.querySelectorAll(css)].map((each) => each.textContent);
        return [...queue.element.querySelectorAll("li")].map((item) => ({
          gists: texts(item, ".gist"), tags: texts(item, ".tag"), buttons: texts(item, "button"),
        }));"""
    found: list[Json] = run(page, "view/queue.js", body, f"guest:{me}", prompts)
    return found


def test_a_merged_turn_names_each_prompt_and_why(page: Browser) -> None:
    """One's own prompt can be taken back, or out of the turn; another one's cannot."""
    first, second = shown(page, "cleo", ADA | {"merge": merge("first")}, CLEO, BEN)
    assert first == {
        "gists": ["Asked is: run it", "run it", "Run it!"],
        "tags": ["nearly the same words, 97 %"],
        "buttons": ["Take back", "Ask it alone"],
    }
    assert second == {"gists": ["look at it"], "tags": [], "buttons": []}


def test_a_wording_of_the_model_is_shown_above_the_originals(page: Browser) -> None:
    """People see why their words have changed before it is asked."""
    worded = merge("meaning", 0.9, asked="run it and look")
    (turn,) = shown(page, "ada", ADA | {"merge": worded | {"stage": "first"}}, BEN | {"place": 1, "merge": worded})
    assert turn["gists"] == ["Asked is: run it and look", "run it", "look at it"]


QUEUE = """
    const {Room} = await import("/js/room.js");
    const room = new Room();
    room.reset({queue: args[0], room: {cursor: {seq: 0}}, approvals: [], people: [], turn: null});
    args[1].forEach((event, index) => room.apply({seq: index + 1, ...event}));
    const queue = new it.Queue({cancel: async () => {}, split: async () => {}});
    queue.show(room, {id: "guest:cleo", role: "driver"});
    return [...queue.element.querySelectorAll("li")].map((item) =>
      [...item.querySelectorAll(".gist, .tag")].map((each) => each.textContent));"""

MAIL = prompt("mail", "run it", 1, merge("same", 1.0))
WHOLE = [
    ["Asked is: run it", "run it", "Run it!", "nearly the same words, 97 %", "run it", "the same words"],
]


@pytest.mark.parametrize(
    ("queue", "events"),
    [
        ([ADA], [merged(CLEO, ADA), merged(MAIL, ADA, CLEO)]),
        ([ADA | {"merge": merge("first")}, CLEO], [merged(MAIL, ADA, CLEO)]),
        ([ADA | {"merge": merge("first")}, CLEO, MAIL], []),
    ],
    ids=["all live", "one more", "all there"],
)
def test_whoever_asked_otherwise_sees_what_is_asked(page: Browser, queue: list[Json], events: list[Json]) -> None:
    """However many others asked it in these words."""
    assert run(page, "view/queue.js", QUEUE, queue, events) == WHOLE


def test_those_who_ask_the_same_words_need_not_be_told_them(page: Browser) -> None:
    """They stand there as their own."""
    assert run(page, "view/queue.js", QUEUE, [ADA], [merged(MAIL, ADA)]) == [["run it", "run it", "the same words"]]


def test_what_is_asked_is_what_the_new_first_one_asks(page: Browser) -> None:
    """No event of its own tells that it leads those who are left."""
    gone = {"type": "prompt.cancelled", "prompt": ADA}
    led = merge("same", 1.0, asked="Run it!") | {"leader": "cleo", "verbatim": False}
    events = [merged(CLEO, ADA), gone, merged(MAIL | {"merge": led}, CLEO)]
    shown = run(page, "view/queue.js", QUEUE, [ADA], events)
    assert shown == [["Asked is: Run it!", "Run it!", "run it", "the same words"]]


NOTE = """
    const line = document.createElement("p");
    const {parts} = it.NOTES[args[0].type](args[0], (author) => author.name);
    line.append(...parts.flat(9).filter((part) => part !== null));
    return line.textContent;"""


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (merged(CLEO, ADA), "cleo and ada ask as one: nearly the same words, 97 %. Asked is: run it"),
        (
            merged(CLEO | {"text": "run it", "merge": merge("same", 1.0)}, ADA, BEN),
            "cleo and ada, ben ask as one: the same words.",
        ),
        (merged(ADA | {"merge": merge("first")}, CLEO), "ada and cleo ask as one, ada first."),
        (
            {"type": "prompt.split", "prompt": CLEO, "by": person("cleo"), "reason": None},
            "The prompt of cleo has a turn of its own again.",
        ),
        (
            {"type": "prompt.split", "prompt": CLEO, "by": person("ada"), "reason": None},
            "The prompt of cleo has a turn of its own again (by ada).",
        ),
        (
            {"type": "prompt.split", "prompt": CLEO, "by": None, "reason": "the first one was cancelled"},
            "The prompt of cleo has a turn of its own again: the first one was cancelled.",
        ),
    ],
)
def test_a_merge_is_told_in_the_transcript(page: Browser, event: Json, words: str) -> None:
    """With whom, by what, and what is asked where that is not one's own text."""
    assert run(page, "view/notes.js", NOTE, event) == words


def test_a_merged_turn_shows_what_each_author_wrote(page: Browser) -> None:
    """Under their names, and the wording below where it is nobody's own."""
    originals = [
        {"prompt": "ada", "author": person("ada"), "text": "run it", "stage": "first", "similarity": None},
        {"prompt": "ben", "author": person("ben"), "text": "start it", "stage": "meaning", "similarity": 0.9},
    ]
    turn = {"id": "t", "origin": "prompts", "prompts": ["ada", "ben"], "text": "please run it", "merged": originals}
    body = """
        const context = {me: "guest:ada", agentName: "Claude", promptOf: () => undefined};
        const element = it.turnStarted({turn: args[0], at: "2026-01-01T00:00:00.000Z"}, context);
        const texts = (css) => [...element.querySelectorAll(css)].map((each) => each.textContent);
        return [texts(".name"), texts(".said"), texts(".tag")];"""
    assert run(page, "view/turns.js", body, turn) == [
        ["ada", "ben"],
        ["run it", "start it", "please run it"],
        ["the same meaning, 90 %"],
    ]


def test_two_guests_ask_the_same_and_one_changes_her_mind(visit: Visit, gate: Gate) -> None:
    """They see one turn with both, by what; who asks alone after all has a turn of her own; each gets an answer."""
    ada, ben, cleo = visit("ada"), visit("ben", is_phone=True), visit("cleo")
    ada.send(str(gate))
    ada.browser.find(".now.running")
    ada.send("Why does test_import fail?")
    ada.browser.find(".queue li", "test_import")
    ben.send("why does test_import  fail?")
    ben.browser.find(".note", "ben (you) and ada ask as one")
    cleo.send("Please, why does test_import fail?")
    cleo.browser.find(".queue li.merged.mine", "One turn for 3 prompts")
    ada.browser.find(".aside h2", "3 prompts in the queue, 1 turn")
    for page in (ada, cleo):
        page.browser.find(".queue li.merged .asked-for", "Asked is: Why does test_import fail?")
    ada.browser.screenshot("page-merged-queue")
    cleo.browser.find(".queue li.mine button[aria-label^='Ask it alone']").click()
    ada.browser.find(".note", "The prompt of cleo has a turn of its own again")
    ada.browser.find(".aside h2", "3 prompts in the queue, 2 turns")
    gate.open()
    ben.wait_for_end_of_turn(count=3)
    asked = ben.browser.find(".entry.ask.merged").text
    assert "Why does test_import fail?" in asked
    assert "why does test_import  fail?" in asked
    ben.browser.screenshot("page-phone-merged")
    for page in (ada, ben, cleo):
        page.assert_fits()
