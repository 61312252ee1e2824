"""Conditions of requests."""

import pytest

from sluice_mqtt.domain.conditions import is_still, unmet

ETAG = '"a"'


def test_a_request_without_conditions_is_served() -> None:
    assert unmet(None, None, ETAG) is None


@pytest.mark.parametrize("condition", ['"a"', ' "b" , "a"', "*", 'W/"b", "a"', ""])
def test_a_request_for_the_image_as_it_is_is_served(condition: str) -> None:
    assert unmet(condition, None, ETAG) is None


@pytest.mark.parametrize("condition", ['"b"', 'W/"a"', '"b", W/"a"', "a"])
def test_a_request_for_another_image_fails(condition: str) -> None:
    assert unmet(condition, None, ETAG) == 412
    assert unmet(condition, ETAG, ETAG) == 412


@pytest.mark.parametrize("condition", ['"a"', 'W/"a"', '"b","a"', "*"])
def test_an_image_that_the_device_has_already_is_not_sent(condition: str) -> None:
    assert unmet(None, condition, ETAG) == 304
    assert unmet(ETAG, condition, ETAG) == 304


@pytest.mark.parametrize("condition", ['"b"', "a", ""])
def test_an_image_that_the_device_has_not_is_sent(condition: str) -> None:
    assert unmet(None, condition, ETAG) is None


def test_a_resumed_download_goes_on_only_if_the_image_is_still_the_same() -> None:
    assert is_still(None, ETAG)
    assert is_still(' "a" ', ETAG)
    assert not is_still('"b"', ETAG)
    assert not is_still('W/"a"', ETAG)
    assert not is_still("Tue, 15 Nov 1994 12:45:26 GMT", ETAG)
