"""
The guests' port before anybody is let in: bound, with its certificate, and with enough descriptors.

Law: what cannot be is said before a room is opened, and the control socket never lacks a descriptor because of guests.
"""

import errno
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from attrs import evolve
from msgspec import Struct
from msgspec.structs import replace

from concordiad.config.doors import DEFAULT_LISTEN, Guests
from concordiad.core.addresses import Names, make_names, parse_origin
from concordiad.errors import ConfigError

BACKLOG: Final = 4096
"""Connections that the kernel holds until they are accepted: a whole room that comes back after a restart."""
DESCRIPTORS_BESIDES: Final = 256
"""Those of the daemon itself, of its agents' pipes, of the journal."""

_log = structlog.get_logger("concordiad.door")


class Entrance(Struct, frozen=True):
    """
    A port that is bound, and what it speaks.

    Attributes:
        listening: does not block.
        tls: None for plain text.
        names: what Host and Origin may be.
        url: what links are made of, without a slash behind it.
    """

    listening: socket.socket
    tls: "ssl.SSLContext | None"
    names: Names
    url: str


@contextmanager
def bind_door(settings: Guests, *, may_move: bool, passed: socket.socket | None = None) -> Iterator[Entrance]:
    """
    Bind the guests' port and read what TLS needs; nobody is accepted yet.

    Args:
        settings: the table [guests].
        may_move: take any free port if the default one is taken.
        passed: what the service manager listens on already, at the very address that the settings name.

    Raises:
        ConfigError: the address is taken, is not this machine's or not the one that was passed, or TLS cannot be had.
    """
    tls = _make_tls(settings) if settings.has_tls else None
    scheme = "http" if tls is None else "https"
    address = settings.address
    with passed or _listen(settings, may_move=may_move) as listening:
        at = listening.getsockname()
        if passed is not None and (at[0], at[1]) != (address.host, address.port):
            raise ConfigError(
                f"guests.listen is {settings.listen}, but the service manager listens on {at[0]}:{at[1]}: name the same"
                " address in both"
            )
        bound = replace(address, port=listening.getsockname()[1])
        names = make_names((scheme, bound), settings.public_url, settings.hosts, settings.origins)
        url = settings.public_url or f"{scheme}://{bound.name}:{bound.port}"
        yield Entrance(listening, tls, names, "://".join(parse_origin(url)))


def _listen(settings: Guests, *, may_move: bool) -> socket.socket:
    address = settings.address
    listening = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setblocking(False)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind(listening, (address.host, address.port), may_move=may_move and settings.listen == DEFAULT_LISTEN)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"guests.listen: cannot listen on {settings.listen}: {error.strerror}; choose another address or port"
        ) from error
    return listening


def _bind(listening: socket.socket, address: tuple[str, int], *, may_move: bool) -> None:
    try:
        listening.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not may_move:
            raise
        listening.bind((address[0], 0))
        _log.warning("door_moved", taken=address[1], instead=listening.getsockname()[1])


def _make_tls(settings: Guests) -> "ssl.SSLContext":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    files = f"{settings.tls_certificate} and guests.tls_key {settings.tls_key}"
    try:
        # With no pass phrase to be had, OpenSSL would ask for it on the terminal.
        context.load_cert_chain(settings.tls_certificate or "", settings.tls_key, password=lambda: b"")
    except ssl.SSLError as error:
        raise ConfigError(
            f"guests.tls_certificate {files} are no pair in PEM without a pass phrase: {error.reason or error}"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"guests.tls_certificate {files} cannot be read: {error.strerror}; let the daemon's user read both"
        ) from error
    return context


def most_connections(settings: Guests) -> int:
    """Count the descriptors that a door may use: for guests, for those who wait, for those who are being turned out."""
    return settings.connections + 2 * settings.half_open


def fit_to_descriptors(settings: Guests, control_connections: int) -> Guests:
    """
    Raise the limit of open descriptors so far that it suffices; where it cannot be, lower the number of guests.

    Args:
        settings: the table [guests].
        control_connections: how many the control socket may have; those come first.
    """
    wanted = most_connections(settings) + control_connections + DESCRIPTORS_BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    if granted == wanted:
        return settings
    connections = max(settings.connections - (wanted - granted), 1)
    _log.warning("few_descriptors", limit=hard, wanted=settings.connections, connections=connections)
    return evolve(settings, connections=connections)
