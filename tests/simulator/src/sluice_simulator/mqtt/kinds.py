"""Behaviours on purpose of MQTT devices, and as what an execution should end then (see `sluice_simulator.kinds`)."""

from dataclasses import dataclass
from typing import Final

from sluice_simulator.fleet import Role, Stage
from sluice_simulator.kinds import FAILED, STOPPED, SUCCEEDED, Running
from sluice_simulator.mqtt.fleet import Behaviour, Fate
from sluice_simulator.mqtt.ota import ResultCode

REASON_OF_RESULT: Final = {
    ResultCode.IN_USE: "device_in_use",
    ResultCode.POOR_SIGNAL: "poor_signal",
    ResultCode.ALREADY_LATEST: "already_latest",
    ResultCode.LOW_BATTERY: "low_battery",
    ResultCode.NO_SPACE: "not_enough_storage",
    ResultCode.DOWNLOAD_TIMEOUT: "device_download_timeout",
    ResultCode.VERIFICATION_FAILED: "integrity_check_failed",
    ResultCode.UNSUPPORTED_TYPE: "unsupported_package_type",
    ResultCode.NO_MEMORY: "out_of_memory",
    ResultCode.INSTALL_FAILED: "firmware_update_failed",
    ResultCode.INTERNAL_ERROR: "device_internal_error",
}
_STAGE_OF_RESULT: Final = {
    ResultCode.DOWNLOAD_TIMEOUT: Stage.DOWNLOAD,
    ResultCode.VERIFICATION_FAILED: Stage.UPDATE,
    ResultCode.UNSUPPORTED_TYPE: Stage.UPDATE,
    ResultCode.NO_MEMORY: Stage.DOWNLOAD,
    ResultCode.INSTALL_FAILED: Stage.UPDATE,
    ResultCode.INTERNAL_ERROR: Stage.UPDATE,
}
"""Where a device notices; the others before it downloads anything."""
_SILENT: Final = ("version_timeout", "online_timeout", "device_offline")
_NO_DOWNLOAD: Final = ("download_timeout", "download_start_timeout")
_NO_RESULT: Final = ("update_result_timeout", "version_check_timeout")


@dataclass(frozen=True, slots=True)
class Kind:
    """One behaviour.

    Attributes:
        name: For people and reports.
        reasons: Reason codes that are right for its end; empty for none.
        expected: `SUCCEEDED`, `FAILED` or `STOPPED`.
        fates: By attempt.
        running: Its firmware at the start.
        online: Whether it connects at all.
        mute: Whether it leaves `version_query` unanswered.
        role: Its task.
        needs_retry: Whether its end depends on a retry.
        in_parts: Whether it must download in parts, so that something can happen on the way.
    """

    name: str
    reasons: tuple[str, ...] = ()
    expected: str = FAILED
    fates: tuple[Fate, ...] = (Fate(),)
    running: Running = Running.SOURCE
    online: bool = True
    mute: bool = False
    role: Role = Role.MAIN
    needs_retry: bool = False
    in_parts: bool = False


HEALTHY: Final = Kind("healthy", (), SUCCEEDED)


def _reports(result: ResultCode) -> Kind:
    stage = _STAGE_OF_RESULT.get(result, Stage.OFFER)
    fates = (Fate(Behaviour.FAIL, stage, result),)
    return Kind(f"reports-{int(result)}", (REASON_OF_RESULT[result],), fates=fates, in_parts=stage is Stage.DOWNLOAD)


def _succeeds(name: str, *fates: Fate, needs_retry: bool = False, in_parts: bool = False) -> Kind:
    return Kind(name, (), SUCCEEDED, fates=(*fates, Fate()), needs_retry=needs_retry, in_parts=in_parts)


KINDS: Final = (
    *(_reports(result) for result in REASON_OF_RESULT),
    _succeeds("reconnects-downloading", Fate(Behaviour.RECONNECT, Stage.DOWNLOAD), in_parts=True),
    _succeeds("blocks-while-downloading", Fate(Behaviour.BLOCK, Stage.DOWNLOAD), in_parts=True),
    _succeeds("old-version-first", Fate(Behaviour.OLD_VERSION_FIRST)),
    _succeeds("power-cut", Fate(Behaviour.POWER_CUT, Stage.DOWNLOAD), needs_retry=True, in_parts=True),
    _succeeds("keeps-old-token", Fate(Behaviour.KEEP_TOKEN, Stage.OFFER), needs_retry=True),
    _succeeds("fetches-too-late", Fate(Behaviour.TOO_LATE, Stage.OFFER), needs_retry=True),
    _succeeds("recovers", Fate(Behaviour.FAIL, Stage.DOWNLOAD, ResultCode.DOWNLOAD_TIMEOUT), needs_retry=True),
    Kind("counts-from-one", (), SUCCEEDED, role=Role.ONE_BASED, in_parts=True),
    Kind("same-version", ("same_version",), SUCCEEDED, running=Running.TARGET),
    Kind("foreign-version", ("unsupported_source_version",), running=Running.FOREIGN),
    Kind("never-online", ("online_timeout",), online=False),
    Kind("mute-version", _SILENT, mute=True),
    Kind("stalls-before-download", _NO_DOWNLOAD, fates=(Fate(Behaviour.STALL, Stage.OFFER),)),
    Kind("stalls-downloading", _NO_DOWNLOAD, fates=(Fate(Behaviour.STALL, Stage.DOWNLOAD),), in_parts=True),
    Kind("dies-downloading", (*_SILENT, *_NO_DOWNLOAD), fates=(Fate(Behaviour.DIE, Stage.DOWNLOAD),), in_parts=True),
    Kind("dies-updating", (*_SILENT, *_NO_RESULT), fates=(Fate(Behaviour.DIE),)),
    Kind("keeps-old-version", (*_NO_RESULT, "version_mismatch"), fates=(Fate(Behaviour.KEEP_OLD_VERSION),)),
    Kind("stopped", ("stopped",), STOPPED, role=Role.TO_STOP, in_parts=True),
)
"""All behaviours but `HEALTHY`."""
