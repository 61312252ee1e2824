"""Packages: uploaded for verification, and deleted when no task needs them."""

from sluice_api.application.ports import PackageFile
from sluice_api.application.services import Services
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.models import Package
from sluice_api.domain.outbox import entry
from sluice_common.messages.package_events import PackageUploaded
from sluice_common.topics import PACKAGE_EVENTS


async def create_package(services: Services, file: PackageFile, package: Package, traceparent: str | None) -> Package:
    """Keep the file of a package and ask for its verification.

    Raises:
        ConflictError: No active key of its manufacturer could have signed it.
    """
    keys = await services.public_keys.active_of(package.app_id, package.manufacturer)
    if not keys:
        detail = f"Upload or activate a public key of {package.manufacturer!r} first."
        raise ConflictError("no_public_key", detail)
    await file.keep()
    message = PackageUploaded(
        app_id=package.app_id,
        occurred_at=package.created_at,
        traceparent=traceparent,
        package_id=package.package_id,
        file_size=package.file_size,
        public_keys=keys,
    )
    await services.packages.add(package, entry(PACKAGE_EVENTS, package.package_id, message))
    return package


async def delete_package(services: Services, app_id: str, package_id: str) -> None:
    """Delete a package with zip and image; repeating it completes what was cut short.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: Tasks that are under way need it; it names them.
    """
    package = await services.packages.get(app_id, package_id)
    await _require_unused(services, package_id)
    await _close(services, package_id)
    await services.packages.delete_files(package)
    await services.packages.delete(app_id, package_id)


async def _close(services: Services, package_id: str) -> None:
    """Let no task begin with a package any more, then look once more for those under way.

    The first look, before this, keeps a package open that has tasks: theirs may be about to begin.
    """
    await services.packages.set_deleting(package_id, deleting=True)
    try:
        await _require_unused(services, package_id)
    except ConflictError:
        await services.packages.set_deleting(package_id, deleting=False)
        raise


async def _require_unused(services: Services, package_id: str) -> None:
    if tasks := await services.tasks.under_way_of(package_id):
        raise ConflictError("package_in_use", "Tasks that are under way use the package; stop them first.", tasks=tasks)
