"""Addresses as text."""

import pytest

from sluice_lwm2m.domain.coap.addresses import Address, address_text, parse_address


@pytest.mark.parametrize(
    ("address", "text"),
    [(("10.0.0.1", 5683), "10.0.0.1:5683"), (("2001:db8::1", 5683, 0, 0), "[2001:db8::1]:5683")],
)
def test_an_address_survives_as_text(address: Address, text: str) -> None:
    assert address_text(address) == text
    assert parse_address(text) == address
