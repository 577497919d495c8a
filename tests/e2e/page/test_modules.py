"""The page's own logic, run in the browser that people have: what no daemon would do on purpose, and how fast it is."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.page.guest_page import run
from tests.support.browser import Browser

pytestmark = pytest.mark.browser

IN_A_BROWSER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
"""All examples share a page, which keeps nothing of them."""


def test_pieces_join_by_code_points(page: Browser) -> None:
    """Offsets count characters, not UTF-16 units; a piece that does not join is dropped until one does."""
    body = """
        const deltas = new it.Deltas();
        const take = (offset, text) => {
          const {text: all, isBroken} = deltas.take({turn: "t", block: 0, kind: "text", offset, text});
          return [all, isBroken];
        };
        return args[0].map(([offset, text]) => take(offset, text));"""
    pieces = [[0, "a😀"], [2, "é"], [5, "lost"], [0, "again"], [3, "b"], [4, "c"]]
    expected = [
        ["a😀", False],
        ["a😀é", False],
        ["a😀é", True],
        ["a😀é", True],
        ["a😀éb", False],
        ["a😀ébc", False],
    ]
    assert run(page, "deltas.js", body, pieces) == expected


def test_a_block_that_is_over_is_forgotten(page: Browser) -> None:
    """A finished, withdrawn or abandoned block begins anew, and no number of blocks is kept."""
    body = """
        const deltas = new it.Deltas(3);
        const piece = (turn, block, offset) => deltas.take({turn, block, kind: "text", offset, text: "x"});
        piece("t", 0, 0); deltas.forget("t", 0);
        const again = piece("t", 0, 0).text;
        piece("t", 1, 0); piece("u", 0, 0);
        const names = deltas.forgetTurn("t");
        for (let block = 0; block < 10; block += 1) piece("v", block, 0);
        return [again, names, deltas.size];"""
    assert run(page, "deltas.js", body) == ["x", ["t/0", "t/1"], 3]


def test_a_cursor_lets_each_event_through_once(page: Browser) -> None:
    """What was seen is old, what is missing is a gap and moves nothing, a later run of the daemon goes on counting."""
    body = """
        const cursor = new it.Cursor({epoch: 1, seq: 4});
        const fates = args[0].map(([epoch, seq]) => cursor.take({epoch, seq}));
        return [fates, cursor.take({type: "agent.delta"}), cursor.after];"""
    events = [[1, 4], [1, 5], [1, 5], [1, 7], [2, 6], [2, 7], [1, 1]]
    fates = ["old", "new", "old", "gap", "new", "new", "old"]
    assert run(page, "cursor.js", body, events) == [fates, "live", {"epoch": 2, "seq": 7}]


def test_tries_are_spread_and_grow(page: Browser) -> None:
    """The waits double up to half a minute, each at least half and at most the whole of it."""
    body = """
        const waits = (random) => {
          const backoff = new it.Backoff(() => random);
          return Array.from({length: 9}, () => backoff.next());
        };
        return [waits(0), waits(1)];"""
    least, most = run(page, "backoff.js", body)
    assert most == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert least == [wait / 2 for wait in most]


@pytest.mark.parametrize(
    ("fragment", "link"),
    [
        ("#main." + "A-_9" * 8, {"room": "main", "token": "A-_9" * 8}),
        ("#main", {"room": "main", "token": None}),
        ("#a-1.short", None),
        ("#Main." + "a" * 32, None),
        ("#main." + "a" * 32 + "&ws=wss://evil.example", None),
        ("#wss://evil.example/." + "a" * 32, None),
        ("#main.%41" + "a" * 32, None),
        ("", None),
    ],
)
def test_only_a_link_is_a_link(page: Browser, fragment: str, link: object) -> None:
    """A fragment of any other shape is no invitation, and nothing in it is an address."""
    assert run(page, "fragment.js", "return it.parseFragment(args[0]);", fragment) == link


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("daemon_died: concordiad ended: so it is", "concordiad ended: so it is"),
        ("api_error 529: overloaded", "overloaded"),
        ("silence: the agent said nothing for 5 s", "the agent said nothing for 5 s"),
        ("max_turns", "max turns"),
        ("exit status 1: no: such thing", "exit status 1: no: such thing"),
        ("signal SIGKILL", "signal SIGKILL"),
    ],
)
def test_a_reason_is_told_without_the_word_for_programs(page: Browser, reason: str, sentence: str) -> None:
    """People read the sentence behind it; what has no such word is shown as it is."""
    assert run(page, "reason.js", "return it.sentenceOf(args[0]);", reason) == sentence


@pytest.mark.parametrize(
    ("status", "delay_s", "state", "words"),
    [
        ("asleep", None, "asleep", "The agent sleeps until the next prompt."),
        ("restarted", None, "starting", "The agent was ended; another one follows."),
        ("closed", None, "draining", "The agent was ended, because the room stops."),
        (
            "stuck",
            2,
            "agent-down",
            "The agent was stuck and had to be ended: signal SIGKILL. It is started again in 2.0 s.",
        ),
        ("died", 0, "agent-down", "The agent went down: signal SIGKILL. It is started again at once."),
        ("died", None, "draining", "The agent went down: signal SIGKILL."),
    ],
)
def test_an_agents_end_is_told_as_it_was_meant(
    page: Browser, status: str, delay_s: float | None, state: str, words: str
) -> None:
    """What the room wanted is no crash, and the room is then as the daemon says it."""
    body = """
        const {Room} = await import("/js/room.js");
        const [status, next_attempt_s] = args;
        const event = {seq: 1, type: "agent.exited", reason: "signal SIGKILL", status, next_attempt_s};
        const room = new Room();
        room.apply({...event, at: "2026-01-01T00:00:00.000Z"});
        const line = document.createElement("p");
        line.append(...it.NOTES["agent.exited"](event).parts);
        return [room.shown, line.textContent];"""
    assert run(page, "view/notes.js", body, status, delay_s) == [state, words]


SHOW = """
    const nodes = it.markdown(args[0]);
    const box = document.createElement("div");
    box.append(...nodes);
    const tree = (node) => node.nodeType === Node.TEXT_NODE ? node.data
      : [node.localName, ...[...node.childNodes].map(tree)];
    return [...box.childNodes].map(tree);"""


@pytest.mark.parametrize(
    ("source", "tree"),
    [
        ("a **b *c* d** e", [["p", "a ", ["strong", "b ", ["em", "c"], " d"], " e"]]),
        ("`` a`b `` and `**c**`", [["p", ["code", "a`b"], " and ", ["code", "**c**"]]]),
        ("snake_case_name and 2 * 3 * 4", [["p", "snake", "_", "case", "_", "name and 2 ", "*", " 3 ", "*", " 4"]]),
        ("# One\n### Three", [["h3", "One"], ["h5", "Three"]]),
        (
            "- a\n  - b\n- [x] c",
            [["ul", ["li", "a", ["ul", ["li", "b"]]], ["li", ["span", "☑ ", ["span", "done: "]], "c"]]],
        ),
        ("3. a\n4. b", [["ol", ["li", "a"], ["li", "b"]]]),
        ("> q\n> r", [["blockquote", ["p", "q", ["br"], "r"]]]),
        ("<b onclick=x>&amp;", [["p", "<b onclick=x>&amp;"]]),
        ("[x](javascript:y)", [["p", "[", "x", "](javascript:y)"]]),
        ("[x](data:text/html,y)", [["p", "[", "x", "](data:text/html,y)"]]),
        ("[a](https://b.example/c_(d))", [["p", ["a", ["bdi", "a"]]]]),
        ("see https://b.example/c.", [["p", "see ", ["a", ["bdi", "https://b.example/c"]], "."]]),
        ("[[a](http://b.example)](http://c.example)", [["p", "[", ["a", ["bdi", "a"]], "](http://c.example)"]]),
        ("---", [["hr"]]),
    ],
)
def test_markdown_is_elements(page: Browser, source: str, tree: object) -> None:
    """Markdown becomes elements and text, and what it does not know stays as it was written."""
    assert run(page, "view/markdown.js", SHOW, source) == tree


def test_a_table_and_code_keep_their_words(page: Browser) -> None:
    """Cells stand in their rows; code stands as it is, with its language and a button to copy it."""
    body = (
        SHOW.replace("return [", "return box.innerText ?? [")
        and """
        const box = document.createElement("div");
        box.append(...it.markdown(args[0]));
        const texts = (css) => [...box.querySelectorAll(css)].map((each) => each.textContent);
        return [texts("th"), texts("td"), texts("pre"), texts(".language"), texts("button")];"""
    )
    source = "|a|b|\n|-|:-:|\n|1|`x\\|y`|\n\n```py\nif a:\n    b = '<i>'\n```\n"
    expected = [["a", "b"], ["1", "x|y"], ["if a:\n    b = '<i>'"], ["py"], ["Copy"]]
    assert run(page, "view/markdown.js", body, source) == expected


SLOW = {
    "spaces": " " * 200_000 + "x",
    "a heading of spaces": "#" + " " * 200_000 + "x",
    "stars": "*a " * 60_000,
    "brackets": "[" * 100_000 + "](" * 50_000,
    "ticks": " ".join("`" * length for length in range(1, 600)),
    "quotes": ">" * 100_000,
    "indented items": "\n".join(" " * (2 * depth) + "- a" for depth in range(1000)),
    "a divider of spaces": "a|b\n---" + " " * 100_000 + "x",
    "crossing marks": "*_**~~`[" * 20_000,
    "nested marks": "**a *b " * 20_000 + "b* a** " * 20_000,
    "backslashes": "\\" * 200_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_no_text_is_slow(page: Browser, name: str) -> None:
    """What is written to keep a browser busy is read in less than two seconds, on a machine that does other things."""
    body = "const began = performance.now(); it.parseBlocks(args[0]); return performance.now() - began;"
    assert run(page, "markdown/blocks.js", body, SLOW[name]) < 2000


TEXT_OF = """
    const text = (nodes) => nodes.map((node) => node.text ?? (node.nodes ? text(node.nodes) : "\\n")).join("");
    return text(it.parseInline(args[0]));"""


@settings(max_examples=150, deadline=None, suppress_health_check=IN_A_BROWSER)
@given(st.text(alphabet="ab *_`~[]()\\<>!\n", max_size=60))
def test_no_word_is_lost(page: Browser, source: str) -> None:
    """Whatever marks stand around them, the letters of a line are shown, in their order."""
    shown = run(page, "markdown/inline.js", TEXT_OF, source)
    assert [letter for letter in shown if letter in "ab"] == [letter for letter in source if letter in "ab"]


@settings(max_examples=100, deadline=None, suppress_health_check=IN_A_BROWSER)
@given(st.lists(st.sampled_from(["word", "", "- item", "  more", "1. one", "# head", "```", "> q", "|a|b|", "|-|-|"])))
def test_growing_text_ends_as_the_whole(page: Browser, lines: list[str]) -> None:
    """A text that is shown while it grows is, once it is all there, what it would be had it come at once."""
    body = """
        const {LiveText} = it;
        const {markdown} = await import("/js/view/markdown.js");
        const block = {kind: "text", text: "", isBroken: false};
        const live = new LiveText(block);
        for (const piece of args[0]) {
          block.text += piece;
          live.render(Infinity);
        }
        const whole = document.createElement("div");
        whole.append(...markdown(block.text));
        const flat = (root) => [...root.querySelectorAll(":not(.tail)")].map((each) => each.localName).join();
        const body = live.element.querySelector(".markdown");
        return [body.textContent, flat(body)].join() === [whole.textContent, flat(whole)].join();"""
    assert run(page, "view/live.js", body, [f"{line}\n" for line in lines])


ASKING_AGAIN = """
    const [ada, ben] = [{id: "a", name: "ada"}, {id: "b", name: "ben"}];
    const asked = [];
    let answer = Promise.resolve();
    const again = new it.Again({ask: (id, key) => (asked.push([id, key]), answer), may: ({id}) => id === args[0]});
    const turn = (...more) => Object.assign({prompts: ["p"], authors: [ada], outcome: "failed", text: "x"}, ...more);
    const press = async (element) => {
      element.querySelector("button").click();
      await new Promise((done) => setTimeout(done));
    };
"""


def test_a_click_without_an_answer_is_repeated_and_no_other(page: Browser) -> None:
    """It has the same key until there is an answer; what is asked after that is another prompt."""
    body = (
        ASKING_AGAIN
        + """
        const element = again.button(turn());
        answer = Promise.reject(new Error("not connected"));
        await press(element);
        const problem = element.querySelector(".problem").textContent;
        answer = Promise.resolve();
        await press(element);
        again.take({type: "prompt.accepted", seq: 5, prompt: {retry_of: "p"}});
        again.take({type: "prompt.cancelled", seq: 7, prompt: {retry_of: "p"}});
        again.take({type: "prompt.accepted", seq: 5, prompt: {retry_of: "p"}});
        await press(element);
        const [[, first], [, second], [, third]] = asked;
        return [problem, asked.length, first === second, second === third];"""
    )
    assert run(page, "view/again.js", body, "a") == ["not connected", 3, True, False]


@pytest.mark.parametrize(
    ("me", "changes", "asked"),
    [
        ("a", {}, ["p"]),
        ("b", {}, None),
        ("a", {"outcome": "completed"}, None),
        ("a", {"prompts": [], "authors": []}, None),
        ("b", {"merged": [{"prompt": "p", "author": {"id": "a"}}, {"prompt": "q", "author": {"id": "b"}}]}, ["q"]),
    ],
)
def test_ones_own_prompt_of_a_turn_is_asked_again(
    page: Browser, me: str, changes: dict[str, object], asked: list[str] | None
) -> None:
    """Of what was merged it is one's own; what was answered, or was the agent's, is not asked."""
    body = (
        ASKING_AGAIN
        + """
        const element = again.button(turn(args[1]));
        if (element === null) return null;
        await press(element);
        return asked.map(([id]) => id);"""
    )
    assert run(page, "view/again.js", body, me, changes) == asked


FAKE_SOCKET = """
    class DroppingSocket extends EventTarget {
      static OPEN = 1;
      static all = [];
      readyState = 1;
      sent = [];
      constructor() {
        super();
        DroppingSocket.all.push(this);
        queueMicrotask(() => this.dispatchEvent(new Event("open")));
      }
      send(text) { this.sent.push(JSON.parse(text)); }
      close() { this.readyState = 3; }
      say(message) { this.dispatchEvent(new MessageEvent("message", {data: JSON.stringify(message)})); }
      event(seq, type = "notice") { this.say({method: "event", params: {epoch: 1, seq, type}}); }
      welcome(cursor, snapshot) { this.say({id: this.sent[0].id, result: {cursor, snapshot}}); }
    }
    const real = window.WebSocket;
    window.WebSocket = DroppingSocket;
    const told = [];
    const listener = {
      status: ({kind}) => told.push(kind),
      welcomed: (result, isFresh) => told.push(isFresh ? "fresh" : "on"),
      event: ({seq}) => told.push(seq),
    };
    const session = new it.Session("ws://nowhere.invalid/ws", () => ({token: "t", name: "n", room: "main"}), listener);
    session.start();
    await new Promise((done) => setTimeout(done));
"""


def test_a_gap_begins_anew(page: Browser) -> None:
    """A number that is missing is met by asking for a snapshot, never by showing what comes behind the gap."""
    body = (
        FAKE_SOCKET
        + """
        const [first] = DroppingSocket.all;
        first.welcome({epoch: 1, seq: 4}, {});
        first.event(5); first.event(5); first.event(7); first.event(8);
        session.nudge();
        await new Promise((done) => setTimeout(done));
        const [, second] = DroppingSocket.all;
        second.welcome({epoch: 1, seq: 8}, {});
        second.event(9);
        window.WebSocket = real;
        return [told, second.sent[0].params, DroppingSocket.all.length];"""
    )
    told, hello, count = run(page, "session.js", body)
    assert told == ["connecting", "fresh", "live", 5, "waiting", "connecting", "fresh", "live", 9]
    assert hello == {"token": "t", "name": "n", "room": "main", "last": 200}
    assert count == 2


def test_a_lost_connection_goes_on_behind_the_last_event(page: Browser) -> None:
    """After the connection went, the next hello names the last event; what was still on its way is void."""
    body = (
        FAKE_SOCKET
        + """
        const [first] = DroppingSocket.all;
        first.welcome({epoch: 1, seq: 4}, {});
        first.event(5);
        const asked = session.call("prompt.submit", {text: "x"}).catch((error) => error.constructor.name);
        first.dispatchEvent(new CloseEvent("close", {code: 1006}));
        first.event(6);
        session.nudge();
        await new Promise((done) => setTimeout(done));
        const [, second] = DroppingSocket.all;
        second.welcome({epoch: 1, seq: 5}, null);
        second.event(6);
        window.WebSocket = real;
        return [told, await asked, second.sent[0].params.after];"""
    )
    told, asked, after = run(page, "session.js", body)
    assert told == ["connecting", "fresh", "live", 5, "waiting", "connecting", "on", "live", 6]
    assert asked == "Lost"
    assert after == {"epoch": 1, "seq": 5}


@pytest.mark.parametrize("code", [4401, 4403, 4404])
def test_a_final_close_is_not_tried_again(page: Browser, code: int) -> None:
    """A refusal, a removal and a closed room end it."""
    body = (
        FAKE_SOCKET
        + """
        DroppingSocket.all[0].dispatchEvent(new CloseEvent("close", {code: args[0], reason: "why"}));
        session.nudge();
        await new Promise((done) => setTimeout(done));
        window.WebSocket = real;
        return [told, DroppingSocket.all.length];"""
    )
    assert run(page, "session.js", body, code) == [["connecting", "ended"], 1]


def test_an_answer_found_after_a_crash_is_shown(page: Browser) -> None:
    """No other event has told of it; how any other turn ends does not repeat its answer."""
    body = """
        const {Room} = await import("/js/room.js");
        const {Again} = await import("/js/view/again.js");
        const entries = new it.Entries(new Room(), new Again({}));
        const end = (turn) => entries.entryOf({seq: 1, at: "2026-01-01T00:00:00.000Z", type: "turn.finished", by: null,
          turn: {id: "t", origin: "prompts", prompts: [], answer: "It is **42**.", duration_s: null, cost_usd: null,
            input_tokens: null, ...turn}});
        const found = "from_history: the answer is from the agent's own history";
        return [
          {outcome: "completed", reason: found},
          {outcome: "completed", reason: null},
          {outcome: "timed_out", reason: "silence: x"},
        ].map((turn) => end(turn).querySelector(".markdown strong")?.textContent ?? null);"""
    assert run(page, "view/entries.js", body) == ["42", None, None]


def test_a_text_that_did_not_come_to_its_end_says_so(page: Browser) -> None:
    """What there is of it stays in sight."""
    body = """
        const {Room} = await import("/js/room.js");
        const {Again} = await import("/js/view/again.js");
        const entries = new it.Entries(new Room(), new Again({}));
        const event = {seq: 1, type: "agent.text", turn: "t", block: 0, text: "Forty-"};
        const text = (more) => entries.entryOf({...event, ...more});
        return [text({partial: true}), text({})].map((entry) => entry.textContent);"""
    assert run(page, "view/entries.js", body) == ["Forty-… as far as it came.", "Forty-"]


def test_ten_thousand_events_freeze_nothing(page: Browser) -> None:
    """Ten thousand events at once leave frames between them, the last one is seen, and 2,000 entries are kept."""
    body = """
        const {Entries} = await import("/js/view/entries.js");
        const {Room} = await import("/js/room.js");
        const {Again} = await import("/js/view/again.js");
        const scroller = document.createElement("div");
        scroller.className = "scroller";
        scroller.style.cssText = "height: 600px; overflow: auto";
        document.body.append(scroller);
        const entries = new Entries(new Room(), new Again({}));
        const transcript = new it.Transcript(scroller, scroller, entries, {load: async () => []});
        transcript.reset(0);
        for (let seq = 1; seq <= 10_000; seq += 1) {
          const turn = `t${Math.floor(seq / 4)}`;
          const kinds = [
            {type: "agent.text", block: 0, text: `# ${seq}\\n\\nSome **text** and\\n\\n- a\\n- list\\n`},
            {type: "agent.tool_use", id: `c${seq}`, tool: "Bash", input: {command: "ls"}},
            {type: "agent.tool_result", id: `c${seq - 1}`, is_error: false, content: "x"},
            {type: "agent.text", block: 1, text: "```py\\nprint(1)\\n```"},
          ];
          transcript.take({seq, turn, at: "2026-01-01T00:00:00.000Z", ...kinds[seq % 4]});
        }
        const log = scroller.querySelector(".log");
        let frames = 0;
        for (; log.lastElementChild?.dataset.seq !== "10000"; frames += 1)
          await new Promise((done) => requestAnimationFrame(done));
        const count = log.childElementCount;
        const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 2;
        scroller.remove();
        return [frames, count, isAtEnd];"""
    frames, count, is_at_end = run(page, "view/transcript.js", body)
    assert count <= 2000
    assert is_at_end
    # By their number and not by the time of each: a machine that stands still must not fail this.
    assert frames >= 5
