from collections import Counter

from sluice_embedded.domain.ports import HIGHEST_BASE, MAX_GATEWAYS, MAX_METRICS, MAX_REPLICAS, Ports
from sluice_embedded.domain.services import LWM2M_GATEWAY, MQTT_GATEWAY, all_services, kind_of


def listeners(ports: Ports) -> list[tuple[int, bool]]:
    return [(s.port, s.udp) for s in all_services(ports, "127.0.0.1") if s.port is not None]


def test_several_gateways_have_names_ordinals_and_ports_of_their_own() -> None:
    services = [s for s in all_services(Ports(20_000, gateways=3), "127.0.0.1") if s.name.startswith("lwm2m")]
    assert [s.name for s in services] == ["lwm2m-gateway-0", "lwm2m-gateway-1", "lwm2m-gateway-2"]
    assert [s.env["SLUICE_LWM2M_ORDINAL"] for s in services] == ["0", "1", "2"]
    assert [s.port for s in services] == [20_010, 20_011, 20_012]


def test_no_two_listeners_share_a_port() -> None:
    ports = Ports(20_000, gateways=8)
    parts = [ports.kafka, ports.kafka_controller, ports.mongodb, ports.mqtt, ports.mqtts, ports.hooks()]
    found = [*((port, False) for port in parts), *listeners(ports)]
    assert len(found) == len(set(found))


def test_replicas_have_names_and_share_the_ports_of_http() -> None:
    services = all_services(Ports(20_000, gateways=2, replicas=2), "127.0.0.1")
    assert [s.name for s in services[:4]] == ["api-0", "api-1", "relay-0", "relay-1"]
    assert Counter(s.kind for s in services) == dict.fromkeys((s.kind for s in services), 2)
    assert {s.port for s in services if s.kind == "api"} == {20_000}
    assert {(s.port, s.hooks) for s in services if s.kind == MQTT_GATEWAY} == {(20_030, 20_031)}
    assert [s.port for s in services if s.kind == LWM2M_GATEWAY] == [20_010, 20_011]


def test_where_ports_cannot_be_shared_each_replica_has_its_own_and_the_first_keeps_its_place() -> None:
    ports = Ports(20_000, gateways=4, replicas=4, shares=False)
    services = all_services(ports, "127.0.0.1")
    found = [(s.port, s.udp) for s in services if s.port] + [(s.hooks, False) for s in services if s.hooks]
    assert len(found) == len(set(found)) == 4 * 4
    first = {s.kind: s.port for s in reversed(services)}
    assert (first["api"], first[MQTT_GATEWAY]) == (20_000, 20_030)
    assert {port for port, udp in found if not udp} <= set(ports.tcp())
    assert ports.shared() is None


def test_more_gateways_than_replicas_leave_the_other_services_as_they_are() -> None:
    services = all_services(Ports(20_000, gateways=3, replicas=2), "127.0.0.1")
    counted = Counter(s.kind for s in services)
    assert counted.pop(LWM2M_GATEWAY) == 3
    assert set(counted.values()) == {2}


def test_every_process_has_a_port_for_operators_below_those_of_the_demo() -> None:
    most = all_services(Ports(20_000, MAX_GATEWAYS, replicas=MAX_REPLICAS), "127.0.0.1")
    assert [s.metrics for s in most] == list(range(20_050, 20_050 + len(most)))
    assert len(most) <= MAX_METRICS
    assert max(s.metrics for s in most) < 20_090


def test_a_name_without_an_ordinal_is_that_of_a_kind() -> None:
    assert [kind_of(name) for name in ("api", "api-0", "lwm2m-gateway", "lwm2m-gateway-11", "kafka")] == [
        "api",
        "api",
        "lwm2m-gateway",
        "lwm2m-gateway",
        "kafka",
    ]


def test_every_tcp_listener_is_looked_at_when_free_ports_are_sought() -> None:
    ports = Ports(20_000)
    assert {port for port, udp in listeners(ports) if not udp} <= set(ports.tcp())


def test_every_listener_lies_below_the_ports_of_outgoing_sockets() -> None:
    assert all(port < 32_768 for port, _ in listeners(Ports(HIGHEST_BASE, gateways=8)))


def test_the_ports_of_mqtt_are_where_they_are_wanted_and_the_others_stay() -> None:
    standard, plain = Ports(20_000), Ports(20_000, mqtt_port=1883)
    assert (plain.mqtt, plain.mqtts) == (1883, standard.mqtts)
    assert (Ports(20_000, mqtts_port=8883).mqtt, Ports(20_000, mqtts_port=8883).mqtts) == (standard.mqtt, 8883)
    assert set(plain.tcp()) - {1883} == set(standard.tcp()) - {standard.mqtt}


def test_a_port_of_mqtt_that_something_else_has_is_found() -> None:
    assert Ports(20_000).shared() is None
    assert Ports(20_000, mqtt_port=20_000).shared() == 20_000
    assert Ports(20_000, mqtt_port=1883, mqtts_port=1883).shared() == 1883


def test_services_listen_where_they_are_told() -> None:
    api = next(s for s in all_services(Ports(20_000), "192.0.2.1") if s.name == "api")
    assert api.env == {"SLUICE_API_HOST": "192.0.2.1", "SLUICE_API_PORT": "20000"}
