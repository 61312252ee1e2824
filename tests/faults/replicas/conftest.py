"""What every trial has: a campaign of so many devices, and the folder of its system."""

from pathlib import Path

import pytest
from tests.faults.replicas.trial import Trial


@pytest.fixture
def trial(request: pytest.FixtureRequest, tmp_path: Path) -> Trial:
    """A campaign of `--devices` devices on two of everything."""

    def record(row: str) -> None:
        request.node.user_properties.append(("table", row))

    return Trial(request.config.getoption("--devices"), tmp_path, record)
