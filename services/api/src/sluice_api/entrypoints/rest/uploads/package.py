"""Upload of a package: a multipart stream into GridFS, never whole in memory."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydantic import ValidationError

from sluice_api.application.packages import create_package
from sluice_api.application.ports import Answer, PackageFile
from sluice_api.application.products import product_named
from sluice_api.application.services import Services
from sluice_api.domain.errors import DomainError, FieldError, InvalidError
from sluice_api.domain.models import Package, PackageStatus
from sluice_api.domain.packages import MIRRORED, require_same_product
from sluice_api.domain.versions import require_no_rollback
from sluice_api.entrypoints.rest.dependencies import Caller
from sluice_api.entrypoints.rest.idempotency import key_reused, replayed
from sluice_api.entrypoints.rest.problems import Problem, too_large
from sluice_api.entrypoints.rest.schemas.packages import Package as PackageOut
from sluice_api.entrypoints.rest.schemas.packages import PackageFields
from sluice_api.entrypoints.rest.uploads.multipart import FILE_FIELD, BadMultipartError, FormReader
from sluice_common.ids import new_id

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""Local file header, or the end record of an empty archive (APPNOTE 4.3.7, 4.3.16)."""
_MAGIC_BYTES = 4
_LISTS = {"source_versions"}
_SAME = ("app_id", "product_id", "source_versions", "description", "file_size", "file_sha256", *MIRRORED)
"""Fields of a package that an upload decides."""
_ACCEPTED = int(HTTPStatus.ACCEPTED)


@dataclass
class Received:
    """A form that has been read to its end.

    Attributes:
        fields: Its fields.
        file_name: Name of its file.
        size: Bytes of the file.
        digest: SHA-256 of the file.
    """

    fields: PackageFields
    file_name: str
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def fingerprint(self) -> str:
        """Return what makes two uploads the same."""
        return hashlib.sha256(self.fields.model_dump_json().encode() + self.digest.digest()).hexdigest()


class PackageUpload:
    """One upload."""

    def __init__(self, services: Services, limit: int, caller: Caller, content_type: str) -> None:
        self._services = services
        self._limit = limit
        self._caller = caller
        self._content_type = content_type

    async def run(self, stream: AsyncIterator[bytes], key: str | None) -> Response:
        """Store the file and ask for its verification, at most once per key.

        Raises:
            Problem: Malformed, too large, or wrong fields.
            InvalidError: No zip, or its fields do not fit the product (R027–R031).
            ConflictError: Its version lies below the least that the product allows, or no key can verify it.
        """
        package_id = new_id()
        async with self._services.packages.upload(package_id, self._caller.app_id, self._services.now()) as upload:
            received = await self._receive(stream, upload)
            package = await self._package(package_id, received)
            if key is None:
                return _accepted(await self._create(upload, package))
            return await self._create_once(upload, package, key, received.fingerprint())

    async def _receive(self, stream: AsyncIterator[bytes], upload: PackageFile) -> Received:
        limit, size, digest, magic = self._limit, 0, hashlib.sha256(), b""
        try:
            form = FormReader(self._content_type)
            async for data in stream:
                for piece in form.feed(data):
                    size += len(piece)
                    if size > limit:
                        raise too_large(limit)
                    if len(magic) < _MAGIC_BYTES:
                        magic = _require_zip(magic + piece[:_MAGIC_BYTES])
                    digest.update(piece)
                    await upload.write(piece)
            form.end()
        except BadMultipartError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "malformed_multipart", str(error)) from error
        if form.file_name is None:
            raise InvalidError(FILE_FIELD, "the file is missing")
        if len(magic) < _MAGIC_BYTES:
            raise _not_a_zip()
        return Received(_fields(form.fields), form.file_name[:255], size, digest)

    async def _package(self, package_id: str, received: Received) -> Package:
        fields = received.fields
        product = await product_named(self._services.products, self._caller.app_id, fields.product_id)
        require_same_product({name: getattr(fields, name) for name in MIRRORED}, product)
        if fields.version is not None:
            # That of who uploads it: what is signed is compared when it has been read.
            require_no_rollback(fields.version, product.anti_rollback)
        return Package(
            package_id=package_id,
            app_id=self._caller.app_id,
            product_id=product.product_id,
            version=fields.version,
            manufacturer=product.manufacturer,
            model=product.model,
            device_type=product.device_type,
            protocol=product.protocol,
            source_versions=tuple(fields.source_versions),
            description=fields.description,
            file_name=received.file_name,
            file_size=received.size,
            file_sha256=received.digest.hexdigest(),
            stored_status=PackageStatus.VERIFYING,
            created_at=self._services.now(),
            uploaded_by=self._caller.client_id,
        )

    async def _create(self, upload: PackageFile, package: Package) -> PackageOut:
        created = await create_package(
            self._services.packages,
            self._services.public_keys,
            file=upload,
            package=package,
            traceparent=self._caller.traceparent,
        )
        return PackageOut.of(created)

    async def _create_once(self, upload: PackageFile, package: Package, key: str, fingerprint: str) -> Response:
        # Only now, with the file there, is it known whether this is the same request.
        reservation = await self._services.idempotency.reserve(key, package.package_id, self._services.now())
        if reservation.answer is not None:
            return replayed(reservation.answer, fingerprint)
        left = await self._services.packages.find(self._caller.app_id, reservation.resource_id)
        if left is not None and not _is_same(left, package):
            raise key_reused()
        if left is None and reservation.resumed:
            # This file lies under another id than the one that was reserved: whoever resumes next must find it.
            reservation = await self._services.idempotency.rename(reservation, package.package_id)
        try:
            created = PackageOut.of(left) if left else await self._create(upload, package)
        except DomainError:
            await self._services.idempotency.release(reservation)
            raise
        response = _accepted(created)
        await self._services.idempotency.finish(reservation, Answer(fingerprint, _ACCEPTED, bytes(response.body)))
        return response


def _is_same(left: Package, package: Package) -> bool:
    """Return whether an interrupted upload was this one: as `Received.fingerprint`, of what is stored."""
    same = all(getattr(left, name) == getattr(package, name) for name in _SAME)
    # A version that the form does not say may have been read from the manifest meanwhile.
    return same and package.version in {None, left.version}


def _accepted(package: PackageOut) -> Response:
    return Response(package.model_dump_json(), _ACCEPTED, media_type="application/json")


def _require_zip(start: bytes) -> bytes:
    if len(start) >= _MAGIC_BYTES and start[:_MAGIC_BYTES] not in _ZIP_MAGIC:
        raise _not_a_zip()
    return start


def _not_a_zip() -> InvalidError:
    return InvalidError(FILE_FIELD, "not a zip archive; sign the zip and upload the result", "not_a_zip")


def _fields(pairs: list[tuple[str, str]]) -> PackageFields:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in _LISTS:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidError(name, "given twice")
        else:
            values[name] = value
    try:
        return PackageFields.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        errors = [FieldError(".".join(map(str, e["loc"])), e["msg"]) for e in found]
        detail = "; ".join(f"{e.field}: {e.message}" for e in errors[:3])
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_failed", detail, errors) from error
