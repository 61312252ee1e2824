"""What the chart is told for a trial fits the chart: its schema and the secrets that it refers to."""

import json
import re
from typing import Any

import pytest

from sluice_cluster.demo import patient
from sluice_cluster.domain import trial
from sluice_cluster.install import CHART

PLACES = trial.Places("192.0.2.2", "192.0.2.1:20001", "mongodb://192.0.2.1:20003", "mqtt://192.0.2.1:20020")
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
FIELDS = (
    "mongodb_uri",
    "access_token_key",
    "image_token_key",
    "download_token_key",
    "sealing_key",
    "admin_password",
    "mqtt_password",
    "hook_secret",
)


def unknown(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """Return the paths in a value of which its schema knows nothing."""
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    found = [f"{path}.{name}" for name in value if name not in known]
    for name in value.keys() & known.keys():
        found += unknown(value[name], known[name], f"{path}.{name}")
    return found


def test_the_values_are_those_that_the_chart_knows() -> None:
    settings = trial.placed(patient(300, 3, 1, 100).services, SCHEMA)
    assert unknown(trial.values(PLACES, "localhost/sluice", "1", 2, settings), SCHEMA) == []


def test_every_service_of_the_chart_has_its_replicas() -> None:
    assert set(trial.SERVICES) == set(SCHEMA["properties"]["services"]["properties"])
    services = trial.values(PLACES, "localhost/sluice", "1", 3, {})["services"]
    assert {service["replicas"] for service in services.values()} == {3}


def test_every_secret_that_the_chart_refers_to_by_default_is_made() -> None:
    defaults = (CHART / "values.yaml").read_text()
    referred = set(re.findall(r"\{name: (sluice-[\w-]+), key: (\w+)\}", defaults))
    made = {
        (found["metadata"]["name"], key)
        for found in trial.secret_objects(dict.fromkeys(FIELDS, "secret"))
        for key in found["stringData"]
    }
    assert made == referred


def test_a_setting_goes_to_the_services_that_have_it() -> None:
    placed = trial.placed({"SLUICE_LWM2M_ACK_TIMEOUT": "2.0", "SLUICE_DOWNLOAD_IDLE": "12.0"}, SCHEMA)
    assert placed == {"lwm2m-gateway": {"lwm2m_ack_timeout": "2.0"}, "scheduler-devices": {"download_idle": "12.0"}}


def test_a_setting_that_nobody_has_is_no_setting() -> None:
    with pytest.raises(KeyError, match="SLUICE_NONE"):
        trial.placed({"SLUICE_NONE": "1"}, SCHEMA)


def test_each_campaign_has_devices_of_its_own_beside_those_of_the_campaigns_before() -> None:
    one, other = patient(1, 1, 1, 1), patient(1, 1, 1, 1)
    assert one.fleet.endpoint_prefix != other.fleet.endpoint_prefix
    assert one.mqtt is not None
    assert other.mqtt is not None
    names = {one.mqtt.fleet.endpoint_prefix, other.mqtt.fleet.endpoint_prefix}
    assert len(names | {one.fleet.endpoint_prefix}) == 3
