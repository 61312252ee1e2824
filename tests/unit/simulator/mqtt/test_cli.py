"""Options of the command line for MQTT devices."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from sluice_simulator.mqtt import cli
from sluice_simulator.mqtt.fleet import Identity
from sluice_simulator.mqtt.plan import MqttOptions

ENTRY = {"endpoint": "mqtt-1-00000", "device_id": "d0", "mqtt_secret": "secret-0"}


def test_the_endpoint_names_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--endpoints", "--devices", "2", "--seed", "9"]) == 0
    assert capsys.readouterr().out.split() == ["mqtt-9-00000", "mqtt-9-00001"]


def test_every_trait_of_a_fleet_has_an_option_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option in fields(MqttOptions):
        assert f"--{option.name.replace('_', '-')} " in text


@pytest.mark.parametrize(
    "answer", [{"created": 1, "failed": 0, "errors": [], "secrets": [ENTRY]}, [ENTRY | {"product_id": "p"}]]
)
def test_identities_are_the_answers_of_the_platform(answer: object, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer))
    assert cli.read_identities(path) == {"mqtt-1-00000": Identity("d0", "secret-0")}


@pytest.mark.parametrize(
    ("content", "arguments", "reason"),
    [
        ("[]", [], "lacks 1 devices, the first is mqtt-1-00000"),
        ("{}", [], "secrets"),
        ("no json", [], "malformed"),
        (json.dumps([ENTRY]), ["--broker", "http://127.0.0.1"], "mqtt"),
        (json.dumps([ENTRY]), ["--starts-per-second", "0"], "starts-per-second"),
        (json.dumps([ENTRY]), ["--failing", "2"], "failing"),
        (json.dumps([ENTRY]), ["--ca", "nowhere.pem"], "No such file"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    content: str, arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "answer.json"
    path.write_text(content)
    with pytest.raises(SystemExit) as caught:
        cli.main(["--devices", "1", "--identities", str(path), *arguments])
    assert caught.value.code == 2
    assert reason in capsys.readouterr().err


def test_without_identities_it_is_said_how_to_get_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([])
    assert "--endpoints" in capsys.readouterr().err
