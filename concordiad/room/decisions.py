"""
What one round of the batcher's inbox comes to: rows to record, events that tell of them, and answers.

Law: places are those at the end of the round, for whoever is told of them is told then.
"""

from typing import Any

from concordiad.core.batching import Queue
from concordiad.core.groups import Changes, Joined
from concordiad.core.model import Author, Prompt, PromptState, RoomRow
from concordiad.core.pieces import Pieces
from concordiad.core.views import author_view, event_prompt_view, joined_members, members, writing, writing_members
from concordiad.journal.changes import Change
from concordiad.room.messages import Reply
from concordiad.room.to_batcher import Placed
from concordiad.room.to_fanout import Draft


class Decisions:
    """
    What is recorded together, then answered.

    Attributes:
        is_paused, is_draining: how the room's queue is from then on.
        accepted: how many prompts came.
        changes: what the queue changes.
        answers: who asked, and what they are answered.
    """

    def __init__(self, *, is_paused: bool, is_draining: bool) -> None:
        self.is_paused = is_paused
        self.is_draining = is_draining
        self.accepted = 0
        self.changes = Changes()
        self.answers: list[tuple[Reply[Any], object]] = []
        self._by_key: dict[tuple[str, str], str] = {}
        self._rows: list[RoomRow] = []
        self._told: list[tuple[str, Prompt | None, dict[str, Any] | Joined]] = []

    def undo(self, queue: Queue) -> None:
        """Have everything wait again as it did before."""
        queue.undo(self.changes)

    @property
    def has_events(self) -> bool:
        """Whether there is anything to tell, and so to record."""
        return bool(self._told)

    def rows(self) -> list[Change]:
        """List what the journal knows from now on."""
        return [*self.changes.rows.values(), *self._rows]

    def accept(self, prompt: Prompt) -> None:
        """A prompt waits from now on."""
        self.accepted += 1
        if prompt.key is not None:
            self._by_key[prompt.author.id, prompt.key] = prompt.id
        self._tell("prompt.accepted", prompt)

    def find_by_key(self, author: str, key: str) -> Prompt | None:
        """Find what was accepted in this round under a key."""
        found = self._by_key.get((author, key))
        return None if found is None else self.changes.rows[found]

    def end(self, event_type: str, prompt: Prompt, by: Author | None = None) -> None:
        """A prompt waits no more, and will have no turn."""
        self.changes.rows[prompt.id] = prompt
        self._tell(event_type, prompt, **({} if by is None else {"by": author_view(by)}))

    def change_room(self, row: RoomRow, state: str, by: Author) -> None:
        """The room is another one from now on."""
        self._rows.append(row)
        self._told.append(("room.changed", None, {"state": state, "reason": None, "by": author_view(by)}))

    def tell_changes(self) -> None:
        """Tell what the queue has changed until now."""
        for told in self.changes.told:
            if isinstance(told, Joined):
                # Written one by one in `draft`: of a large group each is told of all others.
                self._told.append(("prompt.merged", told.prompt, told))
            else:
                by = None if told.by is None else author_view(told.by)
                more = {"from": list(told.others), "by": by, "reason": told.reason}
                self._told.append(("prompt.split", told.prompt, more))
        self.changes.told.clear()

    def _tell(self, event_type: str, prompt: Prompt, **more: Any) -> None:
        self._told.append((event_type, prompt, more))
        self.tell_changes()

    def ids(self) -> set[str]:
        """Name the prompts whose places are told."""
        answered = (answer.prompt.id for _, answer in self.answers if isinstance(answer, Placed))
        return {prompt.id for _, prompt, _ in self._told if prompt is not None}.union(answered)

    def place_answers(self, places: dict[str, int]) -> None:
        """Write the places into the answers."""
        self.answers = [
            (reply, Placed(answer.prompt, places.get(answer.prompt.id)) if isinstance(answer, Placed) else answer)
            for reply, answer in self.answers
        ]

    def drafting(self, index: int, places: dict[str, int]) -> Pieces[Draft]:
        """Write one of the events."""
        event_type, prompt, told = self._told[index]
        more = joined_members(told.prompt, told.others) if isinstance(told, Joined) else told
        if prompt is None:
            return Draft(event_type, members(**more))
        place = places.get(prompt.id) if prompt.state is PromptState.WAITING else None
        view = event_prompt_view(prompt, place, is_new=event_type == "prompt.accepted")
        view["text"] = yield from writing(view["text"])
        return Draft(event_type, (yield from writing_members(prompt=view, **more)))

    def __len__(self) -> int:
        """Count the events."""
        return len(self._told)
