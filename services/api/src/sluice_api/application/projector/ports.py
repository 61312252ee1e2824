"""What the projector needs: what it writes for users to query."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sluice_api.application.counting import CountChange, Counts, Row, RowWrite
from sluice_api.application.projector.news import DeviceNews
from sluice_api.domain.models import KeyStatus, Package, Product, Rejection
from sluice_common.messages.execution_events import DeviceCommandChanged, ExecutionChanged
from sluice_common.messages.package_events import PackageVerified


class Rows(Protocol):
    """Executions and devices as they are stored.

    Writes raise `PoisonError` if a message can never be stored; those of the other messages may have been done.
    """

    async def rows(self, execution_ids: Sequence[str]) -> Mapping[str, Row]:
        """Return what is stored of executions, by id."""
        ...

    async def apps_of_tasks(self, task_ids: Collection[str]) -> Mapping[str, str]:
        """Return the apps of those tasks that exist and are not deleted."""
        ...

    async def insert_executions(self, writes: Sequence[RowWrite]) -> None:
        """Insert executions that are missing, as their snapshots have them."""
        ...

    async def update_devices(self, news: Mapping[str, DeviceNews]) -> None:
        """Write what is new of devices, by device."""
        ...


class ProjectionStore(Rows, Protocol):
    """Executions that have ended, and how many of a task have."""

    async def counts(self, task_ids: Collection[str]) -> Mapping[str, Counts]:
        """Return the counts of those tasks that have some."""
        ...

    async def update_executions(self, writes: Sequence[RowWrite]) -> None:
        """Write snapshots over older ones."""
        ...

    async def change_counts(self, task_id: str, change: CountChange) -> bool:
        """Change the counts of a task; return False if they are not any more those that were read."""
        ...


class DetailStore(Rows, Protocol):
    """What executions that have not ended, device commands and devices say."""

    async def update_steps(self, snapshots: Collection[ExecutionChanged]) -> None:
        """Write snapshots of executions that have not ended over older ones."""
        ...

    async def update_commands(self, snapshots: Collection[DeviceCommandChanged]) -> None:
        """Write snapshots over older ones."""
        ...

    async def mark_seen(self, device_ids: Sequence[str], at: datetime) -> None:
        """Write that registered devices have spoken, unless it is known that they have since."""
        ...


class Recount(Protocol):
    """Counts tasks anew."""

    async def recount(self, task_id: str, reached: Mapping[int, int] = {}) -> bool:
        """Count the executions of a task anew, with the snapshots up to those offsets of partitions.

        Returns:
            Whether that was done: False if its counts changed meanwhile, time and again.
        """
        ...


class TasksUnderWay(Recount, Protocol):
    """Tasks that have not ended."""

    async def end_if_done(self, task_id: str, now: datetime) -> None:
        """End a task whose executions have all ended."""
        ...

    async def under_way(self) -> Sequence[str]:
        """Return their ids."""
        ...


class VerificationStore(Protocol):
    """Packages, their images and the keys that verify them."""

    async def package(self, package_id: str) -> Package | None:
        """Return a package, None if it has been deleted."""
        ...

    async def product(self, product_id: str) -> Product | None:
        """Return a product, None if it has been deleted."""
        ...

    async def accept(self, message: PackageVerified) -> None:
        """Make a package that is being verified a VERIFIED one, and what is signed of it what it is."""
        ...

    async def reject(self, package_id: str, why: Rejection, at: datetime) -> None:
        """Make a package that is being verified a REJECTED one."""
        ...

    async def reject_again(self, package_id: str, image_id: str) -> None:
        """Make a package that was verified with an image a REJECTED one, as its key is gone."""
        ...

    async def status_of_key(self, key_id: str) -> KeyStatus | None:
        """Return the status of the key that verified a package, None if it has been deleted."""
        ...

    async def look_at_key_again(self, key_id: str, at: datetime) -> None:
        """Have the relay look for what uses a key, if it is revoked."""
        ...

    async def image_of(self, package_id: str) -> str | None:
        """Return the image of a package, None if it has none or has been deleted."""
        ...

    async def delete_image(self, image_id: str) -> None:
        """Delete an image; it may be gone already."""
        ...
