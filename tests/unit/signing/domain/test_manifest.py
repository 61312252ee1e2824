import base64
import json
from datetime import UTC, datetime

import msgspec
import pytest

from sluice_signing import PrivateKey, Release
from sluice_signing.domain.errors import BadManifestError, BadReleaseError
from sluice_signing.domain.manifest import (
    Manifest,
    ManifestEntry,
    ManifestV2,
    SealedManifest,
    make_manifest,
    parse_manifest,
    pre_authentication_encoding,
    seal,
    unseal,
)
from sluice_signing.domain.release import parse_sequence

ENTRY = ManifestEntry(name="app.bin", size=3, sha256="ab" * 32)


RELEASE = Release(manufacturer="Acme", models=("WM-1", "WM-2"), version="2.0.1", sequence=7)
releases = pytest.mark.parametrize("release", [None, RELEASE], ids=["v1", "v2"])


def _manifest(key: PrivateKey, *entries: ManifestEntry, release: Release | None = None) -> Manifest:
    return make_manifest(
        algorithm=key.public.algorithm.name,
        key_id=key.public.key_id,
        signed_at=datetime(2026, 11, 22, tzinfo=UTC),
        entries=entries,
        release=release,
    )


def _parse(payload: bytes, form: type[Manifest] = Manifest) -> Manifest:
    return parse_manifest(SealedManifest(payload_type=form.payload_type, payload=payload, key_id="", signature=b""))


@releases
def test_a_sealed_manifest_is_read_back(release: Release | None, key: PrivateKey) -> None:
    manifest = _manifest(key, ENTRY, release=release)
    sealed = unseal(seal(manifest, key))
    assert sealed.key_id == key.public.key_id
    assert key.public.verifies(sealed.signature, pre_authentication_encoding(sealed.payload_type, sealed.payload))
    assert parse_manifest(sealed) == manifest
    assert manifest.release == release


def test_the_encoding_is_that_of_dsse() -> None:
    # The example of the DSSE specification ("Protocol").
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


def test_a_manifest_is_not_read_in_the_form_that_it_does_not_have(key: PrivateKey) -> None:
    for release, form in ((None, ManifestV2), (RELEASE, Manifest)):
        with pytest.raises(BadManifestError):
            _parse(msgspec.json.encode(_manifest(key, ENTRY, release=release)), form)


def test_a_release_without_a_number_has_no_such_field(key: PrivateKey) -> None:
    release = msgspec.structs.replace(RELEASE, sequence=None)
    manifest = _manifest(key, ENTRY, release=release)
    assert b"sequence" not in msgspec.json.encode(manifest)
    assert _parse(msgspec.json.encode(manifest), ManifestV2).release == release


MALFORMED_RELEASES: dict[str, dict[str, object]] = {
    "no manufacturer": {"manufacturer": ""},
    "a line break behind the manufacturer": {"manufacturer": "Acme\n"},
    "a long manufacturer": {"manufacturer": "A" * 129},
    "no models": {"models": []},
    "a model twice": {"models": ["WM-1", "WM-1"]},
    "an empty model": {"models": ["WM-1", ""]},
    "101 models": {"models": [str(number) for number in range(101)]},
    "no version": {"version": ""},
    "a version in Chinese": {"version": "版本1"},
    "a space behind the version": {"version": "2.0 "},
    "a line break behind the version": {"version": "2.0\n"},
    "a long version": {"version": "1" * 65},
    "a negative number": {"sequence": -1},
    "a number that is none": {"sequence": "7"},
    "a number that does not fit": {"sequence": 2**63},
}
malformed_releases = pytest.mark.parametrize("fields", MALFORMED_RELEASES.values(), ids=MALFORMED_RELEASES)


@malformed_releases
def test_a_release_that_is_not_of_its_form_is_refused(fields: dict[str, object], key: PrivateKey) -> None:
    honest = msgspec.json.encode(_manifest(key, ENTRY, release=RELEASE))
    with pytest.raises(BadManifestError):
        _parse(_altered(honest, **fields), ManifestV2)


@malformed_releases
def test_a_release_that_is_not_of_its_form_is_not_signed(fields: dict[str, object], key: PrivateKey) -> None:
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    with pytest.raises(BadReleaseError):
        _manifest(key, ENTRY, release=msgspec.structs.replace(RELEASE, **changes))


@pytest.mark.parametrize("field", ["manufacturer", "models", "version"])
def test_a_manifest_of_the_second_form_says_what_the_package_is(field: str, key: PrivateKey) -> None:
    payload = msgspec.json.decode(msgspec.json.encode(_manifest(key, ENTRY, release=RELEASE)))
    del payload[field]
    with pytest.raises(BadManifestError, match=field):
        _parse(msgspec.json.encode(payload), ManifestV2)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", str(2**63), "½"])
def test_what_is_typed_as_a_sequence_number_must_be_one(text: str) -> None:
    assert parse_sequence("7") == 7
    with pytest.raises(BadReleaseError):
        parse_sequence(text)


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
        _parse(_doubled(msgspec.json.encode(_manifest(key, ENTRY)), field))


@pytest.mark.parametrize("field", ["manufacturer", "models", "version", "sequence"])
def test_a_release_with_a_field_twice_is_refused(field: str, key: PrivateKey) -> None:
    with pytest.raises(BadManifestError, match=f"'{field}' twice"):
        _parse(_doubled(msgspec.json.encode(_manifest(key, ENTRY, release=RELEASE)), field), ManifestV2)


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
        _parse(_altered(msgspec.json.encode(_manifest(key, ENTRY)), **fields))


def test_base64_of_the_envelope_is_standard(key: PrivateKey) -> None:
    envelope = msgspec.json.decode(seal(_manifest(key, ENTRY), key))
    assert base64.b64decode(envelope["payload"], validate=True).startswith(b'{"algorithm":')
