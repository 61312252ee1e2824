"""Where the broker is."""

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, and who we are there; times in seconds.

    Attributes:
        url: `mqtt://host[:port]`, or with TLS `mqtts://host[:port]`.
        client_id: Ours.
        username: Ours.
        password: Ours.
        tls_ca: File of the certificates (PEM) that the broker's must lead to; None for the system's.
        keepalive: The broker ends a connection that is silent for half as long again.
        session_expiry: How long the broker keeps our session and its messages while we are away unexpectedly.
        connect_timeout: For a connection to come about, and to end.
        reconnect_delay: Between attempts.
        heartbeat_interval: Between messages to ourselves.
    """

    url: str
    client_id: str
    username: str
    password: str
    tls_ca: str | None
    keepalive: int
    session_expiry: int
    connect_timeout: float
    reconnect_delay: float
    heartbeat_interval: float

    @property
    def host(self) -> str:
        """The broker's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port; by default the one that IANA has registered."""
        url = urlsplit(self.url)
        return url.port or _PORTS[url.scheme]

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what checks the broker's certificate; None without TLS."""
        return ssl.create_default_context(cafile=self.tls_ca) if urlsplit(self.url).scheme == "mqtts" else None
