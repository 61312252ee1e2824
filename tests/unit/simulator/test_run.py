"""Where a fleet registers."""

import pytest

from sluice_simulator.run import ServerAddressError, server_address


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("coap://127.0.0.1", ("127.0.0.1", 5683)),
        ("coap://127.0.0.1:22000", ("127.0.0.1", 22_000)),
        ("coap://[::1]:22000", ("::1", 22_000)),
    ],
)
def test_a_server_is_named_by_a_coap_uri(uri: str, expected: tuple[str, int]) -> None:
    assert server_address(uri) == expected


@pytest.mark.parametrize("uri", ["127.0.0.1:5683", "coaps://127.0.0.1", "coap://", "coap://127.0.0.1:port"])
def test_another_name_is_refused(uri: str) -> None:
    with pytest.raises(ServerAddressError, match="coap"):
        server_address(uri)
