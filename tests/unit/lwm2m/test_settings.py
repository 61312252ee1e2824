"""Settings and what is made of them."""

import pytest
from pydantic import ValidationError

from sluice_common.tokens import TOKEN_LENGTH
from sluice_lwm2m.settings import GatewaySettings


def test_the_image_uri_is_where_the_gateway_listens_unless_devices_reach_it_elsewhere() -> None:
    assert GatewaySettings(lwm2m_port=5700).image_uri == "coap://127.0.0.1:5700"
    assert GatewaySettings(lwm2m_host="2001:db8::1").image_uri == "coap://[2001:db8::1]:5683"
    assert GatewaySettings(lwm2m_public_uri="coap://fw.example").image_uri == "coap://fw.example"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::0", "0", ""])  # noqa: S104 - nothing is bound
def test_a_gateway_that_listens_on_all_addresses_needs_a_public_uri(host: str) -> None:
    with pytest.raises(ValidationError, match="SLUICE_LWM2M_PUBLIC_URI"):
        GatewaySettings(lwm2m_host=host)
    reachable = GatewaySettings(lwm2m_host=host, lwm2m_public_uri="coap://fw.example")
    assert reachable.image_uri == "coap://fw.example"


def test_a_package_uri_always_fits_into_its_resource() -> None:
    longest = GatewaySettings(lwm2m_public_uri="coap://" + "h" * 163)
    assert len(longest.image_uri + "/fw/") + TOKEN_LENGTH <= 255
    with pytest.raises(ValidationError):
        GatewaySettings(lwm2m_public_uri="coap://" + "h" * 164)


@pytest.mark.parametrize("uri", ["http://x", "coap://x/path", "coap://", "coap://x?y", "x:5683"])
def test_only_scheme_host_and_port_make_an_image_uri(uri: str) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(lwm2m_public_uri=uri)


def test_an_ordinal_without_a_partition_is_refused() -> None:
    assert GatewaySettings(lwm2m_ordinal=11, partitions=12).lwm2m_ordinal == 11
    with pytest.raises(ValidationError, match="SLUICE_PARTITIONS"):
        GatewaySettings(lwm2m_ordinal=12, partitions=12)


def test_a_drain_that_the_grace_period_would_cut_off_is_refused() -> None:
    assert GatewaySettings(lwm2m_drain=590, shutdown_grace=600).lwm2m_drain == 590
    with pytest.raises(ValidationError, match="SLUICE_SHUTDOWN_GRACE"):
        GatewaySettings(lwm2m_drain=591, shutdown_grace=600)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LWM2M_ACK_TIMEOUT", "2")
    monkeypatch.setenv("SLUICE_LWM2M_ORDINAL", "3")
    settings = GatewaySettings()
    assert (settings.lwm2m_ack_timeout, settings.lwm2m_ordinal) == (2.0, 3)
