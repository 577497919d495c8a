"""
The control socket: JSON-RPC 2.0, one message a line, for whoever the kernel lets open it.

Laws: the author is whom the kernel names, never whom the client claims to be; requests of one connection are answered
in their order; one connection's fault, silence or slowness is nobody else's. Who makes room for whom is in
`front/hall.py`.
"""

import errno
import fcntl
import grp
import math
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from concordiad.core.codes import INVALID_REQUEST, TOO_LARGE
from concordiad.core.lines import LineSplitter, Oversize
from concordiad.core.roles import Role
from concordiad.core.wire import MESSAGE_LIMIT_BYTES, encode_error
from concordiad.errors import ConfigError, RemoteProtocolError, RoomError
from concordiad.front.answering import Answered, answer, too_much
from concordiad.front.caller import Caller
from concordiad.front.hall import Hall, Idlers, Seat
from concordiad.front.outbox import Budget, Outbox, socket_of
from concordiad.house.handle import House
from concordiad.ops.locks import open_lock
from concordiad.room.fanout import plain_lines

READ_BYTES: Final = 64 * 1024
_log = structlog.get_logger("concordiad.control")
SOCKET_PATH_BYTES: Final = 107
"""The longest path of a Unix socket on Linux (unix(7): 108 with its closing zero)."""
BACKLOG: Final = 128
"""Connections that the kernel holds until they are accepted."""
LAST_WORDS_S: Final = 2.0
"""How long a client that has been told of its fault may take to read it."""


@contextmanager
def bind_control_socket(
    path: Path, group: str | None, passed: socket.socket | None = None
) -> Iterator[trio.SocketListener]:
    """
    Listen on a Unix socket, replacing a stale file of its name; the file is removed on leaving.

    One that was passed is served as it is, whose file and mode are the service manager's.

    Raises:
        ConfigError: another daemon listens there, or the place or the group is not fit.
    """
    group_id = _group_id(group)
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise ConfigError(
            f"the socket's path {path} is longer than the {SOCKET_PATH_BYTES} bytes that the kernel allows: choose a"
            " shorter --runtime-dir"
        )
    lock = open_lock(path.with_name(path.name + ".lock"), "--runtime-dir")
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another concordiad serves {path}: stop it, or choose another --runtime-dir") from error
        if passed is not None:
            with passed:
                yield trio.SocketListener(trio.socket.from_stdlib_socket(passed))
            return
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            old_mask = os.umask(0o177)
            try:
                listening.bind(str(path))
            except OSError as error:
                reason = error.strerror or error
                raise ConfigError(f"cannot listen on {path}: {reason}; choose another --runtime-dir") from error
            finally:
                os.umask(old_mask)
            if group_id is not None:
                _open_to_group(path, group_id, group)
            listening.listen(BACKLOG)
            yield trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        finally:
            listening.close()
            path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _group_id(group: str | None) -> int | None:
    if group is None:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise ConfigError(f"control.group: there is no group {group!r} on this machine: groupadd {group}") from error


def _open_to_group(path: Path, group_id: int, group: str | None) -> None:
    """Let the group reach the socket: pass through its directory, not list it, and connect."""
    try:
        for place, mode in ((path.parent, 0o710), (path, 0o660)):
            os.chown(place, -1, group_id)
            os.chmod(place, mode)
    except OSError as error:
        raise ConfigError(
            f"control.group: {path} cannot be given to the group {group!r}: {error.strerror}; let the daemon's user be"
            " a member of it"
        ) from error


def _remove_stale(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise ConfigError(f"{path} is in the way and is no socket: remove it, or choose another --runtime-dir")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            if error.errno != errno.EAGAIN and not isinstance(error, TimeoutError):
                raise ConfigError(f"{path} is in the way: {error.strerror or error}; remove it") from error
    raise ConfigError(f"somebody listens on {path} already: stop it, or choose another --runtime-dir")


async def run_control_socket(
    listener: trio.SocketListener, house: House, message_s: float, connections: trio.Nursery
) -> None:
    """
    Accept connections.

    Owns: the listening socket. Ends when: it is cancelled; the connections go on in their nursery.
    """
    hall, budget = Hall(house.config.limits.connections), Budget()
    try:
        async with listener:
            while True:
                stream = await hall.accept(listener)
                connections.start_soon(_serve_within, hall, stream, house, message_s, budget)
    finally:
        hall.close()


async def _serve_within(hall: Hall, stream: trio.SocketStream, house: House, message_s: float, budget: Budget) -> None:
    try:
        await hall.take_place(stream)
    except RoomError as why:
        await _refuse(stream, why)
        return
    try:
        try:
            peer = await hall.identify(stream, house.journal.id)
        except RoomError as why:
            await _refuse(stream, why)
            return
        caller = Caller(peer.author, None if peer.is_agents else Role.HOST)
        try:
            await serve_connection(stream, caller, house, message_s, budget, hall.idlers)
        except* MemoryError:
            # Whoever asks for memory that there is not is hung up on, and nobody else.
            _log.error("connection_failed", fault="MemoryError", where="the control socket")
    finally:
        hall.leave(stream)


async def _refuse(stream: trio.SocketStream, why: RoomError) -> None:
    """Tell a client that it cannot be served now, and hang up."""
    async with stream:
        with trio.move_on_after(LAST_WORDS_S):
            await _try_send(stream, encode_error(None, why) + b"\n")


async def _try_send(stream: trio.abc.SendStream, data: bytes) -> None:
    try:
        await stream.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def serve_connection(
    stream: trio.SocketStream, caller: Caller, house: House, message_s: float, budget: Budget, idlers: Idlers
) -> None:
    """
    Serve one client.

    Owns: its stream. Ends when: the client has hung up, or has been told what it did wrong.
    """
    requests = _Requests(stream, message_s)
    async with stream, trio.open_nursery() as nursery:

        def call_sender() -> None:
            nursery.start_soon(_run_sender, stream, outbox, house, nursery.cancel_scope)

        outbox = Outbox(house.config.limits.follower_bytes, budget, call_sender, socket_of(stream))
        nursery.start_soon(_close_when, house.ended, outbox, nursery.cancel_scope)
        seat = Seat(stream, outbox, requests.has_part, nursery.cancel_scope)
        try:
            await _converse(requests, caller, house, outbox, partial(idlers.holding, seat))
            nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS_S
            await outbox.rested()
        finally:
            outbox.give_up()
        nursery.cancel_scope.cancel()


async def _converse(
    requests: "_Requests",
    caller: Caller,
    house: House,
    outbox: Outbox,
    idling: Callable[[], AbstractContextManager[None]],
) -> None:
    """Answer one request after the other, until there are no more; a client that follows nothing idles in between."""
    is_following = False
    while True:
        with nullcontext() if is_following else idling():
            lines = await requests.receive()
        if lines is None:
            break
        for line in lines:
            message, follow, request_id = await _answer(line, caller, house)
            if not await outbox.put(message):
                await outbox.put(too_much(request_id, len(message)) + b"\n")
            if follow is not None:
                room, after = follow
                is_following = True
                outbox.follow(room.transcript, plain_lines, after, caller.author)
    if requests.fault is not None:
        await outbox.put(encode_error(None, requests.fault) + b"\n")


async def _run_sender(stream: trio.SocketStream, outbox: Outbox, house: House, scope: trio.CancelScope) -> None:
    try:
        await outbox.run(stream, house.journal)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # The client has hung up; what it asked for is done all the same.
        scope.cancel()


async def _close_when(ended: trio.Event, outbox: Outbox, scope: trio.CancelScope) -> None:
    """Let the client go once it has read the end of every room."""
    await ended.wait()
    await outbox.rested()
    scope.cancel()


class _Requests:
    """The lines that one client sends; `fault` tells why there are no more, if it is the client's fault."""

    def __init__(self, stream: trio.SocketStream, message_s: float) -> None:
        self._stream = stream
        self._message_s = message_s
        self._splitter = LineSplitter(MESSAGE_LIMIT_BYTES)
        self._deadline = math.inf
        self.fault: RemoteProtocolError | None = None

    def has_part(self) -> bool:
        """Tell whether the client has begun a message."""
        return self._splitter.has_part

    async def receive(self) -> list[bytes | Oversize] | None:
        """Wait for the next chunk and give the lines that it completes; None when there will be no more."""
        with trio.move_on_at(self._deadline):
            try:
                chunk = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            if not chunk:
                return None
            lines = self._splitter.feed(bytes(chunk))
            if not self._splitter.has_part:
                self._deadline = math.inf
            elif lines or self._deadline == math.inf:
                self._deadline = trio.current_time() + self._message_s
            return lines
        self.fault = RemoteProtocolError(
            INVALID_REQUEST, f"the message was not finished within {self._message_s:g} s: send it whole, with a newline"
        )
        return None


async def _answer(line: bytes | Oversize, caller: Caller, house: House) -> Answered:
    """Meet one request or say why not, as a line."""
    if isinstance(line, Oversize):
        message = f"the message has {line.length} bytes, the limit is {MESSAGE_LIMIT_BYTES}: put long text into a file"
        await trio.lowlevel.checkpoint()
        return Answered(encode_error(None, RemoteProtocolError(TOO_LARGE, message)) + b"\n")
    answered = await answer(line, caller, house)
    return answered._replace(message=answered.message + b"\n") if answered.message else answered
