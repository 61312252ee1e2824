"""Commands that a restart meets again."""

from collections.abc import Callable
from typing import Any

from tests.unit.lwm2m.builders import PACKAGE_URI, close_download, device_requests, registration

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Read,
)
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.replay import closed_later, outcomes_known_before, sent_before, superseded_closes

UPDATE = Execute(path="/5/0/2")


def command(command_id: str, request: DeviceRequest, attempt: int = 1, device: str = "d") -> DeviceRequests:
    return device_requests(request, command_id=command_id, attempt=attempt, device_id=device)


def known(**changes: Any) -> Callable[[str], Registration | None]:
    record = registration(**changes)
    return lambda device_id: record if device_id == "d" else None


def test_an_execute_that_the_record_names_was_sent_and_so_were_those_before_it() -> None:
    backlog = [command("1", UPDATE), command("2", UPDATE, 2), command("3", UPDATE, 3), command("4", UPDATE, device="e")]
    assert sent_before(backlog, known(last_execute_id="2")) == {"1", "2"}


def test_a_package_uri_of_the_current_attempt_was_sent_and_so_were_those_before_it() -> None:
    backlog = [command("1", PACKAGE_URI), command("2", UPDATE), command("3", PACKAGE_URI, 2), command("4", UPDATE, 2)]
    current = AttemptRef(execution_id="t:d", attempt=2)
    assert sent_before(backlog, known(current_attempt=current)) == {"1", "2", "3"}


def test_commands_that_no_registration_names_were_not_sent() -> None:
    backlog = [command("1", UPDATE), command("2", PACKAGE_URI)]
    assert sent_before(backlog, known()) == frozenset()
    assert sent_before(backlog, lambda _: None) == frozenset()


def test_reads_are_sent_again() -> None:
    backlog = [command("1", Read(path="/3/0/3")), command("2", UPDATE)]
    assert sent_before(backlog, known(last_execute_id="2")) == {"2"}


def test_commands_of_an_attempt_before_its_close_are_not_sent_again() -> None:
    backlog: list[Lwm2mCommand] = [
        command("1", PACKAGE_URI),
        command("2", PACKAGE_URI, 2),
        command("3", UPDATE),
        command("4", CancelObserve(path="/5/0/3")),
        close_download(1, command_id="x"),
        command("5", PACKAGE_URI, 3),
    ]
    assert closed_later(backlog) == {"1", "3"}


def test_a_close_leaves_later_commands_of_its_attempt() -> None:
    assert closed_later([close_download(1, command_id="x"), command("1", PACKAGE_URI)]) == frozenset()


def test_a_close_is_superseded_when_its_attempt_begins_again_after_it() -> None:
    backlog: list[Lwm2mCommand] = [
        command("1", PACKAGE_URI),
        close_download(1, command_id="first"),
        command("2", PACKAGE_URI),
        close_download(1, command_id="second"),
        close_download(2, command_id="other"),
        command("3", UPDATE, 2),
    ]
    assert superseded_closes(backlog) == {"first"}
    assert closed_later(backlog) == {"1", "2"}


def test_commands_that_must_not_be_sent_again_have_the_outcome_that_says_why() -> None:
    backlog: list[Lwm2mCommand] = [
        command("sent", UPDATE),
        command("closed", PACKAGE_URI, 2),
        close_download(2, command_id="superseded"),
        command("again", PACKAGE_URI, 2),
        command("read", Read(path="/3/0/3")),
    ]
    assert outcomes_known_before(backlog, known(last_execute_id="sent")) == {
        "sent": OutcomeStatus.ALREADY_SENT,
        "closed": OutcomeStatus.STALE,
        "superseded": OutcomeStatus.DONE,
    }
