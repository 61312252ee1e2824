"""The demo's scenario: an upgrade that takes an hour in the field takes half a minute here.

Only times are scaled; limits, rules and protocols are the real ones. WAITING stays 10 s (R117). One limit is set: as
few MQTT devices would never fill the 200 places that a task has by default, it is less here.
"""

from collections.abc import Mapping
from typing import Final

from sluice_demo.scenario import MqttScenario, Scenario
from sluice_simulator.fleet import Tuning
from sluice_simulator.mqtt.plan import MqttOptions
from sluice_simulator.plan import PlanOptions

_IMAGE_BYTES: Final = 16 * 1024
_RETRIES: Final = 1
_DOWNLOAD_SECONDS: Final = 8.0
_FAST_DEVICES: Final = 1_000
"""Of more devices each takes longer, so that slots, not the processors of one small machine, are what is scarce."""

_WAITING: Final = 10.0
_RETRY_INTERVAL: Final = 5.0
_AT_ONCE: Final = 400
"""Devices that one small machine negotiates with at once; of more, the last have to wait longer for their turn."""
_ACK_TIMEOUT, _MAX_RETRANSMIT = "SLUICE_LWM2M_ACK_TIMEOUT", "SLUICE_LWM2M_MAX_RETRANSMIT"
_AWAKE_SECONDS: Final = 5.0
_SERVICES: Final[Mapping[str, str]] = {
    _ACK_TIMEOUT: "2.0",
    _MAX_RETRANSMIT: "2",
    "SLUICE_LWM2M_AWAKE_WINDOW": str(_AWAKE_SECONDS - 0.5),  # a request takes its time to arrive
    "SLUICE_LWM2M_EXECUTE_SUSPENSION": "5.0",
    "SLUICE_LAST_SEEN_INTERVAL": "300.0",  # devices speak many times as often as in the field
}
_MQTT_IMAGE_BYTES: Final = 256 * 1024
_MQTT_LIMIT_SHARE, _MQTT_LEAST_LIMIT, _MQTT_MOST_LIMIT = 0.3, 2, 200
_MQTT_SERVICES: Final[Mapping[str, str]] = {
    "SLUICE_DOWNLOAD_IDLE": "12.0",
    "SLUICE_DOWNLOAD_PROGRESS_INTERVAL": "2.0",
    "SLUICE_VERSION_QUERIES": "1",
    "SLUICE_VERSION_AGAIN": "3.0",
    "SLUICE_ONLINE_AFTER_MESSAGE": "5.0",
}


def scenario(devices: int, cells: int, seed: int, mqtt_devices: int = 0) -> Scenario:
    """Return the demo's scenario.

    Args:
        devices: How many LwM2M devices.
        cells: Over how many cells.
        seed: Decides all the rest.
        mqtt_devices: How many MQTT devices; with 0 nothing of MQTT is there.
    """
    stretch = max(1.0, devices / _AT_ONCE)
    fleet = PlanOptions(
        devices=devices,
        cells=cells,
        seed=seed,
        retries=_RETRIES,
        endpoint_prefix="demo",
        report_seconds=15.0 + 5.0 * stretch,
        sleeper_report_seconds=12.0,
        awake_seconds=_AWAKE_SECONDS,
        loss=0.02,
        link_delay_seconds=0.1,
        download_seconds=_DOWNLOAD_SECONDS * max(1.0, devices / _FAST_DEVICES),
        update_seconds=1.0,
        reboot_seconds=0.5,
    )
    policy = {
        "waiting": _WAITING,
        "max_retries": _RETRIES,
        "retry_interval": _RETRY_INTERVAL,
        "timeouts": _timeouts(stretch),
    }
    mqtt = _mqtt(mqtt_devices, seed) if mqtt_devices else None
    services = {**_SERVICES, **_MQTT_SERVICES, "SLUICE_WINDOW_LIMIT_TASK": str(mqtt.limit)} if mqtt else _SERVICES
    return Scenario(fleet, Tuning(ack_timeout=2.0), policy, services, _IMAGE_BYTES, fills_windows=True, mqtt=mqtt)


def _mqtt(devices: int, seed: int) -> MqttScenario:
    """Return the MQTT devices with tasks of their own; their deadlines fit what they do."""
    stretch = max(1.0, devices / _AT_ONCE)
    fleet = MqttOptions(
        devices=devices,
        seed=seed,
        retries=_RETRIES,
        endpoint_prefix="demo-mqtt",
        keep_alive=30,
        reconnect_seconds=0.5,
        download_seconds=_DOWNLOAD_SECONDS,
        update_seconds=1.0,
        reboot_seconds=0.5,
    )
    timeouts = {
        "online": 20.0 + 5.0 * stretch,
        "version": 9.0 * stretch,
        "mqtt_download": 20.0 + 4.0 * stretch,
        "update": 8.0 + 4.0 * stretch,
        "result": 8.0 * stretch,
    }
    policy = {
        "waiting": _WAITING,
        "max_retries": _RETRIES,
        "retry_interval": _RETRY_INTERVAL,
        "timeouts": {name: round(value, 1) for name, value in timeouts.items()},
    }
    limit = min(max(_MQTT_LEAST_LIMIT, round(devices * _MQTT_LIMIT_SHARE)), _MQTT_MOST_LIMIT)
    return MqttScenario(fleet, policy, limit, _MQTT_IMAGE_BYTES)


def described(scenario: Scenario) -> str:
    """Return the scaled times as a sentence for people."""
    timeouts = scenario.policy["timeouts"].items()
    mqtt = scenario.mqtt
    theirs = mqtt.policy["timeouts"].items() if mqtt else ()
    return (
        f"Scaled times (s): waiting {_WAITING:g}, download {scenario.fleet.download_seconds:g}, "
        f"retry after {_RETRY_INTERVAL:g}, "
        f"CoAP to devices {_SERVICES[_ACK_TIMEOUT]} × {_SERVICES[_MAX_RETRANSMIT]}; deadlines: "
        + ", ".join(f"{name.replace('_', ' ')} {seconds:g}" for name, seconds in timeouts)
        + "."
        + (f" MQTT: {mqtt.limit} downloads at once; deadlines: " if mqtt else "")
        + ", ".join(f"{name.replace('_', ' ')} {seconds:g}" for name, seconds in theirs)
        + ("." if mqtt else "")
    )


def _timeouts(stretch: float) -> dict[str, float]:
    """Return the deadlines; what a whole fleet does in the same moment is stretched."""
    seconds = {
        "online": 20.0 + 5.0 * stretch,
        "version": 12.0 * stretch,
        "coverage": 12.0 * stretch,
        "observe": 12.0 * stretch,
        "download_start": 8.0 + 2.0 * stretch,
        "download": 20.0 + 6.0 * stretch,
        "update_start": 8.0 + 2.0 * stretch,
        "update": 14.0 + 4.0 * stretch,
        "result": 9.0 + 3.0 * stretch,
        "cancel_observe": 4.0 + 2.0 * stretch,
        "slot_response": 8.0 * stretch,
        "close": 4.0 * stretch,
    }
    return {name: round(value, 1) for name, value in seconds.items()}
