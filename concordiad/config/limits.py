"""How much of a thing, and how long it may take: every limit and grace period has its name and its default here."""

from attrs import field, frozen

from concordiad.config.bounds import at_least, zero_or_at_least
from concordiad.core.checks import LONGEST_S
from concordiad.core.wire import PROMPT_LIMIT_BYTES


@frozen
class Limits:
    """
    How much of a thing.

    Attributes:
        prompt_bytes: a prompt's length in UTF-8.
        waiting_prompts: prompts that may wait in one room.
        waiting_prompts_per_author: and of one author among them.
        prompt_burst: prompts of one author that a room takes at once: a script hands in a list.
        prompts_per_minute: and how many more later.
        line_bytes: a line of the agent that is handled whole; a longer one becomes `agent.oversize`.
        connections: open connections on the control socket.
        follower_bytes: bytes that wait for one follower before it is served from the journal.
        agent_failures: so many unwanted ends of a room's agent within graces.failures_s, and it is not started again
            until a host restarts it; 0: it always is.
        api_failures: so many turns in a row that failed because of the agent's API, and the room's queue waits for a
            while; 0: it never does.
    """

    prompt_bytes: int = field(default=PROMPT_LIMIT_BYTES, validator=at_least(1))
    waiting_prompts: int = field(default=1000, validator=at_least(1))
    waiting_prompts_per_author: int = field(default=250, validator=at_least(1))
    prompt_burst: int = field(default=200, validator=at_least(1))
    prompts_per_minute: float = field(default=600.0, validator=at_least(0.1))
    line_bytes: int = field(default=64 * 1024 * 1024, validator=at_least(4096))
    connections: int = field(default=512, validator=at_least(1))
    follower_bytes: int = field(default=1024 * 1024, validator=at_least(4096))
    agent_failures: int = field(default=10, validator=at_least(0))
    api_failures: int = field(default=3, validator=at_least(0))


@frozen
class Graces:
    """
    How long a thing may take, in seconds.

    Attributes:
        approval_s: an approval that nobody answers is denied then.
        start_s: from an agent's spawn to its first answers.
        failures_s: the period in which limits.agent_failures counts.
        api_wait_s: for how long a room's queue waits at first after limits.api_failures; twice as long after each try
            that fails.
        api_wait_most_s: and at the most.
        write_s: how long one line to an agent may take to be written; one that reads nothing for so long is ended.
        ack_s: from a turn's line to the agent's word that it has it, or anything else of that turn: then the turn is
            stopped; 0: never. The CLI says so within milliseconds, whatever it works on.
        first_output_s: from a turn's line to its first text, thought or tool: then the turn is stopped; 0: never. It
            begins anew when the agent says that it tries its API again, which the CLI does after 600 s at most, and
            stands still while the agent works on a turn of its own.
        turn_s: how long a running turn may go on when the daemon is told to stop; then it is interrupted.
        silence_s: a turn whose agent says nothing for so long is stopped; 0: never. It does not count while a tool
            runs, people are asked, or the agent waits to try its API again. The CLI itself gives a request to its API
            600 s before it says that it tries again: with a minute more, its own word comes first.
        turn_limit_s: a turn that takes so long in all is stopped, whatever the agent does before it; 0: never.
        interrupt_s: from an interrupt to the end of the turn; an agent that goes on is ended.
        settle_s: from a turn's result to the agent's word that it is done; an agent that never says so is ended.
        exit_s: from the end of the agent's input to SIGTERM.
        kill_s: from SIGTERM to SIGKILL.
        message_s: from the first byte of a message on the control socket to its last.
        head_s: from a connection on the guests' port, or the answer before, to the last byte of a request's head.
        hello_s: from the acceptance of a guest's WebSocket to its hello.
    """

    approval_s: float = field(default=600.0, validator=at_least(1, LONGEST_S))
    start_s: float = field(default=60.0, validator=at_least(0.1))
    failures_s: float = field(default=600.0, validator=at_least(1))
    api_wait_s: float = field(default=30.0, validator=at_least(0.1))
    api_wait_most_s: float = field(default=600.0, validator=at_least(0.1))
    write_s: float = field(default=30.0, validator=at_least(0.1))
    ack_s: float = field(default=60.0, validator=zero_or_at_least(0.1))
    first_output_s: float = field(default=900.0, validator=zero_or_at_least(1))
    turn_s: float = field(default=30.0, validator=at_least(0))
    silence_s: float = field(default=660.0, validator=zero_or_at_least(1))
    turn_limit_s: float = field(default=86_400.0, validator=zero_or_at_least(1))
    interrupt_s: float = field(default=5.0, validator=at_least(0.1))
    settle_s: float = field(default=10.0, validator=at_least(0.1))
    exit_s: float = field(default=5.0, validator=at_least(0.1))
    kill_s: float = field(default=5.0, validator=at_least(0.1))
    message_s: float = field(default=10.0, validator=at_least(0.1))
    head_s: float = field(default=5.0, validator=at_least(0.1))
    hello_s: float = field(default=5.0, validator=at_least(0.1))
