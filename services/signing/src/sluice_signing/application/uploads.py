"""What the service does with uploads: fetch, verify apart, keep the image, answer.

It does so again, with the same result, if the same message comes twice.
"""

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import BinaryIO, Protocol

import structlog

from sluice_common.bus import Received
from sluice_common.messages.package_events import (
    PackageRejected,
    PackageUploaded,
    PackageVerified,
    SignedRelease,
)
from sluice_common.supervision import persist
from sluice_common.tracing import record
from sluice_signing.domain.errors import PackageRefusedError, VerifierFailedError
from sluice_signing.domain.release import Release
from sluice_signing.domain.verdict import Accepted, Refused, TrustedKey, Verdict, refused

_log = structlog.get_logger()
_FILES = 2
"""Temporary files of an upload, of about its size: the zip, and its image."""


def room_for(upload: PackageUploaded) -> int:
    """Return how many bytes the temporary files of an upload may take."""
    return _FILES * upload.file_size


class Store(Protocol):
    """Where uploads come from and images go to."""

    async def fetch(self, package_id: str, into: BinaryIO) -> None:
        """Copy an uploaded zip into a file.

        Raises:
            PackageRefusedError: It cannot be had.
        """

    async def put_image(self, image_id: str, image: BinaryIO, verdict: Accepted) -> None:
        """Store a verified image under its id; once or several times is the same."""


class Verifier(Protocol):
    """What opens untrusted zips."""

    async def verify(self, package: BinaryIO, image: BinaryIO, keys: Sequence[TrustedKey]) -> Verdict:
        """Return the verdict; after an `Accepted` the image is in its file."""


class Answers(Protocol):
    """The topic `package-events`."""

    async def publish(self, answer: PackageVerified | PackageRejected) -> None:
        """Return when Kafka has the answer."""


class Uploads:
    """Answers uploads with what was found in them."""

    def __init__(
        self,
        store: Store,
        verifier: Verifier,
        answers: Answers,
        *,
        temporary_file: Callable[[], AbstractContextManager[BinaryIO]],
        free_bytes: Callable[[], int],
        clock: Callable[[], datetime],
        retry_seconds: float = 30.0,
        on_answer: Callable[[float], object] = lambda _: None,
    ) -> None:
        """Wire the parts.

        Args:
            store: Uploads and images.
            verifier: What opens untrusted zips.
            answers: Where answers are published.
            temporary_file: Opens a file that is gone when it is closed, also by a crash.
            free_bytes: Returns how many bytes there is room for in such files.
            clock: Returns the UTC time of answers.
            retry_seconds: Seconds after which an upload is not tried again whose files fail.
            on_answer: Called with the seconds that each answer has taken.
        """
        self._store = store
        self._verifier = verifier
        self._answers = answers
        self._temporary_file = temporary_file
        self._free_bytes = free_bytes
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._on_answer = on_answer
        self.verdicts: Counter[str] = Counter()
        """Answers by verdict: `verified`, or the code of the refusal."""

    async def handle(self, batch: Sequence[Received]) -> None:
        """Answer the uploads of a batch; return when Kafka has the answers."""
        for received in batch:
            if isinstance(received.message, PackageUploaded):
                await self._answers.publish(await self.answer(received.message))

    async def answer(self, upload: PackageUploaded) -> PackageVerified | PackageRejected:
        """Return the answer to an upload; after a `PackageVerified` its image is stored."""
        began, began_at = time.monotonic(), time.time()
        try:
            verdict = await self._settled(upload)
        except PackageRefusedError as error:
            verdict = refused(error)
        self._on_answer(time.monotonic() - began)
        record("verify package", upload.traceparent, began_at, package_id=upload.package_id)
        self.verdicts["verified" if isinstance(verdict, Accepted) else verdict.code] += 1
        if isinstance(verdict, Refused):
            return self._rejected(upload, verdict)
        return self._verified(upload, verdict)

    async def _settled(self, upload: PackageUploaded) -> Verdict:
        """Return the verdict on an upload; files that fail may work again soon, and must not hold up others for ever.

        Raises:
            PackageRefusedError: There is none.
        """
        try:
            return await persist(
                "upload_not_settled",
                partial(self._settle, upload),
                within=self._retry_seconds,
                passing=lambda error: isinstance(error, OSError),
                package_id=upload.package_id,
            )
        except OSError as error:
            raise VerifierFailedError(detail=error.strerror or "a file failed") from error

    async def _settle(self, upload: PackageUploaded) -> Verdict:
        if self._free_bytes() < room_for(upload):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with self._temporary_file() as package, self._temporary_file() as image:
            await self._store.fetch(upload.package_id, package)
            keys = [TrustedKey(ref=key.key_id, pem=key.pem) for key in upload.public_keys]
            verdict = await self._verifier.verify(package, image, keys)
            if isinstance(verdict, Accepted):
                await self._store.put_image(upload.package_id, image, verdict)
            return verdict

    def _verified(self, upload: PackageUploaded, verdict: Accepted) -> PackageVerified:
        _log.info("package_verified", package_id=upload.package_id, key_id=verdict.key_ref)
        return PackageVerified(
            app_id=upload.app_id,
            occurred_at=self._clock(),
            traceparent=upload.traceparent,
            package_id=upload.package_id,
            image_id=upload.package_id,
            image_name=verdict.image_name,
            image_size=verdict.image_size,
            image_sha256=verdict.image_sha256,
            key_id=verdict.key_ref,
            algorithm=verdict.algorithm,
            release=_signed(verdict.release),
        )

    def _rejected(self, upload: PackageUploaded, verdict: Refused) -> PackageRejected:
        _log.info("package_rejected", package_id=upload.package_id, code=verdict.code)
        return PackageRejected(
            app_id=upload.app_id,
            occurred_at=self._clock(),
            traceparent=upload.traceparent,
            package_id=upload.package_id,
            code=verdict.code,
            message=verdict.message,
        )


def _signed(release: Release | None) -> SignedRelease | None:
    if release is None:
        return None
    return SignedRelease(
        manufacturer=release.manufacturer,
        models=release.models,
        version=release.version,
        sequence=release.sequence,
    )
