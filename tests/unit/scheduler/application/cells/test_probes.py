"""The timer of holders: which deadlines it publishes."""

import pytest
from tests.unit.scheduler.application.cells.fakes import FakeProducer

from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.topics import CELL_REQUESTS
from sluice_rules.cells.window import Holder
from sluice_scheduler.application.cells.probes import ProbeTimer

KEY = WindowKey(network="default", cell_id=7, coverage_class=CoverageClass.LEVEL_0)


def holder(execution_id: str, deadline: float) -> Holder:
    grant = Grant(execution_id=execution_id, attempt=1, ask_no=1)
    return Holder(grant=grant, app_id="app", device_id="device", position=0, deadline=deadline)


def timer(published: FakeProducer, held: set[Holder]) -> ProbeTimer:
    made = ProbeTimer(published, lambda _, each: each in held)
    for each in held:
        made.watch(KEY, each)
    return made


async def test_a_holder_is_put_to_its_window_when_its_deadline_has_passed() -> None:
    published = FakeProducer()
    probes = timer(published, {holder("late", 100.0), holder("silent", 90.0), holder("busy", 200.0)})
    await probes.publish_due(89.9)
    assert published.published == []
    await probes.publish_due(100.0)
    assert [message.grant.execution_id for _, _, message in published.published] == ["silent", "late"]
    assert {(topic, key) for topic, key, _ in published.published} == {(CELL_REQUESTS.name, KEY.cell_key)}


async def test_a_deadline_is_published_once() -> None:
    published = FakeProducer()
    probes = timer(published, {holder("a", 100.0)})
    await probes.publish_due(100.0)
    await probes.publish_due(100.0)
    assert len(published.published) == 1


async def test_a_deadline_that_has_moved_on_is_not_published() -> None:
    published = FakeProducer()
    held = {holder("a", 200.0)}
    probes = timer(published, held)
    probes.watch(KEY, holder("a", 100.0))
    probes.watch(KEY, holder("returned", 100.0))
    await probes.publish_due(150.0)
    assert published.published == []


async def test_a_deadline_that_kafka_does_not_take_is_due_again() -> None:
    published = FakeProducer()
    probes = timer(published, {holder("a", 100.0)})
    published.broken = True
    with pytest.raises(ConnectionError):
        await probes.publish_due(100.0)
    published.broken = False
    await probes.publish_due(100.0)
    assert len(published.published) == 1
