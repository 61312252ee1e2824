"""Behaviours on purpose: what can go wrong with a device, and as what its execution should end then.

Reason codes are those that the platform stores; the first of several is the usual one, the others are right too (a
device that died fails its retry for another reason than its first attempt).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sluice_simulator import packet as coap
from sluice_simulator.fleet import NO_ANSWER, Behaviour, Fate, Result, Role, Stage

SUCCEEDED: Final = "SUCCEEDED"
FAILED: Final = "FAILED"
STOPPED: Final = "STOPPED"


class Running(StrEnum):
    """Which firmware a device runs at the start."""

    SOURCE = "source"
    TARGET = "target"
    FOREIGN = "foreign"
    """One that the package does not support as source version."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One behaviour.

    Attributes:
        name: For people and reports.
        reasons: Reason codes that are right for its end; empty for none.
        expected: `SUCCEEDED`, `FAILED` or `STOPPED`.
        reasons_after_retry: Reason codes instead of `reasons` where failed attempts are repeated.
        fates: By attempt. One with `after_blocks` gets a number of its own per device.
        read_errors: Paths that it does not let read.
        cell_in_instance: Whether `/4/0` holds the cell ID.
        running: Its firmware at the start.
        online: Whether it registers at all.
        role: Its task.
        needs_retry: Whether its end depends on a retry.
        moves: Whether it is in another cell after its first attempt.
        tells_result: Whether its dialect must know more results than 8.
    """

    name: str
    reasons: tuple[str, ...]
    expected: str = FAILED
    reasons_after_retry: tuple[str, ...] = ()
    fates: tuple[Fate, ...] = (Fate(),)
    read_errors: Mapping[str, int] = field(default_factory=dict)
    cell_in_instance: bool = True
    running: Running = Running.SOURCE
    online: bool = True
    role: Role = Role.MAIN
    needs_retry: bool = False
    moves: bool = False
    tells_result: bool = True

    @property
    def hangs(self) -> bool:
        """Return whether it may take a slot and do nothing with it."""
        return any(fate.behaviour in {Behaviour.DIE, Behaviour.STALL} for fate in self.fates)


HEALTHY: Final = Kind("healthy", (), SUCCEEDED, tells_result=False)

REASON_OF_RESULT: Final = {
    Result.NOT_ENOUGH_STORAGE: "not_enough_storage",
    Result.OUT_OF_MEMORY: "out_of_memory",
    Result.CONNECTION_LOST: "connection_lost",
    Result.INTEGRITY_CHECK_FAILED: "integrity_check_failed",
    Result.UNSUPPORTED_PACKAGE_TYPE: "unsupported_package_type",
    Result.INVALID_URI: "invalid_uri",
    Result.UPDATE_FAILED: "firmware_update_failed",
    Result.UNSUPPORTED_PROTOCOL: "unsupported_protocol",
}
_AT_ONCE: Final = {
    Result.UNSUPPORTED_PACKAGE_TYPE,
    Result.INVALID_URI,
    Result.UNSUPPORTED_PROTOCOL,
}
_SILENT: Final = ("version_timeout", "online_timeout", "device_offline")


def _fails_download(result: Result) -> Kind:
    fate = Fate(Behaviour.FAIL, Stage.DOWNLOAD, result, after_blocks=0 if result in _AT_ONCE else 1)
    return Kind(f"download-fails-{result}", (REASON_OF_RESULT[result],), fates=(fate,))


def _fails_update(result: Result) -> Kind:
    return Kind(
        f"update-fails-{result}",
        (REASON_OF_RESULT[result],),
        fates=(Fate(Behaviour.FAIL, Stage.UPDATE, result),),
        tells_result=result is not Result.UPDATE_FAILED,
    )


def _then_succeeds(name: str, first: Fate, *, moves: bool = False) -> Kind:
    return Kind(name, (), SUCCEEDED, fates=(first, Fate()), needs_retry=True, moves=moves)


KINDS: Final = (
    *(_fails_download(result) for result in REASON_OF_RESULT if result is not Result.UPDATE_FAILED),
    _fails_update(Result.UPDATE_FAILED),
    _fails_update(Result.INTEGRITY_CHECK_FAILED),
    Kind("same-version", ("same_version",), SUCCEEDED, running=Running.TARGET),
    Kind("foreign-version", ("unsupported_source_version",), running=Running.FOREIGN),
    Kind(
        "no-cell",
        ("cell_id_unavailable",),
        read_errors={"/4/0": coap.NOT_FOUND, "/4/0/8": coap.METHOD_NOT_ALLOWED},
    ),
    Kind(
        "no-cell-but-coverage",
        ("cell_id_unavailable",),
        read_errors={"/4/0/8": coap.NOT_FOUND},
        cell_in_instance=False,
    ),
    Kind("never-online", ("online_timeout",), online=False),
    Kind(
        "dies-downloading",
        ("download_timeout",),
        reasons_after_retry=(*_SILENT, "download_timeout"),
        fates=(Fate(Behaviour.DIE, Stage.DOWNLOAD, after_blocks=1),),
    ),
    Kind(
        "dies-updating",
        ("update_result_timeout", "version_check_timeout"),
        reasons_after_retry=(*_SILENT, "update_result_timeout", "version_check_timeout"),
        fates=(Fate(Behaviour.DIE, Stage.UPDATE),),
    ),
    Kind(
        "stalls-before-download",
        ("download_start_timeout",),
        fates=(Fate(Behaviour.STALL, Stage.OFFER),),
    ),
    Kind(
        "stalls-downloading",
        ("download_timeout",),
        fates=(Fate(Behaviour.STALL, Stage.DOWNLOAD, after_blocks=1),),
    ),
    Kind(
        "stalls-before-update",
        ("update_start_timeout",),
        fates=(Fate(Behaviour.STALL, Stage.UPDATE),),
    ),
    Kind("mute-version", _SILENT, read_errors={"/3/0/3": NO_ANSWER}),
    Kind("unreadable-version", ("version_unreadable",), read_errors={"/3/0/3": coap.NOT_FOUND}),
    Kind("refuses-uri", ("package_uri_refused",), fates=(Fate(Behaviour.REFUSE, Stage.OFFER),)),
    Kind("refuses-update", ("update_refused",), fates=(Fate(Behaviour.REFUSE, Stage.UPDATE),)),
    Kind(
        "keeps-old-version",
        ("version_mismatch",),
        SUCCEEDED,  # as the device reported it (R120), with a note
        fates=(Fate(Behaviour.KEEP_OLD_VERSION, Stage.UPDATE),),
    ),
    _then_succeeds(
        "recovers-after-download",
        Fate(Behaviour.FAIL, Stage.DOWNLOAD, Result.CONNECTION_LOST, after_blocks=1),
    ),
    _then_succeeds("recovers-after-update", Fate(Behaviour.FAIL, Stage.UPDATE, Result.UPDATE_FAILED)),
    _then_succeeds("power-cut", Fate(Behaviour.POWER_CUT, Stage.DOWNLOAD, after_blocks=1)),
    _then_succeeds("moves", Fate(Behaviour.POWER_CUT, Stage.DOWNLOAD, after_blocks=1), moves=True),
    Kind("stopped", ("stopped",), STOPPED, role=Role.TO_STOP, tells_result=False),
    Kind("no-capability", ("capability_missing",), role=Role.NO_CAPABILITY, tells_result=False),
)
"""All behaviours but `HEALTHY`."""
