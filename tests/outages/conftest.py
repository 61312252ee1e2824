"""How long the parts are away, and how long a test of it may take."""

import pytest

_AROUND = 600.0
"""Seconds for all that is not the outage: start, campaign, return, end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test the time of its outage and more."""
    for item in items:
        if item.path.parent.name == "outages":
            item.add_marker(pytest.mark.timeout(config.getoption("--seconds") + _AROUND))


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """For how long parts are away (`--seconds`)."""
    chosen: float = request.config.getoption("--seconds")
    return chosen
