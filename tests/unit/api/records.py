"""Records as the API keeps them, complete and plain: tests change what they are about."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from sluice_api.domain.models import (
    AntiRollback,
    Checkpoint,
    Device,
    Execution,
    KeyStatus,
    Maintenance,
    Ordering,
    Package,
    PackageStatus,
    Product,
    Progress,
    Protocol,
    PublicKey,
    Radio,
    Targets,
    Task,
    TaskPolicy,
    TaskStatus,
)
from sluice_common.messages.execution_events import ExecutionStatus, Step

AT = datetime(2026, 11, 22, tzinfo=UTC)
_NO_MINIMUM = AntiRollback(ordering=Ordering.SEMVER, minimum_version=None)


def product(**changes: Any) -> Product:
    """Return an LwM2M product of app `a`."""
    plain = Product(
        product_id="m",
        app_id="a",
        manufacturer="Acme",
        model="WM-1",
        device_type="WaterMeter",
        protocol=Protocol.LWM2M,
        maintenance=Maintenance(firmware_upgrade=True, upgrade_protocol="LWM2M"),
        network="n1",
        radio=Radio(rsrp_scale=0.1, sinr_scale=1.0, sinr_path="/4/0/11"),
        anti_rollback=_NO_MINIMUM,
        created_at=AT,
    )
    return msgspec.structs.replace(plain, **changes)


def package(**changes: Any) -> Package:
    """Return a verified package of that product."""
    plain = Package(
        package_id="p",
        app_id="a",
        product_id="m",
        version="2.0.0",
        manufacturer="Acme",
        model="WM-1",
        device_type="WaterMeter",
        protocol=Protocol.LWM2M,
        source_versions=("1.*",),
        description="",
        file_name="p_signed.zip",
        file_size=1000,
        file_sha256="ab" * 32,
        stored_status=PackageStatus.VERIFIED,
        created_at=AT,
        image_id="i",
        image_name="p.bin",
        image_size=900,
        image_sha256="cd" * 32,
        key_id="k",
        algorithm="ED25519",
        verified_at=AT,
    )
    return msgspec.structs.replace(plain, **changes)


def public_key(**changes: Any) -> PublicKey:
    """Return an active key of that manufacturer."""
    plain = PublicKey(
        key_id="k",
        app_id="a",
        manufacturer="Acme",
        fingerprint="ef" * 32,
        algorithm="Ed25519",
        pem="-----BEGIN PUBLIC KEY-----",
        status=KeyStatus.ACTIVE,
        created_at=AT,
    )
    return msgspec.structs.replace(plain, **changes)


def device(**changes: Any) -> Device:
    """Return a device of that product, in group `g`."""
    plain = Device(
        device_id="d",
        app_id="a",
        product_id="m",
        endpoint="urn:d",
        name="Meter",
        tags=("north",),
        group_ids=("g",),
        created_at=AT,
    )
    return msgspec.structs.replace(plain, **changes)


def task(**changes: Any) -> Task:
    """Return a task that upgrades a group to that package."""
    plain = Task(
        task_id="t",
        app_id="a",
        name="n",
        package_id="p",
        targets=Targets(group_ids=("g",)),
        policy=TaskPolicy(),
        status=TaskStatus.RUNNING,
        result=None,
        progress=Progress(),
        package=package().snapshot(),
        product=product().snapshot(),
        expansion=Checkpoint(),
        created_at=AT,
        ended_at=None,
    )
    return msgspec.structs.replace(plain, **changes)


def execution(**changes: Any) -> Execution:
    """Return an execution of that task that waits for its device."""
    plain = Execution(
        execution_id="t:d",
        app_id="a",
        task_id="t",
        device_id="d",
        endpoint="e",
        product_id="m",
        group_ids=(),
        version=1,
        active=True,
        status=ExecutionStatus.RUNNING,
        step=Step.AWAIT_ONLINE,
        attempt=1,
        max_retries=0,
        target_version="2.0",
        created_at=AT,
        history=(),
    )
    return msgspec.structs.replace(plain, **changes)
