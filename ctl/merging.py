"""How prompts that became one turn are told of."""

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
    if merge is None:
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
    why = likeness(event["stage"], event["similarity"])
    is_its_own = event["prompt"]["merge"]["verbatim"]
    asked = "" if is_its_own else f"; asked is: {first_line(event['asked'])}"
    return f"⇉ one turn with {companions(event['with'])} ({why}){asked}"


def split(event: Json) -> str:
    """Say that a prompt has a turn of its own again, and why."""
    why = f": {first_line(event['reason'])}" if event["reason"] else ""
    return f"⇇ has a turn of its own again{why}"
