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
from typing import Annotated, ClassVar, TypeVar

import msgspec

from sluice_signing.domain.errors import BadManifestError
from sluice_signing.domain.keys import PrivateKey
from sluice_signing.domain.release import Models, Name, Release, Sequence, Version, check_release, has_doubles

MANIFEST_NAME = "META-INF/sluice/manifest.dsse.json"
"""Entry of the signed zip that holds the envelope."""
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
    """What the signature says, in its first form: nothing of manufacturer, model and version.

    Attributes:
        algorithm: Name of the signature algorithm.
        key_id: Name of the key.
        signed_at: When the signer's clock says it was signed; informative.
        entries: All entries but the manifest's own, in the order of the archive.
    """

    payload_type: ClassVar[str] = "application/vnd.sluice.package-manifest.v1+json"

    algorithm: str
    key_id: _Sha256
    signed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    entries: tuple[ManifestEntry, ...]

    @property
    def release(self) -> Release | None:
        """What the package is, if that is signed."""
        return None


class ManifestV2(Manifest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the signature says, in its second form; what it says more is that of `Release`."""

    payload_type: ClassVar[str] = "application/vnd.sluice.package-manifest.v2+json"

    manufacturer: Name
    models: Models
    version: Version
    sequence: Sequence | msgspec.UnsetType = msgspec.UNSET

    @property
    def release(self) -> Release:
        """What the package is."""
        return Release(
            manufacturer=self.manufacturer,
            models=self.models,
            version=self.version,
            sequence=None if self.sequence is msgspec.UNSET else self.sequence,
        )


_FORMS: dict[str, type[Manifest]] = {form.payload_type: form for form in (Manifest, ManifestV2)}


def make_manifest(
    *, algorithm: str, key_id: str, signed_at: datetime, entries: tuple[ManifestEntry, ...], release: Release | None
) -> Manifest:
    """Return a manifest of the second form, or of the first if it is not said what the package is.

    Raises:
        BadReleaseError: What the package is does not have the form that is signed.
    """
    if release is None:
        return Manifest(algorithm=algorithm, key_id=key_id, signed_at=signed_at, entries=entries)
    check_release(release)
    return ManifestV2(
        algorithm=algorithm,
        key_id=key_id,
        signed_at=signed_at,
        manufacturer=release.manufacturer,
        models=release.models,
        version=release.version,
        sequence=msgspec.UNSET if release.sequence is None else release.sequence,
        entries=entries,
    )


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
        payload_type: The form of the manifest; one that is known.
        payload: The manifest as it was signed; not to be parsed before it is verified.
        key_id: The key that the envelope points to; only a hint.
        signature: The signature, raw.
    """

    payload_type: str
    payload: bytes
    key_id: str
    signature: bytes


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the message that is signed (DSSE protocol, "PAE")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(manifest: Manifest, key: PrivateKey) -> bytes:
    """Return the signed envelope of a manifest as JSON."""
    payload = msgspec.json.encode(manifest)
    signature = key.sign(pre_authentication_encoding(manifest.payload_type, payload))
    envelope = _Envelope(
        payload_type=manifest.payload_type,
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
    if envelope.payload_type not in _FORMS:
        raise BadManifestError(detail="its payload is of another type")
    if len(envelope.signatures) != 1:
        raise BadManifestError(detail=f"it has {len(envelope.signatures)} signatures, not one")
    (signature,) = envelope.signatures
    return SealedManifest(
        payload_type=envelope.payload_type,
        payload=_from_base64(envelope.payload),
        key_id=signature.keyid,
        signature=_from_base64(signature.sig),
    )


def parse_manifest(sealed: SealedManifest) -> Manifest:
    """Read a manifest whose signature has been verified, in the form that its envelope names.

    Raises:
        BadManifestError: It does not have the fields of a manifest once each, or lists a name twice.
    """
    try:
        manifest = _decoded(sealed.payload, _FORMS[sealed.payload_type])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadManifestError(detail=str(error)) from error
    if has_doubles([entry.name for entry in manifest.entries]):
        raise BadManifestError(detail="it lists an entry twice")
    if isinstance(manifest, ManifestV2) and has_doubles(manifest.models):
        raise BadManifestError(detail="it names a model twice")
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
