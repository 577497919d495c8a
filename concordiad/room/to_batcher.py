"""What the batcher is asked and told: by people of their prompts, by the writer, and by the matcher."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from concordiad.core.grouping import Candidate, Grouped
from concordiad.core.model import Author, Priority, Prompt, RoomRow
from concordiad.core.pace import Tally
from concordiad.room.messages import Drain, Reply

SUBMITTERS: Final = 256
"""Messages that wait for the batcher: more than a room's connections send at once; further ones wait in their tasks."""


class Submission(Struct, frozen=True):
    """A prompt as somebody hands it in; `expires_s` is seconds from now."""

    author: Author
    text: str
    priority: Priority = Priority.NORMAL
    key: str | None = None
    expires_s: float | None = None
    is_alone: bool = False
    is_raw: bool = False
    retry_of: str | None = None


class Placed(NamedTuple):
    """A prompt and its place; None where it does not wait."""

    prompt: Prompt
    place: int | None


class Submit(Struct, frozen=True):
    """Accept a prompt."""

    submission: Submission
    reply: Reply[Placed]

    @property
    def size_bytes(self) -> int:
        """About how large the text is."""
        return len(self.submission.text)


class Cancel(Struct, frozen=True):
    """Take a waiting prompt out."""

    prompt: str
    by: Author
    reply: Reply[Placed]


class Split(Struct, frozen=True):
    """Give a waiting prompt a turn for itself."""

    prompt: str
    by: Author
    reply: Reply[Placed]


class ListWaiting(Struct, frozen=True):
    """List who waits, by place."""

    reply: Reply[list[Placed]]


class QueueState(NamedTuple):
    """
    How many prompts wait, whether they are held back, what merging has done, and for how long the oldest one waits.

    The latter is in seconds; 0 where none waits. What it waited before the daemon's start the wall clock tells.
    """

    waiting: int
    is_paused: bool
    merging: Tally = Tally()
    oldest_s: float = 0.0


class DescribeQueue(Struct, frozen=True):
    """Tell how the queue is."""

    reply: Reply[QueueState]


class SetPaused(Struct, frozen=True):
    """Hold the waiting prompts back and refuse new ones, or go on; `row` is what the journal knows from then on."""

    row: RoomRow
    by: Author
    reply: Reply[None]


class CancelAll(Struct, frozen=True):
    """Close the queue for good: whatever waits is cancelled; `row` is what the journal knows from then on."""

    row: RoomRow
    by: Author
    reply: Reply[int]


class NextTurn(Struct, frozen=True):
    """The writer is ready for a turn."""


class TakeBack(Struct, frozen=True):
    """The writer returns what it could not hand over: one group, as it was offered."""

    prompts: Sequence[tuple[Prompt, float]]


class Judged(Struct, frozen=True):
    """
    What the model answered.

    Attributes:
        query: the question's.
        candidates: the question's.
        groups: prompts that mean the same; none where that is not known.
        doubt: a code for why it is not known; None where it is.
        took_s: how long it took.
    """

    query: int
    candidates: Sequence[Candidate]
    groups: Sequence[Grouped]
    doubt: str | None
    took_s: float


ToBatcher = (
    Submit | Cancel | Split | ListWaiting | DescribeQueue | SetPaused | CancelAll | NextTurn | TakeBack | Judged | Drain
)
