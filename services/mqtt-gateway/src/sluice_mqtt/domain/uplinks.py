"""What devices send on `sys/events/up` (`docs/mqtt.md`, "Messages"): untrusted bytes to reports.

One message may hold several services. Those that are no reports (`$log`, `$sdk_info`, …) are passed over, and fields
that nobody reads (`event_time` in two formats, an empty `event_id`, whatever else) may hold anything. It leaves out
which upgrade a report belongs to.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from sluice_mqtt.domain.reports import Report, parse_service

_MAX_SERVICES = 64


class Fault(StrEnum):
    """What is wrong with a message."""

    OVERSIZED = "oversized"
    NOT_JSON = "not_json"
    MALFORMED = "malformed"
    FOREIGN = "foreign"


class UplinkError(ValueError):
    """The message cannot be understood; the text says why."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Uplink:
    """What a message holds.

    Attributes:
        reports: Its reports, in their order.
        passed_over: How many of its services are no reports.
        faulty: How many of its services cannot be understood.
    """

    reports: tuple[Report, ...]
    passed_over: int
    faulty: int


class _Envelope(msgspec.Struct):
    services: list[msgspec.Raw]
    object_device_id: str | None = None


_ENVELOPES = msgspec.json.Decoder(_Envelope)


def parse(device_id: str, payload: bytes, max_bytes: int) -> Uplink:
    """Return what a device reports.

    Args:
        device_id: From the topic: the device that the broker let publish there.
        payload: As sent.
        max_bytes: Larger payloads are not looked at.

    Raises:
        UplinkError: Too large, no JSON, another shape, or in the name of another device.
    """
    if len(payload) > max_bytes:
        raise UplinkError(Fault.OVERSIZED, f"{len(payload)} bytes")
    envelope = _envelope(payload)
    if envelope.object_device_id and envelope.object_device_id != device_id:
        raise UplinkError(Fault.FOREIGN, "object_device_id is another device")
    if len(envelope.services) > _MAX_SERVICES:
        raise UplinkError(Fault.MALFORMED, f"{len(envelope.services)} services")
    return _reports(envelope.services)


def _envelope(payload: bytes) -> _Envelope:
    try:
        return _ENVELOPES.decode(payload)
    except msgspec.ValidationError as error:
        raise UplinkError(Fault.MALFORMED, str(error)) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UplinkError(Fault.NOT_JSON, str(error)) from error


def _reports(services: list[msgspec.Raw]) -> Uplink:
    reports: list[Report] = []
    passed_over = faulty = 0
    for raw in services:
        try:
            report = parse_service(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            faulty += 1
            continue
        if report is None:
            passed_over += 1
        else:
            reports.append(report)
    return Uplink(tuple(reports), passed_over, faulty)
