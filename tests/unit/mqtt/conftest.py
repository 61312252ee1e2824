"""Messages, settings and fakes of the gateway's tests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.unit.mqtt.fakes import FakeDeadLetters, FakeDevices, FakeEvents

from sluice_common.messages.base import utc
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware
from sluice_common.messages.snapshots import PackageSnapshot
from sluice_mqtt.settings import GatewaySettings

T0 = 1_700_000_000.0
DEVICE, TASK, IMAGE = "d" * 24, "a" * 24, "1" * 24

MakeOffer = Callable[..., OfferFirmware]
MakeClose = Callable[..., CloseDownload]


@pytest.fixture
def make_offer() -> MakeOffer:
    """Make an offer of an attempt."""

    def make(
        attempt: int = 1, *, task_id: str = TASK, at: float = T0, lasting: float = 3600.0, **more: Any
    ) -> OfferFirmware:
        package = PackageSnapshot(
            package_id="b" * 24,
            version="2.0",
            image_id=more.pop("image_id", IMAGE),
            image_size=more.pop("size", 1000),
            image_sha256="5f" * 32,
        )
        return OfferFirmware(
            app_id="app",
            occurred_at=utc(at),
            device_id=DEVICE,
            command_id=f"c-{task_id}-{attempt}",
            execution_id=f"{task_id}:{DEVICE}",
            attempt=attempt,
            expires_at=utc(at + lasting),
            package=package,
            not_after=utc(at + lasting),
            **more,
        )

    return make


@pytest.fixture
def make_close() -> MakeClose:
    """Make a close of an attempt."""

    def make(attempt: int = 1, *, task_id: str = TASK, at: float = T0 + 10.0) -> CloseDownload:
        return CloseDownload(
            app_id="app",
            occurred_at=utc(at),
            device_id=DEVICE,
            command_id=f"x-{task_id}-{attempt}",
            execution_id=f"{task_id}:{DEVICE}",
            attempt=attempt,
        )

    return make


def certify(folder: Path) -> GatewaySettings:
    """Write a new key and a certificate for 127.0.0.1; return settings with both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return GatewaySettings(download_tls_cert=cert_file, download_tls_key=key_file)


@pytest.fixture
def certified(tmp_path: Path) -> GatewaySettings:
    """Settings with a certificate for 127.0.0.1."""
    return certify(tmp_path)


@pytest.fixture
def events() -> FakeEvents:
    """Events that stay in memory."""
    return FakeEvents()


@pytest.fixture
def dead_letters() -> FakeDeadLetters:
    """Dead letters that stay in memory."""
    return FakeDeadLetters()


@pytest.fixture
def devices() -> FakeDevices:
    """Two devices."""
    return FakeDevices(d1=b"secret-of-d1", d2=None)
