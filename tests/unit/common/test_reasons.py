"""Reasons have texts in both languages."""

import pytest

from sluice_common.reasons import MQTT_RESULTS, UPDATE_RESULTS, ReasonCode, reason_text


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_has_an_english_and_a_chinese_text(code: ReasonCode) -> None:
    english, chinese = reason_text(code, {}), reason_text(code, {}, "zh-CN")
    assert english.isascii()
    assert not chinese.isascii()


@pytest.mark.requirement("R033", "D05", "D14")
def test_a_reason_names_both_versions() -> None:
    text = reason_text(ReasonCode.UNSUPPORTED_SOURCE_VERSION, {"current": "V1", "target": "V2"})
    assert text == "The current version V1 is not a supported source version of V2"


@pytest.mark.requirement("R121")
def test_every_failure_of_the_firmware_update_object_has_a_reason() -> None:
    assert sorted(UPDATE_RESULTS) == list(range(2, 12))


@pytest.mark.requirement("R100")
def test_every_failure_that_the_mqtt_protocol_knows_has_a_reason() -> None:
    assert sorted(MQTT_RESULTS) == [*range(1, 11), 255]


@pytest.mark.parametrize("code", [ReasonCode.VERSION_UNREADABLE, ReasonCode.OBSERVE_FAILED])
def test_an_answer_that_was_not_understood_is_called_no_refusal(code: ReasonCode) -> None:
    params = {"code": "2.05", "path": "/3/0/3", "error": "a TLV of type 0"}
    assert reason_text(code, params) == "The device's answer 2.05 to /3/0/3 was not understood: a TLV of type 0"
    assert "a TLV of type 0" in reason_text(code, params, "zh")


@pytest.mark.parametrize("code", [ReasonCode.UPDATE_CANCELLED, ReasonCode.UPDATE_DEFERRED])
def test_the_results_of_a_later_object_version_are_told_by_name_and_number(code: ReasonCode) -> None:
    number = next(number for number, found in UPDATE_RESULTS.items() if found is code)
    assert code.value.removeprefix("update_") in reason_text(code, {"result": str(number)})
    assert f"({number})" in reason_text(code, {"result": str(number)})
