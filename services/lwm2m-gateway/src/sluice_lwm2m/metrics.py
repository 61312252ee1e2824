"""What the gateway exports to Prometheus beside what every process does."""

from sluice_common.operations.metrics import EXPORTS, Metric, counter, gauge
from sluice_lwm2m.adapters.udp_link import Traffic
from sluice_lwm2m.bootstrap import Gateway
from sluice_lwm2m.domain.coap import message as coap

EVENTS = counter("sluice_lwm2m_events_total", "What happened at the gateway, as its log counts it.", "event")
MESSAGES = counter(
    "sluice_coap_messages_total", "CoAP messages by direction and code; rarer codes are one.", "direction", "code"
)
OCTETS = counter("sluice_coap_bytes_total", "Bytes of CoAP messages, without headers of UDP and IP.", "direction")
RETRANSMISSIONS = counter("sluice_coap_retransmissions_total", "Requests to devices that were sent once more.")
IN_FLIGHT = gauge("sluice_coap_requests_in_flight", "Requests to devices that have no answer yet.")
DEVICES = gauge("sluice_lwm2m_devices", "Devices whose registrations the gateway knows.")
OUTCOMES = counter("sluice_lwm2m_command_outcomes_total", "Commands that have ended, by outcome.", "outcome")
WAITING = gauge("sluice_lwm2m_commands_waiting", "Commands that are not answered yet.")
METRICS: tuple[Metric, ...] = (
    EVENTS,
    MESSAGES,
    OCTETS,
    RETRANSMISSIONS,
    IN_FLIGHT,
    DEVICES,
    OUTCOMES,
    WAITING,
)
_NAMED = frozenset(
    {coap.EMPTY, coap.GET, coap.POST, coap.PUT, coap.DELETE, coap.CREATED, coap.DELETED, coap.VALID, coap.CHANGED}
    | {coap.CONTENT, coap.CONTINUE, coap.BAD_REQUEST, coap.UNAUTHORIZED, coap.BAD_OPTION, coap.FORBIDDEN}
    | {coap.NOT_FOUND, coap.METHOD_NOT_ALLOWED, coap.NOT_ACCEPTABLE, coap.REQUEST_ENTITY_INCOMPLETE}
    | {coap.PRECONDITION_FAILED, coap.REQUEST_ENTITY_TOO_LARGE, coap.UNSUPPORTED_CONTENT_FORMAT}
    | {coap.TOO_MANY_REQUESTS, coap.INTERNAL_SERVER_ERROR, coap.SERVICE_UNAVAILABLE, coap.PROXYING_NOT_SUPPORTED}
)
"""Codes with a name of their own: a device can send any."""


def export(gateway: Gateway) -> None:
    """Export what a gateway counts and keeps."""
    link, exchanges, commands = gateway.link, gateway.endpoint.exchanges, gateway.commands
    EXPORTS.export(EVENTS, lambda: gateway.counters)
    EXPORTS.export(MESSAGES, lambda: by_code("in", link.received) | by_code("out", link.sent))
    EXPORTS.export(OCTETS, lambda: {"in": link.received.octets, "out": link.sent.octets})
    EXPORTS.export(RETRANSMISSIONS, lambda: exchanges.retransmissions)
    EXPORTS.export(IN_FLIGHT, lambda: len(exchanges))
    EXPORTS.export(DEVICES, lambda: len(gateway.sessions))
    EXPORTS.export(OUTCOMES, lambda: commands.outcomes)
    EXPORTS.export(WAITING, lambda: commands.waiting)


def by_code(direction: str, traffic: Traffic) -> dict[tuple[str, str], int]:
    """Return the messages of one direction by code, as CoAP writes it: class, point, two digits (RFC 7252 §3)."""
    found: dict[tuple[str, str], int] = {}
    for code, number in enumerate(traffic.messages):
        if number:
            name = f"{code >> 5}.{code & 31:02}" if code in _NAMED else "other"
            found[direction, name] = found.get((direction, name), 0) + number
    return found
