import os
from pathlib import Path

import pytest

from sluice_embedded.adapters.supervisor import StartError
from sluice_embedded.entrypoints import operations

_PARTS = ("SLUICE_KAFKA_BOOTSTRAP", "SLUICE_MONGODB_URI", "KAFKA_BOOTSTRAP", "MONGODB_URI", "SLUICE_MONGODB_DATABASE")


@pytest.fixture(autouse=True)
def _no_parts_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _PARTS:
        monkeypatch.setenv(name, "")  # so that it is as before when the test has ended
        monkeypatch.delenv(name)


def test_a_command_needs_a_system_that_runs_or_parts_that_are_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="not running"):
        operations.arguments_of("rebuild", ["--state-dir", str(tmp_path)])


def test_parts_elsewhere_are_left_as_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("MONGODB_URI", "mongodb://db")
    arguments = operations.arguments_of("dead-letters", ["list", "--state-dir", str(tmp_path), "--all"])
    assert arguments == ["-m", "sluice_api.entrypoints.dead_letters", "list", "--all"]
    assert "SLUICE_KAFKA_BOOTSTRAP" not in os.environ


def test_help_needs_no_system(tmp_path: Path) -> None:
    arguments = operations.arguments_of("dead-letters", ["--help", "--state-dir", str(tmp_path)])
    assert arguments == ["-m", "sluice_api.entrypoints.dead_letters", "--help"]
