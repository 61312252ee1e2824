"""Commands that are answered without being sent."""

from typing import Any

import msgspec
import pytest
from tests.unit.lwm2m.builders import T0, device_requests, registration

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.lwm2m_commands import Execute
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.precheck import precheck
from sluice_lwm2m.domain.session import Session

RECORD = registration(epoch=7, lifetime=100)
COMMAND = device_requests(Execute(path="/5/0/2"), attempt=0, epoch=7, expires_at=utc(T0 + 30))


def outcome(now: float = T0 + 1, *, owned: bool = True, **changes: Any) -> OutcomeStatus | None:
    record = msgspec.structs.replace(RECORD, **changes)
    session = Session(record, 10, T0 + 100)
    session.begin_registration(record, T0 + 100, T0)
    session.gain_address(Peer(("10.0.0.1", 1)), T0)
    return precheck(COMMAND, record, session if owned else None, now)


def test_a_command_for_an_awake_device_is_sent() -> None:
    assert outcome() is None


def test_a_device_without_a_registration_is_asleep() -> None:
    assert precheck(COMMAND, None, None, T0) is OutcomeStatus.ASLEEP


@pytest.mark.requirement("R062")
@pytest.mark.parametrize("changes", [{"deregistered": True}, {"queue_mode": True}])
def test_an_unreachable_device_is_asleep(changes: dict[str, Any]) -> None:
    assert outcome(T0 + 20, **changes) is OutcomeStatus.ASLEEP


def test_expired_commands_other_epochs_and_other_owners_are_stale() -> None:
    assert outcome(T0 + 30) is OutcomeStatus.STALE
    assert outcome(epoch=8) is OutcomeStatus.STALE
    assert outcome(owned=False) is OutcomeStatus.STALE


@pytest.mark.requirement("R082")
def test_a_recorded_execute_is_already_sent_whatever_else_holds() -> None:
    for now in (T0 + 1, T0 + 1_000):
        assert outcome(now, last_execute_id="c", epoch=9) is OutcomeStatus.ALREADY_SENT
