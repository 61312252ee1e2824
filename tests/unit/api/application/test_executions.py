import pytest
from tests.unit.api.application.fakes import FakeExecutions
from tests.unit.api.records import AT, execution

from sluice_api.application.executions import stop_execution
from sluice_api.domain.errors import ConflictError, NotFoundError
from sluice_common.messages.execution_events import ExecutionStatus


async def test_an_execution_under_way_is_asked_to_stop_once() -> None:
    executions = FakeExecutions(**{"t:d": execution()})
    for _ in range(2):
        assert (await stop_execution(executions, "a", "t:d", AT, None)).stop_requested
    (message,) = executions.messages
    assert (message.topic, message.key) == ("device-events", "d")
    assert '"type":"execution_stop_requested"' in message.value


async def test_an_execution_that_has_ended_cannot_be_stopped_also_if_it_ends_at_that_moment() -> None:
    executions = FakeExecutions(**{"t:d": execution(active=False, status=ExecutionStatus.FAILED)})
    with pytest.raises(ConflictError) as caught:
        await stop_execution(executions, "a", "t:d", AT, None)
    assert caught.value.code == "execution_ended"
    executions = FakeExecutions(**{"t:d": execution()})
    executions.ends_meanwhile = True
    with pytest.raises(ConflictError):
        await stop_execution(executions, "a", "t:d", AT, None)
    assert executions.messages == []


async def test_the_execution_of_another_app_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        await stop_execution(FakeExecutions(**{"t:d": execution()}), "b", "t:d", AT, None)
