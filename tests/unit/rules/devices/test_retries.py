"""Which reasons are retried."""

import pytest

from sluice_common.reasons import ReasonCode
from sluice_rules.devices.retries import RETRIED


@pytest.mark.requirement("R134")
def test_what_repeating_cannot_mend_is_not_repeated() -> None:
    assert {code.value for code, again in RETRIED.items() if not again} == {
        "same_version",
        "task_conflict",
        "capability_missing",
        "unsupported_source_version",
        "unsupported_package_type",
        "unsupported_protocol",
        "already_latest",
        "key_revoked",
        "key_deleted",
        "package_deleted",
        "version_below_minimum",
        "version_not_comparable",
        "task_ended",
        "stopped",
    }


def test_every_reason_is_decided() -> None:
    assert set(RETRIED) == set(ReasonCode)
