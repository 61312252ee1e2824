"""The table of services: what each is called, which module it is, and the settings that only it gets.

Relative paths in settings lie below the folder in which the service runs, `data/<name>`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sluice_embedded.domain.ports import Ports

KAFKA = "kafka"
MONGODB = "mongodb"
MQTT = "mqtt"
PARTS = (KAFKA, MONGODB, MQTT)
"""What is not ours; everything else needs them."""
LWM2M_GATEWAY = "lwm2m-gateway"
MQTT_GATEWAY = "mqtt-gateway"
_REPLICA = re.compile(r"(?P<kind>.+)-\d+")


@dataclass(frozen=True)
class Service:
    """One process of ours, started as `python -m <module>`.

    Attributes:
        name: What people call it; where a service has several processes, with the ordinal.
        module: Its entry point.
        env: Settings beyond those that all services get.
        port: Where it listens; None if it does not.
        udp: Whether that is a UDP port.
        hooks: TCP port on this machine's loopback where it is called; None if it is not.
        metrics: TCP port on this machine's loopback where it serves operators; 0 if nowhere.
        secrets: Settings that are secrets, of those that it gets.
        identity: The setting that tells it from its replicas, on this machine and others; None if nothing needs to.
    """

    name: str
    module: str
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    udp: bool = False
    hooks: int | None = None
    metrics: int = 0
    secrets: frozenset[str] = frozenset({"SLUICE_MONGODB_URI"})
    identity: str | None = None

    @property
    def kind(self) -> str:
        """What its replicas and it are called together."""
        return kind_of(self.name)


def kind_of(name: str) -> str:
    """Return what a process and its replicas are called together."""
    found = _REPLICA.fullmatch(name)
    return found["kind"] if found else name


def all_services(ports: Ports, listen: str) -> Sequence[Service]:
    """Return every process of a system that listens on an address, in the order in which they start."""
    sets = [tuple(_one_of_each(ports, listen, n)) for n in range(max(ports.replicas, ports.gateways))]
    found = [process for replicas in zip(*sets, strict=True) for process in _named(replicas, ports)]
    return tuple(replace(process, metrics=ports.metrics(number)) for number, process in enumerate(found))


def _named(replicas: Sequence[Service], ports: Ports) -> Iterator[Service]:
    """Yield as many replicas of a service as there shall be, each with a name of its own."""
    name = replicas[0].name
    count = ports.gateways if name == LWM2M_GATEWAY else ports.replicas
    for ordinal, service in enumerate(replicas[:count]):
        yield service if count == 1 else replace(service, name=f"{name}-{ordinal}")


def _one_of_each(ports: Ports, listen: str, ordinal: int) -> Iterator[Service]:
    yield _api(ports, listen, ordinal)
    yield Service("relay", "sluice_api.entrypoints.relay", identity="SLUICE_RELAY_NAME")
    yield Service("projector", "sluice_api.entrypoints.projector")
    yield Service(
        "notifier", "sluice_api.entrypoints.notifier", secrets=frozenset({"SLUICE_MONGODB_URI", "SLUICE_SEALING_KEYS"})
    )
    yield Service("signing", "sluice_signing.entrypoints.service")
    yield Service(
        "scheduler-devices",
        "sluice_scheduler.entrypoints.devices",
        {"SLUICE_DEVICES_DATA_DIR": "records"},
        secrets=frozenset(),
    )
    yield Service("scheduler-cells", "sluice_scheduler.entrypoints.cells", secrets=frozenset())
    yield _lwm2m_gateway(ports, listen, ordinal)
    yield _mqtt_gateway(ports, listen, ordinal)


def _api(ports: Ports, listen: str, ordinal: int) -> Service:
    return Service(
        "api",
        "sluice_api.entrypoints.http",
        {"SLUICE_API_HOST": listen, "SLUICE_API_PORT": str(ports.api(ordinal))},
        ports.api(ordinal),
        secrets=frozenset(
            {
                "SLUICE_MONGODB_URI",
                "SLUICE_SEALING_KEYS",
                "SLUICE_ACCESS_TOKEN_KEYS",
                "SLUICE_ADMIN_PASSWORD",
                "SLUICE_BOOTSTRAP_APP_SECRET",
            }
        ),
    )


def _lwm2m_gateway(ports: Ports, listen: str, ordinal: int) -> Service:
    return Service(
        LWM2M_GATEWAY,
        "sluice_lwm2m.entrypoints.gateway",
        {
            "SLUICE_LWM2M_ORDINAL": str(ordinal),
            "SLUICE_LWM2M_HOST": listen,
            "SLUICE_LWM2M_PORT": str(ports.coap(ordinal)),
        },
        ports.coap(ordinal),
        udp=True,
        secrets=frozenset({"SLUICE_MONGODB_URI", "SLUICE_IMAGE_TOKEN_KEYS"}),
    )


def _mqtt_gateway(ports: Ports, listen: str, ordinal: int) -> Service:
    return Service(
        MQTT_GATEWAY,
        "sluice_mqtt.entrypoints.gateway",
        {
            "SLUICE_MQTT_HOOK_PORT": str(ports.hooks(ordinal)),
            "SLUICE_DOWNLOAD_HOST": listen,
            "SLUICE_DOWNLOAD_PORT": str(ports.downloads(ordinal)),
        },
        ports.downloads(ordinal),
        hooks=ports.hooks(ordinal),
        secrets=frozenset(
            {
                "SLUICE_MONGODB_URI",
                "SLUICE_SEALING_KEYS",
                "SLUICE_DOWNLOAD_TOKEN_KEYS",
                "SLUICE_DOWNLOAD_TLS_KEY",
                "SLUICE_MQTT_PASSWORD",
                "SLUICE_MQTT_HOOK_SECRET",
            }
        ),
        identity="SLUICE_MQTT_CLIENT_ID",
    )
