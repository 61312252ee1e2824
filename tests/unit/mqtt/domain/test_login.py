"""The log-in of devices."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_mqtt.domain.login import ClientId, Denial, DeniedError, check, parse_client_id, password_for

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC).timestamp()
HOUR = 3600.0
SECRET = b"a-device-secret"


def denial(client_id: str, password: str, secret: bytes | None = SECRET, now: float = NOW) -> Denial | None:
    try:
        check(parse_client_id(client_id), password, secret, now, HOUR)
    except DeniedError as error:
        return error.denial
    return None


def test_the_password_is_an_hmac_of_the_secret_keyed_with_the_hour() -> None:
    expected = hmac.new(b"2026112212", SECRET, hashlib.sha256).hexdigest()
    assert password_for(SECRET, "2026112212") == expected
    assert denial("d1_0_1_2026112212", expected) is None


def test_a_client_id_names_the_device_whatever_characters_it_has() -> None:
    assert parse_client_id("prod_node_0_1_0_1_2026112212") == ClientId(
        "prod_node_0_1", is_timed=True, timestamp="2026112212"
    )


@pytest.mark.parametrize(
    "client_id",
    [
        *("", "d1", "d1_0_2_2026112212", "d1_1_0_2026112212", "d1_0_0_20261122", "d1_0_0_20261122120"),
        *("d/#_0_0_2026112212", "_0_0_2026112212", "d1_0_0_2026112212\n", "d1_0_0_٢٠٢٦١١٢٢١٢"),
        "d" * 257 + "_0_0_2026112212",
    ],
)
def test_a_client_id_of_another_form_is_denied(client_id: str) -> None:
    assert denial(client_id, "x") is Denial.CLIENT_ID


def test_a_wrong_password_is_denied() -> None:
    assert denial("d1_0_0_2026112212", "0" * 64) is Denial.PASSWORD
    assert denial("d1_0_0_2026112212", "é") is Denial.PASSWORD
    assert denial("d1_0_0_2026112212", password_for(b"another", "2026112212")) is Denial.PASSWORD
    assert denial("d1_0_0_2026112212", password_for(SECRET, "2026112213")) is Denial.PASSWORD


def test_a_device_without_a_secret_is_denied_also_with_the_password_of_an_empty_one() -> None:
    assert denial("d1_0_0_2026112212", password_for(b"", "2026112212"), secret=None) is Denial.UNKNOWN_DEVICE


def test_mode_0_does_not_check_the_hour() -> None:
    assert denial("d1_0_0_1999010100", password_for(SECRET, "1999010100")) is None


@pytest.mark.parametrize(
    ("hour", "is_near"),
    [
        *(("2026112210", False), ("2026112211", True), ("2026112212", True)),
        *(("2026112213", True), ("2026112214", False), ("2026139999", False)),
    ],
)
def test_mode_1_accepts_an_hour_within_the_tolerance_only(hour: str, is_near: bool) -> None:
    assert denial(f"d1_0_1_{hour}", password_for(SECRET, hour)) is (None if is_near else Denial.TIMESTAMP)


@given(st.text(max_size=300), st.text(max_size=100))
def test_arbitrary_client_ids_and_passwords_are_denied(client_id: str, password: str) -> None:
    assert denial(client_id, password) is not None
