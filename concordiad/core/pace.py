"""How fast a room is: how long its turns take, and what became of its prompts."""

from typing import Any, Final

from msgspec import Struct

from concordiad.core.model import Prompt, Stage

TURN_GUESS_S: Final = 30.0
"""How long a turn is taken to last while none has been seen: a middling turn with a tool or two."""
WEIGHT: Final = 0.2
"""How much the last turn counts: some ten turns are remembered."""


class Pace:
    """A moving average of the lengths of turns."""

    def __init__(self) -> None:
        self.turn_s = TURN_GUESS_S
        self._has_seen = False

    def note(self, turn_s: float) -> None:
        """Take one more turn into account."""
        self.turn_s = self.turn_s + WEIGHT * (turn_s - self.turn_s) if self._has_seen else turn_s
        self._has_seen = True

    def wait_s(self, turns: int) -> float:
        """Tell how long so many turns may take, in seconds; never nothing, so that nobody comes back at once."""
        return max(round(self.turn_s * turns, 1), 1.0)


class Tally(Struct):
    """
    What merging has done since the daemon's start.

    Attributes:
        prompts: that were accepted, or waited already at the start.
        turns: that were handed over.
        same, near, meaning: prompts that shared another one's turn, by what was found.
        window_wait_s: how long the agent stood ready while prompts only waited for others like them, in seconds.
        meaning_wait_s: how long while they waited for a language model's judgement.
    """

    prompts: int = 0
    turns: int = 0
    same: int = 0
    near: int = 0
    meaning: int = 0
    window_wait_s: float = 0.0
    meaning_wait_s: float = 0.0

    def count_turn(self, prompts: list[Prompt], by: int = 1) -> None:
        """Count a turn, or with -1 take it back."""
        self.turns += by
        for prompt in prompts:
            match None if prompt.merge is None else prompt.merge.stage:
                case Stage.SAME:
                    self.same += by
                case Stage.NEAR:
                    self.near += by
                case Stage.MEANING:
                    self.meaning += by

    def view(self, tokens_saved: int) -> dict[str, Any]:
        """Show it, with the tokens that were saved, as estimated."""
        return {
            "prompts": self.prompts,
            "turns": self.turns,
            "merged": {"same": self.same, "near": self.near, "meaning": self.meaning},
            "window_wait_s": round(self.window_wait_s, 3),
            "meaning_wait_s": round(self.meaning_wait_s, 3),
            "tokens_saved_estimate": tokens_saved,
        }
