"""The state machine by itself: what a signer with a trusted key may not claim, and the order of steps."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest

from sluice_signing import PackageLimits, PackageRefusedError, PrivateKey, Release, VerifiedPackage
from sluice_signing.domain.errors import (
    BadManifestError,
    EntryChangedError,
    NestedArchiveError,
    UnknownKeyError,
    WrongAlgorithmError,
    WrongSignatureError,
)
from sluice_signing.domain.keys import PublicKey
from sluice_signing.domain.manifest import MANIFEST_NAME, Manifest, ManifestEntry, ManifestV2, make_manifest, seal
from sluice_signing.domain.verification import PackageVerification
from sluice_signing.domain.zip_layout import STORED, Entry

IMAGE = b"firmware"
SIGNED_AT = datetime(2026, 11, 22, tzinfo=UTC)


def _entry(name: str, content: bytes) -> Entry:
    return Entry(
        name=name,
        host=3,
        needed=20,
        flags=0,
        method=STORED,
        crc32=0,
        compressed_size=len(content),
        size=len(content),
        mode=0o100644,
        dos_attributes=0,
        header_offset=0,
    )


def _manifest(key: PublicKey, content: bytes = IMAGE, **changes: str) -> Manifest:
    entry = ManifestEntry(name="app.bin", size=len(content), sha256=sha256(content).hexdigest())
    honest = Manifest(algorithm=key.algorithm.name, key_id=key.key_id, signed_at=SIGNED_AT, entries=(entry,))
    return msgspec.structs.replace(honest, **changes)


def _verify(envelope: bytes, *keys: PublicKey, content: bytes = IMAGE) -> VerifiedPackage:
    verification = PackageVerification(keys, PackageLimits())
    verification.read_directory([_entry("app.bin", IMAGE), _entry(MANIFEST_NAME, envelope)])
    verification.read_manifest(envelope)
    (entry,) = verification.entries
    check = verification.open_entry(entry)
    for position in range(0, len(content), 3):
        check.update(content[position : position + 3])
    check.finish()
    return verification.finish()


@pytest.mark.requirement("R023")
def test_an_honest_package_is_verified(key: PrivateKey) -> None:
    envelope = seal(_manifest(key.public), key)
    assert _verify(envelope, key.public) == VerifiedPackage(
        image_name="app.bin",
        image_size=len(IMAGE),
        image_sha256=sha256(IMAGE).hexdigest(),
        key_id=key.public.key_id,
        algorithm="ED25519",
        signed_at=SIGNED_AT,
        release=None,
        envelope=envelope,
    )


@pytest.mark.requirement("R023")
def test_what_is_signed_of_a_release_is_known_of_the_package(key: PrivateKey) -> None:
    release = Release(manufacturer="Acme", models=("WM-1", "WM-2"), version="2.0.1", sequence=7)
    manifest = _manifest(key.public)
    second = make_manifest(
        algorithm=manifest.algorithm,
        key_id=manifest.key_id,
        signed_at=SIGNED_AT,
        entries=manifest.entries,
        release=release,
    )
    assert _verify(seal(second, key), key.public).release == release


def test_a_manifest_cannot_be_passed_off_as_one_of_the_other_form(key: PrivateKey) -> None:
    envelope = msgspec.json.decode(seal(_manifest(key.public), key))
    envelope["payloadType"] = ManifestV2.payload_type
    with pytest.raises(WrongSignatureError):
        _verify(msgspec.json.encode(envelope), key.public)


@pytest.mark.requirement("R053")
def test_any_of_several_keys_may_have_signed(key: PrivateKey, private_key: Callable[[str], PrivateKey]) -> None:
    other = private_key("ECDSA_256K1+SHA256")
    for signer in (key, other):
        package = _verify(seal(_manifest(signer.public), signer), key.public, other.public)
        assert package.key_id == signer.public.key_id


def test_an_envelope_that_points_to_a_trusted_key_does_not_thereby_verify(
    key: PrivateKey, private_key: Callable[[str], PrivateKey]
) -> None:
    attacker = private_key("ECDSA_256K1+SHA256")
    envelope = seal(_manifest(key.public), attacker)
    with pytest.raises(WrongSignatureError):
        _verify(envelope, key.public)


def test_a_key_is_not_used_with_the_algorithm_that_the_manifest_names(key: PrivateKey) -> None:
    envelope = seal(_manifest(key.public, algorithm="ECDSA_256K1+SHA256"), key)
    with pytest.raises(WrongAlgorithmError, match="ED25519"):
        _verify(envelope, key.public)


def test_a_manifest_that_names_another_key_is_refused(
    key: PrivateKey, private_key: Callable[[str], PrivateKey]
) -> None:
    other = private_key("ECDSA_256K1+SHA256").public
    inside_other = msgspec.json.decode(seal(_manifest(key.public, key_id=other.key_id), key))
    with pytest.raises(WrongSignatureError):
        _verify(msgspec.json.encode(inside_other), key.public, other)
    inside_other["signatures"][0]["keyid"] = key.public.key_id
    with pytest.raises(BadManifestError, match="another key"):
        _verify(msgspec.json.encode(inside_other), key.public, other)


def test_no_byte_of_the_envelope_can_be_changed(key: PrivateKey) -> None:
    envelope = seal(_manifest(key.public), key)
    for position in range(len(envelope)):
        changed = bytearray(envelope)
        changed[position] ^= 1
        with pytest.raises(PackageRefusedError):
            _verify(bytes(changed), key.public)


def test_an_unknown_key_is_named(key: PrivateKey) -> None:
    with pytest.raises(UnknownKeyError, match=key.public.key_id):
        _verify(seal(_manifest(key.public), key))


def test_content_of_the_same_size_is_compared(key: PrivateKey) -> None:
    with pytest.raises(EntryChangedError, match=r"app\.bin"):
        _verify(seal(_manifest(key.public), key), key.public, content=b"firmwarf")


def test_a_signed_zip_inside_the_package_is_refused(key: PrivateKey) -> None:
    nested = b"PK\x03\x04and"
    assert len(nested) < len(IMAGE)
    content = nested.ljust(len(IMAGE), b"!")
    with pytest.raises(NestedArchiveError):
        _verify(seal(_manifest(key.public, content), key), key.public, content=content)


def test_steps_out_of_turn_are_mistakes_of_the_caller(key: PrivateKey) -> None:
    envelope = seal(_manifest(key.public), key)
    verification = PackageVerification([key.public], PackageLimits())
    for step in (
        lambda: verification.manifest_entry,
        lambda: verification.entries,
        lambda: verification.image,
        lambda: verification.read_manifest(envelope),
        lambda: verification.open_entry(_entry("app.bin", IMAGE)),
        verification.finish,
    ):
        with pytest.raises(RuntimeError):
            step()
    verification.read_directory([_entry("app.bin", IMAGE), _entry(MANIFEST_NAME, envelope)])
    verification.read_manifest(envelope)
    with pytest.raises(RuntimeError, match="contents"):
        verification.finish()
