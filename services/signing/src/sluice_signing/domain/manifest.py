"""The manifest that is signed, and the DSSE envelope around it (docs/signed-package.md).

The envelope is DSSE v1.0.2 (github.com/secure-systems-lab/dsse): the signature covers type and
payload by the pre-authentication encoding, so that no canonical JSON is needed and a payload of
another kind is never taken for a manifest. Exactly one signature is allowed, and every field once:
of two, readers take the first or the last. Whether it is valid
and whether the entries match is for `verification` to say.
"""

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from sluice_signing.domain.errors import BadManifestError
from sluice_signing.domain.keys import PrivateKey

MANIFEST_NAME = "META-INF/sluice/manifest.dsse.json"
"""Entry of the signed zip that holds the envelope."""
PAYLOAD_TYPE = "application/vnd.sluice.package-manifest.v1+json"

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the original zip.

    Attributes:
        name: Path inside the archive.
        size: Uncompressed size in bytes.
        sha256: SHA-256 of the uncompressed content, hex.
    """

    name: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: _Sha256


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the signature says.

    Attributes:
        algorithm: Name of the signature algorithm.
        key_id: Name of the key.
        signed_at: When the signer's clock says it was signed; informative.
        entries: All entries but the manifest's own, in the order of the archive.
    """

    algorithm: str
    key_id: _Sha256
    signed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    entries: tuple[ManifestEntry, ...]


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    payload_type: str
    payload: str
    signatures: tuple[_Signature, ...]


class SealedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """An opened envelope of which nothing has been verified.

    Attributes:
        payload: The manifest as it was signed; not to be parsed before it is verified.
        key_id: The key that the envelope points to; only a hint.
        signature: The signature, raw.
    """

    payload: bytes
    key_id: str
    signature: bytes


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return the message that is signed (DSSE protocol, "PAE")."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(manifest: Manifest, key: PrivateKey) -> bytes:
    """Return the signed envelope of a manifest as JSON."""
    payload = msgspec.json.encode(manifest)
    signature = key.sign(pre_authentication_encoding(payload))
    envelope = _Envelope(
        payload_type=PAYLOAD_TYPE,
        payload=base64.b64encode(payload).decode(),
        signatures=(_Signature(manifest.key_id, base64.b64encode(signature).decode()),),
    )
    return msgspec.json.encode(envelope)


def unseal(raw: bytes) -> SealedManifest:
    """Open an envelope without believing it.

    Raises:
        BadManifestError: It is no envelope of a manifest, has a field twice or not exactly one signature.
    """
    try:
        envelope = _decoded(raw, _Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadManifestError(detail="its envelope is not DSSE JSON") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise BadManifestError(detail="its payload is of another type")
    if len(envelope.signatures) != 1:
        raise BadManifestError(detail=f"it has {len(envelope.signatures)} signatures, not one")
    (signature,) = envelope.signatures
    return SealedManifest(
        payload=_from_base64(envelope.payload),
        key_id=signature.keyid,
        signature=_from_base64(signature.sig),
    )


def parse_manifest(payload: bytes) -> Manifest:
    """Read a manifest whose signature has been verified.

    Raises:
        BadManifestError: It does not have the fields of a manifest once each, or lists a name twice.
    """
    try:
        manifest = _decoded(payload, Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadManifestError(detail=str(error)) from error
    if len({entry.name for entry in manifest.entries}) != len(manifest.entries):
        raise BadManifestError(detail="it lists an entry twice")
    return manifest


def _decoded(raw: bytes, kind: type[_Struct]) -> _Struct:
    """Read JSON; the check for doubled fields may recurse, as the type has bounded the depth before."""
    value = msgspec.json.decode(raw, type=kind)
    json.loads(raw.decode(), object_pairs_hook=_check_once)
    return value


def _check_once(fields: list[tuple[str, object]]) -> None:
    names = [name for name, _ in fields]
    for name in names:
        if names.count(name) > 1:
            raise BadManifestError(detail=f"it has the field {name!r} twice")


def _from_base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadManifestError(detail="it has invalid base64") from error
    # Unused bits at the end may not vary: one signature, one encoding.
    if base64.b64encode(raw).decode() != text:
        raise BadManifestError(detail="it has base64 that is not canonical")
    return raw
