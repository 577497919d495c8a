"""What each order does in a turn. `DOING` is the table: every verb of `concordiad.agent.orders`, and echo."""

import os
import signal
import subprocess
from collections.abc import Callable
from typing import Final

from concordiad.agent.orders import Order
from concordiad.agent.rehearsal import shapes
from concordiad.agent.rehearsal.desk import STDOUT, encode
from concordiad.agent.rehearsal.turn import Over, Turn

STDERR: Final = 2
GATE_LOOK_S: Final = 0.01
DELTA_CHARACTERS: Final = 16 * 1024


class BadOrder(Exception):
    """An order's argument makes no sense; whoever wrote the prompt is told."""


def do(turn: Turn, order: Order) -> None:
    """Do an order, or say why it cannot be done."""
    try:
        DOING[order.verb](turn, order.argument)
    except BadOrder as bad:
        turn.speech.say(f"The order {order.verb} cannot be done: {bad}")


def whole(argument: str) -> int:
    """Read a number of an order's argument."""
    if not argument.isdecimal():
        raise BadOrder(f"{argument!r} is no whole number")
    return int(argument)


def echo(turn: Turn, prompt: str) -> None:
    """Say the prompt again, and what is speaking."""
    turn.speech.say(f"Rehearsal agent, no model behind it. You said: {prompt}")


def slow(turn: Turn, argument: str) -> None:
    """Say WORDS,DELAY_MS."""
    words, _, delay_ms = argument.partition(",")
    turn.speech.speak([f"word{number} " for number in range(1, whole(words) + 1)], whole(delay_ms or "0") / 1000)


def size(turn: Turn, argument: str) -> None:
    """Say so many bytes."""
    text = shapes.filler(whole(argument))
    starts = range(0, len(text), DELTA_CHARACTERS)
    turn.speech.speak([text[start : start + DELTA_CHARACTERS] for start in starts], 0)


def error(turn: Turn, argument: str) -> None:
    """Fail with STATUS or STATUS,TIMES."""
    status, _, times = argument.partition(",")
    turn.fail(whole(status), whole(times) if times else None)


def gate(turn: Turn, path: str) -> None:
    """Wait until a file exists."""
    while not os.path.exists(path):
        turn.desk.pause(GATE_LOOK_S)


def hang(turn: Turn, _: str) -> None:
    """Begin a text and never go on."""
    turn.speech.begin_text()
    turn.speech.utter("about to hang ")
    turn.desk.wait(lambda: False)


def die(turn: Turn, _: str) -> None:
    """Begin a text, lose the connection, and be answered at the second attempt."""
    turn.speech.begin_text()
    turn.speech.utter("about to die ")
    turn.speech.lose()
    turn.retry(1, None, "unknown")
    turn.speech.say("recovered")


def half_line(turn: Turn, _: str) -> None:
    """Break off in the middle of a line, and exit."""
    turn.desk.write(b'{"type":"assistant","message":{"id":"msg_')
    os._exit(1)


def eof(turn: Turn, _: str) -> None:
    """Let go of standard output, and go on as if nothing had happened."""
    os.close(STDOUT)
    turn.desk.wait(lambda: False)


def heir(_turn: Turn, argument: str) -> None:
    """Exit, but not so that whoever reads this program's output would notice by that."""
    child = subprocess.Popen(["sleep", str(whole(argument))], stdin=subprocess.DEVNULL, start_new_session=True)
    os.write(STDERR, f"heir {child.pid}\n".encode())
    os._exit(1)


def line(turn: Turn, argument: str) -> None:
    """Write a line of a type that nobody knows, of so many bytes and its newline."""
    padded = {"type": "rehearsal_padding", "padding": ""}
    padded["padding"] = "x" * max(0, whole(argument) - len(encode(padded)))
    turn.desk.send(padded)


def big_result(turn: Turn, argument: str) -> None:
    """End the turn with a result line of so many bytes and its newline."""
    bytes_wanted = whole(argument)
    turn.speech.close("end_turn")
    raise Over(turn.completed("", bytes_wanted))


def stderr(_turn: Turn, text: str) -> None:
    """Write a line to standard error."""
    os.write(STDERR, text.encode(errors="backslashreplace") + b"\n")


def stubborn(turn: Turn, _: str) -> None:
    """Stop listening to those who want this program to stop."""
    turn.desk.stubborn = True


def orphan(turn: Turn, argument: str) -> None:
    """Start a child that outlives whatever is done to this program and its tools."""
    child = subprocess.Popen(
        ["sleep", str(whole(argument))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    turn.speech.say(f"orphan {child.pid}")


def nothing(_turn: Turn, _: str) -> None:
    """Do nothing now: the order is about what comes before or after the turn's work."""


DOING: Final[dict[str, Callable[[Turn, str], None]]] = {
    "echo": echo,
    "text": lambda turn, text: turn.speech.say(text),
    "think": lambda turn, text: turn.speech.think(text),
    "slow": slow,
    "size": size,
    "tool": lambda turn, command: turn.calls.bash(command),
    "background": lambda turn, command: turn.calls.background(command),
    "ask": lambda turn, argument: turn.calls.ask(argument),
    "error": error,
    "gate": gate,
    "hang": hang,
    "die": die,
    "crash": lambda _turn, status: os._exit(whole(status or "1")),
    "kill": lambda _turn, _: os.kill(os.getpid(), signal.SIGKILL),
    "garbage": lambda turn, _: turn.desk.write(b"this line is no JSON\n"),
    "half-line": half_line,
    "eof": eof,
    "heir": heir,
    "line": line,
    "big-result": big_result,
    "stderr": stderr,
    "deaf": lambda turn, _: turn.desk.go_deaf(),
    "no-ack": nothing,
    "no-result": nothing,
    "no-idle": nothing,
    "stubborn": stubborn,
    "orphan": orphan,
}
