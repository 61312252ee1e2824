"""The worlds that tests of the invariants begin with."""

from collections.abc import Callable

import pytest
from tests.unit.rules.world.mqtt import MqttWorld
from tests.unit.rules.world.world import Admitting, Generous, World


@pytest.fixture
def decide_alone() -> Callable[[], World]:
    """Make a world whose windows give a slot to everybody."""
    return lambda: World(Generous())


@pytest.fixture
def decide_and_admit() -> Callable[[], World]:
    """Make a world with the real rules of the windows."""
    return lambda: World(Admitting())


@pytest.fixture
def mqtt_alone() -> Callable[[], MqttWorld]:
    """Make a world whose windows give a slot to everybody."""
    return lambda: MqttWorld(Generous())


@pytest.fixture
def mqtt_and_admit() -> Callable[[], MqttWorld]:
    """Make a world with the real rules of the windows."""
    return lambda: MqttWorld(Admitting())
