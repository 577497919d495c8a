"""
Measures of the daemon for Prometheus, over a port of their own: who may ask, and what is told.

Laws: without the credential there is one and the same refusal, whatever was asked; what is told names rooms and
nobody, and holds no text of anybody's; a room that does not answer in time costs only its own measures.
"""

import hmac
import platform
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final, NamedTuple

import structlog
import trio

import concordiad
from concordiad.config.credentials import read_key
from concordiad.config.doors import Metrics
from concordiad.core.exposition import CONTENT_TYPE, Family, Labels, write
from concordiad.core.figures import LAG_S, Histogram
from concordiad.core.model import Outcome
from concordiad.errors import ConfigError
from concordiad.front.http import HeadFault, HeadReader, Request, Response, make_sentence
from concordiad.front.measuring import gather
from concordiad.front.readiness import Readiness
from concordiad.house.handle import House
from concordiad.meaning.key import find_place, own_file
from concordiad.room.handle import Measures

CONNECTIONS: Final = 16
"""At once: a server or two ask, each every few seconds."""
HEAD_BYTES: Final = 16 * 1024
HEAD_S: Final = 5.0
SEND_S: Final = 10.0
LAG_EVERY_S: Final = 1.0
"""How often it is looked how late the loop is."""
TOKEN_LEAST: Final = 16
"""Characters: whoever guesses them reads along."""
_WAITS: Final = (
    (
        "concordia_merging_window_wait_seconds_total",
        "How long an agent stood ready while prompts only waited for others like them.",
        "window_wait_s",
    ),
    (
        "concordia_merging_meaning_wait_seconds_total",
        "How long an agent stood ready while prompts waited for a language model's judgement.",
        "meaning_wait_s",
    ),
)
REFUSAL: Final = make_sentence(403, "not for you")

_log = structlog.get_logger("concordiad.metrics")


def find_token(settings: Metrics, environment: Mapping[str, str]) -> str:
    """
    Read what whoever asks has to show.

    Raises:
        ConfigError: it is not there, others can read it, or it could be guessed.
    """
    place = find_place(settings, environment)
    token = "" if place is None else read_key(place, environment)
    if len(token) < TOKEN_LEAST or not token.isascii() or " " in token:
        what = "is missing" if place is None else f"is no {TOKEN_LEAST} characters of ASCII without a blank"
        where = own_file(settings.credential, environment) if place is None else place
        raise ConfigError(
            f"metrics: the credential {settings.credential!r} {what}: make one with"
            f" `(umask 077; openssl rand -hex 32 >{where})`; for a system service, into /etc/credstore"
        )
    return token


@contextmanager
def bind_metrics(settings: Metrics) -> Iterator[trio.SocketListener]:
    """
    Bind the port; nobody is accepted yet.

    Raises:
        ConfigError: the address is taken, or is not this machine's.
    """
    address = settings.address
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address.host, address.port))
            listening.listen()
        except OSError as error:
            raise ConfigError(
                f"metrics.listen: cannot listen on {settings.listen}: {error.strerror}; choose another address or port"
            ) from error
        url = f"http://{address.name}:{listening.getsockname()[1]}/metrics"
        _log.info("metrics_opened", url=url)
        yield trio.SocketListener(trio.socket.from_stdlib_socket(listening))


class Lag:
    """How late the loop was each time that it was looked at."""

    def __init__(self) -> None:
        self.seen = Histogram(LAG_S)

    async def run(self) -> None:
        """
        Look.

        Owns: what was seen. Ends when: it is cancelled.
        """
        while True:
            due = trio.current_time() + LAG_EVERY_S
            await trio.sleep_until(due)
            self.seen.note(trio.current_time() - due)


async def run_metrics(listener: trio.SocketListener, token: str, house: House) -> None:
    """
    Answer whoever asks for measures, and may.

    Owns: the listening socket, and what it knows of the loop's lag. Ends when: it is cancelled.
    """
    lag, readiness = Lag(), Readiness()
    places = trio.CapacityLimiter(CONNECTIONS)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(lag.run)
        tasks.start_soon(readiness.run, house)

        async def serve(stream: trio.SocketStream) -> None:
            async with stream, places:
                await _serve(stream, _Asked(house, token.encode(), lag, readiness))

        await trio.serve_listeners(serve, [listener])


class _Asked(NamedTuple):
    house: House
    token: bytes
    lag: Lag
    readiness: Readiness

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if request.method not in (b"GET", b"HEAD"):
            return REFUSAL
        if request.path == b"/healthz":
            return make_sentence(200, "ok")
        if request.path == b"/readyz":
            fault = await self.readiness.find_fault(self.house)
            return make_sentence(200, "ok") if fault is None else make_sentence(503, fault)
        given = b"".join(request.all(b"authorization"))
        # Both are looked at, so that neither can be told from the time.
        is_allowed = hmac.compare_digest(given, b"Bearer " + self.token)
        if not is_allowed or request.path != b"/metrics":
            return REFUSAL
        body = await measure(self.house, self.lag)
        return Response(200, (("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")), body.encode())


async def _serve(stream: trio.SocketStream, asked: _Asked) -> None:
    """Answer the one request of a connection."""
    reader = HeadReader(HEAD_BYTES)
    try:
        with trio.move_on_after(HEAD_S):
            request = await _receive(stream, reader)
            if request is None:
                return
            response = REFUSAL if isinstance(request, HeadFault) else await asked.answer(request)
            is_head = isinstance(request, Request) and request.method == b"HEAD"
            with trio.move_on_after(SEND_S) as sending:
                await stream.send_all(response.encode(is_head=is_head, is_last=True))
            if not sending.cancelled_caught:
                await stream.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # It has hung up.
        return


async def _receive(stream: trio.SocketStream, reader: HeadReader) -> Request | HeadFault | None:
    while True:
        try:
            request = reader.next()
        except HeadFault as fault:
            return fault
        if request is not None:
            return request
        data = await stream.receive_some(reader.room)
        if not data:
            return None
        reader.feed(data)


async def measure(house: House, lag: Lag) -> str:
    """Ask every room, and write what is known."""
    told = await gather(house)
    return write([*_of_daemon(house, lag), *_of_rooms([*house.rooms], told)])


def _of_daemon(house: House, lag: Lag) -> Iterator[Family]:
    build = {"version": concordiad.__version__, "python": platform.python_version()}
    health = house.journal.health
    yield Family("concordia_build_info", "gauge", "The daemon's version.", [(build, 1)])
    yield Family("concordia_start_time_seconds", "gauge", "When it was started.", [({}, house.started_at)])
    yield Family("concordia_journal_up", "gauge", "Whether the journal records.", [({}, health.fault is None)])
    yield Family(
        "concordia_journal_commit_seconds", "histogram", "How long commits took.", [({}, deepcopy(health.commits))]
    )
    yield Family("concordia_loop_lag_seconds", "histogram", "How late the event loop was.", [({}, lag.seen)])
    yield Family("concordia_rooms_unopened", "gauge", "Rooms that cannot be opened.", [({}, len(house.unopened))])


def _of_rooms(names: Sequence[str], told: dict[str, Measures]) -> Iterator[Family]:
    rooms = [({"room": name}, each) for name, each in told.items()]

    def gauge(name: str, about: str, member: str) -> Family:
        return Family(
            f"concordia_{name}", "gauge", about, [(room, float(getattr(each, member))) for room, each in rooms]
        )

    def counter(name: str, about: str, member: str) -> Family:
        samples = [(room, float(getattr(each.turns, member))) for room, each in rooms]
        return Family(f"concordia_{name}_total", "counter", about, samples)

    def histogram(name: str, about: str, member: str) -> Family:
        samples: list[tuple[Labels, Any]] = [(room, getattr(each.turns, member)) for room, each in rooms]
        return Family(f"concordia_{name}_seconds", "histogram", about, samples)

    up = [({"room": name}, float(name in told)) for name in names]
    yield Family("concordia_room_up", "gauge", "Whether a room answers.", up)
    states = [({**room, "state": each.state}, 1.0) for room, each in rooms]
    yield Family("concordia_room_state", "gauge", "The state of a room, as a label.", states)
    yield gauge("agent_up", "Whether the agent runs.", "is_agent_up")
    yield gauge("prompts_waiting", "Prompts that wait.", "waiting")
    yield gauge("prompts_oldest_age_seconds", "Since when the oldest of them waits.", "oldest_s")
    yield gauge("approvals_waiting", "Approvals that wait for people.", "approvals")
    yield gauge("guests", "Guests who are here.", "guests")
    yield gauge("guests_detached", "Guests who read too slowly, and are caught up from the journal.", "detached")
    yield gauge("followers", "Connections that follow the transcript live.", "followers")
    restarts = [(room, float(each.restarts)) for room, each in rooms]
    yield Family("concordia_agent_restarts_total", "counter", "Spawns of the agent after the first.", restarts)
    accepted = [(room, float(each.merging.prompts)) for room, each in rooms]
    yield Family("concordia_prompts_accepted_total", "counter", "Prompts that were accepted.", accepted)
    merged = [
        ({**room, "stage": stage}, float(getattr(each.merging, stage)))
        for room, each in rooms
        for stage in ("same", "near", "meaning")
    ]
    yield Family("concordia_prompts_merged_total", "counter", "Prompts that shared another one's turn.", merged)
    for name, about, member in _WAITS:
        yield Family(name, "counter", about, [(room, float(getattr(each.merging, member))) for room, each in rooms])
    saved = [(room, float(each.tokens_saved)) for room, each in rooms]
    yield Family("concordia_tokens_saved_total", "counter", "Tokens that merging has saved, as estimated.", saved)
    ended = [
        ({**room, "outcome": outcome.value}, float(each.turns.outcomes[outcome]))
        for room, each in rooms
        for outcome in Outcome
    ]
    yield Family("concordia_turns_total", "counter", "Turns that have ended, by outcome.", ended)
    yield histogram("turn_duration", "From the hand-over of a turn to its end.", "durations")
    yield histogram("turn_first_output", "From the hand-over of a turn to its first output.", "first_outputs")
    yield histogram("turn_queued", "From the submission of a turn's first prompt to the hand-over.", "queued")
    yield counter("input_tokens", "Tokens that the model has read.", "input_tokens")
    yield counter("output_tokens", "Tokens that the model has written.", "output_tokens")
    yield counter("cost_dollars", "What turns have cost, in US dollars.", "cost_usd")
    yield counter("api_retries", "How often an agent tried its API again.", "api_retries")
