"""A system that any process may look at."""

from pathlib import Path

import pytest

from sluice_embedded.adapters import state
from sluice_embedded.adapters.state import ServiceState, SystemState
from sluice_embedded.entrypoints import logs
from sluice_embedded.running import NotRunningError, RunningStack
from sluice_embedded.settings import EmbeddedSettings


@pytest.fixture
def settings(tmp_path: Path) -> EmbeddedSettings:
    """Settings of a system with two of each service, as its run files describe it."""
    settings = EmbeddedSettings(state_dir=tmp_path)
    names = ["kafka", "api-0", "api-1", "lwm2m-gateway-0", "lwm2m-gateway-1"]
    services = [ServiceState(name, pid) for pid, name in enumerate(names, 1)]
    state.write_private(settings.run / "state.json", SystemState(1, 0.0, "running", services))
    return settings


def test_the_replicas_of_a_service_are_found_by_its_name(settings: EmbeddedSettings) -> None:
    stack = RunningStack(settings)
    assert stack.replicas("api") == ["api-0", "api-1"]
    assert stack.replicas("kafka") == ["kafka"]
    assert stack.replicas("relay") == []


def test_a_process_is_found_by_its_own_name_only(settings: EmbeddedSettings) -> None:
    stack = RunningStack(settings)
    assert stack.pid("api-1") == 3
    with pytest.raises(NotRunningError):
        stack.pid("api")


def test_the_logs_of_all_replicas_are_shown_by_the_name_of_the_service(
    settings: EmbeddedSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.logs.mkdir()
    for name in ("api-0", "api-1", "relay-0"):
        (settings.logs / f"{name}.log").write_text(f"said by {name}\n")
    assert logs.show(settings, "api", 5, follow=False) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["api-0", "said", "by", "api-0"],
        ["api-1", "said", "by", "api-1"],
    ]
    assert logs.show(settings, "relay-0", 5, follow=False) == 0
    assert capsys.readouterr().out == "said by relay-0\n"
