"""What devices are sent."""

import json

import pytest

from sluice_mqtt.domain.downlinks import FirmwareOffer, firmware_upgrade, version_query

NOW = 1_700_000_000.0
OFFER = FirmwareOffer(
    version="v1.2",
    url="http://h/downloads/x.bin",
    access_token="t" * 80,
    expires=86_400,
    file_name="x.bin",
    file_size=81_362_928,
    sign="5f" * 32,
    task_id="task-1",
)


@pytest.mark.requirement("R093")
def test_a_version_query_has_the_fields_that_huawei_documents() -> None:
    assert json.loads(version_query("d1", NOW)) == {
        "object_device_id": "d1",
        "services": [
            {"service_id": "$ota", "event_type": "version_query", "event_time": "20231114T221320Z", "paras": {}}
        ],
    }


@pytest.mark.requirement("R097")
def test_an_offer_has_all_that_huaweis_clients_require() -> None:
    service = json.loads(firmware_upgrade("d1", OFFER, NOW))["services"][0]
    assert service["event_type"] == "firmware_upgrade"
    assert service["paras"] == {
        "version": "v1.2",
        "url": "http://h/downloads/x.bin",
        "file_size": 81_362_928,
        "file_name": "x.bin",
        "access_token": "t" * 80,
        "expires": 86_400,
        "sign": "5f" * 32,
        "custom_info": "",
        "task_id": "task-1",
        "task_ext_info": {},
    }
