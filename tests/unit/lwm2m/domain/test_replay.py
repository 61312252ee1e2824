"""Commands that a restart meets again."""

from collections.abc import Callable
from typing import Any

from sluice_common.messages.base import utc
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    CloseDownload,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Read,
    WritePackageUri,
)
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.replay import begun_again, closed_later, sent_before

T0 = 1_700_000_000.0
UPDATE = Execute(path="/5/0/2")
URI = WritePackageUri(image_id="i", image_size=1, not_after=utc(T0))


def command(command_id: str, request: DeviceRequest, attempt: int = 1, device: str = "d") -> DeviceRequests:
    return DeviceRequests(
        app_id="a",
        occurred_at=utc(T0),
        device_id=device,
        command_id=command_id,
        execution_id=f"t:{device}",
        attempt=attempt,
        epoch=1,
        expires_at=utc(T0),
        requests=(request,),
    )


def close(attempt: int, command_id: str = "x") -> CloseDownload:
    return CloseDownload(
        app_id="a", occurred_at=utc(T0), device_id="d", command_id=command_id, execution_id="t:d", attempt=attempt
    )


def known(**changes: Any) -> Callable[[str], Registration | None]:
    record = Registration(
        app_id="a",
        occurred_at=utc(T0),
        device_id="d",
        endpoint="ep",
        address="10.0.0.1:1",
        gateway=0,
        epoch=1,
        location="l",
        lifetime=1,
        expires_at=utc(T0),
        **changes,
    )
    return lambda device_id: record if device_id == "d" else None


def test_an_execute_that_the_record_names_was_sent_and_so_were_those_before_it() -> None:
    backlog = [command("1", UPDATE), command("2", UPDATE, 2), command("3", UPDATE, 3), command("4", UPDATE, device="e")]
    assert sent_before(backlog, known(last_execute_id="2")) == {"1", "2"}


def test_a_package_uri_of_the_current_attempt_was_sent_and_so_were_those_before_it() -> None:
    backlog = [command("1", URI), command("2", UPDATE), command("3", URI, 2), command("4", UPDATE, 2)]
    current = AttemptRef(execution_id="t:d", attempt=2)
    assert sent_before(backlog, known(current_attempt=current)) == {"1", "2", "3"}


def test_nothing_was_sent_that_no_record_names() -> None:
    backlog = [command("1", UPDATE), command("2", URI)]
    assert sent_before(backlog, known()) == frozenset()
    assert sent_before(backlog, lambda _: None) == frozenset()


def test_reads_are_simply_repeated() -> None:
    backlog = [command("1", Read(path="/3/0/3")), command("2", UPDATE)]
    assert sent_before(backlog, known(last_execute_id="2")) == {"2"}


def test_what_an_attempt_asked_before_its_close_is_not_asked_again() -> None:
    backlog: list[Lwm2mCommand] = [
        command("1", URI),
        command("2", URI, 2),
        command("3", UPDATE),
        command("4", CancelObserve(path="/5/0/3")),
        close(1),
        command("5", URI, 3),
    ]
    assert closed_later(backlog) == {"1", "3"}


def test_a_close_does_not_reach_into_the_future() -> None:
    assert closed_later([close(1), command("1", URI)]) == frozenset()


def test_a_close_is_not_repeated_when_its_attempt_has_begun_again_since() -> None:
    backlog: list[Lwm2mCommand] = [
        command("1", URI),
        close(1, "first"),
        command("2", URI),
        close(1, "second"),
        close(2, "other"),
        command("3", UPDATE, 2),
    ]
    assert begun_again(backlog) == {"first"}
    assert closed_later(backlog) == {"1", "2"}
