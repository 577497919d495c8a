"""
What a request to the stub of the Messages API asks for: from a conversation to the orders of its next answer.

A conversation carries its own script: the orders (concordiad/agent/orders.py) of its last prompt are what the
whole turn shall do. A call of a tool ends an answer, so the number of tool results since then says what
comes next.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from concordiad.agent.orders import VERBS, Order, parse_orders

TOOL_VERBS: Final = frozenset({"tool", "background", "ask"})

NOTIFICATION: Final = "<task-notification>"
"""Stands where a prompt would, when the CLI begins a turn because something in the background ended."""

META: Final = re.compile(
    r"<system-reminder>.*?</system-reminder>"
    r"|\[Request interrupted by user[^\]]*\]"
    r"|Your response above was cut off mid-stream\.[^\n]*",
    re.DOTALL,
)
"""What the CLI puts around prompts or in their place: after an interrupt, or to have an answer continued."""


@dataclass(frozen=True)
class Prompt:
    """
    The last prompt of a conversation.

    Attributes:
        text: without what the CLI put around it; "" if there is none.
        place: the numbers of its message and its block, which tell it from an equal prompt of another turn.
        calls: how many tool results came after it.
    """

    text: str
    place: tuple[int, int]
    calls: int


@dataclass(frozen=True)
class Scene:
    """One answer to give: the prompt whose turn it is, and what to do now."""

    prompt: Prompt
    orders: Sequence[Order]


def read_scene(messages: Sequence[Mapping[str, Any]], otherwise: str | None = None) -> Scene:
    """
    Find out what a request asks for.

    Args:
        messages: the `messages` of the request's body.
        otherwise: the orders for a prompt that has none of its own; None: it is echoed.
    """
    prompt = last_prompt(messages)
    if NOTIFICATION in prompt.text:
        return Scene(prompt, [Order("text", "background noticed")])
    orders = parse_orders(prompt.text)
    if not all(order.verb in VERBS for order in orders):
        orders = [Order("echo", prompt.text)] if otherwise is None else parse_orders(otherwise)
    for _ in range(prompt.calls):
        ends = next((place for place, order in enumerate(orders) if order.verb in TOOL_VERBS), len(orders))
        orders = orders[ends + 1 :]
    if prompt.calls and not any(order.verb in TOOL_VERBS for order in orders):
        orders = [*orders, Order("text", "tool done")]
    return Scene(prompt, orders)


def last_prompt(messages: Sequence[Mapping[str, Any]]) -> Prompt:
    """
    Find the last prompt.

    Prompts that were not answered stand together in one message, each in a block of its own: the last counts.
    """
    calls = 0
    for number, message in reversed(list(enumerate(messages))):
        if message["role"] != "user":
            continue
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for place, block in reversed(list(enumerate(blocks))):
            if block["type"] == "text" and (text := without_meta(block["text"])):
                return Prompt(text, (number, place), calls)
            calls += block["type"] == "tool_result"
    return Prompt("", (0, 0), calls)


def without_meta(text: str) -> str:
    """Return a text without the CLI's own additions, save for its notice of something in the background."""
    return text if NOTIFICATION in text else META.sub("", text).strip()
