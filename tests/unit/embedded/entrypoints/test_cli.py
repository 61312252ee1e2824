import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluice_embedded.entrypoints import cli, lifecycle
from sluice_embedded.settings import EmbeddedSettings


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    def record(arguments: list[str]) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr(cli, "hand_over", record)
    return calls


@pytest.mark.parametrize(
    ("arguments", "pytest_arguments"),
    [
        ([], []),
        (["unit"], ["tests/unit"]),
        (["e2e", "-x", "-k", "leshan"], ["tests/e2e", "-x", "-k", "leshan"]),
        (["-k", "leshan"], ["-k", "leshan"]),
        (["tests/unit/common"], ["tests/unit/common"]),
    ],
)
def test_tests_are_chosen_by_suite_and_the_rest_goes_to_pytest(
    handed_over: list[list[str]], arguments: list[str], pytest_arguments: list[str]
) -> None:
    cli.main(["test", *arguments])
    (command,) = handed_over
    assert command[:2] == ["-m", "pytest"]
    # What the user says comes last and wins.
    assert command[len(command) - len(pytest_arguments) :] == pytest_arguments
    assert all(argument.startswith("--") for argument in command[2 : len(command) - len(pytest_arguments)])


def test_ports_of_tests_can_be_moved(handed_over: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_TEST_PORT_BASE", "1")
    cli.main(["test", "unit", "--port-base", "21000"])
    assert os.environ["SLUICE_TEST_PORT_BASE"] == "21000"
    assert handed_over[0][-1] == "tests/unit"


@pytest.mark.parametrize("base", ["80", "32700", "many", "-1"])
def test_port_bases_out_of_range_are_refused(base: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["up", f"--port-base={base}"])
    assert "a number from 1024 to 32668" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--mqtt-port", "--mqtts-port"])
@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_ports_of_mqtt_out_of_range_are_refused(option: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["up", f"{option}={port}"])
    assert "a number from 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [
        (["--mqtt-port", "1883"], (1883, None)),
        (["--mqtts-port", "8883"], (None, 8883)),
        (["--mqtt-port", "1883", "--mqtts-port", "8883"], (1883, 8883)),
    ],
)
def test_each_port_of_mqtt_can_be_chosen_by_itself(
    arguments: list[str], ports: tuple[int | None, int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[EmbeddedSettings] = []
    for name in ("SLUICE_MQTT_PORT", "SLUICE_MQTTS_PORT"):
        monkeypatch.setenv(name, "1")  # so that it is as before when the test has ended
        monkeypatch.delenv(name)
    monkeypatch.setattr(lifecycle, "up", lambda settings, *_, **__: started.append(settings))
    cli.main(["up", *arguments])
    assert [(s.mqtt_port, s.mqtts_port) for s in started] == [ports]


def test_unknown_options_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["down", "--now"])
    assert "unrecognized arguments: --now" in capsys.readouterr().err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "start everything" in capsys.readouterr().out


def test_a_setting_that_makes_no_sense_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_LISTEN", "everywhere")
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err.startswith("SLUICE_LISTEN: ")


def test_a_reader_who_has_seen_enough_ends_the_output_quietly(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text("line\n" * 200_000)
    command = f"{sys.executable} -m sluice_embedded logs -n 200000 --state-dir {tmp_path} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)  # noqa: S602 - ours
    assert (done.stdout, done.stderr) == ("line\n", "")
