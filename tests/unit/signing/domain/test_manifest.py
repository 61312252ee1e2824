import base64
import json
from datetime import UTC, datetime

import msgspec
import pytest

from sluice_signing import PrivateKey
from sluice_signing.domain.errors import BadManifestError
from sluice_signing.domain.manifest import (
    PAYLOAD_TYPE,
    Manifest,
    ManifestEntry,
    parse_manifest,
    pre_authentication_encoding,
    seal,
    unseal,
)

ENTRY = ManifestEntry(name="app.bin", size=3, sha256="ab" * 32)


def _manifest(key: PrivateKey, *entries: ManifestEntry) -> Manifest:
    return Manifest(
        algorithm=key.public.algorithm.name,
        key_id=key.public.key_id,
        signed_at=datetime(2026, 11, 22, tzinfo=UTC),
        entries=entries,
    )


def test_a_sealed_manifest_is_read_back(key: PrivateKey) -> None:
    manifest = _manifest(key, ENTRY)
    sealed = unseal(seal(manifest, key))
    assert sealed.key_id == key.public.key_id
    assert key.public.verifies(sealed.signature, pre_authentication_encoding(sealed.payload))
    assert parse_manifest(sealed.payload) == manifest


def test_the_encoding_is_that_of_dsse() -> None:
    expected = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} 11 hello world"
    assert pre_authentication_encoding(b"hello world") == expected.encode()


def _altered(envelope: bytes, **fields: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(envelope) | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"payloadType": "application/vnd.in-toto+json"},
        {"signatures": []},
        {"signatures": "none"},
        {"signatures": [{"keyid": "a", "sig": "AAAA"}, {"keyid": "b", "sig": "AAAA"}]},
        {"signatures": [{"keyid": "a", "sig": "no base64!"}]},
        {"signatures": [{"keyid": "a", "sig": "AAAB\n"}]},
        {"signatures": [{"keyid": "a", "sig": "AB=="}]},
        {"signatures": [{"keyid": "a", "sig": "ü"}]},
        {"payload": 5},
        {"extra": 1},
    ],
    ids=[
        "other type",
        "no signature",
        "signatures of another type",
        "two signatures",
        "no base64",
        "line break in base64",
        "unused bits set in base64",
        "not ASCII",
        "payload of another type",
        "unknown field",
    ],
)
def test_a_malformed_envelope_is_refused(fields: dict[str, object], key: PrivateKey) -> None:
    with pytest.raises(BadManifestError):
        unseal(_altered(seal(_manifest(key, ENTRY), key), **fields))


@pytest.mark.parametrize("field", ["payloadType", "payload", "signatures", "keyid", "sig"])
@pytest.mark.parametrize("escaped", [False, True])
def test_an_envelope_with_a_field_twice_is_refused(field: str, escaped: bool, key: PrivateKey) -> None:
    with pytest.raises(BadManifestError, match=f"'{field}' twice"):
        unseal(_doubled(seal(_manifest(key, ENTRY), key), field, escaped=escaped))


@pytest.mark.parametrize("field", ["algorithm", "key_id", "signed_at", "entries", "name", "size", "sha256"])
def test_a_manifest_with_a_field_twice_is_refused(field: str, key: PrivateKey) -> None:
    with pytest.raises(BadManifestError, match=f"'{field}' twice"):
        parse_manifest(_doubled(msgspec.json.encode(_manifest(key, ENTRY)), field))


def _doubled(raw: bytes, field: str, *, escaped: bool = False) -> bytes:
    """Return JSON where a field stands twice with the same value, once perhaps with its first letter escaped."""
    start = raw.index(f'"{field}":'.encode())
    value_at = start + len(field) + 3
    _, length = json.JSONDecoder().raw_decode(raw[value_at:].decode())
    name = f"\\u{ord(field[0]):04x}{field[1:]}" if escaped else field
    return raw[:start] + f'"{name}":'.encode() + raw[value_at : value_at + length] + b"," + raw[start:]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_bytes_that_are_no_envelope_are_refused(raw: bytes) -> None:
    with pytest.raises(BadManifestError):
        unseal(raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"entries": [{"name": "a", "size": -1, "sha256": "ab" * 32}]},
        {"entries": [{"name": "a", "size": 1, "sha256": "AB" * 32}]},
        {"entries": [{"name": "a", "size": 1, "sha256": "ab" * 32}] * 2},
        {"signed_at": "2026-11-22T00:00:00"},
        {"key_id": "short"},
        {"algorithm": None},
        {"extra": 1},
    ],
    ids=["negative size", "digest in capitals", "name twice", "no time zone", "key id", "algorithm", "unknown field"],
)
def test_a_malformed_manifest_is_refused(fields: dict[str, object], key: PrivateKey) -> None:
    with pytest.raises(BadManifestError):
        parse_manifest(_altered(msgspec.json.encode(_manifest(key, ENTRY)), **fields))


def test_base64_of_the_envelope_is_standard(key: PrivateKey) -> None:
    envelope = msgspec.json.decode(seal(_manifest(key, ENTRY), key))
    assert base64.b64decode(envelope["payload"], validate=True).startswith(b'{"algorithm":')
