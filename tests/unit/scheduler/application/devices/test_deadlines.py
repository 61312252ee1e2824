"""The timer publishes what is due, repeats it, and forgets what a record no longer has."""

from itertools import pairwise

from sluice_common.messages.device_events import DeadlinePassed
from sluice_common.messages.lwm2m_commands import Read
from sluice_rules.devices.device import Device, DeviceCommand
from sluice_scheduler.application.devices.deadlines import REPEAT, Deadlines

PARTITION = 5


def waiting(deadline: float | None, device_id: str = "d") -> Device:
    if deadline is None:
        return Device(device_id=device_id)
    command = DeviceCommand(
        command_id=f"c-{device_id}",
        app_id="app",
        request=Read(path="/3/0/0"),
        expires_at=deadline,
        deadline=deadline,
    )
    return Device(device_id=device_id, commands=(command,))


def times(passed: list[tuple[int, DeadlinePassed]]) -> list[tuple[int, str, float]]:
    return [(partition, message.device_id, message.deadline) for partition, message in passed]


def test_no_deadline_is_published_before_its_time() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0), PARTITION)
    assert deadlines.take_due(99.9) == []


def test_a_due_deadline_is_published_with_all_that_decide_compares() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0), PARTITION)
    ((partition, message),) = deadlines.take_due(101.0)
    assert partition == PARTITION
    assert (message.device_id, message.subject, message.attempt, message.step) == ("d", "c-d", 0, "PENDING")
    assert (message.deadline, message.at) == (100.0, 101.0)


def test_a_deadline_is_published_again_until_the_record_has_moved_on() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0), PARTITION)
    assert len(deadlines.take_due(100.0)) == 1
    assert deadlines.take_due(100.0 + REPEAT - 1) == []
    assert len(deadlines.take_due(100.0 + REPEAT)) == 1
    deadlines.follow(waiting(None), PARTITION)
    assert deadlines.take_due(100.0 + 9 * REPEAT) == []


def test_a_deadline_that_changes_nothing_is_published_ever_more_seldom() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(0.0), PARTITION)
    published_at = [at for at in range(int(100 * REPEAT)) if deadlines.take_due(float(at))]
    assert published_at[:5] == [0, REPEAT, 3 * REPEAT, 7 * REPEAT, 15 * REPEAT]
    assert max(after - before for before, after in pairwise(published_at)) == 32 * REPEAT


def test_a_stage_that_is_behind_is_told_nothing_again_until_it_has_read_what_it_was_told() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0), PARTITION)
    ((_, first),) = deadlines.take_due(100.0)
    deadlines.published(PARTITION, first.at)
    for later in range(1, 100):
        assert deadlines.take_due(100.0 + later * REPEAT) == []
    deadlines.read(PARTITION, first.at)
    assert len(deadlines.take_due(100.0 + 100 * REPEAT)) == 1


def test_a_deadline_that_kafka_did_not_take_is_published_again_however_far_behind_the_stage_is_with_others() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0, "lost"), PARTITION)
    assert len(deadlines.take_due(100.0)) == 1
    published = []
    for number in range(1, 2 * int(REPEAT)):
        at = 100.0 + number
        deadlines.follow(waiting(at, f"d{number}"), PARTITION)
        published += [message.device_id for _, message in deadlines.take_due(at)]
        deadlines.published(PARTITION, at)
        deadlines.read(PARTITION, at - 1)
    assert published.count("lost") == 1


def test_an_overtaken_deadline_is_not_published() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0), PARTITION)
    deadlines.follow(waiting(200.0), PARTITION)
    assert deadlines.take_due(150.0) == []
    assert times(deadlines.take_due(200.0)) == [(PARTITION, "d", 200.0)]


def test_the_earliest_of_many_devices_comes_first() -> None:
    deadlines = Deadlines()
    for number in (3, 1, 2):
        deadlines.follow(waiting(float(number), f"d{number}"), number)
    assert times(deadlines.take_due(2.0)) == [(1, "d1", 1.0), (2, "d2", 2.0)]


def test_a_record_that_is_followed_twice_has_its_deadline_published_once() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0), PARTITION)
    deadlines.follow(waiting(100.0), PARTITION)
    assert len(deadlines.take_due(100.0)) == 1


def test_no_deadline_is_known_after_a_rebalance() -> None:
    deadlines = Deadlines()
    deadlines.follow(waiting(100.0), PARTITION)
    deadlines.clear()
    assert deadlines.take_due(1_000.0) == []


def test_overtaken_deadlines_do_not_pile_up() -> None:
    deadlines = Deadlines()
    for number in range(20_000):
        deadlines.follow(waiting(1_000.0 + number), PARTITION)
    assert len(deadlines._due) < 2_000
    assert times(deadlines.take_due(1e6)) == [(PARTITION, "d", 20_999.0)]


def test_a_deadline_that_comes_back_is_published_like_any_other() -> None:
    deadlines = Deadlines()
    for deadline in (100.0, 200.0, 100.0):
        deadlines.follow(waiting(deadline), PARTITION)
    due = times(deadlines.take_due(100.0))
    assert set(due) == {(PARTITION, "d", 100.0)}
    deadlines.follow(waiting(None), PARTITION)
    assert deadlines.take_due(1_000.0) == []
