"""The story of an MQTT device: what happens to it, event by event, in short words."""

from collections.abc import Callable
from typing import Any, Self

from tests.unit.rules.story.decisions import DEVICE
from tests.unit.rules.story.lwm2m import OLD, TARGET, Story

from sluice_common.messages.device_events import (
    DownloadProgressed,
    UpgradeProgressReported,
    VersionReported,
)
from sluice_common.messages.execution_events import (
    Step,
)
from sluice_common.messages.mqtt_commands import MqttCommand
from sluice_common.messages.snapshots import ProductSnapshot, UpgradePolicy
from sluice_rules.devices.effects import ToMqtt

MQTT = ProductSnapshot(product_id="m", protocol="MQTT", upgrade_protocol="")
FOR_EVER = 1e10
"""Seconds that a connected MQTT device counts as awake."""


class MqttStory(Story):
    """One MQTT device, told event by event."""

    def request(self, task: str = "t", **fields: Any) -> Self:
        """A task wants the device upgraded."""
        super().request(task, **{"product": MQTT, **fields})
        return self

    def connect(self) -> Self:
        """The device logs in at the broker."""
        self.register(FOR_EVER)
        return self

    def disconnect(self) -> Self:
        """The device is gone."""
        self.deregister()
        return self

    def version(self, version: str | None, *, live: bool = True) -> Self:
        """The device reports its firmware version."""
        self.feed(VersionReported(**self.head(), firmware_version=version, live=live))
        return self

    def progress(
        self, result_code: int = 0, percent: int | None = None, version: str | None = None, description: str = ""
    ) -> Self:
        """The device reports how its upgrade goes."""
        self.feed(
            UpgradeProgressReported(
                **self.head(), result_code=result_code, progress=percent, version=version, description=description
            )
        )
        return self

    def served(self, *, complete: bool = False, attempt: int | None = None, task: str = "t") -> Self:
        """The device was served bytes of the image."""
        number = attempt or self.execution.attempt.number
        self.feed(DownloadProgressed(**self.head(), execution_id=f"{task}:{DEVICE}", attempt=number, complete=complete))
        return self

    def reach(self, step: Step, policy: UpgradePolicy | None = None) -> Self:
        """Tell the usual course of a device that is always online, up to a step."""
        self.connect().request(policy=policy)
        return self.go_on(step)

    def go_on(self, step: Step) -> Self:
        """Go on with the usual course from wherever the story is, up to a step."""
        course: dict[Step, Callable[[], Any]] = {
            Step.WAITING: self.deadline,
            Step.RETRY_WAIT: self.deadline,
            Step.AWAIT_ONLINE: self.connect,
            Step.QUERY_VERSION: lambda: self.version(OLD),
            Step.AWAIT_SLOT: self.grant,
            Step.DOWNLOADING: lambda: self.served().served(complete=True),
            Step.UPDATING: self.deadline,
            Step.QUERY_RESULT: lambda: self.version(TARGET),
        }
        while self.step is not step:
            course[self.execution.step]()
        return self

    @property
    def mqtt(self) -> list[MqttCommand]:
        """What the last event makes the device be told."""
        return [effect.command for effect in self.new(ToMqtt)]

    @property
    def mqtt_kinds(self) -> list[str]:
        """The same, by name."""
        return [type(command).__name__ for command in self.mqtt]
