"""What services are told of the parts that the system runs itself."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from sluice_embedded.domain.services import LWM2M_GATEWAY, MQTT_GATEWAY
from sluice_embedded.install import secrets_among
from sluice_embedded.layout import Layout, UnknownServiceError
from sluice_embedded.settings import EmbeddedSettings

GIVEN = (
    *("MONGODB_URI", "SLUICE_MONGODB_URI", "SLUICE_SEALING_KEYS", "SLUICE_ACCESS_TOKEN_KEYS", "SLUICE_ADMIN_PASSWORD"),
    *("SLUICE_IMAGE_TOKEN_KEYS", "SLUICE_DOWNLOAD_TOKEN_KEYS", "SLUICE_TOKEN_KEY", "SLUICE_BOOTSTRAP_APP_SECRET"),
    *("SLUICE_MQTT_PASSWORD", "SLUICE_MQTT_HOOK_SECRET", "SLUICE_MQTT_PRIVATE_KEY", "SLUICE_SIGN_PASSPHRASE"),
    "SLUICE_DOWNLOAD_TLS_KEY",
)
"""Secrets, or names of files with them, that somebody may have given to the launcher; one of an earlier version."""


def gateway_env(folder: Path, url: str | None, **env: str) -> dict[str, str]:
    layout = Layout(EmbeddedSettings(state_dir=folder, mqtt_url=url), None, env)
    (service,) = [service for service in layout.services() if service.name == MQTT_GATEWAY]
    return dict(layout.program(service).env)


def test_the_gateway_knows_what_the_embedded_broker_does_better_than_others_must(tmp_path: Path) -> None:
    env = gateway_env(tmp_path, None)
    assert (env["SLUICE_MQTT_BROKER_LISTS"], env["SLUICE_MQTT_SESSION_EXPIRY"]) == ("true", "3600")
    assert gateway_env(tmp_path, None, SLUICE_MQTT_SESSION_EXPIRY="7")["SLUICE_MQTT_SESSION_EXPIRY"] == "7"


def test_of_another_broker_it_knows_what_its_owner_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLUICE_MQTT_BROKER_LISTS", raising=False)
    assert "SLUICE_MQTT_BROKER_LISTS" not in gateway_env(tmp_path, "mqtt://broker")


def test_services_are_told_where_the_parts_listen(tmp_path: Path) -> None:
    layout = Layout(EmbeddedSettings(state_dir=tmp_path, parts_listen=IPv4Address("127.0.0.9")), None, {})
    common = layout.common()
    assert common.kafka_bootstrap == "127.0.0.9:17001"
    assert common.mongodb_uri == "mongodb://127.0.0.9:17003/?directConnection=true"


def two_of_everything(folder: Path, *wanted: str) -> Layout:
    return Layout(EmbeddedSettings(state_dir=folder, port_base=20_000, replicas=2), wanted or None, {})


def test_replicas_have_names_folders_and_ports_for_operators_of_their_own(tmp_path: Path) -> None:
    layout = two_of_everything(tmp_path)
    first, second = (layout.program(service) for service in layout.services() if service.kind == "relay")
    assert (first.cwd.name, second.cwd.name) == ("relay-0", "relay-1")
    assert first.ready_file != second.ready_file
    assert first.env["SLUICE_RELAY_NAME"] != second.env["SLUICE_RELAY_NAME"]
    assert (first.env["SLUICE_METRICS_PORT"], second.env["SLUICE_METRICS_PORT"]) == ("20052", "20053")


def test_replicas_are_told_apart_by_the_broker_and_told_that_they_share_ports(tmp_path: Path) -> None:
    layout = two_of_everything(tmp_path)
    programs = [layout.program(service) for service in layout.services() if service.kind == MQTT_GATEWAY]
    assert len({program.env["SLUICE_MQTT_CLIENT_ID"] for program in programs}) == 2
    assert {program.env["SLUICE_REUSE_PORT"] for program in programs} == {str(layout.ports.shares).lower()}


def test_one_of_each_shares_no_port_and_has_the_identity_that_its_machine_gives_it(tmp_path: Path) -> None:
    env = gateway_env(tmp_path, None)
    assert env["SLUICE_REUSE_PORT"] == "false"
    assert "SLUICE_MQTT_CLIENT_ID" not in env


def test_services_are_wanted_by_the_names_of_all_replicas_or_of_one(tmp_path: Path) -> None:
    assert two_of_everything(tmp_path, "kafka", "api", "relay-1").names() == ["kafka", "api-0", "api-1", "relay-1"]
    with pytest.raises(UnknownServiceError, match=r"there is no service relay-2; there are: kafka, .*, relay, "):
        two_of_everything(tmp_path, "relay-2")


def test_whoever_looks_finds_the_number_of_replicas_and_where_each_serves_operators(tmp_path: Path) -> None:
    found = two_of_everything(tmp_path, "api").endpoints([])
    assert (found.api, found.replicas) == ("http://127.0.0.1:20000", 2)
    assert found.metrics == {
        "api-0": "http://127.0.0.1:20050/metrics",
        "api-1": "http://127.0.0.1:20051/metrics",
    }
    assert found.coap == ["coap://127.0.0.1:20010", "coap://127.0.0.1:20011"]


def test_a_process_gets_its_own_secrets_and_no_other_whatever_the_launcher_has_been_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {name: f"mongodb://given-to-the-launcher/{name}" for name in (*GIVEN, *map(str.lower, GIVEN))}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    layout = Layout(EmbeddedSettings(state_dir=tmp_path), None, given)
    found = {service.name: secrets_among(layout.program(service).env) for service in layout.services()}
    mongodb, sealing = "SLUICE_MONGODB_URI", "SLUICE_SEALING_KEYS"
    assert found == {
        "api": {
            *(mongodb, sealing, "SLUICE_ACCESS_TOKEN_KEYS"),
            *("SLUICE_ADMIN_PASSWORD", "SLUICE_BOOTSTRAP_APP_SECRET"),
        },
        "relay": {mongodb},
        "projector": {mongodb},
        "notifier": {mongodb, sealing},
        "signing": {mongodb},
        "scheduler-devices": set(),
        "scheduler-cells": set(),
        "lwm2m-gateway": {mongodb, "SLUICE_IMAGE_TOKEN_KEYS"},
        "mqtt-gateway": {
            *(mongodb, sealing, "SLUICE_DOWNLOAD_TOKEN_KEYS", "SLUICE_DOWNLOAD_TLS_KEY"),
            *("SLUICE_MQTT_PASSWORD", "SLUICE_MQTT_HOOK_SECRET"),
        },
    }


def test_secrets_are_those_that_the_launcher_has_been_given_and_whoever_looks_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_DOWNLOAD_TOKEN_KEYS", "new, old")
    monkeypatch.setenv("SLUICE_DOWNLOAD_TLS_KEY", "/etc/key.pem")
    monkeypatch.setenv("SLUICE_ADMIN_PASSWORD", "given")
    env = gateway_env(tmp_path, None)
    assert (env["SLUICE_DOWNLOAD_TOKEN_KEYS"], env["SLUICE_DOWNLOAD_TLS_KEY"]) == ("new, old", "/etc/key.pem")
    assert Layout(EmbeddedSettings(state_dir=tmp_path), None, {}).endpoints([]).admin_password == "given"


def test_no_sealing_key_is_made_where_a_file_with_them_is_given(tmp_path: Path) -> None:
    env = gateway_env(tmp_path, None, SLUICE_SEALING_KEYS_FILE="/etc/sealing")
    assert env["SLUICE_SEALING_KEYS_FILE"] == "/etc/sealing"
    assert "SLUICE_SEALING_KEYS" not in env


def test_names_of_devices_need_no_binding_where_nobody_else_reaches_the_gateway(tmp_path: Path) -> None:
    for listen, unbound in (("127.0.0.1", "first_device"), ("192.0.2.7", None)):
        layout = Layout(EmbeddedSettings(state_dir=tmp_path, listen=IPv4Address(listen)), None, {})
        (gateway,) = (service for service in layout.services() if service.kind == LWM2M_GATEWAY)
        assert layout.program(gateway).env.get("SLUICE_LWM2M_UNBOUND_NAMES") == unbound


@pytest.mark.parametrize(
    ("listen", "given", "allowed"),
    [
        ("127.0.0.1", {}, "true"),
        ("192.0.2.7", {}, "false"),
        ("192.0.2.7", {"SLUICE_CALLBACK_ALLOW_PRIVATE": "true"}, "true"),
    ],
)
def test_callbacks_to_this_machine_are_allowed_to_whom_nobody_else_reaches(
    listen: str, given: dict[str, str], allowed: str, tmp_path: Path
) -> None:
    layout = Layout(EmbeddedSettings(state_dir=tmp_path, listen=IPv4Address(listen)), None, given)
    for service in layout.services():
        assert layout.program(service).env["SLUICE_CALLBACK_ALLOW_PRIVATE"] == allowed
