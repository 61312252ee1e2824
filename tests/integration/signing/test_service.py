"""The service as it runs: uploads in GridFS and Kafka, answers on `package-events`, images in GridFS."""

import asyncio
import io
import os
import signal
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from tests.processes import ServiceProcess
from tests.unit.signing.hostile.corpus import FAMILIES
from tests.unit.signing.hostile.making import Family, trusted_pems

from sluice_common.bus import Consumer, Producer, Received
from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.package_events import PackageRejected, PackageUploaded, PackageVerified, PublicKeyRef
from sluice_common.mongo import IMAGE_BUCKET, PACKAGE_BUCKET, Database, bucket, connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import PACKAGE_EVENTS
from sluice_signing import KeyPair, keygen, sign

PASSPHRASE = "abc123"
IMAGE = os.urandom(700_000)  # three chunks of GridFS
DEADLINE = 60.0
Answer = PackageVerified | PackageRejected


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return keygen("ECDSA_256K1+SHA256", PASSPHRASE)


@pytest.fixture(scope="module")
def environment(kafka: str, mongodb: str, database_name: str) -> dict[str, str]:
    return {"KAFKA_BOOTSTRAP": kafka, "MONGODB_URI": mongodb, "SLUICE_MONGODB_DATABASE": database_name}


@pytest.fixture(scope="module")
def service(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("signing")
    service = ServiceProcess("sluice_signing.entrypoints.service", environment, folder, "signing")
    service.start()
    yield service
    assert service.stop() == 0


class Platform:
    """The parts of the platform around the service."""

    def __init__(self, settings: CommonSettings, database: Database) -> None:
        self.database = database
        self.producer = Producer(settings)
        self.answers: list[Answer] = []
        self._answered = asyncio.Condition()
        group = f"test-{new_id()}"
        self._consumer = Consumer(settings, [PACKAGE_EVENTS], group, self._keep, self.producer)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and listen."""
        await self.producer.start()
        await self._consumer.start()
        self._task = asyncio.create_task(self._consumer.run())

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._consumer.stop()
        await self.producer.stop()

    async def _keep(self, batch: Sequence[Received]) -> None:
        async with self._answered:
            self.answers += [r.message for r in batch if isinstance(r.message, PackageVerified | PackageRejected)]
            self._answered.notify_all()

    async def upload(self, raw: bytes, *keys: KeyPair, app_id: str = "app-1") -> PackageUploaded:
        """Store a zip and return the message that announces it."""
        package_id = new_id()
        await bucket(self.database, PACKAGE_BUCKET).upload_from_stream_with_id(package_id, "a.zip", raw)
        return PackageUploaded(
            app_id=app_id,
            occurred_at=now(),
            package_id=package_id,
            file_size=len(raw),
            public_keys=tuple(PublicKeyRef(key_id=f"ref-{k.algorithm}", pem=k.public_pem.decode()) for k in keys),
        )

    async def announce(self, upload: PackageUploaded) -> None:
        """Publish an upload."""
        await self.producer.publish(PACKAGE_EVENTS, upload.package_id, upload)

    async def answers_to(self, upload: PackageUploaded, count: int = 1) -> list[Answer]:
        """Return the answers to an upload once there are that many."""

        def found() -> list[Answer]:
            return [answer for answer in self.answers if answer.package_id == upload.package_id]

        async with asyncio.timeout(DEADLINE), self._answered:
            await self._answered.wait_for(lambda: len(found()) >= count)
            return found()

    async def image(self, image_id: str) -> bytes:
        """Return an image from GridFS."""
        content = io.BytesIO()
        await bucket(self.database, IMAGE_BUCKET).download_to_stream(image_id, content)
        return content.getvalue()

    async def chunks(self, image_id: str) -> int:
        """Return how many chunks lie under an image's id."""
        count: int = await self.database[f"{IMAGE_BUCKET}.chunks"].count_documents({"files_id": image_id})
        return count


@pytest_asyncio.fixture
async def platform(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = CommonSettings()
    async with connect(settings) as database, started(Platform(settings, database)) as platform:
        yield platform


@pytest.fixture(scope="module")
def signed(pair: KeyPair, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("package") / "app.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.bin", IMAGE)
    return sign(path, pair.private_pem, PASSPHRASE).read_bytes()


@pytest.mark.requirement("R022", "R023", "R052")
@pytest.mark.usefixtures("service")
async def test_a_signed_package_becomes_an_image(platform: Platform, signed: bytes, pair: KeyPair) -> None:
    upload = await platform.upload(signed, pair)
    await platform.announce(upload)
    (answer,) = await platform.answers_to(upload)
    assert isinstance(answer, PackageVerified)
    assert (answer.app_id, answer.image_id, answer.image_name) == ("app-1", upload.package_id, "app.bin")
    assert (answer.key_id, answer.algorithm) == ("ref-ECDSA_256K1+SHA256", "ECDSA_256K1+SHA256")
    assert (answer.image_size, answer.image_sha256) == (len(IMAGE), sha256(IMAGE).hexdigest())
    assert await platform.image(answer.image_id) == IMAGE
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        assert await platform.image(f"{answer.image_id}.dsse") == archive.read("META-INF/sluice/manifest.dsse.json")


def _zip(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.requirement("R023", "R024", "R053")
@pytest.mark.usefixtures("service")
async def test_hostile_uploads_are_rejected_and_the_next_one_is_served(
    platform: Platform, signed: bytes, pair: KeyPair
) -> None:
    foreign = keygen("ED25519", PASSPHRASE)
    flipped = bytearray(signed)
    flipped[len(flipped) // 2] ^= 1
    uploads = {
        "unsigned": await platform.upload(_zip("app.bin", b"firmware"), pair),
        "zip_bomb": await platform.upload(_zip("app.bin", bytes(64 * 1024 * 1024)), pair),
        "not_a_zip": await platform.upload(b"\x7fELF" + bytes(1000), pair),
        "broken_zip": await platform.upload(bytes(flipped), pair),
        "extra_data": await platform.upload(b"#!/bin/sh\n" + signed, pair),
        "unknown_key": await platform.upload(signed, foreign),
        "upload_missing": PackageUploaded(
            app_id="app-1", occurred_at=now(), package_id=new_id(), file_size=1, public_keys=()
        ),
    }
    for upload in uploads.values():
        await platform.announce(upload)
    last = await platform.upload(signed, foreign, pair)
    await platform.announce(last)
    codes = {}
    for expected, upload in uploads.items():
        (answer,) = await platform.answers_to(upload)
        assert isinstance(answer, PackageRejected)
        assert answer.message.endswith(".")
        assert await platform.chunks(upload.package_id) == 0
        codes[expected] = answer.code
    assert codes == {code: code for code in uploads}
    assert isinstance((await platform.answers_to(last))[0], PackageVerified)


@pytest.mark.requirement("R023")
@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
async def test_each_hostile_family_is_rejected_with_its_reason(family: Family, platform: Platform) -> None:
    package = next(family.make())
    upload = await platform.upload(package.raw)
    keys = tuple(PublicKeyRef(key_id=f"key-{n}", pem=pem) for n, pem in enumerate(trusted_pems()))
    upload = msgspec.structs.replace(upload, public_keys=keys)
    await platform.announce(upload)
    (answer,) = await platform.answers_to(upload)
    assert isinstance(answer, PackageRejected)
    assert answer.code == family.code
    assert await platform.chunks(upload.package_id) == 0


@pytest.mark.usefixtures("service")
async def test_an_upload_that_lacks_a_chunk_is_rejected(platform: Platform, pair: KeyPair) -> None:
    upload = await platform.upload(os.urandom(600_000), pair)
    await platform.database[f"{PACKAGE_BUCKET}.chunks"].delete_one({"files_id": upload.package_id, "n": 1})
    await platform.announce(upload)
    (answer,) = await platform.answers_to(upload)
    assert isinstance(answer, PackageRejected)
    assert answer.code == "upload_missing"


@pytest.mark.usefixtures("service")
async def test_the_same_upload_twice_is_answered_twice_with_one_image(
    platform: Platform, signed: bytes, pair: KeyPair
) -> None:
    upload = await platform.upload(signed, pair)
    await platform.announce(upload)
    await platform.announce(upload)
    first, second = await platform.answers_to(upload, 2)
    assert isinstance(first, PackageVerified)
    assert isinstance(second, PackageVerified)
    assert (second.image_id, second.image_sha256) == (first.image_id, first.image_sha256)
    assert await platform.image(first.image_id) == IMAGE
    assert await platform.chunks(upload.package_id) == 3


@pytest.mark.usefixtures("service")
async def test_chunks_left_behind_by_a_killed_upload_are_replaced(
    platform: Platform, signed: bytes, pair: KeyPair
) -> None:
    upload = await platform.upload(signed, pair)
    left_over = {"files_id": upload.package_id, "n": 0, "data": b"half"}
    await platform.database[f"{IMAGE_BUCKET}.chunks"].insert_one(left_over)
    await platform.announce(upload)
    await platform.answers_to(upload)
    assert await platform.image(upload.package_id) == IMAGE


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_an_upload_survives_the_end_of_the_service(
    service: ServiceProcess, platform: Platform, signed: bytes, pair: KeyPair, how: signal.Signals
) -> None:
    uploads = [await platform.upload(signed, pair) for _ in range(6)]
    for upload in uploads:
        await platform.announce(upload)
    await platform.answers_to(uploads[0])
    await asyncio.to_thread(service.stop, how)
    await asyncio.to_thread(service.start)
    for upload in uploads:
        assert isinstance((await platform.answers_to(upload))[0], PackageVerified)
        assert await platform.image(upload.package_id) == IMAGE


@pytest.mark.usefixtures("service")
async def test_a_broken_message_does_not_stop_the_service(platform: Platform, signed: bytes, pair: KeyPair) -> None:
    await platform.producer.publish(PACKAGE_EVENTS, "x", {"type": "package_exploded"})
    upload = await platform.upload(signed, pair)
    await platform.announce(upload)
    assert isinstance((await platform.answers_to(upload))[0], PackageVerified)


@pytest.mark.usefixtures("service")
async def test_large_uploads_of_an_app_do_not_hold_up_a_small_one_of_another(
    platform: Platform, signed: bytes, pair: KeyPair, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        archive.writestr("app.bin", os.urandom(40 * 1024 * 1024))
    content = sign(tmp_path / "large.zip", pair.private_pem, PASSPHRASE).read_bytes()
    large = [await platform.upload(content, pair, app_id="busy") for _ in range(3)]
    small = await platform.upload(signed, pair, app_id="other")
    for upload in (*large, small):
        await platform.announce(upload)
    for upload in (*large, small):
        assert isinstance((await platform.answers_to(upload))[0], PackageVerified)
    these = {upload.package_id for upload in (*large, small)}
    # Two of the busy app's are verified at once: the third has to wait, and the other app's has not.
    assert [a.package_id for a in platform.answers if a.package_id in these][-1] != small.package_id
