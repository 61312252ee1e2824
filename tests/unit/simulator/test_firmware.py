"""The state machine of object 5."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_simulator.firmware import Firmware, FirmwareError, State
from sluice_simulator.fleet import Result

_STEPS: dict[str, Callable[[Firmware], None]] = {
    "reset": lambda firmware: firmware.reset(),
    "offer": lambda firmware: firmware.offer("coap://host/fw"),
    "start": lambda firmware: firmware.start_download(),
    "downloaded": lambda firmware: firmware.downloaded("2"),
    "execute": lambda firmware: firmware.execute(),
    "updated": lambda firmware: firmware.updated("2"),
}


def _downloaded() -> Firmware:
    firmware = Firmware("1")
    firmware.offer("coap://host/fw")
    firmware.start_download()
    firmware.downloaded("2")
    return firmware


def test_an_upgrade_goes_round_the_states() -> None:
    firmware = _downloaded()
    assert (firmware.state, firmware.package_version) == (State.DOWNLOADED, "2")
    firmware.execute()
    firmware.updated("2")
    assert (firmware.state, firmware.result, firmware.version) == (State.IDLE, Result.SUCCESS, "2")
    assert (firmware.uri, firmware.package_version) == ("", "")


def test_a_new_package_wipes_the_last_result() -> None:
    firmware = _downloaded()
    firmware.failed(Result.UPDATE_FAILED)
    firmware.offer("coap://host/other")
    assert firmware.result is Result.INITIAL


def test_a_package_is_refused_while_one_is_there() -> None:
    with pytest.raises(FirmwareError):
        _downloaded().offer("coap://host/other")


def test_a_failed_update_of_liteos_cannot_be_executed_again() -> None:
    firmware = _downloaded()
    firmware.execute()
    firmware.failed(Result.UPDATE_FAILED, State.DOWNLOADED)
    with pytest.raises(FirmwareError):
        firmware.execute()


def test_an_update_cannot_be_called_back() -> None:
    firmware = _downloaded()
    firmware.execute()
    with pytest.raises(FirmwareError):
        firmware.reset()


@given(st.lists(st.sampled_from(sorted(_STEPS)), max_size=12))
def test_no_order_of_requests_leads_astray(names: list[str]) -> None:
    firmware = Firmware("1")
    for name in names:
        before = firmware.state, firmware.result, firmware.version
        try:
            _STEPS[name](firmware)
        except FirmwareError:
            assert (firmware.state, firmware.result, firmware.version) == before
        else:
            if name == "execute":
                assert before[0] is State.DOWNLOADED
        assert (firmware.version == "2") <= (name == "updated" or before[2] == "2")
