"""The steps of an execution: one class for each, and here the tables of all, by the device's protocol."""

from collections.abc import Mapping

from sluice_common.messages.execution_events import Step
from sluice_rules.devices.execution import MQTT
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.cleanup import CancelObserve, Closing
from sluice_rules.devices.steps.lwm2m.coverage import QueryCell, QueryCoverage
from sluice_rules.devices.steps.lwm2m.downloading import Downloading
from sluice_rules.devices.steps.lwm2m.observe import Observe
from sluice_rules.devices.steps.lwm2m.online import AwaitOnline
from sluice_rules.devices.steps.lwm2m.result import QueryResult
from sluice_rules.devices.steps.lwm2m.slot import Lwm2mAwaitSlot
from sluice_rules.devices.steps.lwm2m.updating import Updating
from sluice_rules.devices.steps.lwm2m.version import QueryVersion
from sluice_rules.devices.steps.mqtt.downloading import MqttDownloading
from sluice_rules.devices.steps.mqtt.online import MqttAwaitOnline
from sluice_rules.devices.steps.mqtt.result import MqttQueryResult
from sluice_rules.devices.steps.mqtt.slot import MqttAwaitSlot
from sluice_rules.devices.steps.mqtt.updating import MqttUpdating
from sluice_rules.devices.steps.mqtt.version import MqttQueryVersion
from sluice_rules.devices.steps.waiting import RetryWait, Waiting

LWM2M_STEPS: Mapping[Step, StepRules] = {
    Step.WAITING: Waiting(),
    Step.AWAIT_ONLINE: AwaitOnline(),
    Step.QUERY_VERSION: QueryVersion(),
    Step.QUERY_COVERAGE: QueryCoverage(),
    Step.QUERY_CELL: QueryCell(),
    Step.AWAIT_SLOT: Lwm2mAwaitSlot(),
    Step.OBSERVE: Observe(),
    Step.DOWNLOADING: Downloading(),
    Step.UPDATING: Updating(),
    Step.QUERY_RESULT: QueryResult(),
    Step.CLOSING: Closing(),
    Step.CANCEL_OBSERVE: CancelObserve(),
    Step.RETRY_WAIT: RetryWait(),
}

MQTT_STEPS: Mapping[Step, StepRules] = {
    Step.WAITING: Waiting(),
    Step.AWAIT_ONLINE: MqttAwaitOnline(),
    Step.QUERY_VERSION: MqttQueryVersion(),
    Step.AWAIT_SLOT: MqttAwaitSlot(),
    Step.DOWNLOADING: MqttDownloading(),
    Step.UPDATING: MqttUpdating(),
    Step.QUERY_RESULT: MqttQueryResult(),
    Step.RETRY_WAIT: RetryWait(),
}


def steps_of(protocol: str) -> Mapping[Step, StepRules]:
    """Return the steps for devices of a protocol."""
    return MQTT_STEPS if protocol == MQTT else LWM2M_STEPS
