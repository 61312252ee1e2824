"""Packages: uploaded for verification, and deleted when no task needs them."""

from sluice_api.application.ports import PackageFile, PackageRepository, PublicKeyRepository, TaskRepository
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.models import Package
from sluice_api.domain.outbox import entry
from sluice_common.messages.package_events import PackageUploaded
from sluice_common.topics import PACKAGE_EVENTS


async def create_package(
    packages: PackageRepository,
    keys: PublicKeyRepository,
    *,
    file: PackageFile,
    package: Package,
    traceparent: str | None,
) -> Package:
    """Keep the file of a package and ask for its verification.

    Raises:
        ConflictError: No active key of its manufacturer could have signed it.
    """
    active = await keys.active_of(package.app_id, package.manufacturer)
    if not active:
        detail = f"Upload or activate a public key of {package.manufacturer!r} first."
        raise ConflictError("no_public_key", detail)
    await file.keep()
    message = PackageUploaded(
        app_id=package.app_id,
        occurred_at=package.created_at,
        traceparent=traceparent,
        package_id=package.package_id,
        file_size=package.file_size,
        public_keys=active,
    )
    await packages.add(package, entry(PACKAGE_EVENTS, package.package_id, message))
    return package


async def delete_package(packages: PackageRepository, tasks: TaskRepository, app_id: str, package_id: str) -> None:
    """Delete a package with zip and image; repeating it completes what was cut short.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: Tasks that are under way need it; it names them.
    """
    package = await packages.get(app_id, package_id)
    await _require_unused(tasks, package_id)
    await _close(packages, tasks, package_id)
    await packages.delete_files(package)
    await packages.delete(app_id, package_id)


async def _close(packages: PackageRepository, tasks: TaskRepository, package_id: str) -> None:
    """Let no task begin with a package any more, then look once more for those under way.

    The first look, before this, keeps a package open that has tasks: theirs may be about to begin.
    """
    await packages.set_deleting(package_id, deleting=True)
    try:
        await _require_unused(tasks, package_id)
    except ConflictError:
        await packages.set_deleting(package_id, deleting=False)
        raise


async def _require_unused(tasks: TaskRepository, package_id: str) -> None:
    if using := await tasks.under_way_of(package_id):
        raise ConflictError("package_in_use", "Tasks that are under way use the package; stop them first.", tasks=using)
