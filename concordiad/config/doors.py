"""The ways in: the control socket, the guests' port, and the port for measures."""

from typing import Final

from attrs import field, frozen

from concordiad.config.bounds import at_least, parse_credential, read_by
from concordiad.core.addresses import Address, parse_host, parse_listen, parse_loopback, parse_origin

DEFAULT_LISTEN: Final = "127.0.0.1:8765"


@frozen
class Control:
    """
    Who may open the control socket.

    Attributes:
        group: a Unix group whose members are hosts; the socket is 0660 then, else 0600.
    """

    group: str | None = None


@frozen
class Guests:
    """
    The one TCP port for guests: the page and the WebSocket behind it. Without this table there is none.

    Attributes:
        listen: the address and the port; anything but loopback needs TLS, here or in a proxy.
        public_url: what invites are made of, where it is not the address above.
        behind_proxy: a proxy on this machine passes requests on, and names whom they are from in X-Forwarded-For.
        tls_certificate: a file with the certificate and its chain, in PEM.
        tls_key: a file with its key.
        hosts: more values of Host that are answered; else only public_url's and the address's own.
        origins: more pages that may connect; else only our own under those names.
        connections: guests at once; each costs a descriptor, and up to guest_bytes and some of memory.
        half_open: connections besides that are no admitted guest's yet; the one that waits longest makes room.
        half_open_per_source: the same for one address: a browser opens six at once, an office has many browsers.
        joins_burst: joins from one address at once, before anybody knows who it is.
        joins_per_minute: and how many more later. A reconnect is a join, and a whole office may have one address.
        head_bytes: a request's head; browsers send less than 2 KiB, proxies add some.
        message_bytes: one message of a guest: a prompt of limits.prompt_bytes fits four times, for JSON's escapes.
        request_burst: requests of one guest at once: a page that opens asks for several things.
        requests_per_s: and how many more a second later; nobody types so fast.
        guest_bytes: what may wait for one guest before it is detached, and caught up from the journal later.
        keepalive_s: how often a silent guest is asked whether it is there; NATs forget after 60 s or more.
    """

    listen: str = field(default=DEFAULT_LISTEN, validator=read_by(parse_listen))
    public_url: str | None = field(default=None, validator=read_by(parse_origin))
    behind_proxy: bool = False
    tls_certificate: str | None = None
    tls_key: str | None = None
    hosts: tuple[str, ...] = field(default=(), validator=read_by(parse_host))
    origins: tuple[str, ...] = field(default=(), validator=read_by(parse_origin))
    connections: int = field(default=1200, validator=at_least(1))
    half_open: int = field(default=256, validator=at_least(1))
    half_open_per_source: int = field(default=64, validator=at_least(1))
    joins_burst: int = field(default=100, validator=at_least(1))
    joins_per_minute: float = field(default=120.0, validator=at_least(1))
    head_bytes: int = field(default=16 * 1024, validator=at_least(1024))
    message_bytes: int = field(default=1024 * 1024, validator=at_least(4096))
    request_burst: int = field(default=50, validator=at_least(1))
    requests_per_s: float = field(default=10.0, validator=at_least(0.1))
    guest_bytes: int = field(default=256 * 1024, validator=at_least(4096))
    keepalive_s: float = field(default=30.0, validator=at_least(1))

    @property
    def address(self) -> Address:
        """What it listens on."""
        return parse_listen(self.listen)

    @property
    def has_tls(self) -> bool:
        """Tell whether the daemon itself speaks TLS."""
        return self.tls_certificate is not None


@frozen
class Metrics:
    """
    Measures for Prometheus, over a port of their own. Without this table there are none.

    Attributes:
        listen: the address and the port, on loopback: what is told is in plain text, and so is the credential.
        credential: what whoever asks has to show: a path, or the name of a systemd credential or of a file beside the
            person's configuration.
    """

    listen: str = field(default="127.0.0.1:9464", validator=read_by(parse_loopback))
    credential: str = field(default="metrics_token", validator=read_by(parse_credential))

    @property
    def address(self) -> Address:
        """What it listens on."""
        return parse_listen(self.listen)
