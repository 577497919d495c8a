"""How prompts that became one turn are told of; no I/O."""

from typing import Any, Final

from ctl.harmless import first_line
from ctl.quantities import count, plural

Json = dict[str, Any]
_STAGES: Final = {"same": "the same words", "near": "nearly the same words", "meaning": "the same meaning"}


def likeness(stage: str, similarity: float | None) -> str:
    """Say by which stage two prompts are one, and how similar they are where that was measured."""
    words = _STAGES.get(stage, first_line(stage))
    if similarity is None or stage == "same":
        return words
    # No rounding makes what differs wholly alike; what is, less what counts for nothing, is told as it was measured.
    percent = min(round(similarity * 100), 99) if similarity < 1 else 100
    return f"{words}, {percent}%"


def share_of(prompt: Json) -> str:
    """Say how a prompt shares its turn, in a few words; nothing if it has it alone."""
    merge = prompt.get("merge")
    return "" if merge is None else share(merge)


def share(merge: Json) -> str:
    """Say the same of a MERGE, or of a MERGED."""
    if merge["stage"] is None:
        return ""
    return "first" if merge["stage"] == "first" else likeness(merge["stage"], merge["similarity"])


def figures(merging: Json) -> str:
    """Say what merging has done; nothing while it has done nothing."""
    merged = {stage: number for stage, number in merging["merged"].items() if number}
    if not merged:
        return ""
    stages = ", ".join(f"{number} {stage}" for stage, number in merged.items())
    saved = merging["tokens_saved_estimate"]
    estimate = f"; about {count(saved)} tokens saved" if saved else ""
    return f"{plural(sum(merged.values()), 'prompt')} shared another one's turn ({stages}){estimate}"


def companions(people: list[Json]) -> str:
    """Name whose prompts one is merged with: "ada's", "ada's and bob's", "ada's, bob's and 3 more"."""
    names = [f"{first_line(name)}’s" for name in dict.fromkeys(person["author"]["name"] for person in people)]
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "nobody’s"


def merged(event: Json) -> str:
    """Say with whom a prompt is merged, why, and what is asked where that is not what its author wrote."""
    asked = "" if event["prompt"]["merge"]["verbatim"] else asked_is(event["asked"])
    return f"⇉ one turn {with_whom(event['with'], event)}{asked}"


def with_whom(others: list[Json], merge: Json) -> str:
    """Say with whose prompts one shares its turn, and why: what the first one asked is what the others are like."""
    why = ", this one first" if merge["stage"] == "first" else f" ({likeness(merge['stage'], merge['similarity'])})"
    return f"with {companions(others)}{why}"


def asked_is(asked: str) -> str:
    """Say what is asked for all of them."""
    return f"; asked is: {first_line(asked)}"


def shared(result: Json) -> list[Json]:
    """Find who shares a prompt's turn in what `prompt.get` tells of it, itself among them; nobody if it is alone."""
    prompt, turn = result["prompt"], result["turn"]
    if prompt["merge"] is None:
        return []
    if prompt["state"] == "waiting" or turn is None:
        # A daemon of before does not name them.
        return list(result.get("merged", ()))
    return list(turn["merged"])


def split(event: Json) -> str:
    """Say that a prompt has a turn of its own again, and why."""
    why = f": {first_line(event['reason'])}" if event["reason"] else ""
    return f"⇇ has a turn of its own again{why}"


class Company:
    """
    Those that one prompt shares its turn with: what of it its author has not been told.

    All of a group may be told of anew; what is known already is nothing to be said again.
    """

    def __init__(self, prompt: Json) -> None:
        self._id: str = prompt["id"]
        self._text: str = prompt["text"]
        self._leader: str | None = None
        self._others: set[str] = set()
        self._asked: tuple[str, int | None] | None = None

    def find(self, result: Json) -> str | None:
        """Take what `prompt.get` tells; returns what is new in it."""
        prompt = result["prompt"]
        others = [{**each, "id": each["prompt"]} for each in shared(result) if each["prompt"] != self._id]
        return self._join(others, prompt["merge"], prompt["merge"]) if others else None

    def feed(self, event: Json) -> str | None:
        """Take the room's next event; returns what it means for the prompt, if that is new."""
        kind: str = event["type"]
        if kind == "prompt.merged":
            return self._merged(event)
        if kind == "prompt.split":
            return self._split(event)
        if kind in ("prompt.cancelled", "prompt.expired"):
            self._others.discard(event["prompt"]["id"])
        return None

    def _merged(self, event: Json) -> str | None:
        prompt, others = event["prompt"], event["with"]
        if prompt["id"] == self._id:
            return self._join(others, event, prompt["merge"])
        # One that has another leader is told of before it is said that this one has, too.
        if self._id not in (other["id"] for other in others) or prompt["merge"]["leader"] not in (
            self._id,
            self._leader,
        ):
            return None
        known = self._others if self._leader == prompt["merge"]["leader"] else set()
        self._leader = prompt["merge"]["leader"]
        self._others = known | {prompt["id"]}
        asked = self._ask(prompt["merge"])
        if prompt["id"] in known:
            return f"⇉ asked is now: {first_line(prompt['merge']['asked'])}" if asked else None
        why = "first" if event["stage"] == "first" else likeness(event["stage"], event["similarity"])
        return f"⇉ one turn {'also ' if known else ''}with {companions([prompt])} ({why}){asked}"

    def _join(self, others: list[Json], told: Json, merge: Json) -> str | None:
        known = self._others if self._leader == merge["leader"] else set()
        ids = {other["id"] for other in others}
        self._leader, self._others = merge["leader"], known | ids
        asked = self._ask(merge)
        return f"⇉ one turn {with_whom(others, told)}{asked}" if asked or not ids <= known else None

    def _split(self, event: Json) -> str | None:
        prompt, by = event["prompt"], event["by"]
        if prompt["id"] == self._id:
            self._leader, self._others, self._asked = None, set(), None
            by_whom = f" (by {first_line(by['name'])})" if by and by["id"] != prompt["author"]["id"] else ""
            return f"{split(event)}{by_whom}" if event["from"] else None
        if prompt["id"] not in self._others:
            return None
        self._others.discard(prompt["id"])
        # The last one that leaves is named by the event that this prompt is alone.
        return f"⇇ {companions([prompt])} has a turn of its own again" if self._others else None

    def _ask(self, merge: Json) -> str:
        """Say what is asked, where it is not the prompt's own text and was not said before."""
        asked, chars = merge["asked"], merge["asked_chars"]
        is_its_own = self._text == asked if chars is None else len(self._text) == chars and self._text.startswith(asked)
        before, self._asked = self._asked, None if is_its_own else (asked, chars)
        return "" if is_its_own or before == self._asked else asked_is(asked)
