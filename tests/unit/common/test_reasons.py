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
    assert sorted(UPDATE_RESULTS) == list(range(2, 10))


@pytest.mark.requirement("R100")
def test_every_failure_that_the_mqtt_protocol_knows_has_a_reason() -> None:
    assert sorted(MQTT_RESULTS) == [*range(1, 11), 255]
