"""What a room is made of: its row, its configuration, and what the daemon lends it."""

from collections.abc import Callable

import trio
from msgspec import Struct
from msgspec.structs import replace

from concordiad.agent.spec import AgentSpec
from concordiad.config.limits import Graces, Limits
from concordiad.config.tables import Merging
from concordiad.core.model import RoomRow
from concordiad.journal import Journal
from concordiad.meaning import Grouper
from concordiad.room.heritage import Keeping
from concordiad.room.turnstile import Turnstile


class RoomSetup(Struct, frozen=True):
    """
    What a room is made of.

    Attributes:
        turnstile: where agents that start again after a failure take turns with those of other rooms.
        grouper: the language model that tells which prompts mean the same, if there is one.
        judgement_s: how long it may take to tell.
        keeping: what lets agents outlive the daemon; None where they do not.
        is_changed: whether it was open in this run of the daemon, made of something else.
    """

    row: RoomRow
    spec: AgentSpec
    limits: Limits
    graces: Graces
    merging: Merging
    journal: Journal
    new_id: Callable[[], str]
    now: Callable[[], float]
    closing: trio.Event
    hurry: trio.Event
    turnstile: Turnstile
    grouper: Grouper | None = None
    judgement_s: float = 0.0
    keeping: Keeping | None = None
    is_changed: bool = False

    @property
    def name(self) -> str:
        """The room's name."""
        return self.row.name

    def is_like(self, other: "RoomSetup") -> bool:
        """Tell whether a room made of this would be as one made of the other; a pause is the room's own affair."""
        mine, others = (
            # A program that was brought up to date meanwhile is no wish for another room.
            (
                replace(setup.row, is_paused=False),
                replace(setup.spec, version=None),
                setup.limits,
                setup.graces,
                setup.merging,
            )
            for setup in (self, other)
        )
        return mine == others
