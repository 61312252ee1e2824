"""What the projector reads, and what it writes to, in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sluice_api.application.projector.news import DeviceNews
from sluice_api.domain.models import KeyStatus
from sluice_common.errors import PoisonError
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged, ExecutionStatus, Step
from sluice_common.messages.package_events import PackageRejected, PackageVerified
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


def verified(package_id: str = "p", image_id: str = "i") -> PackageVerified:
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
    )


class FakeStore:
    """Executions by id with their version, the apps of tasks, and what was written."""

    def __init__(self, **executions: int) -> None:
        self.executions = {f"t:{name}": version for name, version in executions.items()}
        self.tasks = {"t": "a"}
        self.commands: list[str] = []
        self.devices: list[Mapping[str, DeviceNews]] = []
        self.seen: list[tuple[tuple[str, ...], datetime]] = []
        self.poison: set[str] = set()
        self.failure: Exception | None = None

    async def update_executions(self, snapshots: Collection[ExecutionChanged]) -> int:
        """Write over older ones, or raise the failure once, or what is poison."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        if self.poison & {s.execution_id for s in snapshots}:
            raise PoisonError("too large")
        older = [s for s in snapshots if self.executions.get(s.execution_id, s.version) < s.version]
        self.executions |= {s.execution_id: s.version for s in older}
        return len(older)

    async def existing_executions(self, execution_ids: Sequence[str]) -> set[str]:
        """Return those that are there."""
        return self.executions.keys() & set(execution_ids)

    async def apps_of_tasks(self, task_ids: Collection[str]) -> Mapping[str, str]:
        """Return the apps of tasks that are there."""
        return {task_id: self.tasks[task_id] for task_id in task_ids if task_id in self.tasks}

    async def insert_executions(self, snapshots: Collection[ExecutionChanged]) -> None:
        """Insert."""
        self.executions |= {s.execution_id: s.version for s in snapshots}

    async def update_commands(self, snapshots: Collection[DeviceCommandChanged]) -> None:
        """Note it."""
        self.commands += [s.command_id for s in snapshots]

    async def update_devices(self, news: Mapping[str, DeviceNews]) -> None:
        """Note it."""
        self.devices.append(news)

    async def mark_seen(self, device_ids: Sequence[str], at: datetime) -> None:
        """Note it."""
        self.seen.append((tuple(device_ids), at))


class FakePackages:
    """One package with its key, and its images."""

    def __init__(self, key_status: KeyStatus | None = KeyStatus.ACTIVE) -> None:
        self.key_status = key_status
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

    async def reject(self, message: PackageRejected) -> None:
        """Reject."""
        self.status = f"REJECTED {message.code}"

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
