"""Rules of tasks: their progress, their end, and what an execution carries of them. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy


class TaskStatus(StrEnum):
    """State of a task."""

    SCHEDULED = "SCHEDULED"
    EXPANDING = "EXPANDING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    FINISHED = "FINISHED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        """Return whether nothing follows: only then may a task be deleted (R141, R142)."""
        return self in (self.FINISHED, self.STOPPED)


UNDER_WAY = (TaskStatus.SCHEDULED, TaskStatus.EXPANDING, TaskStatus.RUNNING, TaskStatus.STOPPING)
_COUNTED = tuple(ExecutionStatus)


def progress_of(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the progress that counts of executions by status make; they add up to `total`."""
    progress = {status.value.lower(): counts.get(status.value, 0) for status in _COUNTED}
    return {"total": sum(progress.values())} | progress


def is_done(progress: Mapping[str, int]) -> bool:
    """Return whether all executions have ended."""
    return progress["waiting"] == progress["running"] == 0


def result_of(progress: Mapping[str, int]) -> str | None:
    """Return the result of a task that has ended: None if it had no devices."""
    if progress["total"] == 0:
        return None
    if progress["stopped"]:
        return "STOPPED"
    if progress["succeeded"] == progress["total"]:
        return "SUCCEEDED"
    return "PARTIAL" if progress["succeeded"] else "FAILED"


def package_snapshot(package: Mapping[str, Any]) -> PackageSnapshot:
    """Return what executions carry of a verified package."""
    return PackageSnapshot(
        package_id=package["_id"],
        version=package["version"],
        image_id=package["image_id"],
        image_size=package["image_size"],
        image_sha256=package["image_sha256"],
        source_versions=tuple(package["source_versions"]),
    )


def product_snapshot(product: Mapping[str, Any]) -> ProductSnapshot:
    """Return what executions carry of a product."""
    maintenance, radio = product["maintenance"], product["radio"]
    return ProductSnapshot(
        product_id=product["_id"],
        protocol=product["protocol"],
        firmware_upgrade=maintenance["firmware_upgrade"],
        upgrade_protocol=maintenance.get("upgrade_protocol") or "",
        network=product["network"],
        rsrp_scale=radio["rsrp_scale"],
        sinr_scale=radio["sinr_scale"],
        sinr_path=radio["sinr_path"],
        one_based_ranges=product.get("one_based_ranges", False),
    )


def product_for(device_product_id: str, product: ProductSnapshot) -> ProductSnapshot:
    """Return the product snapshot of one device.

    A device of another product than the package's must never get its image: to the rules it has no capability for
    this upgrade, so that it fails at run time while the rest of the batch goes on (R015).
    """
    if device_product_id == product.product_id:
        return product
    return ProductSnapshot(product_id=device_product_id, protocol=product.protocol, firmware_upgrade=False)


def stored(snapshot: PackageSnapshot | ProductSnapshot) -> dict[str, Any]:
    """Return a snapshot as it lies in the task's document."""
    builtins: dict[str, Any] = msgspec.to_builtins(snapshot)
    return builtins


def upgrade_policy(policy: Mapping[str, Any]) -> UpgradePolicy:
    """Return the policy that executions carry of the task's stored one."""
    wanted = {k: v for k, v in policy.items() if k != "start_at"}
    return msgspec.convert(wanted, UpgradePolicy)
