"""A house with real rooms, agents and a journal, inside of the test's own process."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from concordiad.agent.spec import AgentSpec, make_spec
from concordiad.config.limits import Graces
from concordiad.config.tables import Agent, Config, Room
from concordiad.core.agents import Kind
from concordiad.core.codes import Code
from concordiad.core.model import Author, AuthorKind
from concordiad.core.roles import Role
from concordiad.core.wire import decode_request
from concordiad.errors import RoomError
from concordiad.front.caller import Caller
from concordiad.front.methods import call
from concordiad.house import run_house
from concordiad.house.commands import COMMANDS, Command
from concordiad.house.handle import House, Unopened
from concordiad.house.housekeeper import Housekeeper
from concordiad.house.setup import HouseSetup
from concordiad.journal import open_journal, open_memory_journal
from concordiad.ops.ids import IdFactory
from concordiad.room.handle import Room as OpenRoom

HOST = Caller(Author("uid:1000", "ann", AuthorKind.LOCAL), Role.HOST)
PAGE = "https://room.example"


class Inside:
    """The house, and how to ask it."""

    def __init__(self, house: House) -> None:
        self.house = house

    @property
    def main(self) -> OpenRoom:
        """The room `main`."""
        return self.house.rooms["main"]

    async def call(self, caller: Caller, method: str, **params: Any) -> Any:
        """Call a method as a transport does, and return its result as it is on the wire. Raises RoomError."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = decode_request(msgspec.json.encode(message), caller.room or "main")
        answer = await call(self.house, caller, request)
        return msgspec.json.decode(msgspec.json.encode(answer.result))

    async def refusal(self, caller: Caller, method: str, **params: Any) -> tuple[Code, str] | None:
        """Return why a call is refused, None if it is not."""
        try:
            await self.call(caller, method, **params)
        except RoomError as error:
            return error.code, str(error)
        return None

    async def guest(self, role: str = "driver", name: str = "bob", **wanted: Any) -> Caller:
        """Invite somebody, and let it come in."""
        made = await self.call(HOST, "invite.create", role=role, **wanted)
        invite = made["invite"]
        admission = await self.house.rooms[invite["room"]].admit(invite["token"], name, None)
        return Caller(admission.author, admission.role, admission.member.room, admission.horizon, admission.may_approve)

    async def submit(self, caller: Caller, text: str, room: str = "main") -> str:
        """Submit a prompt and return its id."""
        placed = await self.call(caller, "prompt.submit", text=text, room=room)
        identity: str = placed["prompt"]["id"]
        return identity

    async def until(self, prompt: str, state: str, room: str = "main") -> dict[str, Any]:
        """Look until a prompt is in a state; return it and its turn."""
        while True:
            # Each look waits for the journal, so the agent gets its turn.
            shown: dict[str, Any] = await self.call(HOST, "prompt.get", id=prompt, room=room)
            if shown["prompt"]["state"] == state:
                return shown


def _make_spec(name: str, agent: Agent, workdir: Path) -> AgentSpec:
    return make_spec(name, agent, workdir, {**os.environ, "CONCORDIA_REHEARSAL_PACE_MS": "0"})


@asynccontextmanager
async def open_house(root: Path, *rooms: str, in_memory: bool = False) -> AsyncIterator[Inside]:
    """Open rooms with rehearsal agents, and close them without any grace; the journal is in `root`, or in memory."""
    graces = Graces(turn_s=0, interrupt_s=0.5, exit_s=1, kill_s=1)
    config = Config(
        graces=graces,
        rooms={name: Room(str(root), "claude") for name in rooms},
        agents={"claude": Agent(kind=Kind.REHEARSAL)},
    )
    closing, hurry, ended = trio.Event(), trio.Event(), trio.Event()
    send, commands = trio.open_memory_channel[Command](COMMANDS)
    opened: dict[str, OpenRoom] = {}
    unopened: dict[str, Unopened] = {}
    async with (
        open_memory_journal() if in_memory else open_journal(root / "journal.db") as journal,
        trio.open_nursery() as houses,
    ):
        setup = HouseSetup(journal, _make_spec, IdFactory(), time.time, closing, hurry)
        keeper = Housekeeper(setup, config, opened, unopened)
        with send:
            await houses.start(run_house, keeper, commands)
            try:
                yield Inside(House(opened, journal, lambda: config, root, time.time(), ended, send, PAGE, unopened))
            finally:
                closing.set()
                hurry.set()
