import errno
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import BinaryIO

import msgspec

from sluice_common.bus import Received
from sluice_common.messages.package_events import (
    PackageRejected,
    PackageUploaded,
    PackageVerified,
    PublicKeyRef,
    SignedRelease,
)
from sluice_signing.application.uploads import Uploads
from sluice_signing.domain.errors import UploadMissingError
from sluice_signing.domain.release import Release
from sluice_signing.domain.verdict import Accepted, Refused, TrustedKey, Verdict

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
UPLOAD = PackageUploaded(
    app_id="app",
    occurred_at=datetime(2026, 11, 22, 8, 59, tzinfo=UTC),
    traceparent="00-1-2-01",
    package_id="6745a1b2c3d4e5f601234567",
    file_size=3,
    public_keys=(PublicKeyRef(key_id="key-1", pem="PEM 1"), PublicKeyRef(key_id="key-2", pem="PEM 2")),
)
ACCEPTED = Accepted(
    image_name="app.bin",
    image_size=5,
    image_sha256="ab" * 32,
    key_ref="key-2",
    algorithm="ED25519",
    release=Release(manufacturer="Acme", models=("WM-1",), version="2.0.1", sequence=7),
    envelope=b"{}",
)
REFUSED = Refused(code="no_bin", message="The package contains no .bin image.")


class FakeStore:
    """Buckets in memory."""

    def __init__(self, uploads: dict[str, bytes], expected: Accepted = ACCEPTED) -> None:
        self.uploads = uploads
        self.expected = expected
        self.images: dict[str, bytes] = {}

    async def fetch(self, package_id: str, into: BinaryIO) -> None:
        if package_id not in self.uploads:
            raise UploadMissingError
        into.write(self.uploads[package_id])

    async def put_image(self, image_id: str, image: BinaryIO, verdict: Accepted) -> None:
        image.seek(0)
        self.images[image_id] = image.read()
        assert verdict == self.expected


class FakeVerifier:
    """Writes the package in capitals as its image, and returns a given verdict."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.keys: Sequence[TrustedKey] = ()

    async def verify(self, package: BinaryIO, image: BinaryIO, keys: Sequence[TrustedKey]) -> Verdict:
        self.keys = keys
        package.seek(0)
        image.write(package.read().upper())
        return self.verdict


class FakeAnswers:
    """Answers in memory."""

    def __init__(self) -> None:
        self.published: list[PackageVerified | PackageRejected] = []

    async def publish(self, answer: PackageVerified | PackageRejected) -> None:
        self.published.append(answer)


def _uploads(
    store: FakeStore,
    verifier: FakeVerifier,
    answers: FakeAnswers | None = None,
    free_bytes: Callable[[], int] = lambda: 1000,
) -> Uploads:
    return Uploads(
        store,
        verifier,
        answers or FakeAnswers(),
        temporary_file=TemporaryFile,
        free_bytes=free_bytes,
        clock=lambda: NOW,
        retry_seconds=0.0,
    )


async def test_uploads_of_a_batch_are_answered_and_other_messages_are_not() -> None:
    uploads, answers = {UPLOAD.package_id: b"zip"}, FakeAnswers()
    service = _uploads(FakeStore(uploads), FakeVerifier(ACCEPTED), answers)
    answer = await service.answer(UPLOAD)
    await service.handle([Received(message, "package-events", 0, n) for n, message in enumerate((UPLOAD, answer))])
    assert answers.published == [answer]


async def test_a_verified_package_is_answered_with_its_image_which_is_stored() -> None:
    store, verifier = FakeStore({UPLOAD.package_id: b"zip"}), FakeVerifier(ACCEPTED)
    assert await _uploads(store, verifier).answer(UPLOAD) == PackageVerified(
        app_id="app",
        occurred_at=NOW,
        traceparent="00-1-2-01",
        package_id=UPLOAD.package_id,
        image_id=UPLOAD.package_id,
        image_name="app.bin",
        image_size=5,
        image_sha256="ab" * 32,
        key_id="key-2",
        algorithm="ED25519",
        release=SignedRelease(manufacturer="Acme", models=("WM-1",), version="2.0.1", sequence=7),
    )
    assert store.images == {UPLOAD.package_id: b"ZIP"}
    assert [(key.ref, key.pem) for key in verifier.keys] == [("key-1", "PEM 1"), ("key-2", "PEM 2")]


async def test_the_same_upload_twice_gets_the_same_answer() -> None:
    uploads = _uploads(FakeStore({UPLOAD.package_id: b"zip"}), FakeVerifier(ACCEPTED))
    assert await uploads.answer(UPLOAD) == await uploads.answer(UPLOAD)


async def test_a_refused_package_is_answered_with_the_reason_and_leaves_no_image() -> None:
    store = FakeStore({UPLOAD.package_id: b"zip"})
    answer = await _uploads(store, FakeVerifier(REFUSED)).answer(UPLOAD)
    assert answer == PackageRejected(
        app_id="app",
        occurred_at=NOW,
        traceparent="00-1-2-01",
        package_id=UPLOAD.package_id,
        code="no_bin",
        message="The package contains no .bin image.",
    )
    assert store.images == {}


async def test_a_missing_upload_is_answered_with_a_rejection() -> None:
    answer = await _uploads(FakeStore({}), FakeVerifier(ACCEPTED)).answer(UPLOAD)
    assert isinstance(answer, PackageRejected)
    assert answer.code == "upload_missing"


async def test_what_is_not_signed_of_a_package_is_not_said_of_it() -> None:
    verdict = msgspec.structs.replace(ACCEPTED, release=None)
    answer = await _uploads(FakeStore({UPLOAD.package_id: b"zip"}, verdict), FakeVerifier(verdict)).answer(UPLOAD)
    assert isinstance(answer, PackageVerified)
    assert answer.release is None


async def test_an_upload_for_which_there_is_no_room_is_answered_and_the_next_one_is_served() -> None:
    uploads, answers, room = {UPLOAD.package_id: b"zip"}, FakeAnswers(), iter((5, 6))
    service = _uploads(FakeStore(uploads), FakeVerifier(ACCEPTED), answers, lambda: next(room))
    await service.handle([Received(UPLOAD, "package-events", 0, offset) for offset in range(2)])
    refused, verified = answers.published
    assert isinstance(refused, PackageRejected)
    assert refused.code == "verifier_failed"
    assert "No space left" in refused.message
    assert isinstance(verified, PackageVerified)


class FullStore(FakeStore):
    """Has no room for a zip, a number of times."""

    def __init__(self, failures: int) -> None:
        super().__init__({UPLOAD.package_id: b"zip"})
        self.failures = failures

    async def fetch(self, package_id: str, into: BinaryIO) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        await super().fetch(package_id, into)


async def test_a_file_that_fails_is_tried_again_and_is_no_poison_if_it_fails_for_long() -> None:
    once, always = FullStore(1), FullStore(1000)
    service = Uploads(
        once,
        FakeVerifier(ACCEPTED),
        FakeAnswers(),
        temporary_file=TemporaryFile,
        free_bytes=lambda: 1000,
        clock=lambda: NOW,
    )
    assert isinstance(await service.answer(UPLOAD), PackageVerified)
    answer = await _uploads(always, FakeVerifier(ACCEPTED)).answer(UPLOAD)
    assert isinstance(answer, PackageRejected)
    assert answer.code == "verifier_failed"
