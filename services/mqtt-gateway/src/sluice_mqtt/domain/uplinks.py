"""What devices send on `sys/events/up` (`docs/mqtt.md`, "Messages"): untrusted bytes to reports.

One message may hold several services: of reports of one kind the last counts, so that no message becomes more than
two events. Those that are no reports (`$log`, `$sdk_info`, …) are passed over, and fields that nobody reads may hold
anything (`event_time` in two formats, an empty `event_id`, whatever else). It leaves out which upgrade a report belongs
to.
"""

from enum import StrEnum
from typing import Any

import msgspec

from sluice_mqtt.domain import lenient_json
from sluice_mqtt.domain.reports import Report, VersionReport, parse_service, text

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


class Uplink(msgspec.Struct, frozen=True):
    """What a message holds.

    Attributes:
        reports: Its last version report and its last progress, in their order.
        passed_over: How many of its services are no reports.
        faulty: How many of its services cannot be understood.
        superseded: How many reports came before a later one of their kind.
    """

    reports: tuple[Report, ...]
    passed_over: int
    faulty: int
    superseded: int = 0


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
    message = _message(payload)
    claimed = text(message.get("object_device_id"))
    if claimed and claimed != device_id:
        raise UplinkError(Fault.FOREIGN, "object_device_id is another device")
    services = message.get("services")
    if not isinstance(services, list) or len(services) > _MAX_SERVICES:
        raise UplinkError(Fault.MALFORMED, f"services is no list of at most {_MAX_SERVICES}")
    return _reports(services)


def _message(payload: bytes) -> dict[str, Any]:
    try:
        message = lenient_json.decode(payload)
    except lenient_json.NotJsonError as error:
        raise UplinkError(Fault.NOT_JSON, str(error)) from error
    if not isinstance(message, dict):
        raise UplinkError(Fault.MALFORMED, "no object")
    return message


def _reports(services: list[Any]) -> Uplink:
    reports: list[Report] = []
    passed_over = faulty = 0
    for service in services:
        try:
            report = parse_service(service)
        except ValueError:
            faulty += 1
            continue
        if report is None:
            passed_over += 1
        else:
            reports.append(report)
    latest = _latest(reports)
    return Uplink(latest, passed_over, faulty, superseded=len(reports) - len(latest))


def _latest(reports: list[Report]) -> tuple[Report, ...]:
    """Return the last report of each kind; a version that the last one does not name is that of one before."""
    if len(reports) < 2:  # noqa: PLR2004 - nearly always: one
        return tuple(reports)
    latest: dict[type[Report], Report] = {}
    for report in reports:
        before = latest.pop(type(report), None)
        latest[type(report)] = _merge(before, report)
    return tuple(latest.values())


def _merge(before: Report | None, report: Report) -> Report:
    if not (isinstance(before, VersionReport) and isinstance(report, VersionReport)):
        return report
    return VersionReport(
        report.firmware_version or before.firmware_version, report.software_version or before.software_version
    )
