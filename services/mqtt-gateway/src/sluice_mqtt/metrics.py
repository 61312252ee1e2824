"""What the gateway exports to Prometheus beside what every process does.

Each of its counters stands in one metric: what the broker asks and tells, downloads, commands, or all else.
"""

from collections.abc import Mapping
from typing import TypeVar

from sluice_common.operations.metrics import EXPORTS, Metric, counter, gauge
from sluice_mqtt.adapters.certificates import expiry_of
from sluice_mqtt.bootstrap import Gateway
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.entrypoints.http.downloads import DownloadServer

EVENTS = counter("sluice_mqtt_events_total", "What devices sent, as the log counts it.", "event")
HOOKS = counter(
    "sluice_broker_hooks_total", "What the broker asked and said, and what it refused by itself.", "hook", "verdict"
)
COMMANDS = counter("sluice_mqtt_commands_total", "Commands to devices by what became of them.", "outcome")
DOWNLOADS = counter("sluice_downloads_total", "Downloads over HTTP by how they began and ended.", "outcome")
BYTES = counter("sluice_download_bytes_total", "Bytes of images that were served over HTTP.")
OPEN = gauge("sluice_downloads_open", "Downloads over HTTP that are being served.")
DEVICES = gauge("sluice_mqtt_devices_online", "Devices that are connected to the broker, as far as is known.")
CONNECTED = gauge("sluice_broker_connected", "1 while the gateway is connected to the broker, else 0.")
CONNECTIONS = counter("sluice_broker_connections_total", "Connections that the gateway has made to the broker.")
UNACKNOWLEDGED = gauge("sluice_mqtt_messages_in_hand", "Messages of devices that are being handled.")
EXPIRY = gauge(
    "sluice_certificate_expiry_timestamp_seconds", "When a certificate expires, seconds since 1970.", "certificate"
)
METRICS: tuple[Metric, ...] = (
    EVENTS,
    HOOKS,
    COMMANDS,
    DOWNLOADS,
    BYTES,
    OPEN,
    DEVICES,
    CONNECTED,
    CONNECTIONS,
    UNACKNOWLEDGED,
    EXPIRY,
)
Name = TypeVar("Name")
_HOOKS = {
    Counted.LOGINS: ("login", "allowed"),
    Counted.LOGINS_DENIED: ("login", "denied"),
    Counted.LOGINS_UNANSWERED: ("login", "unanswered"),
    Counted.LOGINS_LIMITED: ("login", "limited"),
    Counted.TOPICS_DENIED: ("topic", "denied"),
    Counted.MESSAGES_LIMITED: ("message", "limited"),
    Counted.PACKETS_OVERSIZED: ("message", "oversized"),
    Counted.CONNECTED: ("presence", "connected"),
    Counted.DISCONNECTED: ("presence", "disconnected"),
    Counted.UNKNOWN_CONNECTED: ("presence", "unknown"),
    Counted.HOOKS_REFUSED: ("any", "refused"),
}
_COMMANDS = {
    Counted.QUERIES: "query_sent",
    Counted.OFFERS: "offer_sent",
    Counted.EXPIRED: "expired",
    Counted.OUTDATED: "outdated",
    Counted.UNPUBLISHED: "unpublished",
}
_DOWNLOADS = {
    Counted.DOWNLOADS: "begun",
    Counted.DOWNLOADS_REFUSED: "refused",
    Counted.DOWNLOADS_BROKEN: "broken",
    Counted.DOWNLOADS_FENCED: "fenced",
}
_ELSEWHERE = _HOOKS.keys() | _COMMANDS.keys() | _DOWNLOADS.keys() | {Counted.BYTES_SERVED}


def export(gateway: Gateway, downloads: DownloadServer) -> None:
    """Export what a gateway counts and keeps."""
    counters, broker = gateway.counters, gateway.broker
    EXPORTS.export(EVENTS, lambda: {c: n for c, n in counters.items() if c not in _ELSEWHERE})
    EXPORTS.export(HOOKS, lambda: _named(counters, _HOOKS))
    EXPORTS.export(COMMANDS, lambda: _named(counters, _COMMANDS))
    EXPORTS.export(DOWNLOADS, lambda: _named(counters, _DOWNLOADS))
    EXPORTS.export(BYTES, lambda: counters[Counted.BYTES_SERVED])
    EXPORTS.export(OPEN, lambda: downloads.active)
    EXPORTS.export(DEVICES, lambda: len(gateway.presence))
    EXPORTS.export(CONNECTED, lambda: int(broker.is_connected))
    EXPORTS.export(CONNECTIONS, lambda: broker.connections)
    EXPORTS.export(UNACKNOWLEDGED, lambda: broker.in_hand)
    EXPORTS.export(EXPIRY, lambda: expiry_of({"downloads": gateway.settings.download_tls_cert}))


def _named(counters: Counters, names: Mapping[Counted, Name]) -> dict[Name, int]:
    return {name: counters[counted] for counted, name in names.items()}
