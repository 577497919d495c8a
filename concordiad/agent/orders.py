"""
Orders in a prompt: what the rehearsal agent, or a stub of a language model's API, is asked to do.

An order is `[[verb]]` or `[[verb:argument]]`. A prompt is the list of its orders from left to right; text around them
is ignored. A prompt without any order is `Order("echo", prompt)`. The verbs are listed in `VERBS`; an unknown verb is
an echo of the whole prompt, so that ordinary prose with double brackets is never an error.
"""

import re
from typing import Final, NamedTuple

ORDER: Final = re.compile(r"\[\[(?P<verb>[a-z-]+)(?::(?P<argument>.*?))?\]\](?!\])", re.DOTALL)

VERBS: Final[dict[str, str]] = {
    "text": "answer with this text",
    "think": "think this text before the next answer",
    "slow": "stream WORDS,DELAY_MS: that many words with that pause between them",
    "size": "answer with this many bytes of text in one block",
    "tool": "call the Bash tool with this command",
    "background": "call the Bash tool with this command and run_in_background",
    "ask": "ask the people: QUESTION|CHOICE|CHOICE through AskUserQuestion",
    "error": "STATUS or STATUS,TIMES: answer with that HTTP status, so many times (without TIMES: always)",
    "gate": "wait until the file of this path exists, looked for every 10 ms",
    "hang": "stop in the middle and stay silent until interrupted",
    "die": "break the connection to the API in the middle of the answer",
}
"""What both the rehearsal agent and a stub API understand."""

REHEARSAL_VERBS: Final[dict[str, str]] = {
    "crash": "exit at once with this status (default 1)",
    "kill": "die of SIGKILL in the middle of the turn",
    "garbage": "write a line that is not JSON",
    "half-line": "write half a line, then exit",
    "eof": "close standard output for good, and stay",
    "heir": "leave a child that holds standard output open for this many seconds, and exit at once with 1",
    "line": "write one line of this many bytes of a type nobody knows",
    "big-result": "end the turn with a result line of this many bytes",
    "stderr": "write this line to standard error",
    "deaf": "stop reading standard input for good",
    "no-ack": "work on the turn without any command_lifecycle line",
    "no-result": "go idle without a result line",
    "no-idle": "write the result but stay busy for good; only signals end it",
    "stubborn": "acknowledge interrupts without stopping, and ignore end of input, SIGINT and SIGTERM from now on",
    "orphan": "start a child in a session of its own that sleeps for this many seconds",
}
"""What only a whole process can do, so only the rehearsal agent understands it."""


class Order(NamedTuple):
    """One thing to do: a verb of the tables above (or "echo") and its argument, "" where there is none."""

    verb: str
    argument: str


def parse_orders(prompt: str) -> list[Order]:
    """Read a prompt's orders, in the order in which they stand; never empty."""
    orders = [Order(found["verb"], found["argument"] or "") for found in ORDER.finditer(prompt)]
    known = VERBS.keys() | REHEARSAL_VERBS.keys()
    return orders if orders and all(order.verb in known for order in orders) else [Order("echo", prompt)]
