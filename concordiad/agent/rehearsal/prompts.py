"""Prompts as they come in."""

import json
import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from concordiad.agent.orders import Order, parse_orders


class BadInput(Exception):
    """A line that the CLI would die of."""


class Prompt(NamedTuple):
    """
    A prompt that waits for its turn.

    Attributes:
        uuid: None if the line had none; then nothing is told of its life.
        clears: whether it is the slash command, not text.
    """

    text: str
    uuid: str | None
    clears: bool
    orders: Sequence[Order]

    def has(self, verb: str) -> bool:
        """Whether an order of that verb is among its orders."""
        return any(order.verb == verb for order in self.orders)


def read_prompt(line: dict[str, Any]) -> Prompt:
    """Return what a `user` line asks for; BadInput if nobody asks."""
    message = line.get("message")
    role = message.get("role", "undefined") if isinstance(message, dict) else "undefined"
    if not isinstance(message, dict) or role != "user":
        raise BadInput(f"Error: Expected message role 'user', got '{role}'")
    text = read_text(message.get("content"))
    uuid = line["uuid"] if isinstance(line.get("uuid"), str) else None
    clears = text.strip() == "/clear" and not line.get("client_composed")
    return Prompt(text, uuid, clears, parse_orders(text))


def read_text(content: object) -> str:
    """Return a prompt's text: the content itself, or that of its text blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict))


def record(path: str, prompt: Prompt) -> None:
    """Append a prompt to the log in one write, so that the line is whole however this process ends."""
    entry = {"uuid": prompt.uuid, "text": prompt.text, "pid": os.getpid(), "at": time.time()}
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(log, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(log)
