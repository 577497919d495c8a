"""
The agent process of one room: spawned, watched, ended, spawned again.

Laws: whatever happens, the process is reaped, and so is what it left behind; a conversation has one process at a
time, because the next one is spawned only then; which conversation an incarnation has is durable before it is spawned.
"""

import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import structlog
import trio
from msgspec import Struct, field

from concordiad.agent.leftovers import MARK, end_leftovers, mark_of
from concordiad.agent.ownership import claim, until_seen
from concordiad.agent.process import AgentProcess, Exit, spawn
from concordiad.agent.spec import AgentSpec
from concordiad.agent.spool import remove_spool
from concordiad.agent.unit import UnitProcess, spawn_in_unit, take_over
from concordiad.config.limits import Graces, Limits
from concordiad.core.agents import AgentCodec, IdSource, Launch
from concordiad.core.model import AgentSession, Origin, is_session_id
from concordiad.core.restarts import Restarts
from concordiad.core.views import members
from concordiad.errors import AgentError, AgentUnfit, RoomError
from concordiad.journal import Journal
from concordiad.journal.changes import Heard
from concordiad.journal.faults import RETRY_S
from concordiad.journal.incarnations import read_session
from concordiad.ops.threads import long_in_thread
from concordiad.room.bookmark import Bookmark
from concordiad.room.heritage import Heritage, Keeping, Place
from concordiad.room.ledger import mark
from concordiad.room.messages import ask
from concordiad.room.pump import Diagnosis, PumpEnds, run_pump, run_stderr
from concordiad.room.scribe import lost_conversation
from concordiad.room.to_fanout import Draft, Post, note, record
from concordiad.room.to_writer import (
    AgentGone,
    AgentUp,
    Away,
    Farewell,
    Incarnation,
    KeeperEnded,
    Mute,
    Parting,
    ToWriter,
    WantAgent,
)
from concordiad.room.turnstile import Turn, Turnstile
from concordiad.room.valve import Valve

_log = structlog.get_logger("concordiad.room")

HURRIED_EXIT_S: Final = 0.5
"""From the end of its input to SIGTERM when there is no grace: the CLI that has nothing to do needs 0.06 s."""
PIPE_GRACE_S: Final = 2.0
"""How long the pipes of an ended process may stay open: what it left behind is ended by then."""


class KeeperEnds(Struct, frozen=True):
    """The keeper's ends of the room's channels."""

    fanout: trio.MemorySendChannel[Post]
    writer: trio.MemorySendChannel[ToWriter]
    valve: Valve = field(default_factory=Valve)


class _Life(NamedTuple):
    """How one attempt went: the incarnation if there was one, how it ended, and what the writer says of it."""

    incarnation: str | None
    how: str
    exit: Exit | None
    farewell: Farewell
    is_final: bool = False
    """Whether the next attempt would end in the same way."""
    is_left: bool = False
    """Whether it goes on without us."""


class Keeper:
    """
    What the keeper owns.

    Args:
        room: its name.
        closing: set when the room is to close: no further incarnation.
        hurry: set when there is no grace any more.
        turnstile: where those who start again after a failure take turns, those of other rooms too.
        keeping: what lets the agent outlive the daemon; None where it does not.
        heritage: the agent that an earlier run has left running, if there is one.
    """

    def __init__(
        self,
        room: str,
        spec: AgentSpec,
        limits: Limits,
        graces: Graces,
        journal: Journal,
        new_id: IdSource,
        now: Callable[[], float],
        closing: trio.Event,
        hurry: trio.Event,
        turnstile: Turnstile,
        keeping: Keeping | None = None,
        heritage: Heritage | None = None,
    ) -> None:
        self._keeping = keeping
        self._heritage = heritage
        self._room = room
        self._spec = spec
        self._limits = limits
        self._graces = graces
        self._journal = journal
        self._new_id = new_id
        self._now = now
        self._closing = closing
        self._hurry = hurry
        self._turnstile = turnstile
        self._has_failed = False
        self._known_wish = 0
        self._restarts = Restarts(limits.agent_failures, graces.failures_s)

    async def run(self, ends: KeeperEnds) -> None:
        """Keep an agent alive, while the room wants one, until the room closes."""
        while True:
            heritage, self._heritage = self._heritage, None
            if heritage is None:
                await self._be_wanted(ends, is_urgent=False)
                if self._closing.is_set():
                    return
            began_at = trio.current_time()
            try:
                life = await (self._start(ends) if heritage is None else self._go_on(heritage, ends))
                if life is None:
                    continue
                if life.is_left:
                    return
            except AgentError as error:
                is_final = isinstance(error, AgentUnfit)
                life = _Life(None, str(error), None, Farewell(Parting.DIED, has_answered=False), is_final)
            if self._closing.is_set() or life.farewell.is_expected:
                self._has_failed = False
                self._restarts.end_well()
                await self._tell_exit(ends, life, None)
                continue
            delay_s = self._restarts.fail(
                trio.current_time(),
                trio.current_time() - began_at,
                has_answered=life.farewell.has_answered,
                is_final=life.is_final,
                chance=random.random(),  # noqa: S311  # jitter, no secret
            )
            await self._tell_exit(ends, life, delay_s)
            await self._tell_away(ends, life, delay_s)
            with trio.move_on_after(math.inf if delay_s is None else delay_s) as backoff:
                await self._be_wanted(ends, is_urgent=True)
            self._has_failed = backoff.cancelled_caught

    async def _tell_away(self, ends: KeeperEnds, life: "_Life", delay_s: float | None) -> None:
        """Say that there is no agent for now, or none until a host restarts it."""
        if delay_s is not None:
            await ends.writer.send(Away("agent-down", life.how))
            return
        count = self._restarts.count
        why = "it would fail again" if life.is_final else f"{count} failures in {self._graces.failures_s:g} s"
        reason = f"{life.how}; {why}: mend the cause, then `concordiactl room restart`"
        await ends.writer.send(Away("agent-failing", reason))
        body = members(state="agent-failing", reason=reason, by=None)
        await note(ends.fanout, [Draft("room.changed", body)])

    async def _tell_exit(self, ends: KeeperEnds, life: "_Life", delay_s: float | None) -> None:
        body = members(
            incarnation=life.incarnation,
            code=None if life.exit is None else life.exit.code,
            signal=None if life.exit is None else life.exit.signal,
            status=life.farewell.parting.value,
            reason=life.farewell.words or life.how,
            next_attempt_s=None if delay_s is None else round(delay_s, 3),
        )
        await note(ends.fanout, [Draft("agent.exited", self._mark(body))])

    def _mark(self, body: bytes) -> bytes:
        return mark(body, is_rehearsal=self._spec.is_rehearsal)

    async def _record(self, changes: Sequence[AgentSession], ends: KeeperEnds, drafts: Sequence[Draft] = ()) -> bool:
        """Have these and all that was said before recorded, once the journal can; False if the room closes by then."""
        while not self._closing.is_set():
            try:
                await record(ends.fanout, drafts, changes)
            except RoomError:
                with trio.move_on_after(RETRY_S):
                    await self._closing.wait()
            else:
                return True
        return False

    async def _start(self, ends: KeeperEnds) -> "_Life | None":
        """Start an agent and live with it, by turns with others if the last one has failed."""
        turn = await self._turn(ends) if self._has_failed else None
        if self._closing.is_set():
            return None
        try:
            return await self._live_once(ends, turn)
        finally:
            if turn is not None:
                turn.leave()

    async def _turn(self, ends: KeeperEnds) -> Turn | None:
        """Wait for a turn; None if a host wants the agent before, or the room closes."""
        turn: Turn | None = None
        async with trio.open_nursery() as waiting:
            waiting.start_soon(self._cancel_when_wanted, ends, waiting.cancel_scope)
            turn = await self._turnstile.enter()
            waiting.cancel_scope.cancel()
        return turn

    async def _cancel_when_wanted(self, ends: KeeperEnds, scope: trio.CancelScope) -> None:
        await self._be_wanted(ends, is_urgent=True)
        scope.cancel()

    async def _be_wanted(self, ends: KeeperEnds, *, is_urgent: bool) -> None:
        """Wait until the room wants an agent, or, if it is urgent, a host does, whatever has failed; or it closes."""
        wish: int = await ask(ends.writer, lambda reply: WantAgent(is_urgent, self._known_wish, reply))
        if wish > self._known_wish:
            self._known_wish, self._has_failed = wish, False
            self._restarts.clear()

    async def _live_once(self, ends: KeeperEnds, turn: Turn | None) -> "_Life | None":
        # The writer may just have said that there is to be another conversation.
        if not await self._record([], ends):
            return None
        session = await self._journal.read(read_session, self._room)
        session_id, is_resumed = self._new_id(), False
        lost: list[Draft] = []
        if session is not None and session.has_history and session.kind == self._spec.kind:
            if session.session_id is not None and is_session_id(session.session_id):
                session_id, is_resumed = session.session_id, True
            elif session.session_id is not None:
                # Nothing can be resumed by that; it is from a version that believed whatever an agent said.
                lost = [lost_conversation("what was recorded as its session id is none")]
        incarnation_id = self._new_id()
        row = AgentSession(self._room, self._spec.kind, session_id, incarnation_id, is_resumed)
        if not await self._record([row], ends, lost):
            return None
        codec = self._spec.make_codec(self._new_id)
        command = [*self._spec.command, *codec.arguments(self._spec.settings, Launch(session_id, is_resumed))]
        agent_mark = mark_of(self._journal.id, self._room, incarnation_id)
        environment = {**self._spec.environment, **codec.environment(), MARK: agent_mark}
        async with claim(command, environment):
            process = await self._spawn(command, environment, incarnation_id)
            await until_seen(process.pid)
        bookmark = None
        if process.is_kept:
            heard = Heard(self._room, incarnation_id)
            bookmark, codec = self._open_book(process, heard, 0, None)
        incarnation = Incarnation(
            id=incarnation_id,
            agent=self._spec.name,
            kind=self._spec.kind.value,
            version=self._spec.version,
            model=self._spec.settings.model,
            session_id=session_id,
            is_resumed=is_resumed,
            pid=process.pid,
            started_at=self._now(),
            codec=codec,
            stdin=process.stdin,
            end=trio.Event(),
            ready=trio.Event(),
            leave=trio.Event() if process.is_kept else None,
            likeness=self._spec.likeness,
        )
        _log.info(
            "agent_started",
            room=self._room,
            agent=self._spec.name,
            pid=process.pid,
            incarnation=incarnation_id,
            session=session_id,
            is_resumed=is_resumed,
        )
        return await self._live(process, incarnation, bookmark, ends, turn)

    async def _go_on(self, heritage: Heritage, ends: KeeperEnds) -> "_Life":
        """Live with an agent that an earlier run of the daemon has left."""
        session, inherited = heritage.session, heritage.inherited
        process = await take_over(heritage.descriptors, self._graces.write_s, heritage.place)
        own = next((turn.id for turn, _ in inherited.turns if turn.origin is Origin.AGENT), None)
        bookmark, codec = self._open_book(process, heritage.heard, inherited.facts, own)
        incarnation = Incarnation(
            id=heritage.incarnation,
            agent=self._spec.name,
            kind=self._spec.kind.value,
            version=self._spec.version,
            model=self._spec.settings.model,
            session_id=session.session_id or "",
            is_resumed=session.has_history,
            pid=process.pid,
            started_at=inherited.holding.started_at,
            codec=codec,
            stdin=process.stdin,
            end=trio.Event(),
            ready=trio.Event(),
            leave=trio.Event(),
            inherited=inherited,
            likeness=inherited.holding.likeness,
        )
        _log.info("agent_taken_over", room=self._room, pid=process.pid, incarnation=incarnation.id)
        return await self._live(process, incarnation, bookmark, ends)

    def _open_book(
        self, process: AgentProcess | UnitProcess, heard: Heard, taken: int, own_turn: str | None
    ) -> tuple[Bookmark | None, AgentCodec]:
        """Have the output of an agent that is kept go through its spool, and go on where it was heard last."""
        if self._keeping is None or not isinstance(process, UnitProcess):
            return None, self._spec.make_codec(self._new_id)
        spool = process.spool(self._keeping.spools, heard.incarnation, heard.place)
        bookmark = Bookmark(heard, taken, own_turn, self._new_id, spool)
        codec = self._spec.make_codec(bookmark.name_turn)
        if heard.memory:
            codec.recall(heard.memory)
        return bookmark, codec

    async def _live(
        self,
        process: AgentProcess | UnitProcess,
        incarnation: Incarnation,
        bookmark: Bookmark | None,
        ends: KeeperEnds,
        turn: Turn | None = None,
    ) -> "_Life":
        agent_mark = mark_of(self._journal.id, self._room, incarnation.id)
        incarnation_id, codec = incarnation.id, incarnation.codec
        diagnosis = Diagnosis()
        try:
            ended = await self._watch(process, incarnation, bookmark, agent_mark, diagnosis, ends, turn)
        finally:
            if process.has_ended():
                process.close()
            elif process.is_kept:
                # Whatever keeps us from seeing its end, the next run of the daemon sees it.
                process.leave()
            else:
                process.close()
                process.kill()
                with trio.move_on_after(self._graces.kill_s, shield=True):
                    await process.wait()
                    await long_in_thread(end_leftovers, agent_mark)
            process.release()
        if ended is None:
            _log.info("agent_left_running", room=self._room, incarnation=incarnation_id)
            return _Life(incarnation_id, "", None, Farewell(Parting.CLOSED, has_answered=False), is_left=True)
        _log.info(
            "agent_exited", room=self._room, incarnation=incarnation_id, exit=str(ended), stderr=str(diagnosis) or None
        )
        last = str(diagnosis).strip().rpartition("\n")[2]
        how = f"{ended}: {last}" if last else str(ended)
        farewell: Farewell = await ask(ends.writer, lambda reply: AgentGone(incarnation_id, how, reply))
        if self._keeping is not None and process.is_kept:
            # Only when its end is recorded is there nothing left to take over.
            with contextlib.suppress(RoomError):
                await record(ends.fanout, [])
            self._keeping.store.drop(self._room, incarnation_id)
            remove_spool(self._keeping.spools, incarnation_id)
        is_refused = ended.code not in (None, 0) and not farewell.has_answered and codec.is_refusal(last)
        return _Life(incarnation_id, how, ended, farewell, is_refused)

    async def _spawn(
        self, command: Sequence[str], environment: Mapping[str, str], incarnation: str
    ) -> AgentProcess | UnitProcess:
        spec, graces, keeping = self._spec, self._graces, self._keeping
        if spec.socket is None:
            return await spawn(command, spec.workdir, environment, graces.write_s)
        keep = None if keeping is None else Place(keeping.store, self._room, incarnation)
        times = (graces.write_s, graces.kill_s)
        try:
            spawning = partial(spawn_in_unit, spec.socket, command, spec.workdir, environment, *times, keep)
            process = await self._unless_closing(spawning)
        except AgentError:
            if keeping is not None:
                keeping.store.drop(self._room, incarnation)
            raise
        if keeping is not None and not process.is_kept:
            why = "the service manager's store has no place: raise FileDescriptorStoreMax= of concordiad.service"
            _log.warning("agent_not_kept", room=self._room, incarnation=incarnation, why=why)
        return process

    async def _unless_closing(self, spawning: Callable[[], Awaitable[UnitProcess]]) -> UnitProcess:
        """
        Wait for a unit while the room is open.

        It would not come while the daemon stops: the units of agents are ordered before the daemon's, so that systemd
        starts none of them until it has stopped the daemon.

        Raises:
            AgentError: it cannot be started, or the room closes.
        """
        came: UnitProcess | AgentError = AgentError("the room closes before the agent's unit has run the agent")
        async with trio.open_nursery() as waiting:
            waiting.start_soon(_cancel_when, self._closing, waiting.cancel_scope)
            try:
                came = await spawning()
            except AgentError as error:
                came = error
            waiting.cancel_scope.cancel()
        if isinstance(came, AgentError):
            raise came
        return came

    async def _watch(
        self,
        process: AgentProcess | UnitProcess,
        incarnation: Incarnation,
        bookmark: Bookmark | None,
        agent_mark: str,
        diagnosis: Diagnosis,
        ends: KeeperEnds,
        turn: Turn | None,
    ) -> Exit | None:
        """Live with an agent to its end, and say how that was; None if it goes on without us."""
        pump_ends = PumpEnds(ends.fanout, ends.writer, ends.valve)
        read_all = trio.Event()

        async def read_stdout() -> None:
            about = (incarnation.codec, incarnation.id, self._limits.line_bytes, pump_ends)
            try:
                if bookmark is None:
                    await run_pump(process.stdout, *about)
                else:
                    await run_pump(bookmark.spool, *about, bookmark)
            except RoomError:
                if incarnation.leave is None or not incarnation.leave.is_set():
                    raise
                # The writer takes nothing more: the next run of the daemon hears it.
                return
            # An agent that says nothing more is of no use, whatever it still does: it gets no further line.
            incarnation.end.set()
            await ends.writer.send(Mute(incarnation.id))

        async def read_both() -> None:
            async with trio.open_nursery() as readers:
                readers.start_soon(read_stdout)
                readers.start_soon(run_stderr, process.stderr, diagnosis)
            read_all.set()

        ended: Exit | None = None
        async with trio.open_nursery() as nursery:
            if incarnation.inherited is None:
                await note(ends.fanout, [Draft("agent.started", self._mark(_started(incarnation)))])
            await ends.writer.send(AgentUp(incarnation))
            if incarnation.leave is not None:
                nursery.start_soon(_cancel_when, incarnation.leave, nursery.cancel_scope)
            if turn is not None:
                nursery.start_soon(turn.last_until, incarnation.ready)
            nursery.start_soon(read_both)
            nursery.start_soon(self._end_when_told, process, incarnation.end)
            ended = await process.wait()
            # What it left behind may hold its pipes open.
            await long_in_thread(end_leftovers, agent_mark)
            is_granted = True
            while is_granted:
                # Not while the journal keeps us from reading: what is in the pipe is to be heard once it can record.
                is_granted = not ends.valve.is_open and not self._closing.is_set()
                with trio.move_on_after(PIPE_GRACE_S):
                    await read_all.wait()
                    is_granted = False
            nursery.cancel_scope.cancel()
        return ended

    async def _end_when_told(self, process: AgentProcess | UnitProcess, end: trio.Event) -> None:
        await end.wait()
        with trio.move_on_after(self._graces.exit_s):
            await self._hurry.wait()
            await trio.sleep(HURRIED_EXIT_S)
        process.terminate()
        await trio.sleep(self._graces.kill_s)
        process.kill()


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _started(incarnation: Incarnation) -> bytes:
    return members(
        incarnation=incarnation.id,
        pid=incarnation.pid,
        agent=incarnation.agent,
        kind=incarnation.kind,
        version=incarnation.version,
        session="resumed" if incarnation.is_resumed else "fresh",
    )


async def run_keeper(keeper: Keeper, ends: KeeperEnds) -> None:
    """
    Keep the room's agent alive.

    Owns: the agent process. Ends when: the room closes and the last incarnation has ended.
    """
    with ends.fanout, ends.writer:
        await keeper.run(ends)
        await ends.writer.send(KeeperEnded())
