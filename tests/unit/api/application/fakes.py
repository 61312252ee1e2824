"""Repositories in memory: they hold records, and note the messages that are stored with them."""

# ruff: noqa: ARG002, D102 - fakes take what the ports take, and their ports say what it means

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from sluice_api.domain.errors import ConflictError, NamedTask, NotFoundError
from sluice_api.domain.models import (
    Execution,
    KeyStatus,
    Package,
    PackageFilter,
    Page,
    Product,
    ProductChange,
    ProductFilter,
    PublicKey,
    PublicKeyFilter,
    Record,
    Task,
    TaskFilter,
    TaskStatus,
)
from sluice_api.domain.outbox import OutboxMessage
from sluice_api.domain.tasks import READING, STOPPABLE
from sluice_common.messages.execution_events import ExecutionStatus, Reason
from sluice_common.messages.package_events import PublicKeyRef

Kept = TypeVar("Kept", bound=Record)
Wanted = TypeVar("Wanted", bound=Record)


class FakeRepository(Generic[Kept, Wanted]):
    """Records of app `a` by their ids."""

    def __init__(self, **records: Kept) -> None:
        self.records = records
        self.messages: list[OutboxMessage] = []

    async def find(self, app_id: str, identifier: str) -> Kept | None:
        return self.records.get(identifier) if app_id == "a" else None

    async def get(self, app_id: str, identifier: str) -> Kept:
        found = await self.find(app_id, identifier)
        if found is None:
            raise NotFoundError("record", identifier)
        return found

    async def page(self, app_id: str, wanted: Wanted, limit: int, after: str | None) -> Page[Kept]:
        return Page(list(self.records.values())[:limit], None)

    async def delete(self, app_id: str, identifier: str) -> None:
        await self.get(app_id, identifier)
        del self.records[identifier]

    def _replace(self, identifier: str, **changes: object) -> None:
        self.records[identifier] = msgspec.structs.replace(self.records[identifier], **changes)


class FakeProducts(FakeRepository[Product, ProductFilter]):
    """The products; `used_by` is what refers to all of them."""

    used_by: str | None = None

    async def add(self, product: Product) -> None:
        if await self.has_model(product.app_id, product.manufacturer, product.model):
            raise ConflictError("duplicate", "There is one.")
        self.records[product.product_id] = product

    async def change(self, app_id: str, product_id: str, change: ProductChange) -> Product:
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
        self._replace(product_id, **given)
        return self.records[product_id]

    async def has_model(self, app_id: str, manufacturer: str, model: str) -> bool:
        return any((p.manufacturer, p.model) == (manufacturer, model) for p in self.records.values())

    async def has_manufacturer(self, app_id: str, manufacturer: str) -> bool:
        return any(p.manufacturer == manufacturer for p in self.records.values())

    async def using_kind(self, app_id: str, product_id: str) -> str | None:
        return self.used_by


class FakeKeys(FakeRepository[PublicKey, PublicKeyFilter]):
    """The public keys; `uses` says at each look in turn whether a package needs one."""

    def __init__(self, **keys: PublicKey) -> None:
        super().__init__(**keys)
        self.uses: list[bool] = []

    async def add(self, key: PublicKey) -> None:
        self.records[key.key_id] = key

    async def active_of(self, app_id: str, manufacturer: str) -> tuple[PublicKeyRef, ...]:
        active = [k for k in self.records.values() if k.status is KeyStatus.ACTIVE]
        return tuple(PublicKeyRef(key_id=k.key_id, pem=k.pem) for k in active)

    async def status_of(self, key_id: str | None) -> KeyStatus | None:
        found = self.records.get(key_id or "")
        return None if found is None else found.status

    async def is_revoked(self, app_id: str, fingerprint: str) -> bool:
        same = [k for k in self.records.values() if k.fingerprint == fingerprint]
        return any(k.status is KeyStatus.REVOKED for k in same)

    async def has_other_active(self, key: PublicKey, count: int) -> bool:
        others = [k for k in self.records.values() if k.status is KeyStatus.ACTIVE and k.key_id != key.key_id]
        return len(others) >= count

    async def set_status(self, app_id: str, key_id: str, before: Collection[KeyStatus], after: KeyStatus) -> None:
        if app_id == "a" and self.records[key_id].status in before:
            self._replace(key_id, status=after)

    async def revoke(self, key: PublicKey, why: str, at: datetime) -> None:
        self._replace(key.key_id, status=KeyStatus.REVOKED, revoked_at=at, revocation_reason=why)

    async def is_in_use(self, key: PublicKey) -> bool:
        return bool(self.uses) and self.uses.pop(0)

    async def delete_closed(self, key_id: str) -> bool:
        if self.records[key_id].status is not KeyStatus.DELETING:
            return False
        del self.records[key_id]
        return True


class FakePackages(FakeRepository[Package, PackageFilter]):
    """The packages, and those whose files are deleted."""

    def __init__(self, **packages: Package) -> None:
        super().__init__(**packages)
        self.without_files: list[str] = []

    @asynccontextmanager
    async def upload(self, package_id: str, app_id: str, at: datetime) -> AsyncIterator["FakeFile"]:
        yield FakeFile()

    async def add(self, package: Package, message: OutboxMessage) -> None:
        self.records[package.package_id] = package
        self.messages.append(message)

    async def content(self, package_id: str) -> AsyncIterator[bytes]:
        raise NotImplementedError("no test of use cases moves bytes")

    async def set_deleting(self, package_id: str, *, deleting: bool) -> None:
        self._replace(package_id, deleting=deleting)

    async def delete_files(self, package: Package) -> None:
        assert self.records[package.package_id].deleting
        self.without_files.append(package.package_id)


class FakeFile:
    """A file that is kept or not."""

    def __init__(self) -> None:
        self.kept = False

    async def write(self, data: bytes) -> None:
        raise NotImplementedError("no test of use cases moves bytes")

    async def keep(self) -> None:
        self.kept = True


class FakeTasks(FakeRepository[Task, TaskFilter]):
    """The tasks; `looks` is what each look for tasks under way finds in turn."""

    def __init__(self, **tasks: Task) -> None:
        super().__init__(**tasks)
        self.looks: list[Sequence[NamedTask]] = []
        self.reasons: dict[str, Reason | None] = {}

    async def add(self, task: Task, message: OutboxMessage) -> None:
        self.records[task.task_id] = task
        self.messages.append(message)

    async def stop(
        self, app_id: str, task_id: str, at: datetime, message: OutboxMessage, reason: Reason | None = None
    ) -> None:
        if task_id in self.records and self.records[task_id].status in STOPPABLE:
            self._replace(task_id, status=TaskStatus.STOPPING)
            self.messages.append(message)
            self.reasons[task_id] = reason

    async def stoppable_of(self, package_id: str) -> Sequence[tuple[str, str]]:
        return [(t.app_id, t.task_id) for t in self.records.values() if t.status in STOPPABLE]

    async def remove(self, app_id: str, task_id: str, at: datetime) -> bool:
        ended = task_id in self.records and self.records[task_id].status.is_final
        if await self.retries_of(task_id, READING):
            return False
        return ended and self.records.pop(task_id) is not None

    async def retries_of(self, task_id: str, statuses: Collection[TaskStatus]) -> Sequence[NamedTask]:
        found = [t for t in self.records.values() if t.targets.failed_of == task_id and t.status in statuses]
        return [NamedTask(t.task_id, t.name, t.status) for t in found]

    async def under_way_of(self, package_id: str) -> Sequence[NamedTask]:
        return self.looks.pop(0) if self.looks else ()


class FakeExecutions(FakeRepository[Execution, Record]):
    """The executions; with `ends_meanwhile` one ends between the look at it and the request."""

    ends_meanwhile = False

    async def request_stop(self, execution_id: str, at: datetime, message: OutboxMessage) -> None:
        if self.ends_meanwhile:
            self._replace(execution_id, active=False, status=ExecutionStatus.SUCCEEDED)
        elif self.records[execution_id].active and not self.records[execution_id].stop_requested:
            self._replace(execution_id, stop_requested=True)
            self.messages.append(message)

    async def of_task(
        self, task: Task, *, device_id: str | None, status: ExecutionStatus | None, limit: int, after: str | None
    ) -> Page[Execution]:
        raise NotImplementedError("these tests do not get there")

    async def of_device(
        self, app_id: str, device_id: str, status: ExecutionStatus | None, limit: int, after: str | None
    ) -> Page[Execution]:
        raise NotImplementedError("these tests do not get there")
