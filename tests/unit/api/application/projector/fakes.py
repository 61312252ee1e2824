"""What the projector reads, and what it writes to, in memory."""

# ruff: noqa: ARG002 - fakes take what the ports take

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from tests.unit.api.records import package, product

from sluice_api.application.counting import CountChange, Counts, Row, RowWrite
from sluice_api.application.projector.news import DeviceNews
from sluice_api.domain.models import KeyStatus, Package, PackageStatus, Product, Rejection
from sluice_common.bus import Received
from sluice_common.errors import PoisonError
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged, ExecutionStatus, Step
from sluice_common.messages.package_events import PackageVerified, SignedRelease
from sluice_common.messages.registrations import Registration

AT = datetime(2026, 11, 22, tzinfo=UTC)


def execution(name: str, version: int = 1, **changes: Any) -> ExecutionChanged:
    """Return a snapshot of a running execution `t:name` of the device `name`."""
    plain = ExecutionChanged(
        app_id="a",
        occurred_at=AT,
        execution_id=f"t:{name}",
        task_id="t",
        device_id=name,
        version=version,
        status=ExecutionStatus.RUNNING,
        step=Step.DOWNLOADING,
        attempt=1,
        max_retries=0,
        target_version="2",
        created_at=AT,
    )
    return msgspec.structs.replace(plain, **changes)


def registration(device_id: str, at: datetime = AT, **changes: Any) -> Registration:
    """Return the registration of a device."""
    plain = Registration(
        app_id="a",
        occurred_at=at,
        device_id=device_id,
        endpoint="e",
        address="x",
        gateway=0,
        epoch=1,
        location="l",
        lifetime=60,
        expires_at=at,
    )
    return msgspec.structs.replace(plain, **changes)


def verified(package_id: str = "p", image_id: str = "i", release: SignedRelease | None = None) -> PackageVerified:
    """Return that signing has verified a package."""
    return PackageVerified(
        app_id="a",
        occurred_at=AT,
        package_id=package_id,
        image_id=image_id,
        image_name="image.bin",
        image_size=1,
        image_sha256="00",
        key_id="k",
        algorithm="Ed25519",
        release=release,
    )


def received(message: Any, offset: int = 0, partition: int = 0) -> Received:
    """Return a message as a consumer hands it over."""
    return Received(message, "execution-events", partition, offset)


class FakeStore:
    """Rows of executions, the counts and apps of tasks, and what was written; it may die before a write."""

    def __init__(self, **executions: int) -> None:
        self.executions = {f"t:{name}": _row(version) for name, version in executions.items()}
        self.tasks = {"t": "a"}
        self.totals: dict[str, Counts] = {}
        self.commands: list[str] = []
        self.devices: list[Mapping[str, DeviceNews]] = []
        self.seen: list[tuple[tuple[str, ...], datetime]] = []
        self.poison: set[str] = set()
        self.failure: Exception | None = None
        self.overtaking: Callable[[], Awaitable[None]] | None = None
        self.dies_before = ""

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the rows."""
        return {key: row.version for key, row in self.executions.items()}

    def counted(self, task_id: str = "t") -> dict[str, int]:
        """Return the counts of a task, without zeros."""
        found = self.totals.get(task_id, Counts()).by_status
        return {status.value: number for status, number in found.items() if number}

    async def rows(self, execution_ids: Sequence[str]) -> Mapping[str, Row]:
        """Return those that are there."""
        return {i: self.executions[i] for i in execution_ids if i in self.executions}

    async def counts(self, task_ids: Collection[str]) -> Mapping[str, Counts]:
        """Return those that are there."""
        return {i: self.totals[i] for i in task_ids if i in self.totals}

    async def update_executions(self, writes: Sequence[RowWrite]) -> None:
        """Write over older ones, or raise the failure once, or what is poison."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        if self.poison & {w.snapshot.execution_id for w in writes}:
            raise PoisonError("too large")
        self._may_die("rows")
        for write in writes:
            if self.executions[write.snapshot.execution_id].version < write.snapshot.version:
                self._put(write)
            self._may_die("one row")
        if self.overtaking is not None:
            overtaking, self.overtaking = self.overtaking, None
            await overtaking()

    async def change_counts(self, task_id: str, change: CountChange) -> bool:
        """Change counts whose positions have not changed since."""
        self._may_die("counts")
        counts = self.totals.get(task_id, Counts())
        if any(counts.positions.get(p) != change.before.positions.get(p) for p in change.positions):
            return False
        by_status = Counter(counts.by_status)
        by_status.update(change.by_status)
        self.totals[task_id] = Counts(
            by_status=dict(by_status), positions=counts.positions | change.positions, is_new=False
        )
        return True

    def _may_die(self, before: str) -> None:
        if self.dies_before == before:
            raise ConnectionError

    def _put(self, write: RowWrite) -> None:
        snapshot = write.snapshot
        clocked = snapshot.execution_id not in self.executions or self.executions[snapshot.execution_id].clocked
        self.executions[snapshot.execution_id] = Row(
            version=snapshot.version, status=snapshot.status, clocked=clocked, before=write.before, place=write.place
        )

    async def apps_of_tasks(self, task_ids: Collection[str]) -> Mapping[str, str]:
        """Return the apps of tasks that are there."""
        return {task_id: self.tasks[task_id] for task_id in task_ids if task_id in self.tasks}

    async def insert_executions(self, writes: Sequence[RowWrite]) -> None:
        """Insert."""
        for write in writes:
            self._put(write)

    async def update_steps(self, snapshots: Collection[ExecutionChanged]) -> None:
        """Write over older ones, or raise what is poison."""
        if self.poison & {s.execution_id for s in snapshots}:
            raise PoisonError("too large")
        for snapshot in snapshots:
            row = self.executions[snapshot.execution_id]
            if row.version < snapshot.version:
                changes = {"version": snapshot.version, "status": snapshot.status}
                self.executions[snapshot.execution_id] = msgspec.structs.replace(row, **changes)

    async def update_commands(self, snapshots: Collection[DeviceCommandChanged]) -> None:
        """Note it."""
        self.commands += [s.command_id for s in snapshots]

    async def update_devices(self, news: Mapping[str, DeviceNews]) -> None:
        """Note it."""
        self.devices.append(news)

    async def mark_seen(self, device_ids: Sequence[str], at: datetime) -> None:
        """Note it."""
        self.seen.append((tuple(device_ids), at))


def _row(version: int) -> Row:
    status = ExecutionStatus.WAITING if version < 0 else ExecutionStatus.RUNNING
    return Row(version=version, status=status, clocked=True)


class FakeRecount:
    """Notes of which tasks it is asked."""

    def __init__(self) -> None:
        self.tasks: list[str] = []

    async def recount(self, task_id: str, reached: Mapping[int, int] = {}) -> bool:
        """Note it."""
        self.tasks.append(task_id)
        return True


class FakeProgressStore:
    """What a recount needs of one task, out of the same rows and counts."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def counts(self, task_ids: Sequence[str]) -> Mapping[str, Counts]:
        """Return those that are there."""
        return await self._store.counts(task_ids)

    async def rows(self, task_id: str, page: int) -> AsyncGenerator[Sequence[Row], None]:
        """Yield all in one page."""
        yield list(self._store.executions.values())

    async def replace_counts(self, task_id: str, before: Counts, after: Counts, total: int) -> bool:
        """Replace; nothing comes in between."""
        assert self._store.totals.get(task_id, Counts()).positions == before.positions
        self._store.totals[task_id] = msgspec.structs.replace(after, is_new=False)
        return True

    async def expanded(self, task_id: str) -> None:
        """Return none."""

    async def end(self, *_: object, **__: object) -> None:
        """Do nothing."""

    async def under_way(self) -> Sequence[str]:
        """Return none."""
        return ()


class FakePackages:
    """One package with its key, and its images."""

    def __init__(self, key_status: KeyStatus | None = KeyStatus.ACTIVE) -> None:
        self.key_status = key_status
        self.record = package(stored_status=PackageStatus.VERIFYING)
        self.product_record = product()
        self.status = "VERIFYING"
        self.image: str | None = None
        self.images = {"i", "j"}
        self.looks: list[str] = []
        self.log: list[str] = []

    async def accept(self, message: PackageVerified) -> None:
        """Accept what is being verified."""
        if self.status == "VERIFYING":
            self.status, self.image = "VERIFIED", message.image_id
            self.log.append("accepted")

    async def package(self, package_id: str) -> Package | None:
        """Return the package."""
        assert package_id == "p"
        return self.record

    async def product(self, product_id: str) -> Product | None:
        """Return the product."""
        assert product_id == self.record.product_id
        return self.product_record

    async def reject(self, package_id: str, why: Rejection, at: datetime) -> None:
        """Reject what is being verified."""
        assert (package_id, at) == ("p", AT)
        if self.status == "VERIFYING":
            self.status = f"REJECTED {why.code}"

    async def reject_again(self, package_id: str, image_id: str) -> None:
        """Reject what was accepted."""
        assert (package_id, image_id) == ("p", self.image)
        self.status, self.image = "REJECTED", None

    async def status_of_key(self, key_id: str) -> KeyStatus | None:
        """Return the key's status."""
        assert key_id == "k"
        self.log.append("key looked at")
        return self.key_status

    async def look_at_key_again(self, key_id: str, at: datetime) -> None:
        """Note it."""
        assert at == AT
        self.looks.append(key_id)

    async def image_of(self, package_id: str) -> str | None:
        """Return the image."""
        assert package_id == "p"
        return self.image

    async def delete_image(self, image_id: str) -> None:
        """Delete an image."""
        self.images.discard(image_id)
