"""What D1 measures, in the peers' interpreter, which has numpy; prints JSON."""

import gc
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from rapidfuzz import fuzz, process

from concordiad.core.phrasing import LONGEST_PHRASE
from concordiad.core.similarity import NEAR, Features, Index, Match, features, judge, reading
from tests.core.pairs import DIFFERENT, LOCAL, read_pairs

SEED: Final = 20
ROUNDS: Final = 7
COUNTS: Final = (100, 1000)
REPEATED: Final = 0.2
"""Of the prompts, so many say what an earlier one says."""
INSERTS: Final = 3000
LONG_BYTES: Final = 256 * 1024
COSTLY: Final = ("A. ", "¿ ", "a? I\n", "’ ! ¡\n", "re-run 漢字 please\n")
"""What texts are made of that cost most, of those that a search of some thousands has found."""
SCORERS: Final[dict[str, Callable[..., float]]] = {"token_set_ratio": fuzz.token_set_ratio, "ratio": fuzz.ratio}

Verdicts = dict[tuple[int, int], Match]


def main() -> None:
    """Measure all of it."""
    chance = random.Random(SEED)
    compared = {str(count): _compare(_prompts(chance, count)) for count in COUNTS}
    print(json.dumps({"compared": compared, "held": _hold(chance)}))


def _prompts(chance: random.Random, count: int) -> list[str]:
    """Make prompts of one to four sentences."""
    pairs = [
        pair
        for name in ("pairs.jsonl", "later.jsonl")
        for pair in read_pairs(name)
        if "\n" not in pair.one + pair.other
    ]
    sentences = [(pair.one, pair.one if pair.label == DIFFERENT else pair.other) for pair in pairs]
    made: list[list[tuple[str, str]]] = []
    prompts = []
    for _ in range(count):
        is_repeated = bool(made) and chance.random() < REPEATED
        chosen = chance.choice(made) if is_repeated else chance.sample(sentences, chance.randint(1, 4))
        made.append(chosen)
        prompts.append(". ".join(sentence[is_repeated] for sentence in chosen))
    return prompts


def _compare(prompts: Sequence[str]) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {name: [] for name in ("reading", "ours", *SCORERS)}
    expected: Verdicts | None = None
    for _ in range(ROUNDS):
        began = time.thread_time()
        read = [features(prompt) for prompt in prompts]
        seconds["reading"].append(time.thread_time() - began)
        ways: dict[str, Callable[[Sequence[Features]], Verdicts]] = {"ours": _by_index}
        ways |= {name: partial(_by_table, prompts, scorer) for name, scorer in SCORERS.items()}
        for name, way in ways.items():
            began = time.thread_time()
            found = way(read)
            seconds[name].append(time.thread_time() - began)
            expected = found if expected is None else expected
            assert found == expected, f"{name} finds other pairs"
    assert expected
    return {**seconds, "pairs": len(expected)}


def _by_index(read: Sequence[Features]) -> Verdicts:
    index, found = Index(), {}
    for place, prompt in enumerate(read):
        for key, match in index.matches(prompt, LOCAL):
            found[int(key), place] = match
        index.add(str(place), prompt)
    return found


def _by_table(prompts: Sequence[str], scorer: Callable[..., float], read: Sequence[Features]) -> Verdicts:
    heads = [each.head or " ".join(prompt.split()) for each, prompt in zip(read, prompts, strict=True)]
    scores = process.cdist(heads, heads, scorer=scorer, score_cutoff=NEAR)
    found = {}
    alike = (scores >= NEAR).nonzero()
    for one, other in zip(*(places.tolist() for places in alike), strict=True):
        if one < other and (match := judge(read[one], read[other], LOCAL)) is not None:
            found[one, other] = match
    return found


def _hold(chance: random.Random) -> dict[str, list[list[float]]]:
    """
    Time the pieces of inserts among 1000 waiting prompts, by the thread's own clock.

    What this process has by now, numpy and all, is kept from the garbage collector, which the daemon does not have.
    """
    gc.collect()
    gc.freeze()
    waiting = _prompts(chance, COUNTS[-1])
    polite = [
        f"{'please ' * (each % 6)}explain the architecture of the whole application" for each in range(COUNTS[-1])
    ]
    words = "Please look at the tests, and then fix what is broken. "
    return {
        "prompts like the others": _inserts(waiting, _prompts(chance, INSERTS)),
        "longest that is read in words": _inserts(
            waiting, [(words * 30)[: LONGEST_PHRASE - each] for each in range(100)]
        ),
        "the costliest known": _inserts(
            waiting, [(unit * 400)[: LONGEST_PHRASE - each] for each in range(20) for unit in COSTLY]
        ),
        "256 KiB": _inserts(waiting, [(words * 6000)[: LONG_BYTES - each] for each in range(100)]),
        "256 KiB in lines": _inserts(waiting, [("  x = 1\n" * 40000)[: LONG_BYTES - each] for each in range(100)]),
        "among 1000 that say the same": _inserts(polite, polite[:100]),
    }


def _inserts(waiting: Sequence[str], prompts: Sequence[str]) -> list[list[float]]:
    index = Index()
    for place, prompt in enumerate(waiting):
        index.add(str(place), features(prompt))
    return [_insert(index, prompt) for prompt in prompts]


def _insert(index: Index, prompt: str) -> list[float]:
    """Time each piece of reading, after which the batcher may let others run, and the rest, which is one more."""
    seconds: list[float] = []
    pieces = reading(prompt)
    while True:
        began = time.thread_time()
        try:
            next(pieces)
        except StopIteration as done:
            read = done.value
            index.matches(read, LOCAL)
            index.add("new", read)
            return [*seconds, time.thread_time() - began]
        seconds.append(time.thread_time() - began)


if __name__ == "__main__":
    main()
