"""The certificate of a TLS listener: one that was given, or a self-signed one for use on one machine."""

import ipaddress
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

_LIFE = timedelta(days=825)
_RENEWED_BEFORE = timedelta(days=30)


class CertificateError(Exception):
    """A given certificate or key cannot be used; the text names the file."""


@dataclass(frozen=True)
class KeyStore:
    """A certificate with its private key, as Java reads it.

    Attributes:
        path: PKCS #12 file, readable by its owner only.
        password: Of that file and of the key in it.
        certificate: PEM file that clients may trust.
    """

    path: Path
    password: str
    certificate: Path


def key_store(folder: Path, certificate: Path | None, private_key: Path | None) -> KeyStore:
    """Return the key store of a listener, made from the given files, else from a self-signed certificate.

    Args:
        folder: Where it is kept.
        certificate: Certificate chain (PEM), the listener's own first.
        private_key: Its private key (PEM, not encrypted).

    Raises:
        CertificateError: Only one of the two was given, or one cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if certificate is None and private_key is None:
        certificate, private_key = folder / "certificate.pem", folder / "key.pem"
        if not _serves(certificate, private_key):
            _make(certificate, private_key)
    if certificate is None or private_key is None:
        raise CertificateError("SLUICE_MQTT_CERTIFICATE and SLUICE_MQTT_PRIVATE_KEY go together: one is missing")
    password = secrets.token_urlsafe(18)
    store = folder / "server.p12"
    _write_private(store, _pkcs12(certificate, private_key, password))
    return KeyStore(store, password, certificate)


def _pkcs12(certificate: Path, private_key: Path, password: str) -> bytes:
    chain = _read_chain(certificate)
    key = _read_key(private_key)
    if key.public_key() != chain[0].public_key():
        raise CertificateError(f"{private_key} is not the key of {certificate}")
    encryption = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"server", key, chain[0], chain[1:] or None, encryption)


def _read_chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(f"{path} is no certificate in PEM: {error}") from error


def _read_key(path: Path) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(f"{path} is no unencrypted private key in PEM: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{path}: RSA and EC keys serve, no other")
    return key


def _serves(certificate: Path, private_key: Path) -> bool:
    """Return whether an earlier certificate holds for all addresses of this machine, and for some time."""
    if not (certificate.exists() and private_key.exists()):
        return False
    try:
        found = _read_chain(certificate)[0]
    except CertificateError:
        return False
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = found.not_valid_after_utc - datetime.now(UTC) > _RENEWED_BEFORE
    return lasts and set(names) >= set(_names())


def _names() -> Sequence[x509.GeneralName]:
    interfaces = psutil.net_if_addrs().values()
    found = {address.address for addresses in interfaces for address in addresses if address.family == socket.AF_INET}
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(found | {"127.0.0.1"})]
    return [*(x509.DNSName(name) for name in sorted({"localhost", socket.gethostname()})), *addresses]


def _make(certificate: Path, private_key: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sluice, one machine")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(_names()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_private(private_key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(made.public_bytes(Encoding.PEM))


def _write_private(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
