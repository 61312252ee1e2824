"""Where the broker is."""

import pytest

from sluice_mqtt.adapters.broker_address import BrokerAddress


def make(url: str) -> BrokerAddress:
    return BrokerAddress(
        url=url,
        client_id="c",
        username="u",
        password="p",
        tls_ca=None,
        keepalive=30,
        session_expiry=60,
        connect_timeout=1.0,
        reconnect_delay=1.0,
        heartbeat_interval=60.0,
    )


@pytest.mark.parametrize(
    ("url", "host", "port", "is_tls"),
    [
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker", "broker", 8883, True),
        ("mqtt://[::1]:17020", "::1", 17020, False),
    ],
)
def test_a_url_names_host_port_and_tls(url: str, host: str, port: int, is_tls: bool) -> None:
    address = make(url)
    assert (address.host, address.port, address.tls_context() is not None) == (host, port, is_tls)
