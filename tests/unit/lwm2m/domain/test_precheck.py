"""Commands that end before they begin."""

from typing import Any

import msgspec
import pytest

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.lwm2m_commands import DeviceRequests, Execute
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.precheck import refusal
from sluice_lwm2m.domain.session import Session

T0 = 1_700_000_000.0
RECORD = Registration(
    app_id="a",
    occurred_at=utc(T0),
    device_id="d",
    endpoint="ep",
    address="10.0.0.1:1",
    gateway=0,
    epoch=7,
    location="l",
    lifetime=100,
    expires_at=utc(T0 + 100),
)
COMMAND = DeviceRequests(
    app_id="a",
    occurred_at=utc(T0),
    device_id="d",
    command_id="c",
    epoch=7,
    expires_at=utc(T0 + 30),
    requests=(Execute(path="/5/0/2"),),
)


def refused(now: float = T0 + 1, *, owned: bool = True, **changes: Any) -> OutcomeStatus | None:
    record = msgspec.structs.replace(RECORD, **changes)
    session = Session(record, 10, T0 + 100)
    session.registered(record, T0 + 100, T0)
    return refusal(COMMAND, record, session if owned else None, now)


def test_a_command_for_an_awake_device_is_sent() -> None:
    assert refused() is None


def test_a_device_that_nobody_knows_is_asleep() -> None:
    assert refusal(COMMAND, None, None, T0) is OutcomeStatus.ASLEEP


@pytest.mark.requirement("R062")
@pytest.mark.parametrize("changes", [{"deregistered": True}, {"queue_mode": True}])
def test_a_device_out_of_reach_is_asleep(changes: dict[str, Any]) -> None:
    assert refused(T0 + 20, **changes) is OutcomeStatus.ASLEEP


def test_expired_commands_other_epochs_and_other_owners_are_stale() -> None:
    assert refused(T0 + 30) is OutcomeStatus.STALE
    assert refused(epoch=8) is OutcomeStatus.STALE
    assert refused(owned=False) is OutcomeStatus.STALE


@pytest.mark.requirement("R082")
def test_an_execute_met_again_is_said_to_be_sent_whatever_else_holds() -> None:
    for now in (T0 + 1, T0 + 1_000):
        assert refused(now, last_execute_id="c", epoch=9) is OutcomeStatus.ALREADY_SENT
