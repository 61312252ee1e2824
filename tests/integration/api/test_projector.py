"""What the projector holds to when it is killed and when messages are wrong."""

import json
import signal
from collections import Counter
from datetime import datetime, timedelta

import pytest
from tests.integration.api.api_client import made
from tests.integration.api.campaign import counted, publish, requests_of_all, snapshot, wait_for
from tests.integration.api.fleet import NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import Documents, NewProcess
from tests.integration.api.waiting import eventually
from tests.processes import ServiceProcess

from sluice_common.messages.base import now
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.execution_events import Coverage
from sluice_common.messages.registrations import Registration
from sluice_common.messages.slots import CoverageClass
from sluice_common.topics import DEAD_LETTERS, DEVICE_ACTIVITY, EXECUTION_EVENTS, PACKAGE_EVENTS, REGISTRATIONS


def dead_letters(bus: Bus) -> Counter[str]:
    """Return how many records of each topic are dead letters; in which order they came, nobody knows."""
    return Counter(json.loads(value)["source_topic"] for value in bus.read(DEAD_LETTERS))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_projector_that_ends_in_mid_campaign_loses_nothing_and_ends_the_task(
    new_fleet: NewFleet, bus: Bus, projector: ServiceProcess, how: signal.Signals
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(20)
    requests_of_all(bus, task := made(fleet.task(package)), 20)
    wait_for(fleet.app, task, status="RUNNING")
    publish(bus, *[snapshot(task, i, "RUNNING") for i in device_ids[:10]])
    projector.stop(how)
    publish(bus, *[snapshot(task, i, "SUCCEEDED", 2) for i in device_ids])
    projector.start()
    ended = wait_for(fleet.app, task, status="FINISHED")
    assert ended["progress"] == counted(succeeded=20)
    assert ended["result"] == "SUCCEEDED"


def test_a_task_whose_count_died_with_a_projector_is_counted_again(
    new_fleet: NewFleet, bus: Bus, projector: ServiceProcess, database: Documents
) -> None:
    fleet = new_fleet()
    package, (device_id,) = fleet.package(), fleet.devices(1)
    requests_of_all(bus, task := made(fleet.task(package)), 1)
    wait_for(fleet.app, task, status="RUNNING")
    assert projector.stop() == 0
    # As a projector leaves it that dies between committing its offsets and counting.
    ended = {"status": "SUCCEEDED", "active": False, "version": 9}
    database["executions"].update_one({"_id": f"{task['task_id']}:{device_id}"}, {"$set": ended})
    projector.start()
    assert wait_for(fleet.app, task, status="FINISHED")["progress"] == counted(succeeded=1)


def test_executions_come_back_from_their_events(new_fleet: NewFleet, bus: Bus, database: Documents) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(2)
    requests_of_all(bus, task := made(fleet.task(package, waiting=3600)), 2)
    wait_for(fleet.app, task, status="RUNNING")
    publish(bus, snapshot(task, device_ids[0], "RUNNING"))
    path = f"/executions/{task['task_id']}:{device_ids[0]}"
    eventually(lambda: made(fleet.app.get(path))["status"] == "RUNNING")
    database["executions"].delete_one({"_id": f"{task['task_id']}:{device_ids[0]}"})
    publish(bus, *[snapshot(task, i, "SUCCEEDED", 2) for i in device_ids])
    assert wait_for(fleet.app, task, status="FINISHED")["progress"] == counted(succeeded=2)
    shown = made(fleet.app.get(f"/executions/{task['task_id']}:{device_ids[0]}"))
    assert shown["endpoint"] == made(fleet.app.get(f"/devices/{device_ids[0]}"))["endpoint"]


def test_a_device_is_shown_as_seen_by_its_last_word_whichever_record_tells_it(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    seen, silent = fleet.devices(2)
    registered_at = now().replace(microsecond=0)

    def last_seen(device_id: str) -> datetime | None:
        registration = made(fleet.app.get(f"/devices/{device_id}"))["registration"]
        return datetime.fromisoformat(registration["last_seen"]) if registration else None

    for device_id in (seen, silent):
        record = Registration(
            app_id="a",
            occurred_at=registered_at,
            device_id=device_id,
            endpoint=device_id,
            address="192.0.2.1:1",
            gateway=0,
            epoch=1,
            location=device_id,
            lifetime=600,
            expires_at=registered_at + timedelta(seconds=600),
        )
        bus.publish(REGISTRATIONS, (device_id, record))
    eventually(lambda: last_seen(seen) == last_seen(silent) == registered_at)
    for seconds in (40, 30):
        at = registered_at + timedelta(seconds=seconds)
        spoken = DevicesSeen(app_id="", occurred_at=at, gateway=0, device_ids=(seen, "no device"))
        bus.publish(DEVICE_ACTIVITY, ("0", spoken))
    eventually(lambda: last_seen(seen) == registered_at + timedelta(seconds=40))
    assert last_seen(silent) == registered_at


def test_broken_messages_go_to_the_dead_letters_and_stop_nothing(
    new_fleet: NewFleet, bus: Bus, projector: ServiceProcess
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(3)
    requests_of_all(bus, task := made(fleet.task(package)), 3)
    wait_for(fleet.app, task, status="RUNNING")
    before = dead_letters(bus)
    for topic in (EXECUTION_EVENTS, REGISTRATIONS, PACKAGE_EVENTS):
        for value in (b"\xff", b"{}", b'{"type":"surprise"}', b'{"type":"registration","schema_version":99}'):
            bus.put(topic, value)
    # Understood, but nothing that the database can hold: the others of its batch get through.
    coverage = Coverage(cell_id=2**64, coverage_class=CoverageClass.LEVEL_0, network="default")
    unstorable = snapshot(task, device_ids[0], "RUNNING", coverage=coverage)
    publish(bus, unstorable, *[snapshot(task, i, "SUCCEEDED", 2) for i in device_ids])
    assert wait_for(fleet.app, task, status="FINISHED")["progress"] == counted(succeeded=3)

    def has_all_letters() -> bool:
        letters = dead_letters(bus)  # of other tests, too
        topics = (EXECUTION_EVENTS, REGISTRATIONS, PACKAGE_EVENTS)
        return all(letters[topic.name] - before[topic.name] >= 4 for topic in topics)

    eventually(has_all_letters)
    assert projector.runs


def test_two_projectors_share_the_work(
    new_fleet: NewFleet, bus: Bus, projector: ServiceProcess, new_process: NewProcess
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(40)
    requests_of_all(bus, task := made(fleet.task(package)), 40)
    second = new_process("projector")
    publish(bus, *[snapshot(task, i, "RUNNING") for i in device_ids])
    second.stop(signal.SIGKILL)
    publish(bus, *[snapshot(task, i, "SUCCEEDED", 2) for i in device_ids])
    assert wait_for(fleet.app, task, status="FINISHED")["progress"] == counted(succeeded=40)
    assert projector.runs
