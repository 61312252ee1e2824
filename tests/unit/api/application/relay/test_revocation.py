from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from structlog.testing import capture_logs
from tests.unit.api.application.relay.fakes import AT

from sluice_api.application.relay.revocation import PackageOfKey, Revocation, RevokedKey
from sluice_api.application.tasks import TaskStopper
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import ReasonCode

KEY = RevokedKey(key_id="k", app_id="a", relay_at=AT)


class FakeStores:
    """One revoked key, its packages, and their tasks; notes what happens in its order."""

    def __init__(self, *packages: PackageOfKey) -> None:
        self.keys = [KEY]
        self.found = packages
        self.log: list[str] = []
        self.failure: Exception | None = None

    async def due(self, now: datetime) -> Sequence[RevokedKey]:
        assert now == AT
        return list(self.keys)

    async def packages(self, key: RevokedKey) -> AsyncIterator[PackageOfKey]:
        assert key is KEY
        for package in self.found:
            yield package

    async def revoke(self, package_id: str, at: datetime, message: OutboxMessage) -> None:
        assert (message.topic, message.key, at) == ("package-events", package_id, AT)
        self.log.append(f"revoke {package_id}")

    async def finish(self, key: RevokedKey) -> None:
        self.keys.remove(key)
        self.log.append("finish")

    async def stoppable_of(self, package_id: str) -> Sequence[tuple[str, str]]:
        if self.failure is not None:
            raise self.failure
        return [("a", f"task of {package_id}")]

    async def stop(
        self, app_id: str, task_id: str, at: datetime, message: OutboxMessage, reason: Reason | None = None
    ) -> None:
        assert (app_id, at, message.key, reason) == ("a", AT, task_id, Reason(code=ReasonCode.KEY_REVOKED))
        self.log.append(f"stop {task_id}")


def package(package_id: str, *, usable: bool) -> PackageOfKey:
    return PackageOfKey(package_id=package_id, image_id="i", usable=usable)


async def test_packages_of_a_revoked_key_are_revoked_and_their_tasks_stopped() -> None:
    stores = FakeStores(package("verified", usable=True), package("revoked", usable=False))
    revocation = Revocation(stores, TaskStopper(stores))
    assert await revocation.sweep_due(AT)
    assert stores.log == ["revoke verified", "stop task of verified", "stop task of revoked", "finish"]
    assert not await revocation.sweep_due(AT)


async def test_a_key_stays_due_if_the_sweep_is_interrupted() -> None:
    stores = FakeStores(package("verified", usable=True))
    stores.failure = ConnectionError()
    with capture_logs() as logs:
        assert not await Revocation(stores, TaskStopper(stores)).sweep_due(AT)
    assert stores.keys == [KEY]
    assert [(log["event"], log["key_id"]) for log in logs] == [("revocation_failed", "k")]
