"""What a campaign is made of: devices, task policy, settings, image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice_simulator.fleet import FleetPlan, Tuning
from sluice_simulator.mqtt import plan as mqtt_plan
from sluice_simulator.mqtt.fleet import MqttPlan
from sluice_simulator.mqtt.plan import MqttOptions
from sluice_simulator.plan import PlanOptions, make_plan


@dataclass(frozen=True)
class MqttScenario:
    """The MQTT devices of a campaign: tasks of their own.

    Attributes:
        fleet: Which devices.
        policy: Of their tasks, as the REST interface takes it.
        limit: Devices of one task that download at once, as the services are set.
        image_bytes: Size of their firmware image.
    """

    fleet: MqttOptions
    policy: Mapping[str, Any]
    limit: int
    image_bytes: int

    def plan(self) -> MqttPlan:
        """Return the devices one by one."""
        return mqtt_plan.make_plan(self.fleet)


@dataclass(frozen=True)
class Scenario:
    """A campaign before it runs.

    Attributes:
        fleet: Which devices.
        tuning: Of their CoAP.
        policy: Of the tasks, as the REST interface takes it.
        services: Settings of the services, as environment variables.
        image_bytes: Size of the firmware image.
        fills_windows: Whether every class of which a window is crowded must be seen full while others queue.
        starts_per_second: Devices switched on per second.
        mqtt: MQTT devices beside the LwM2M devices; None for none.
    """

    fleet: PlanOptions
    tuning: Tuning
    policy: Mapping[str, Any]
    services: Mapping[str, str]
    image_bytes: int
    fills_windows: bool = False
    starts_per_second: float = 500.0
    mqtt: MqttScenario | None = None

    def plan(self) -> FleetPlan:
        """Return the devices one by one."""
        return make_plan(self.fleet, self.tuning)
