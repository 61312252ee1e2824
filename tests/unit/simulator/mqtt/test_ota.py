"""Huawei's messages: log-in, what is understood, what is written."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sluice_simulator.mqtt import ota
from sluice_simulator.mqtt.ota import Offer, OfferError, ResultCode, Stamp

NOON = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)
STAMP = Stamp("d1", "20261122T123456Z")
PARAS: dict[str, Any] = {
    "version": "2.0.0",
    "url": "http://h/f",
    "file_size": 9,
    "access_token": "t",
    "expires": 86_400,
    "sign": "AB",
    "custom_info": "anything",
}


def test_the_password_is_the_hmac_of_the_secret_under_the_hour() -> None:
    log_in = ota.log_in("d1", "secret", NOON, checks_time=False)
    assert (log_in.client_id, log_in.username) == ("d1_0_0_2026112212", "d1")
    # openssl dgst -sha256 -hmac 2026112212
    assert log_in.password == "e1bc6030fc6439a0431d8fb7c5868cdc29cd32443b5b8da61a3df6f57971f851"
    assert ota.log_in("d1", "secret", NOON, checks_time=True).client_id == "d1_0_1_2026112212"


def test_an_offer_has_what_a_strict_device_needs() -> None:
    assert Offer.parse(PARAS) == Offer("2.0.0", "http://h/f", 9, "t", 86_400, "ab")


@pytest.mark.parametrize("missing", ["version", "url", "file_size", "access_token", "sign"])
def test_an_offer_without_a_part_is_none(missing: str) -> None:
    with pytest.raises(OfferError):
        Offer.parse({name: value for name, value in PARAS.items() if name != missing})


def test_events_of_other_services_are_not_seen() -> None:
    services = [
        {"service_id": "$time_sync", "event_type": "x", "paras": {}},
        {"service_id": "$ota", "event_type": "version_query"},
    ]
    assert ota.events(json.dumps({"services": services}).encode()) == [("version_query", {})]


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[]", b"{}", b'{"services":3}', b'{"services":[3]}'])
def test_what_is_not_understood_is_no_event(payload: bytes) -> None:
    assert ota.events(payload) == []


def test_a_version_report_names_both_versions() -> None:
    message = json.loads(ota.version_report(STAMP, "1.0.0"))
    assert message["object_device_id"] == "d1"
    (event,) = message["services"]
    assert (event["service_id"], event["event_type"], event["event_id"]) == ("$ota", "version_report", "")
    assert event["paras"] == {"sw_version": "1.0.0", "fw_version": "1.0.0"}


def test_a_progress_report_names_code_progress_and_version() -> None:
    stamp = Stamp("d1", "now", UUID(int=1))
    (event,) = json.loads(ota.progress_report(stamp, ResultCode.NO_SPACE, 0, "1.0.0", "full"))["services"]
    assert event["event_id"] == "00000000-0000-0000-0000-000000000001"
    assert event["paras"] == {"result_code": 5, "progress": 0, "version": "1.0.0", "description": "full"}


def test_times_are_written_in_both_ways_of_the_sdks() -> None:
    assert ota.written_time(NOON, dashes=False) == "20261122T123456Z"
    assert ota.written_time(NOON, dashes=True) == "2026-11-22T12:34:56Z"


def test_sdks_tell_of_themselves() -> None:
    kinds = [json.loads(one)["services"][0]["service_id"] for one in ota.chatter(STAMP)]
    assert kinds == ["$sdk_info", "$log"]
