"""One service of a device's message (`docs/mqtt.md`, "Messages"): untrusted bytes to a report.

Tolerant where Huawei's SDKs differ: fields that nobody reads may hold anything, event types may end in `_v2`, and
numbers may be texts. Only what a report is about must be right, `result_code` or `fw_version`: other fields that make
no sense count as absent.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec

_SERVICE = "$ota"
_MAX_TEXT = 256
_MAX_CODE = 2**31


@dataclass(frozen=True, slots=True)
class VersionReport:
    """`version_report`: None for a version that the device did not send."""

    firmware_version: str | None
    software_version: str | None


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """`upgrade_progress_report`: `progress` in percent; None for a field that the device did not send."""

    result_code: int
    progress: int | None
    version: str | None
    description: str


Report = VersionReport | ProgressReport


class _Service(msgspec.Struct):
    service_id: str = ""
    event_type: str = ""
    paras: msgspec.Raw = msgspec.Raw(b"null")


class _Version(msgspec.Struct):
    fw_version: str | int | float | None = None
    sw_version: Any = None


class _Progress(msgspec.Struct):
    result_code: Any
    progress: Any = None
    version: Any = None
    description: Any = None


_SERVICES = msgspec.json.Decoder(_Service)
_VERSIONS = msgspec.json.Decoder(_Version)
_PROGRESSES = msgspec.json.Decoder(_Progress)


def parse_service(raw: msgspec.Raw) -> Report | None:
    """Return the report that a service of a message is; None if it is another service or another event.

    Raises:
        ValueError: It is no service, or lacks what its report is about (msgspec's errors derive from it).
        RecursionError: It is nested too deeply.
    """
    service = _SERVICES.decode(raw)
    if service.service_id != _SERVICE:
        return None
    match service.event_type.removesuffix("_v2"):
        case "version_report":
            versions = _VERSIONS.decode(service.paras)
            return VersionReport(_required_version(versions.fw_version), _version(versions.sw_version))
        case "upgrade_progress_report":
            return _progress(_PROGRESSES.decode(service.paras))
        case _:
            return None


def _progress(report: _Progress) -> ProgressReport:
    code, progress = _number(report.result_code), _number(report.progress)
    if code is None or not code.is_integer() or not 0 <= code < _MAX_CODE:
        raise ValueError("result_code is no code")
    percent = None if progress is None else int(min(max(progress, 0.0), 100.0))
    return ProgressReport(int(code), percent, _version(report.version), _text(report.description)[:_MAX_TEXT])


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


def _version(value: Any) -> str | None:
    """Return a version as text; None for anything that cannot be one."""
    text = _text(value)
    return text if 0 < len(text) <= _MAX_TEXT else None


def _required_version(value: str | float | None) -> str | None:
    """Return a version as text; None for an empty one.

    Raises:
        ValueError: Longer than any version.
    """
    text = _text(value)
    if len(text) > _MAX_TEXT:
        raise ValueError("version too long")
    return text or None
