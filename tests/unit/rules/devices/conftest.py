"""The stories that tests of one device begin."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.unit.rules.story.lwm2m import Story
from tests.unit.rules.story.mqtt import MqttStory

from sluice_common.messages.snapshots import UpgradePolicy
from sluice_rules.devices.rules import Rules


@pytest.fixture
def mqtt() -> MqttStory:
    """The story of an MQTT device that nobody has heard of."""
    return MqttStory()


@pytest.fixture
def tell_mqtt() -> Callable[..., MqttStory]:
    """Begin a story of an MQTT device with some figures changed."""

    def begin(**figures: Any) -> MqttStory:
        return MqttStory(replace(Rules(), **figures))

    return begin


@pytest.fixture
def story() -> Story:
    """The story of a device that nobody has heard of."""
    return Story()


@pytest.fixture
def tell() -> Callable[..., Story]:
    """Begin a story with some figures changed."""

    def begin(**figures: Any) -> Story:
        return Story(replace(Rules(), **figures))

    return begin


@pytest.fixture
def policy() -> Callable[..., UpgradePolicy]:
    """Make a policy: retries, intervals, end time and step timeouts by their names."""

    def make(**fields: Any) -> UpgradePolicy:
        known = UpgradePolicy.__struct_fields__
        timeouts = {name: fields.pop(name) for name in list(fields) if name not in known}
        made = UpgradePolicy(**fields)
        return msgspec.structs.replace(made, timeouts=msgspec.structs.replace(made.timeouts, **timeouts))

    return make
