"""Write `deploy/helm/sluice/values.schema.json`: what the chart's values may hold.

What is said of a service's settings is made from its settings class, so that each can be given by name in
`services.<name>.settings`, those of all services also in `settings`. Left out are secrets, which are named and not
given, and what the chart sets itself. A test says if the file is out of date.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from sluice_api.settings import ApiSettings, NotifierSettings, ProjectorSettings, RelaySettings
from sluice_common.settings import CommonSettings
from sluice_lwm2m.settings import GatewaySettings as Lwm2mGatewaySettings
from sluice_mqtt.settings import GatewaySettings as MqttGatewaySettings
from sluice_scheduler.settings import CellsSettings, DevicesSettings
from sluice_signing.settings import SigningSettings

SCHEMA = Path(__file__).with_name("sluice") / "values.schema.json"
SERVICES: dict[str, type[CommonSettings]] = {
    "api": ApiSettings,
    "relay": RelaySettings,
    "projector": ProjectorSettings,
    "notifier": NotifierSettings,
    "signing": SigningSettings,
    "scheduler-devices": DevicesSettings,
    "scheduler-cells": CellsSettings,
    "lwm2m-gateway": Lwm2mGatewaySettings,
    "mqtt-gateway": MqttGatewaySettings,
}
"""The class of settings of each service."""
SECRETS = {
    "mongodb": "mongodb_uri",
    "accessTokenKeys": "access_token_keys",
    "imageTokenKeys": "image_token_keys",
    "downloadTokenKeys": "download_token_keys",
    "sealingKeys": "sealing_keys",
    "adminPassword": "admin_password",
    "bootstrapAppSecret": "bootstrap_app_secret",
    "mqttPassword": "mqtt_password",
    "mqttHookSecret": "mqtt_hook_secret",
}
"""The setting that each of the chart's `secrets` is."""
OF_THE_CHART = {
    "kafka_bootstrap": "kafka.bootstrap",
    "mongodb_database": "mongodb.database",
    "mqtt_url": "mqtt.url",
    "lwm2m_public_uri": "publicAddresses.lwm2m",
    "download_public_url": "publicAddresses.downloads",
}
"""Settings that have a place of their own in the values."""
FIXED = frozenset(
    {
        "api_host",
        "api_port",
        "devices_data_dir",
        "download_host",
        "download_port",
        "lwm2m_host",
        "lwm2m_ordinal",
        "lwm2m_port",
        "metrics_host",
        "metrics_port",
        "mqtt_hook_host",
        "mqtt_hook_port",
        "signing_work_folder",
    }
)
"""Settings that follow from how the chart lays out its pods: addresses, ports, folders, ordinals."""
_SCALAR = {"type": ["string", "number", "boolean"]}
_TEXT = {"type": "string"}
_MAP = {"type": "object"}
_LIST = {"type": "array"}
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}


def reachable(model: type[CommonSettings]) -> dict[str, FieldInfo]:
    """Return the settings of a service that its `settings` in the values may hold."""
    elsewhere = {*SECRETS.values(), *OF_THE_CHART, *FIXED}
    return {name: field for name, field in model.model_fields.items() if name not in elsewhere}


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting is never shown."""
    return field.annotation is SecretStr


def schema() -> dict[str, Any]:
    """Return the schema of all values."""
    reference = _object(name=_TEXT, key=_TEXT)
    secrets = _object(**dict.fromkeys(SECRETS, reference))
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **_object(
            **{"global": _MAP},  # Helm's, for charts that contain this one
            nameOverride=_TEXT,
            fullnameOverride=_TEXT,
            image=_object(
                repository=_TEXT,
                tag=_TEXT,
                pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
                pullSecrets={"type": "array", "items": _TEXT},
            ),
            kafka=_object(bootstrap=_TEXT),
            mongodb=_object(database=_TEXT),
            mqtt=_object(url={"type": "string", "pattern": "^(mqtts?://.+)?$"}),
            publicAddresses=_object(
                lwm2m={"type": "string", "pattern": "^(coaps?://.+)?$"},
                downloads={"type": "string", "pattern": "^(https?://.+)?$"},
            ),
            settings=_settings(CommonSettings),
            environment=_MAP,
            secrets=secrets,
            services=_object(**{name: _service(model, secrets) for name, model in SERVICES.items()}),
            jobs=_object(topics=_FLAG, indexes=_FLAG, backoffLimit=_COUNT, activeDeadlineSeconds=_COUNT),
            serviceAccount=_object(annotations=_MAP),
            podDisruptionBudget=_object(enabled=_FLAG),
            topologySpread=_object(keys={"type": "array", "items": _TEXT}),
            networkPolicy=_object(enabled=_FLAG, **dict.fromkeys(_PEERS, _LIST)),
            monitoring=_object(
                serviceMonitor=_object(enabled=_FLAG, interval=_TEXT, labels=_MAP),
                prometheusRule=_object(enabled=_FLAG, labels=_MAP),
                dashboards=_object(enabled=_FLAG, labels=_MAP),
            ),
        ),
    }


_PEERS = ("apiFrom", "hooksFrom", "metricsFrom", "kafka", "mongodb", "mqtt", "callbacks", "extra")


def _service(model: type[CommonSettings], secrets: dict[str, Any]) -> dict[str, Any]:
    listener = _object(
        type={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
        port={"type": "integer", "minimum": 1, "maximum": 65_535},
        nodePort={"type": ["integer", "null"]},
        annotations=_MAP,
    )
    lag = _object(enabled=_FLAG, metric=_TEXT, group=_TEXT, target=_TEXT)
    return _object(
        replicas=_COUNT,
        settings=_settings(model),
        secrets=secrets,
        service=listener,
        hookService=listener,
        resources=_MAP,
        autoscaling=_object(enabled=_FLAG, minReplicas=_COUNT, maxReplicas=_COUNT, cpu=_COUNT, lag=lag),
        persistence=_object(size=_TEXT, storageClass=_TEXT),
        workVolumeSize=_TEXT,
        terminationGracePeriodSeconds=_COUNT,
        podAnnotations=_MAP,
        nodeSelector=_MAP,
        tolerations=_LIST,
        affinity=_MAP,
        volumes=_LIST,
        volumeMounts=_LIST,
    )


def _settings(model: type[CommonSettings]) -> dict[str, Any]:
    return _object(
        **{name: {**_SCALAR, "description": field.description} for name, field in sorted(reachable(model).items())}
    )


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def rendered() -> str:
    """Return the file's content."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(rendered())
