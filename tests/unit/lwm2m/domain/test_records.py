"""How registrations change."""

from typing import Any

import msgspec
import pytest
from tests.unit.lwm2m.builders import ATTEMPT, PACKAGE_URI, T0, close_download, device_requests

from sluice_common.messages.base import utc
from sluice_common.messages.lwm2m_commands import CancelObserve, Execute, Observe, Read
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap.link_format import parse_object_list
from sluice_lwm2m.domain.registering import Parameters

SECOND = AttemptRef(execution_id="t:d", attempt=2)


def registered(**changes: Any) -> Registration:
    record = records.register(
        None,
        Parameters(endpoint="ep", lifetime=1_000),
        device_id="d",
        app_id="a",
        address="10.0.0.1:1",
        gateway=0,
        location="l",
        now=T0,
    )
    return msgspec.structs.replace(record, **changes)


def again(previous: Registration, gateway: int, now: float) -> Registration:
    return records.register(
        previous,
        Parameters(endpoint="ep", lifetime=1_000),
        device_id="d",
        app_id="a",
        address="10.0.0.1:2",
        gateway=gateway,
        location="m",
        now=now,
    )


OBSERVED = {"observe_token": "aa", "observe_attempt": ATTEMPT}


@pytest.mark.parametrize("step", [-5.0, 0.0, 0.0001, 5.0])
def test_an_epoch_is_higher_than_any_before_whatever_the_clock_says(step: float) -> None:
    first = registered()
    assert again(first, 0, T0 + step).epoch > first.epoch


def test_observation_attempt_and_last_execute_are_kept_by_a_new_registration() -> None:
    before = registered(**OBSERVED, current_attempt=ATTEMPT, last_execute_id="x")
    after = again(before, 0, T0 + 1)
    assert (after.observe_token, after.observe_attempt) == ("aa", ATTEMPT)
    assert (after.current_attempt, after.last_execute_id) == (ATTEMPT, "x")
    assert (after.location, after.address) == ("m", "10.0.0.1:2")


def test_a_registration_taken_over_from_another_gateway_has_no_current_attempt() -> None:
    before = registered(**OBSERVED, current_attempt=ATTEMPT, last_execute_id="x")
    after = again(before, 1, T0 + 1)
    assert after.current_attempt is None
    assert (after.observe_token, after.last_execute_id) == ("aa", "x")


def test_an_update_that_changes_nothing_needs_no_new_record() -> None:
    record = registered()
    assert records.update(record, Parameters(), T0 + 499) is record


def test_an_update_in_the_second_half_of_the_lifetime_refreshes_it() -> None:
    record = registered()
    refreshed = records.update(record, Parameters(), T0 + 501)
    assert refreshed.expires_at == utc(T0 + 501 + 1_000)


def test_after_a_restart_a_lifetime_ends_no_earlier_than_it_would_have() -> None:
    record = registered()
    last_silent_update = T0 + 499
    assert records.update(record, Parameters(), last_silent_update) is record
    assert records.latest_expiry(record) >= last_silent_update + 1_000


@pytest.mark.parametrize(
    ("parameters", "address"),
    [
        (Parameters(lifetime=5), None),
        (Parameters(queue_mode=True), None),
        (Parameters(objects=parse_object_list("</5/0>")), None),
        (Parameters(), "10.0.0.1:9"),
    ],
)
def test_an_update_that_changes_something_makes_a_new_record(parameters: Parameters, address: str | None) -> None:
    record = registered()
    changed = records.update(record, parameters, T0 + 1, address)
    assert changed is not record
    assert changed.epoch == record.epoch


def test_preparing_a_read_leaves_the_record_unchanged() -> None:
    record = registered()
    assert records.prepare(record, device_requests(Read(path="/3/0/3")), "bb", T0) is record


def test_preparing_a_command_records_its_observation_and_its_attempt() -> None:
    changed = records.prepare(registered(), device_requests(Observe(path="/5/0/3"), PACKAGE_URI), "bb", T0)
    assert (changed.observe_token, changed.observe_attempt, changed.current_attempt) == ("bb", ATTEMPT, ATTEMPT)


def test_an_attempt_that_observes_again_keeps_its_token() -> None:
    record = registered(**OBSERVED)
    assert records.prepare(record, device_requests(Observe(path="/5/0/3")), "bb", T0) is record


def test_the_next_attempt_gets_a_token_of_its_own() -> None:
    changed = records.prepare(registered(**OBSERVED), device_requests(Observe(path="/5/0/3"), attempt=2), "bb", T0)
    assert (changed.observe_token, changed.observe_attempt) == ("bb", SECOND)


def test_preparing_a_device_command_records_no_observation_and_no_attempt() -> None:
    record = registered()
    assert records.prepare(record, device_requests(Observe(path="/5/0/3"), PACKAGE_URI, attempt=0), "bb", T0) is record


@pytest.mark.requirement("R082")
def test_preparing_an_execute_records_its_command_id() -> None:
    assert records.prepare(registered(), device_requests(Execute(path="/5/0/2")), "bb", T0).last_execute_id == "c"


def test_an_execute_that_was_not_sent_leaves_the_one_before_it_as_the_last() -> None:
    execute = device_requests(Execute(path="/5/0/2"))
    for before in (None, "before"):
        noted = records.prepare(registered(last_execute_id=before), execute, "bb", T0)
        assert records.restore_last_execute(noted, execute, before, T0).last_execute_id == before
    other = msgspec.structs.replace(execute, command_id="another")
    assert records.restore_last_execute(noted, other, None, T0) is noted


@pytest.mark.requirement("R085")
def test_a_cancel_clears_the_observation_whichever_attempt_of_its_execution_began_it() -> None:
    record = registered(**OBSERVED)
    for attempt in (1, 2):
        cancel = device_requests(CancelObserve(path="/5/0/3"), attempt=attempt)
        cleared = records.clear_observation(record, cancel, T0)
        assert (cleared.observe_token, cleared.observe_attempt) == (None, None)


def test_an_observation_of_another_execution_is_kept() -> None:
    record = registered(**OBSERVED)
    for execution_id in ("u:d", None):
        cancel = device_requests(CancelObserve(path="/5/0/3"), execution_id=execution_id)
        assert records.clear_observation(record, cancel, T0) is record
    assert records.clear_observation(record, device_requests(Read(path="/5/0/3")), T0) is record


def test_a_close_clears_exactly_its_attempt() -> None:
    record = registered(current_attempt=SECOND)
    assert records.close_download(record, close_download(1), utc(T0)) is record
    assert records.close_download(record, close_download(2), utc(T0)).current_attempt is None


def test_a_close_ends_all_commands_of_its_attempt_but_the_cancel() -> None:
    for request in (Read(path="/5/0/3"), Observe(path="/5/0/3"), PACKAGE_URI, Execute(path="/5/0/2")):
        assert records.is_closed_by(device_requests(request), close_download(1))
        assert not records.is_closed_by(device_requests(request), close_download(2))
        assert not records.is_closed_by(device_requests(request, attempt=0), close_download(1))
    assert not records.is_closed_by(device_requests(CancelObserve(path="/5/0/3")), close_download(1))
