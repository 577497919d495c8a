"""
What became of prompts, as the spans of traces: from what the daemon logs of them, and from nothing else.

Laws: no text of anybody's and nobody's name is in a span; a trace is named by its prompt, and a span by what it is
about, so that what two runs of the daemon tell of one prompt is one trace.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from attrs import frozen

Attributes = Mapping[str, str | bool | int | float]

BEGUN: Final = 10_000
"""Prompts that are remembered until their turn ends: more than wait in most houses, in 3 MB."""
REASON_CHARACTERS: Final = 200
"""What is told of a reason: the rest is in the log."""
HANDED_IN: Final = ("prompt.submit", "prompt.retry")
GOOD: Final = ("completed", "interrupted")
TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
"""Whose child somebody's call is (https://www.w3.org/TR/trace-context/#traceparent-header, version 00)."""


class Place(NamedTuple):
    """A span, as others name it."""

    trace: int
    span: int


@frozen
class Span:
    """
    One step of a prompt's way.

    Attributes:
        parent: the number of the span that it is a part of, in the same trace.
        began_ns, ended_ns: nanoseconds since 1970.
        fault: why it came to nothing; None where it did not.
        link: what else shows it: the same turn in the trace of the prompt that led it.
    """

    name: str
    place: Place
    parent: int | None
    began_ns: int
    ended_ns: int
    attributes: Attributes
    fault: str | None = None
    link: Place | None = None


class _Begun(NamedTuple):
    """How a prompt came in: when its request was read, which one that was, and whose child it is in which trace."""

    at_ns: int
    request: str
    caller: Place | None


def read_traceparent(text: str) -> Place | None:
    """Read whose child a call is; None where that is not to be understood."""
    found = TRACEPARENT.fullmatch(text)
    return None if found is None else Place(int(found[1], 16), int(found[2], 16))


class SpanMaker:
    """Makes spans of log entries, and remembers of prompts that wait how they came in."""

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}

    def spans_of(self, entry: Mapping[str, Any]) -> list[Span]:
        """Make the spans that are complete with this entry; none of most."""
        match entry["event"]:
            case "request_met" if entry["method"] in HANDED_IN:
                return [self._handed_in(entry)]
            case "turn_finished":
                return list(self._finished(entry))
        return []

    def _handed_in(self, entry: Mapping[str, Any]) -> Span:
        prompt, request = entry["prompt"], entry["request"]
        ended_ns = _logged_ns(entry)
        began_ns = ended_ns - _ns(entry["took_s"])
        begun = _Begun(began_ns, request, read_traceparent(entry.get("traceparent") or ""))
        # The same key again is another request for a prompt that is there already.
        if self._begun.setdefault(prompt, begun) is begun and len(self._begun) > BEGUN:
            del self._begun[next(iter(self._begun))]
        root = _root_of(prompt, self._begun.get(prompt))
        attributes = {**_about(entry, prompt=prompt), "concordia.request": request}
        return Span("submit", Place(root.trace, _number(request)), root.span, began_ns, ended_ns, attributes)

    def _finished(self, entry: Mapping[str, Any]) -> Iterator[Span]:
        """Tell all of a turn in the trace of each of its prompts, its cost in that of the first one alone."""
        turn, prompts = entry["turn"], entry["prompts"]
        began_ns = _made_ns(turn)
        took_s = entry["duration_s"]
        ended_ns = max(_logged_ns(entry) if took_s is None else began_ns + _ns(took_s), began_ns)
        outcome = entry["outcome"]
        fault = None if outcome in GOOD else (entry["reason"] or outcome)[:REASON_CHARACTERS]
        common = {**_about(entry, turn=turn), "concordia.outcome": outcome}
        first: Place | None = None
        for prompt in prompts:
            begun = self._begun.pop(prompt, None)
            root, caller = _root_of(prompt, begun), None if begun is None else begun.caller
            about = {**common, "concordia.prompt": prompt}
            asked = about if begun is None else {**about, "concordia.request": begun.request}
            since_ns = min(_made_ns(prompt) if begun is None else begun.at_ns, began_ns)
            parent = None if caller is None else caller.span
            yield Span("prompt", root, parent, since_ns, ended_ns, asked, fault)
            wait = Place(root.trace, _number(prompt, "wait"))
            yield Span("wait", wait, root.span, since_ns, began_ns, {**about, "concordia.prompts": len(prompts)})
            place = Place(root.trace, _number(prompt, turn))
            figures = _figures(entry) if first is None else {}
            yield Span("turn", place, root.span, began_ns, ended_ns, {**about, **figures}, fault, first)
            yield from _parts(entry, about, place, began_ns, ended_ns)
            first = first or place
        if not prompts:
            place = Place(_read_id(turn), _number(turn))
            yield Span("turn", place, None, began_ns, ended_ns, {**common, **_figures(entry)}, fault)
            yield from _parts(entry, common, place, began_ns, ended_ns)


def _parts(entry: Mapping[str, Any], about: Attributes, turn: Place, began_ns: int, ended_ns: int) -> Iterator[Span]:
    """Tell of a turn what came before its first output, and what after."""
    if entry["ttft_s"] is not None:
        spoke_ns = min(began_ns + _ns(entry["ttft_s"]), ended_ns)
        for name, since_ns, until_ns in (("first output", began_ns, spoke_ns), ("answer", spoke_ns, ended_ns)):
            place = Place(turn.trace, _number(f"{turn.span:x}", name))
            yield Span(name, place, turn.span, since_ns, until_ns, about)


def _root_of(prompt: str, begun: _Begun | None) -> Place:
    own = _read_id(prompt)
    return Place(own if begun is None or begun.caller is None else begun.caller.trace, _number(prompt))


def _about(entry: Mapping[str, Any], **ids: str) -> dict[str, str | bool | int | float]:
    return {"concordia.room": entry["room"], **{f"concordia.{name}": value for name, value in ids.items()}}


def _figures(entry: Mapping[str, Any]) -> Attributes:
    """Give what is known in figures of a turn; those of tokens by OpenTelemetry's names for them."""
    known = {
        "concordia.origin": entry["origin"],
        "concordia.incarnation": entry["incarnation"],
        "concordia.authors": entry["authors"],
        "concordia.api_retries": entry["api_retries"],
        "concordia.cost_usd": entry["cost_usd"],
        "gen_ai.usage.input_tokens": entry["input_tokens"],
        "gen_ai.usage.output_tokens": entry["output_tokens"],
    }
    return {name: value for name, value in known.items() if value is not None}


def _number(*about: str) -> int:
    """Number a span by what it is about: 64 bits, and not 0."""
    return int.from_bytes(hashlib.sha256("/".join(about).encode()).digest()[:8]) | 1


def _read_id(uuid: str) -> int:
    return int(uuid.replace("-", ""), 16)


def _made_ns(uuid7: str) -> int:
    """Tell when an id was made, to the millisecond (RFC 9562, 5.7)."""
    return (_read_id(uuid7) >> 80) * 1_000_000


def _logged_ns(entry: Mapping[str, Any]) -> int:
    return _ns(datetime.fromisoformat(entry["timestamp"]).timestamp())


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
