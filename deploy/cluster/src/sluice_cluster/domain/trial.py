"""What the chart is told for a trial: everything on one node, the parts beside the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

API_PORT, COAP_PORT, DOWNLOADS_PORT, HOOKS_PORT = 30_080, 30_683, 30_030, 30_031
"""Node ports."""
_SECRETS = {
    "sluice-mongodb": ("uri", "mongodb_uri"),
    "sluice-access-token-keys": ("keys", "access_token_key"),
    "sluice-image-token-keys": ("keys", "image_token_key"),
    "sluice-download-token-keys": ("keys", "download_token_key"),
    "sluice-sealing-keys": ("keys", "sealing_key"),
    "sluice-admin": ("password", "admin_password"),
    "sluice-mqtt": ("password", "mqtt_password"),
    "sluice-mqtt-hooks": ("secret", "hook_secret"),
}


@dataclass(frozen=True)
class Places:
    """Where everything is.

    Attributes:
        node: Address of the node, for node ports.
        kafka: Bootstrap servers, as pods reach them.
        mongodb: Connection string, as pods reach it.
        broker: URL of the MQTT broker, as pods reach it.
    """

    node: str
    kafka: str
    mongodb: str
    broker: str

    @property
    def api(self) -> str:
        """Base URL of the API."""
        return f"http://{self.node}:{API_PORT}"

    @property
    def coap(self) -> str:
        """URI at which LwM2M devices register and fetch images."""
        return f"coap://{self.node}:{COAP_PORT}"

    @property
    def downloads(self) -> str:
        """Base URL of the downloads of MQTT devices."""
        return f"http://{self.node}:{DOWNLOADS_PORT}"

    @property
    def hooks(self) -> str:
        """URL of the hooks, for the broker."""
        return hooks_url(self.node)


def hooks_url(node: str) -> str:
    """Return where a broker finds the hooks behind a node's address."""
    return f"http://{node}:{HOOKS_PORT}/mqtt"


def secret_objects(secrets: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the Secrets that the chart refers to.

    Args:
        secrets: Those of the launcher by field, the connection string of MongoDB and the key of access tokens.
    """
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: secrets[field]}}
        for name, (key, field) in _SECRETS.items()
    ]


def values(
    places: Places, image: str, tag: str, replicas: int, settings: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return the chart's values.

    Args:
        places: Where everything is.
        image: Name of the image without its tag.
        tag: Its tag.
        replicas: Pods of each service.
        settings: Settings of some services beyond their defaults, by service and name.
    """
    services: dict[str, dict[str, Any]] = {
        name: {"replicas": replicas, "settings": dict(settings.get(name, {})), "resources": _MODEST}
        for name in SERVICES
    }
    services["api"]["service"] = {"type": "NodePort", "nodePort": API_PORT}
    services["lwm2m-gateway"]["service"] = {"type": "NodePort", "nodePort": COAP_PORT}
    services["mqtt-gateway"]["service"] = {"type": "NodePort", "nodePort": DOWNLOADS_PORT}
    services["mqtt-gateway"]["hookService"] = {"type": "NodePort", "nodePort": HOOKS_PORT}
    # What the launcher's broker does better than any other must (docs/broker.md).
    services["mqtt-gateway"]["settings"] |= {"mqtt_broker_lists": True, "mqtt_session_expiry": 3600}
    for service in ("api", "notifier"):  # callbacks of the trial go to this machine
        services[service]["settings"] |= {"callback_allow_private": True}
    services["lwm2m-gateway"]["settings"] |= {"lwm2m_unbound_names": "first_device"}  # apps come and go with campaigns
    services["scheduler-devices"]["persistence"] = {"size": "1Gi"}
    return {
        "image": {"repository": image, "tag": tag, "pullPolicy": "Never"},
        "kafka": {"bootstrap": places.kafka},
        "mqtt": {"url": places.broker},
        "publicAddresses": {"lwm2m": places.coap, "downloads": places.downloads},
        "settings": {"replication_factor": 1},
        "services": services,
        # The parts' ports are the launcher's, and that of the receiver of callbacks.
        "networkPolicy": {name: [{"ports": [{"port": 1024, "endPort": 65_535, "protocol": "TCP"}]}] for name in _PARTS},
    }


SERVICES = (
    "api",
    "relay",
    "projector",
    "notifier",
    "signing",
    "scheduler-devices",
    "scheduler-cells",
    "lwm2m-gateway",
    "mqtt-gateway",
)
"""All services of the chart."""
_PARTS = ("kafka", "mongodb", "mqtt", "callbacks")
_MODEST = {"requests": {"cpu": "10m", "memory": "96Mi"}}
"""Two of everything fit on a machine with two processors, which they share with the parts and the devices."""


def placed(settings: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return settings, given as environment variables, by the services that have them.

    Args:
        settings: By variable, `SLUICE_…`.
        schema: The chart's `values.schema.json`.

    Raises:
        KeyError: No service has one of them.
    """
    found: dict[str, dict[str, str]] = {}
    services = schema["properties"]["services"]["properties"]
    for variable, value in settings.items():
        name = variable.removeprefix("SLUICE_").lower()
        having = [service for service in services if name in services[service]["properties"]["settings"]["properties"]]
        if not having:
            raise KeyError(variable)
        for service in having:
            found.setdefault(service, {})[name] = value
    return found
