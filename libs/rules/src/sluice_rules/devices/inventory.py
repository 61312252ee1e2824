"""Which firmware a device runs, with or without an upgrade: what it reports reaches the inventory (R111).

Snapshots of executions tell readers most of it. What is left: a version reported while no execution is active, and a
device that was left alone in the middle of an installation (a stop, a timeout). That one is asked at its registrations,
as it restarts when it is done.
"""

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import RequestResult, UpgradeProgressReported
from sluice_common.messages.execution_events import DeviceFirmwareChanged, ExecutionStatus
from sluice_common.messages.lwm2m_commands import DeviceRequests, Read
from sluice_common.messages.mqtt_commands import QueryVersion
from sluice_rules.devices.device import UnknownVersion
from sluice_rules.devices.effects import ToGateway, ToMqtt
from sluice_rules.devices.execution import Execution
from sluice_rules.devices.lwm2m_paths import VERSION
from sluice_rules.devices.readings import text, value_at
from sluice_rules.devices.transition import Transition

_ALL = 100


def see_version(transition: Transition, version: str | None) -> None:
    """Note which version the device reports, None for none, and have readers told if that is news."""
    device = transition.device
    if version is None:
        return
    unknown = device.unknown_version
    if unknown is not None and (version == unknown.target or transition.now >= unknown.until):
        device.unknown_version = None
    if device.execution is not None:
        if device.execution.reported_version not in (None, version):
            transition.show()
        device.execution.reported_version = version
    elif version != device.firmware_version:
        device.firmware_version = version
        transition.effects.append(
            DeviceFirmwareChanged(**transition.head(transition.event.app_id), firmware_version=version)
        )


def tells_success(report: UpgradeProgressReported) -> bool:
    """Return whether an MQTT device says by this report that it runs the version that it names."""
    return report.result_code == 0 and (report.progress is None or report.progress >= _ALL)


def see_results(transition: Transition, results: tuple[RequestResult, ...]) -> None:
    """Note the version that the device told when somebody asked it outside of an upgrade."""
    see_version(transition, text(value_at(results, VERSION)))


def note_end(transition: Transition, execution: Execution) -> None:
    """Remember that a device whose upgrade ends unsuccessfully may be installing all the same, or have done so."""
    attempt = execution.attempt
    may_install = attempt.not_after > 0.0 if execution.is_mqtt else attempt.execute_id is not None
    if not may_install or execution.status is ExecutionStatus.SUCCEEDED:
        return
    transition.device.unknown_version = UnknownVersion(
        execution.execution_id,
        attempt.number,
        execution.is_mqtt,
        execution.package.version,
        transition.after(execution.policy.timeouts.update),
    )
    if transition.awake and transition.link.epoch > attempt.epoch:
        ask_version(transition)


def ask_version(transition: Transition) -> None:
    """Ask a device that has registered anew, if it was left in the middle of an installation."""
    unknown, link = transition.device.unknown_version, transition.link
    if unknown is None:
        return
    head = transition.head(transition.event.app_id) | {
        "command_id": f"{unknown.execution_id}:{unknown.attempt}:{transition.offset}",
        "expires_at": utc(transition.after(transition.rules.command_answer)),
    }
    if unknown.is_mqtt:
        query = QueryVersion(**head, execution_id=unknown.execution_id, attempt=unknown.attempt)
        transition.effects.append(ToMqtt(query))
    else:
        read = DeviceRequests(**head, epoch=link.epoch, requests=(Read(path=VERSION),))
        transition.effects.append(ToGateway(link.gateway, read))
