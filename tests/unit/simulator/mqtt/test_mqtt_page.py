"""What `docs/mqtt.md` tells device makers is what devices say and understand here."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sluice_simulator.mqtt import ota
from sluice_simulator.mqtt.ota import Offer, ResultCode, Stamp

PAGE = (Path(__file__).parents[4] / "docs" / "mqtt.md").read_text()
STAMP = Stamp("6745c1f0a1b2c3d4e5f60718", "20261122T121512Z")


def shown(event_type: str) -> dict[str, Any]:
    """Return the page's example of a message."""
    for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL):
        message: dict[str, Any] = json.loads(block)
        if message["services"][0]["event_type"] == event_type:
            return message
    raise AssertionError(f"the page shows no {event_type}")


@pytest.mark.requirement("R093", "R097")
@pytest.mark.parametrize("event_type", [ota.VERSION_QUERY, ota.FIRMWARE_UPGRADE])
def test_a_device_understands_what_the_page_shows_of_the_platform(event_type: str) -> None:
    (kind, paras), *others = ota.events(json.dumps(shown(event_type)).encode())
    assert (kind, others) == (event_type, [])
    if kind == ota.FIRMWARE_UPGRADE:
        offer = Offer.parse(paras)
        assert (offer.expires, len(offer.sign)) == (86_400, 64)
        assert set(paras) >= {"file_name", "custom_info", "task_id", "task_ext_info"}


@pytest.mark.parametrize(
    "written",
    [
        ota.version_report(STAMP, "1.0.0"),
        ota.progress_report(STAMP, ResultCode.SUCCESS, 80, "1.0.0", "downloading"),
    ],
)
def test_the_page_shows_what_devices_report(written: bytes) -> None:
    said = json.loads(written)
    event = said["services"][0]
    example = shown(event["event_type"])
    assert example["object_device_id"] == said["object_device_id"]
    assert example["services"][0]["paras"] == event["paras"]
    assert example["services"][0]["service_id"] == event["service_id"]


def test_the_page_lists_every_result_code() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert codes >= {int(code) for code in ResultCode}


def test_the_pages_log_in_is_a_devices() -> None:
    for part in ("{device_id}_0_{0 or 1}_{YYYYMMDDHH}", "HMAC-SHA256", "sys/events/up", "sys/events/down"):
        assert part in PAGE
