"""Conditions of requests."""

import pytest
from aiohttp.test_utils import make_mocked_request

from sluice_mqtt.entrypoints.http.conditions import allows_range, failed_precondition


def status(**headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failed_precondition(make_mocked_request("GET", "/", named), "a")


def is_range_allowed(**headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return allows_range(make_mocked_request("GET", "/", named), "a")


def test_a_request_without_conditions_is_served() -> None:
    assert status() is None


@pytest.mark.parametrize("condition", ['"a"', '"b" , "a"', "*", 'W/"b", "a"', ""])
def test_a_request_for_the_image_as_it_is_is_served(condition: str) -> None:
    assert status(If_Match=condition) is None


@pytest.mark.parametrize("condition", ['"b"', 'W/"a"', '"b", W/"a"', "a"])
def test_a_request_for_another_image_fails(condition: str) -> None:
    assert status(If_Match=condition) == 412
    assert status(If_Match=condition, If_None_Match='"a"') == 412


@pytest.mark.parametrize("condition", ['"a"', 'W/"a"', '"b","a"', "*"])
def test_an_image_that_the_device_has_already_is_not_sent(condition: str) -> None:
    assert status(If_None_Match=condition) == 304
    assert status(If_Match='"a"', If_None_Match=condition) == 304


@pytest.mark.parametrize("condition", ['"b"', "a", ""])
def test_an_image_that_the_device_has_not_is_sent(condition: str) -> None:
    assert status(If_None_Match=condition) is None


@pytest.mark.parametrize("condition", ['"a"', ' "a" '])
def test_a_range_is_served_if_the_image_is_still_the_same(condition: str) -> None:
    assert is_range_allowed()
    assert is_range_allowed(If_Range=condition)


@pytest.mark.parametrize("condition", ['"b"', 'W/"a"', "Tue, 15 Nov 1994 12:45:26 GMT"])
def test_a_range_is_not_served_if_the_image_may_be_another(condition: str) -> None:
    assert not is_range_allowed(If_Range=condition)
