"""What state, result and version mean together."""

import pytest

from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import UPDATE_RESULTS, ReasonCode
from sluice_rules.devices.judgements import Meaning, Reading, after_execute, before_execute, result_reason

TARGET = "2.0"


@pytest.mark.requirement("R084")
@pytest.mark.parametrize(
    ("reading", "meaning"),
    [
        (Reading(0, 1, TARGET), Meaning.SUCCEEDED),
        (Reading(0, 1, "1.0"), Meaning.SUCCEEDED),
        (Reading(0, 1, None), Meaning.SUCCEEDED),
        (Reading(None, 1, None), Meaning.SUCCEEDED),
        (Reading(0, 0, TARGET), Meaning.SUCCEEDED),
        (Reading(3, 0, TARGET), Meaning.SUCCEEDED),
        (Reading(None, None, TARGET), Meaning.SUCCEEDED),
        (Reading(0, 8, "1.0"), Meaning.FAILED),
        (Reading(2, 8, "1.0"), Meaning.FAILED),
        (Reading(0, 99, "1.0"), Meaning.FAILED),
        (Reading(0, -1, "1.0"), Meaning.FAILED),
        (Reading(0, 10, "1.0"), Meaning.FAILED),
        (Reading(2, 11, "1.0"), Meaning.DEFERRED),
        (Reading(3, 11, "1.0"), Meaning.AT_WORK),
        (Reading(0, 11, TARGET), Meaning.SUCCEEDED),
        (Reading(3, 0, "1.0"), Meaning.AT_WORK),
        (Reading(3, 1, "1.0"), Meaning.AT_WORK),
        (Reading(3, 8, "1.0"), Meaning.AT_WORK),
        (Reading(2, 0, "1.0"), Meaning.READY),
        (Reading(2, 1, "1.0"), Meaning.READY),
        (Reading(0, 0, "1.0"), Meaning.IDLE),
        (Reading(0, None, None), Meaning.IDLE),
        (Reading(None, None, None), Meaning.IDLE),
    ],
)
def test_after_execute_the_running_version_and_then_the_result_decide(reading: Reading, meaning: Meaning) -> None:
    assert after_execute(reading, TARGET) is meaning


@pytest.mark.parametrize(
    ("reading", "meaning"),
    [
        (Reading(1, 0), Meaning.AT_WORK),
        (Reading(1, 5), Meaning.AT_WORK),
        (Reading(2, 0), Meaning.READY),
        (Reading(3, 0), Meaning.AT_WORK),
        (Reading(0, 4), Meaning.FAILED),
        (Reading(0, 10), Meaning.FAILED),
        (Reading(0, 11), Meaning.IDLE),
        (Reading(2, 11), Meaning.READY),
        (Reading(None, 4), Meaning.FAILED),
        (Reading(0, 0), Meaning.IDLE),
        (Reading(0, 1), Meaning.IDLE),
        (Reading(None, None), Meaning.IDLE),
    ],
)
def test_before_execute_the_state_decides(reading: Reading, meaning: Meaning) -> None:
    assert before_execute(reading) is meaning


@pytest.mark.parametrize(
    ("result", "code"),
    [*UPDATE_RESULTS.items(), (77, ReasonCode.UNKNOWN_UPDATE_RESULT), (-5, ReasonCode.UNKNOWN_UPDATE_RESULT)],
)
def test_every_failed_result_has_a_reason_with_its_number(result: int, code: ReasonCode) -> None:
    assert result_reason(Reading(0, result)) == Reason(code=code, params={"result": str(result)})
