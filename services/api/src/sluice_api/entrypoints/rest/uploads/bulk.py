"""Bulk upload of devices: a stream of lines into batches of inserts, in constant memory."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable
from http import HTTPStatus

from fastapi import Response

from sluice_api.application.ports import Answer
from sluice_api.application.services import Services
from sluice_api.domain.device_secrets import NewDevice, mqtt_secret_of, sealed_device
from sluice_api.domain.errors import InvalidError
from sluice_api.domain.models import Device, Product
from sluice_api.entrypoints.rest.idempotency import replayed
from sluice_api.entrypoints.rest.problems import Problem, too_large
from sluice_api.entrypoints.rest.schemas.devices import BulkError, BulkResult, BulkSecret, DeviceIn
from sluice_api.entrypoints.rest.uploads.device_lines import (
    BadHeaderError,
    BadLineError,
    CsvReader,
    Lines,
    parse_json_line,
)
from sluice_common.ids import new_id

NDJSON = "application/x-ndjson"
CSV = "text/csv"
_BATCH = 1000
_ERRORS_SHOWN = 1000
_SECRETS_SHOWN = 10_000
_REMEMBERED = 10_000
"""Products and groups whose existence is remembered during one upload."""


class BulkUpload:
    """One upload: reads lines, checks what they name, inserts what is right and counts what is not."""

    def __init__(self, services: Services, limit: int, app_id: str) -> None:
        self._services = services
        self._limit = limit
        self._app_id = app_id
        self._products: dict[str, Product | None] = {}
        self._groups: dict[str, bool] = {}
        self._batch: list[tuple[int, Device, BulkSecret | None]] = []
        self._secrets: list[BulkSecret] = []
        self._made = 0
        self._created = 0
        self._failed = 0
        self._errors: list[BulkError] = []

    async def answer(self, content_type: str, stream: AsyncIterator[bytes], key: str | None) -> Response:
        """Read the stream and answer, at most once per key: an answer that was lost is given again, with its secrets.

        One whose process ended in mid-upload is read anew: its devices are duplicates then.

        Raises:
            Problem: As of `run`; or the key was used for another upload.
            InProgressError: The key is in use.
        """
        body = _Digested(content_type, stream)
        if key is None:
            return replayed(_kept(await self.run(content_type, body), ""), "")
        reservation = await self._services.idempotency.reserve(key, new_id(), self._services.now())
        if reservation.answer is not None:
            return replayed(reservation.answer, await body.fingerprint(self._limit))
        try:
            result = await self.run(content_type, body)
        except Exception:
            # Whatever was created is a duplicate to the next attempt.
            await self._services.idempotency.release(reservation)
            raise
        answer = _kept(result, await body.fingerprint(self._limit))
        await self._services.idempotency.finish(reservation, answer)
        return replayed(answer, answer.fingerprint)

    async def run(self, content_type: str, stream: AsyncIterable[bytes]) -> BulkResult:
        """Read the stream to its end and return what became of its lines.

        Raises:
            Problem: Neither NDJSON nor CSV, a CSV without a usable header, or too large. Devices of earlier lines
                stay.
        """
        parse, number = _parser(content_type), 0
        async for line in self._lines(stream):
            number += 1
            if line is None:
                self._fail(number, "line_too_long", "The line is too long.")
            elif line.strip():
                await self._take(number, line, parse)
        await self._flush()
        errors = sorted(self._errors, key=lambda e: e.line)
        return BulkResult(created=self._created, failed=self._failed, errors=errors, secrets=self._secrets)

    async def _lines(self, stream: AsyncIterable[bytes]) -> AsyncIterator[bytes | None]:
        lines, size, limit = Lines(), 0, self._limit
        async for data in stream:
            size += len(data)
            if size > limit:
                await self._flush()
                raise too_large(limit)
            for line in lines.feed(data):
                yield line
        for line in lines.end():
            yield line

    async def _take(self, number: int, line: bytes, parse: Callable[[bytes], DeviceIn | None]) -> None:
        try:
            device = parse(line)
        except BadLineError as error:
            return self._fail(number, "validation_failed", str(error))
        if device is None:  # the header of a CSV
            return None
        product = await self._product(device.product_id)
        if product is None:
            return self._fail(number, "unknown_product", f"There is no product {device.product_id!r}.")
        for group_id in device.group_ids:
            if not await self._has_group(group_id):
                return self._fail(number, "unknown_group", f"There is no group {group_id!r}.")
        try:
            self._batch.append((number, *self._sealed(device.as_record(NewDevice), product)))
        except InvalidError as error:
            return self._fail(number, error.code, error.detail)
        if len(self._batch) >= _BATCH:
            await self._flush()
        return None

    def _sealed(self, new: NewDevice, product: Product) -> tuple[Device, BulkSecret | None]:
        """Return a device, and its secret if it was made here."""
        secret = mqtt_secret_of(new, product.protocol)
        made = secret is not None and new.mqtt_secret is None
        if made and self._made >= _SECRETS_SHOWN:
            detail = f"one upload makes {_SECRETS_SHOWN} secrets; give the others, or upload them later"
            raise InvalidError("mqtt_secret", detail, "secret_missing")
        device = sealed_device(new_id(), self._app_id, new, secret, self._services.sealer, at=self._services.now())
        if secret is None or not made:
            return device, None
        self._made += 1
        return device, BulkSecret(device_id=device.device_id, endpoint=new.endpoint, mqtt_secret=secret)

    async def _product(self, product_id: str) -> Product | None:
        if product_id not in self._products:
            if len(self._products) >= _REMEMBERED:
                self._products.clear()
            self._products[product_id] = await self._services.products.find(self._app_id, product_id)
        return self._products[product_id]

    async def _has_group(self, group_id: str) -> bool:
        if group_id not in self._groups:
            if len(self._groups) >= _REMEMBERED:
                self._groups.clear()
            self._groups[group_id] = await self._services.groups.find(self._app_id, group_id) is not None
        return self._groups[group_id]

    async def _flush(self) -> None:
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        taken = set(await self._services.devices.add_all([device for _, device, _ in batch]))
        self._created += len(batch) - len(taken)
        for index, (number, device, secret) in enumerate(batch):
            if index in taken:
                self._fail(number, "duplicate", f"The endpoint {device.endpoint!r} is taken.")
            elif secret is not None:
                self._secrets.append(secret)

    def _fail(self, line: int, code: str, detail: str) -> None:
        self._failed += 1
        if len(self._errors) < _ERRORS_SHOWN:
            self._errors.append(BulkError(line=line, code=code, detail=detail))


class _Digested:
    """A body that is digested as it is read."""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256(f"{content_type}\n".encode())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._digest.update(data)
            yield data

    async def fingerprint(self, limit: int) -> str:
        """Return what makes two bodies the same, after reading what is left.

        Raises:
            Problem: That is more than `limit` bytes.
        """
        left = 0
        async for data in self:
            left += len(data)
            if left > limit:
                raise too_large(limit)
        return self._digest.hexdigest()


def _kept(result: BulkResult, fingerprint: str) -> Answer:
    return Answer(fingerprint, HTTPStatus.OK, result.model_dump_json().encode(), secret=bool(result.secrets))


def _parser(content_type: str) -> Callable[[bytes], DeviceIn | None]:
    match content_type.partition(";")[0].strip().lower():
        case "application/x-ndjson":
            return parse_json_line
        case "text/csv":
            return _csv_parser()
    detail = f"Send {NDJSON} or {CSV}."
    raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)


def _csv_parser() -> Callable[[bytes], DeviceIn | None]:
    reader = CsvReader()

    def parse(line: bytes) -> DeviceIn | None:
        if reader.columns:
            return reader.parse(line)
        try:
            reader.header(line)
        except BadHeaderError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "bad_csv_header", str(error)) from error
        return None

    return parse
