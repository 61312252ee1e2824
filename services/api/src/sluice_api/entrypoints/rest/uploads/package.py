"""Upload of a package: a multipart stream into GridFS, never whole in memory."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydantic import ValidationError

from sluice_api.adapters.mongo.collections import Document
from sluice_api.adapters.mongo.idempotency import Answer
from sluice_api.adapters.mongo.packages import Upload
from sluice_api.application.services import Services
from sluice_api.domain.errors import ConflictError, DomainError, FieldError, InvalidError
from sluice_api.domain.versions import require_no_rollback
from sluice_api.entrypoints.rest.dependencies import Caller
from sluice_api.entrypoints.rest.idempotency import key_reused, replayed
from sluice_api.entrypoints.rest.problems import Problem, too_large
from sluice_api.entrypoints.rest.schemas.packages import Package, PackageFields
from sluice_api.entrypoints.rest.uploads.multipart import FILE_FIELD, BadMultipartError, FormReader
from sluice_common.ids import new_id

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""Local file header, or the end record of an empty archive (APPNOTE 4.3.7, 4.3.16)."""
_MAGIC_BYTES = 4
_LISTS = {"source_versions"}
_MIRRORED = ("device_type", "manufacturer", "model", "protocol")
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

    def __init__(self, services: Services, caller: Caller, content_type: str) -> None:
        self._services = services
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
            package, product = await self._package(package_id, received)
            if key is None:
                return _accepted(await self._create(upload, package, product))
            return await self._create_once(upload, package, product, key, received.fingerprint())

    async def _receive(self, stream: AsyncIterator[bytes], upload: Upload) -> Received:
        limit, size, digest, magic = self._services.settings.package_limit, 0, hashlib.sha256(), b""
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

    async def _package(self, package_id: str, received: Received) -> tuple[Document, Document]:
        fields = received.fields
        product = await self._services.products.named(self._caller.app_id, fields.product_id)
        for name in _MIRRORED:
            given = getattr(fields, name)
            if given is not None and given != product[name]:
                raise InvalidError(name, f"the product's is {product[name]!r}", "product_mismatch")
        require_no_rollback(fields.version, product)
        return {
            "_id": package_id,
            "app_id": self._caller.app_id,
            "uploaded_by": self._caller.app_id,
            "version": fields.version,
            "product_id": fields.product_id,
            "source_versions": fields.source_versions,
            "description": fields.description,
            "file_name": received.file_name,
            "file_size": received.size,
            "file_sha256": received.digest.hexdigest(),
        } | {name: product[name] for name in _MIRRORED}, product

    async def _create(self, upload: Upload, package: Document, product: Document) -> Package:
        keys = await self._services.public_keys.of_manufacturer(self._caller.app_id, product["manufacturer"])
        if not keys:
            detail = f"Upload or activate a public key of {product['manufacturer']!r} first."
            raise ConflictError("no_public_key", detail)
        await upload.keep()
        return Package.of(
            await self._services.packages.create(package, keys, self._services.now(), self._caller.traceparent)
        )

    async def _create_once(
        self, upload: Upload, package: Document, product: Document, key: str, fingerprint: str
    ) -> Response:
        # Only now, with the file there, is it known whether this is the same request.
        reservation = await self._services.idempotency.reserve(key, package["_id"], self._services.now())
        if reservation.answer is not None:
            return replayed(reservation.answer, fingerprint)
        left = await self._services.packages.find(self._caller.app_id, reservation.resource_id)
        if left is not None and not _is_same(left, package):
            raise key_reused()
        if left is None and reservation.resumed:
            # This file lies under another id than the one that was reserved: whoever resumes next must find it.
            reservation = await self._services.idempotency.rename(reservation, package["_id"])
        try:
            created = Package.of(left) if left else await self._create(upload, package, product)
        except DomainError:
            await self._services.idempotency.release(reservation)
            raise
        response = _accepted(created)
        await self._services.idempotency.finish(reservation, Answer(fingerprint, _ACCEPTED, bytes(response.body)))
        return response


def _is_same(left: Document, package: Document) -> bool:
    """Return whether an interrupted upload was this one: as `Received.fingerprint`, of what is stored."""
    return all(left[name] == value for name, value in package.items() if name not in {"_id", "file_name"})


def _accepted(package: Package) -> Response:
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
