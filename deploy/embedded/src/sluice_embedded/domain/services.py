"""The table of services: what each is called, which module it is, and the settings that only it gets.

Relative paths in settings lie below the folder in which the service runs, `data/<name>`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sluice_embedded.domain.ports import Ports

KAFKA = "kafka"
MONGODB = "mongodb"
MQTT = "mqtt"
PARTS = (KAFKA, MONGODB, MQTT)
"""What is not ours; everything else needs them."""
MQTT_GATEWAY = "mqtt-gateway"


@dataclass(frozen=True)
class Service:
    """One process of ours, started as `python -m <module>`.

    Attributes:
        name: What people call it.
        module: Its entry point.
        env: Settings beyond those that all services get.
        port: Where it listens; None if it does not.
        udp: Whether that is a UDP port.
        hooks: TCP port on this machine's loopback where it is called; None if it is not.
    """

    name: str
    module: str
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    udp: bool = False
    hooks: int | None = None


def all_services(ports: Ports, listen: str) -> Sequence[Service]:
    """Return every service of a system that listens on an address."""
    return (
        Service(
            "api",
            "sluice_api.entrypoints.http",
            {"SLUICE_API_HOST": listen, "SLUICE_API_PORT": str(ports.api)},
            ports.api,
        ),
        Service("relay", "sluice_api.entrypoints.relay"),
        Service("projector", "sluice_api.entrypoints.projector"),
        Service("notifier", "sluice_api.entrypoints.notifier"),
        Service("signing", "sluice_signing.entrypoints.service"),
        Service("scheduler-devices", "sluice_scheduler.entrypoints.devices", {"SLUICE_DEVICES_DATA_DIR": "records"}),
        Service("scheduler-cells", "sluice_scheduler.entrypoints.cells"),
        *(_lwm2m_gateway(ports, listen, ordinal) for ordinal in range(ports.gateways)),
        Service(
            MQTT_GATEWAY,
            "sluice_mqtt.entrypoints.gateway",
            {
                "SLUICE_MQTT_HOOK_PORT": str(ports.hooks),
                "SLUICE_DOWNLOAD_HOST": listen,
                "SLUICE_DOWNLOAD_PORT": str(ports.downloads),
            },
            ports.downloads,
            hooks=ports.hooks,
        ),
    )


def _lwm2m_gateway(ports: Ports, listen: str, ordinal: int) -> Service:
    return Service(
        "lwm2m-gateway" if ports.gateways == 1 else f"lwm2m-gateway-{ordinal}",
        "sluice_lwm2m.entrypoints.gateway",
        {
            "SLUICE_LWM2M_ORDINAL": str(ordinal),
            "SLUICE_LWM2M_HOST": listen,
            "SLUICE_LWM2M_PORT": str(ports.coap(ordinal)),
        },
        ports.coap(ordinal),
        udp=True,
    )
