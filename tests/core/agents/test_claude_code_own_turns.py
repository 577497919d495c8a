"""What Claude Code's lines state: turns that nobody asked for, and subagents."""

from concordiad.core.agents import (
    Acknowledged,
    ApprovalAsked,
    Began,
    LineDone,
    OwnTurnBegan,
    Said,
    Session,
    WentIdle,
)
from tests.core.agents import speech
from tests.core.agents.listening import (
    BEGUN,
    ENDED,
    codec_in_turn,
    feed,
    live,
    members,
    new_codec,
    spoken,
    whole,
)
from tests.core.agents.speech import (
    CLOSING,
    MODEL,
    OPENING,
    OTHER,
    PLAIN_TURN,
    SESSION,
    TURN,
    assistant,
    block_start,
    delta,
    init,
    lifecycle,
    message_start,
    message_stop,
    notification,
    requesting,
    result,
    state,
    text,
    thinking,
    tool_result,
    tool_use,
    user,
)

FINISHED = 'Background command "stub" completed (exit code 0)'
ON_ITS_OWN = [
    init(None),
    requesting(),
    message_start(),
    block_start(),
    delta("noticed"),
    assistant(text("noticed")),
    message_stop(),
    result("noticed", None, origin={"kind": "task-notification"}),
]
ENDED_ON_ITS_OWN = ENDED._replace(turn="own-1", is_ours=False, answer="noticed")


def test_own_turn() -> None:
    """A turn that nobody asked for has an id of ours, the word that made it, and everything that a turn has."""
    codec = new_codec()
    feed(codec, PLAIN_TURN)
    facts = feed(codec, [notification(FINISHED), state("running"), *ON_ITS_OWN, state("idle")])
    assert [fact for fact in facts if not isinstance(fact, Said)] == [
        Session(SESSION, MODEL),
        OwnTurnBegan("own-1", FINISHED),
        ENDED_ON_ITS_OWN,
        WentIdle(),
    ]
    assert spoken(facts) == [
        live(0, 0, "noticed", turn="own-1"),
        whole("agent.text", 0, "own-1", text="noticed"),
    ]


def test_two_results_before_one_idle() -> None:
    """A command that ends during our turn makes one of the agent's own right after it, before the agent is idle."""
    facts = feed(new_codec(), [*OPENING, notification(FINISHED), result(), CLOSING[0], *ON_ITS_OWN, CLOSING[1]])
    assert [fact for fact in facts if not isinstance(fact, Said)] == [
        *BEGUN,
        ENDED,
        LineDone(TURN),
        Session(SESSION, MODEL),
        OwnTurnBegan("own-1", FINISHED),
        ENDED_ON_ITS_OWN,
        WentIdle(),
    ]


def test_our_line_waits_for_an_own_turn() -> None:
    """A line of ours that is written meanwhile is acknowledged at once and begins after the agent's own result."""
    ours = [init(OTHER), result(turn=OTHER), lifecycle("completed", OTHER), state("idle")]
    lines = [ON_ITS_OWN[0], lifecycle("queued", OTHER), ON_ITS_OWN[-1], lifecycle("started", OTHER), *ours]
    assert feed(new_codec(), lines) == [
        Session(SESSION, MODEL),
        OwnTurnBegan("own-1", ""),
        Acknowledged(OTHER),
        ENDED_ON_ITS_OWN,
        Began(OTHER),
        Session(SESSION, MODEL),
        ENDED._replace(turn=OTHER),
        LineDone(OTHER),
        WentIdle(),
    ]


def test_result_that_nothing_announced_is_an_own_turn() -> None:
    """A result that names no line of ours never ends our turn, even if nothing was heard of any other."""
    codec = codec_in_turn()
    assert feed(codec, [result("noticed", None)]) == [OwnTurnBegan("own-1", ""), ENDED_ON_ITS_OWN]
    assert feed(codec, [result()]) == [ENDED]


def test_own_turn_that_only_speaks() -> None:
    """A block outside of any turn begins one, said or streamed."""
    assert feed(new_codec(), [block_start()]) == [OwnTurnBegan("own-1", "")]
    began, said = feed(new_codec(), [assistant(text("hello"))])
    assert began == OwnTurnBegan("own-1", "")
    assert members(said) == whole("agent.text", 0, "own-1", text="hello")


def test_each_own_turn_is_another() -> None:
    """The word that made one turn is not that of the next."""
    codec = new_codec()
    feed(codec, [notification(FINISHED), *ON_ITS_OWN])
    assert feed(codec, ON_ITS_OWN)[1] == OwnTurnBegan("own-2", "")


def test_subagent_speaks_within_a_turn() -> None:
    """A subagent's blocks name the call that it works for, and are numbered among the turn's own."""
    lines = [
        assistant(tool_use("toolu_1", "Agent", prompt="look")),
        user(text("look"), parent="toolu_1"),
        assistant(thinking("sub"), parent="toolu_1"),
        assistant(tool_use("toolu_2", command="ls"), parent="toolu_1"),
        tool_result("a", "toolu_2", parent="toolu_1"),
        assistant(text("done")),
    ]
    said = spoken(feed(codec_in_turn(), lines))
    assert [(body["type"], body.get("block"), body.get("parent")) for body in said] == [
        ("agent.tool_use", 0, None),
        ("agent.thinking", 1, "toolu_1"),
        ("agent.tool_use", 2, "toolu_1"),
        ("agent.tool_result", None, None),
        ("agent.text", 3, None),
    ]


def test_subagent_does_not_take_the_open_block() -> None:
    """A subagent in the background may speak while a block of the turn is streamed: neither gets the other's number."""
    lines = [
        block_start(),
        delta("one "),
        assistant(text("sub"), parent="toolu_1"),
        delta("two"),
        assistant(text("one two")),
    ]
    assert spoken(feed(codec_in_turn(), lines)) == [
        live(0, 0, "one "),
        whole("agent.text", 1, parent="toolu_1", text="sub"),
        live(0, 4, "two"),
        whole("agent.text", 0, text="one two"),
    ]


def test_subagent_goes_on_after_its_turn() -> None:
    """A subagent in the background belongs to no turn once its own is over, begins none, and may ask all the same."""
    codec = codec_in_turn()
    feed(codec, [result(), lifecycle("completed")])
    facts = feed(
        codec,
        [
            tool_result("a", parent="toolu_1"),
            assistant(text("tool done"), parent="toolu_1"),
            speech.permission(agent_id="ac93a0befd9d89145"),
        ],
    )
    said = spoken(facts)
    assert [(body["type"], body["turn"], body.get("parent")) for body in said] == [
        ("agent.tool_result", None, None),
        ("agent.text", None, "toolu_1"),
    ]
    assert isinstance(facts[2], ApprovalAsked) and facts[2].turn is None
