"""What devices report on `sys/events/up` (`docs/mqtt.md`, "Messages"): untrusted bytes to reports.

Tolerant where Huawei's SDKs differ: fields that nobody reads (`event_time` in two formats, an empty `event_id`,
whatever else) may hold anything; services other than `$ota` (`$log`, `$sdk_info`, …) and unknown events are passed
over; one message may hold several services; event types may end in `_v2`; numbers may be texts. Only what a report is
about must be right, `result_code` or `fw_version`: other fields that make no sense count as absent. It leaves out which
upgrade a report belongs to.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

import msgspec

_SERVICE = "$ota"
_MAX_SERVICES = 64
_MAX_TEXT = 256
_LARGEST_CODE = 2**31


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
class VersionReport:
    """`version_report`: None for a version that the device did not send."""

    firmware_version: str | None
    software_version: str | None


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """`upgrade_progress_report`."""

    result_code: int
    progress: int | None
    version: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Uplink:
    """The reports of one message, in their order; `passed_over` counts services that are none, `faulty` broken ones."""

    reports: tuple[VersionReport | ProgressReport, ...]
    passed_over: int
    faulty: int


class _Service(msgspec.Struct):
    service_id: str = ""
    event_type: str = ""
    paras: msgspec.Raw = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct):
    services: list[msgspec.Raw]
    object_device_id: str | None = None


class _Version(msgspec.Struct):
    fw_version: str | int | float | None = None
    sw_version: Any = None


class _Progress(msgspec.Struct):
    result_code: Any
    progress: Any = None
    version: Any = None
    description: Any = None


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_SERVICES = msgspec.json.Decoder(_Service)
_VERSIONS = msgspec.json.Decoder(_Version)
_PROGRESSES = msgspec.json.Decoder(_Progress)


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
    reports: list[VersionReport | ProgressReport] = []
    passed_over = faulty = 0
    for raw in services:
        try:
            report = _report(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            faulty += 1
            continue
        if report is None:
            passed_over += 1
        else:
            reports.append(report)
    return Uplink(tuple(reports), passed_over, faulty)


def _report(raw: msgspec.Raw) -> VersionReport | ProgressReport | None:
    service = _SERVICES.decode(raw)
    if service.service_id != _SERVICE:
        return None
    match service.event_type.removesuffix("_v2"):
        case "version_report":
            versions = _VERSIONS.decode(service.paras)
            return VersionReport(_version(versions.fw_version), _if_version(versions.sw_version))
        case "upgrade_progress_report":
            return _progress(_PROGRESSES.decode(service.paras))
        case _:
            return None


def _progress(report: _Progress) -> ProgressReport:
    code, progress = _number(report.result_code), _number(report.progress)
    if code is None or not code.is_integer() or not 0 <= code < _LARGEST_CODE:
        raise ValueError("result_code is no code")
    percent = None if progress is None else int(min(max(progress, 0.0), 100.0))
    return ProgressReport(int(code), percent, _if_version(report.version), _text(report.description)[:_MAX_TEXT])


def _number(value: Any) -> float | None:
    """Return a number, also one in a text or with a percent sign; None for anything else."""
    try:
        number = float(_text(value).rstrip("% "))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _text(value: Any) -> str:
    """Return a text or a number as text; an empty one for anything else."""
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip() if is_plain else ""


def _if_version(value: Any) -> str | None:
    """Return a version as text, or None for what is none."""
    text = _text(value)
    return text if 0 < len(text) <= _MAX_TEXT else None


def _version(value: str | float | None) -> str | None:
    """Return a version as text; an empty one is none.

    Raises:
        ValueError: Longer than any version.
    """
    text = _text(value)
    if len(text) > _MAX_TEXT:
        raise ValueError("version too long")
    return text or None
