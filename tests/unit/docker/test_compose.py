"""The file for Docker Compose, as docker-compose itself reads it; nothing of it is started here."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sluice_common import __version__
from sluice_embedded.domain.ports import Ports
from sluice_embedded.domain.services import all_services

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text()
SECRETS = {
    "api": {
        "SLUICE_ACCESS_TOKEN_KEYS",
        "SLUICE_ADMIN_PASSWORD",
        "SLUICE_BOOTSTRAP_APP_SECRET",
        "SLUICE_SEALING_KEYS",
    },
    "notifier": {"SLUICE_SEALING_KEYS"},
    "lwm2m-gateway": {"SLUICE_IMAGE_TOKEN_KEYS"},
    "mqtt-gateway": {
        "SLUICE_DOWNLOAD_TOKEN_KEYS",
        "SLUICE_MQTT_HOOK_SECRET",
        "SLUICE_MQTT_PASSWORD",
        "SLUICE_SEALING_KEYS",
    },
}
"""What each process is given of secrets; all others get none."""
LAUNCHED = {service.name: service.module for service in all_services(Ports(17_000), "127.0.0.1")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl")
    folder = tmp_path_factory.mktemp("compose") / "home"
    prepare(folder, "192.0.2.7")
    return folder


def prepare(folder: Path, host: str) -> str:
    env = {**os.environ, "SLUICE_COMPOSE_HOME": str(folder), "SLUICE_PUBLIC_HOST": host}
    return subprocess.run([FOLDER / "prepare"], env=env, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def services(home: Path) -> Mapping[str, str]:
    """The services as docker-compose understands the file, each as its lines."""
    if not shutil.which("docker-compose"):
        pytest.skip("there is no docker-compose (Debian: apt install docker-compose)")
    argv = ["docker-compose", "--file", str(FOLDER / "compose.yaml"), "config"]
    env = {**os.environ, "SLUICE_COMPOSE_HOME": str(home), "SLUICE_PUBLIC_HOST": "192.0.2.7"}
    shown = subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout
    (listed,) = re.findall(r"^services:\n((?: .*\n)+)", shown, re.MULTILINE)
    return dict(re.findall(r"^  (\S+):\n((?:    .*\n)+)", listed, re.MULTILINE))


def given(lines: str) -> set[str]:
    """Return which secrets a service is given."""
    return {
        name
        for name in re.findall(r"^      (SLUICE_\w+):", lines, re.MULTILINE)
        if name in set().union(*SECRETS.values())
    }


def test_every_service_of_the_launcher_is_there_as_the_same_module(services: Mapping[str, str]) -> None:
    assert {
        name: re.search(rf"- {re.escape(module)}\n", services[name]) is not None for name, module in LAUNCHED.items()
    } == (dict.fromkeys(LAUNCHED, True))
    assert services.keys() - LAUNCHED.keys() == {"kafka", "mongodb", "emqx", "topics", "indexes"}


def test_each_process_has_its_own_secrets_and_no_others(services: Mapping[str, str]) -> None:
    assert {name: given(lines) for name, lines in services.items() if given(lines)} == SECRETS


def test_no_service_of_ours_may_write_to_its_root_or_gain_rights(services: Mapping[str, str]) -> None:
    for name in [*LAUNCHED, "topics", "indexes"]:
        assert "read_only: true" in services[name]
        assert "cap_drop:\n    - ALL" in services[name]
        assert "no-new-privileges:true" in services[name]


def test_only_what_devices_and_app_servers_use_is_published(services: Mapping[str, str]) -> None:
    assert {name for name, lines in services.items() if "    ports:" in lines} == {
        "api",
        "emqx",
        "lwm2m-gateway",
        "mqtt-gateway",
    }
    assert "coap://192.0.2.7:5683" in services["lwm2m-gateway"]


def test_the_image_is_the_one_of_this_version() -> None:
    assert f"${{SLUICE_IMAGE:-sluice:{__version__}}}" in TEXT


def test_preparing_again_keeps_the_secrets(home: Path) -> None:
    before = (home / "api.env").read_text()

    said = prepare(home, "192.0.2.7")

    assert "already" in said
    assert (home / "api.env").read_text() == before


def test_secrets_are_for_their_owner_only_and_never_the_same_twice(home: Path) -> None:
    values = re.findall(r"=([0-9a-f]{64})$", "".join(f.read_text() for f in home.glob("*.env")), re.MULTILINE)

    assert all(file.stat().st_mode & 0o077 == 0 for file in home.glob("*.env"))
    # The sealing keys stand in three files.
    assert len(values) == len(set(values)) + 2


def test_the_broker_asks_the_gateway_with_the_gateways_secret(home: Path) -> None:
    (secret,) = re.findall(r"SLUICE_MQTT_HOOK_SECRET=(.+)", (home / "mqtt-gateway.env").read_text())
    conf = (home / "emqx.conf").read_text()

    assert conf.count(f'"Bearer {secret}"') == conf.count("authorization =") == 3
    assert "http://HOOKS" not in conf


def test_a_folder_of_an_earlier_version_keeps_its_secrets_under_their_new_names(tmp_path: Path) -> None:
    before = {"api": "ACCESS_TOKEN_KEY=a", "lwm2m-gateway": "TOKEN_KEY=t", "mqtt-gateway": "TOKEN_KEY=t"}
    for name, text in before.items():
        (tmp_path / f"{name}.env").write_text(f"SLUICE_{text}\n")
    for _ in range(2):
        prepare(tmp_path, "192.0.2.7")
        found = {name: (tmp_path / f"{name}.env").read_text() for name in before}
        assert found == {
            "api": "SLUICE_ACCESS_TOKEN_KEYS=a\n",
            "lwm2m-gateway": "SLUICE_IMAGE_TOKEN_KEYS=t\n",
            "mqtt-gateway": "SLUICE_DOWNLOAD_TOKEN_KEYS=t\n",
        }
