import os
from pathlib import Path

import pytest

from sluice_common import __version__
from sluice_embedded import install

VERSIONS = {
    "17": 'openjdk version "17.0.15" 2025-04-15\n',
    "25": 'openjdk version "25" 2025-09-16\n',
    "1": 'java version "1.8.0_202"\n',
}


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A path on which the test puts the only tools there are."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.delenv("MQTT_URL", raising=False)
    return tmp_path


def put(folder: Path, tool: str, says: str = "") -> None:
    script = folder / tool
    script.write_text(f"#!/bin/sh\nprintf '%s' '{says}' >&2\n")
    script.chmod(0o755)


@pytest.mark.parametrize("version", list(VERSIONS))
def test_the_version_of_the_jdk_is_read(tools: Path, version: str) -> None:
    put(tools, "java", VERSIONS[version])
    put(tools, "javac")
    assert install.java_version() == int(version)


def test_a_runtime_without_a_compiler_is_no_jdk(tools: Path) -> None:
    put(tools, "java", VERSIONS["17"])
    assert install.java_version() is None


def test_all_that_is_missing_is_named_with_how_to_get_it(tools: Path) -> None:
    del tools
    with pytest.raises(install.InstallError) as error:
        install.require_tools(["up"])
    for part in ("JDK 17", "Maven", "apt install", "brew install"):
        assert part in str(error.value)


def test_an_old_jdk_is_named(tools: Path) -> None:
    put(tools, "java", VERSIONS["1"])
    put(tools, "javac")
    put(tools, "mvn")
    with pytest.raises(install.InstallError, match=r"JDK 17 or newer \(found 1\)"):
        install.require_tools(["demo"])


@pytest.mark.parametrize("command", [["down"], ["check"], ["test", "unit"], []])
def test_commands_that_start_no_kafka_need_neither_jdk_nor_maven(tools: Path, command: list[str]) -> None:
    del tools
    install.require_tools(command)


def test_a_kafka_and_a_broker_elsewhere_need_neither_jdk_nor_maven(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tools
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "kafka.example:9092")
    with pytest.raises(install.InstallError):
        install.require_tools(["up"])
    monkeypatch.setenv("MQTT_URL", "mqtt://broker.example")
    install.require_tools(["up"])


def test_every_package_of_the_workspace_is_found() -> None:
    found = {path.name for path in install.members()}
    assert {"common", "api", "scheduler", "lwm2m-gateway", "signing", "embedded", "simulator", "demo"} <= found


def test_a_failing_tool_is_reported_with_the_end_of_what_it_said(tools: Path) -> None:
    script = tools / "broken"
    script.write_text("#!/bin/sh\necho no such host\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(install.InstallError, match="broken failed:\nno such host"):
        install.run_quietly([script])


def test_a_tool_that_is_not_there_is_named(tools: Path) -> None:
    del tools
    with pytest.raises(install.InstallError, match="mvn is not on the path"):
        install.run_quietly(["mvn"])


def test_other_programs_are_not_told_the_passphrase_of_the_signature_tool(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tools / "env-of-mine"
    script.write_text("#!/bin/sh\nexport\n")
    script.chmod(0o755)
    monkeypatch.setenv("SLUICE_SIGN_PASSPHRASE", "abc123")
    monkeypatch.setenv("ANOTHER_VARIABLE", "seen")
    shown = install.run_quietly([script])
    assert "ANOTHER_VARIABLE=" in shown
    assert "abc123" not in shown


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (["demo", "--devices", "9"], ["sluice_demo", "--devices", "9"]),
        (["sign", "--help"], ["sluice_signing", "--help"]),
        (["signtool"], ["sluice_signing.entrypoints.release"]),
        (["up", "--foreground"], ["sluice_embedded", "up", "--foreground"]),
        ([], ["sluice_embedded"]),
    ],
)
def test_each_command_is_handed_to_its_program_with_all_arguments(
    monkeypatch: pytest.MonkeyPatch, command: list[str], arguments: list[str]
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "kafka:9092")
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _, argv, environment: started.append((argv, environment)))
    install.hand_over(Path("/venv/bin/python"), command)
    [(argv, environment)] = started
    assert argv == ["/venv/bin/python", "-m", *arguments]
    assert environment["KAFKA_BOOTSTRAP"] == "kafka:9092"
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_the_version_is_told_before_anything_is_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "make_environment", lambda *_: pytest.fail("installs"))

    assert install.main(["--version"]) == 0
    assert capsys.readouterr().out == f"sluice {__version__}\n"
