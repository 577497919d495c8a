"""
Which prompts ask the same, found without a model.

Laws: a verdict depends on the two texts alone, and not on their order; on any doubt there is none. Who merges by it
asks one person's text for all, so that a difference that could matter to anybody must never pass.

What reads and compares texts is imported with the first prompt: with rapidfuzz it takes 5 MiB, which a daemon that
nobody asks anything can do without.
"""

from collections.abc import Collection
from hashlib import blake2b
from typing import Final, NamedTuple

from msgspec import Struct

from concordiad.core.model import Stage
from concordiad.core.pieces import Pieces, whole
from concordiad.core.portions import text_parts

HEAD_CHARS: Final = 512
"""Of so much the similarity is told: two microseconds a pair, so that a thousand leaders are no matter."""
HASH_BYTES: Final = 32
NEAR: Final = 80.0
"""The least score, of 100: below it too much of a prompt would rest on repaired spelling."""


class Features(Struct, frozen=True):
    """
    What of a prompt is compared.

    Attributes:
        same: a hash of what two prompts of the same text have in common.
        near: a hash of what two prompts of nearly the same text have in common; None if this one has no such.
        head: the beginning of its words as they were spelled, for the score.
        is_own: whether it speaks of who asks, so that nobody else asks the same by the same text.
    """

    same: bytes
    near: bytes | None
    head: str
    is_own: bool = False


class Match(NamedTuple):
    """
    That two prompts ask the same.

    Attributes:
        similarity: 0 to 1, 1.0 for the same text.
    """

    stage: Stage
    similarity: float


SAME: Final = Match(Stage.SAME, 1.0)
ALIKE: Final = Match(Stage.NEAR, 1.0)


def features(text: str) -> Features:
    """Read a prompt for comparison at a stretch, as `reading` does."""
    return whole(reading(text))


def reading(text: str) -> Pieces[Features]:
    """Read a prompt for comparison."""
    from concordiad.core.layout import letters_of, parting  # noqa: PLC0415
    from concordiad.core.persons import is_own_text  # noqa: PLC0415
    from concordiad.core.phrasing import phrasing  # noqa: PLC0415

    parts = yield from parting(text)
    yield
    same = yield from _hashed(letters_of(parts))
    yield
    phrase = yield from phrasing(text, parts)
    yield
    if phrase is None:
        return Features(same, None, "", is_own_text(text))
    near = yield from _hashed(phrase.key)
    return Features(same, near, phrase.spelled[:HEAD_CHARS], phrase.is_own)


def _hashed(text: str) -> Pieces[bytes]:
    digest = blake2b(digest_size=HASH_BYTES)
    for part in text_parts(text):
        yield
        digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.digest()


def judge(a: Features, b: Features, stages: Collection[Stage]) -> Match | None:
    """Tell by which of these stages two prompts ask the same; None if by none of them."""
    if Stage.SAME in stages and a.same == b.same:
        return SAME
    if Stage.NEAR in stages and a.near is not None and a.near == b.near:
        if a.head == b.head:
            return ALIKE
        from rapidfuzz import fuzz  # noqa: PLC0415

        score = fuzz.ratio(a.head, b.head)
        return Match(Stage.NEAR, score / 100) if score >= NEAR else None
    return None


class Index:
    """
    The prompts that others may join, found by what they have in common, each by one text or by several.

    Both stages ask whether two hashes are equal, so whatever `judge` would find stands under one of two keys, there in
    the order in which it came.
    """

    def __init__(self) -> None:
        self._features: dict[str, tuple[Features, ...]] = {}
        self._same: dict[bytes, dict[str, Features]] = {}
        self._near: dict[bytes, dict[str, Features]] = {}

    def __len__(self) -> int:
        """Count them."""
        return len(self._features)

    def add(self, key: str, *texts: Features) -> None:
        """Let a prompt be found by its key; a key that is here already gets these texts instead, as the latest."""
        self.remove(key)
        self._features[key] = texts
        for features in texts:
            self._same.setdefault(features.same, {})[key] = features
            if features.near is not None:
                self._near.setdefault(features.near, {})[key] = features

    def remove(self, key: str) -> None:
        """Let it be found no longer, if it was."""
        texts = self._features.pop(key, ())
        for same in {features.same for features in texts}:
            _drop(self._same, same, key)
        for near in {features.near for features in texts if features.near is not None}:
            _drop(self._near, near, key)

    def matches(self, features: Features, stages: Collection[Stage]) -> list[tuple[str, Match]]:
        """List what asks the same, best first: the same before the near, then by similarity, then as they came."""
        same = self._same.get(features.same, {}) if Stage.SAME in stages else {}
        near = {} if features.near is None else self._near.get(features.near, {})
        judged = ((key, judge(features, other, stages)) for key, other in near.items() if key not in same)
        alike = [(key, match) for key, match in judged if match is not None]
        # Stable: those that are equally alike stay as they came.
        alike.sort(key=lambda found: -found[1].similarity)
        return [*((key, SAME) for key in same), *alike]


def _drop(index: dict[bytes, dict[str, Features]], feature: bytes, key: str) -> None:
    keys = index[feature]
    del keys[key]
    if not keys:
        del index[feature]
