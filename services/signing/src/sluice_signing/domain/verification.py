"""The verification of one package, as a state machine without I/O.

Whoever reads the archive feeds it in three steps: the directory, the manifest's bytes, and the
content of every entry piece by piece. Each step checks its rules before the next may begin, so
that nothing unverified is used:

1. The archive has the strict layout of `zip_layout`; the reader has checked that.
2. Every entry obeys `entry_rules`: name, flags, kind, size, ratio, and all of them their sums; no two
   share a name, and no file is the folder of another.
3. The entry ``META-INF/sluice/manifest.dsse.json`` is there, and within its bound.
4. Its envelope is DSSE, of the payload type of one of the manifest's two forms, with exactly one signature
   and every field once.
5. The envelope's key id is that of a trusted public key (R053).
6. The signature is valid under that key, by the one algorithm that the key is bound to (R023),
   and in its one accepted form. Only now the payload is parsed.
7. The manifest has every field of its form once and names the same key and algorithm as rules 5 and 6 used.
8. Archive and manifest list the same entries with the same sizes; the manifest's own is left out.
9. Exactly one entry is a ``.bin`` image, and it is not empty (R020, R024).
10. The SHA-256 of every content is the signed one, and none can be opened as a zip archive.

The image may be used when `finish` has returned. Not covered by the signature: compression, entry
times and permissions, order; nobody uses them. Which keys are trusted, revoked or of which
manufacturer, and whether manufacturer, models and version (second form) fit, is for the caller to decide.

Example::

    verification = PackageVerification(public_keys, PackageLimits())
    verification.read_directory(archive.entries)
    verification.read_manifest(content_of(verification.manifest_entry))
    for entry in verification.entries:
        check = verification.open_entry(entry)
        for piece in pieces_of(entry):
            check.update(piece)
        check.finish()
    package = verification.finish()
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sluice_signing.domain.content import ContentDigest
from sluice_signing.domain.entry_rules import check_entries, find_image
from sluice_signing.domain.errors import (
    BadManifestError,
    EntryAddedError,
    EntryChangedError,
    EntryMissingError,
    MalleableSignatureError,
    UnknownKeyError,
    UnsignedError,
    WrongAlgorithmError,
    WrongSignatureError,
)
from sluice_signing.domain.keys import PublicKey
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.manifest import (
    MANIFEST_NAME,
    Manifest,
    ManifestEntry,
    parse_manifest,
    pre_authentication_encoding,
    unseal,
)
from sluice_signing.domain.release import Release
from sluice_signing.domain.zip_layout import Entry

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPackage:
    """What is known of a package whose verification has ended well.

    Attributes:
        image_name: Path of the image inside the archive.
        image_size: Its size in bytes.
        image_sha256: Its SHA-256, hex.
        key_id: The key that signed.
        algorithm: The algorithm by which it signed.
        signed_at: When, by the signer's clock.
        release: What the package is, by the word of who signed it; None if the manifest is of the first form.
        envelope: The signed envelope itself, for who wants to verify the image once more.
    """

    image_name: str
    image_size: int
    image_sha256: str
    key_id: str
    algorithm: str
    signed_at: datetime
    release: Release | None
    envelope: bytes


class EntryCheck:
    """Rule 10 for one entry."""

    def __init__(self, signed: ManifestEntry, waiting: set[str]) -> None:
        """Begin; the name is taken from `waiting` when the content has proved right."""
        self._signed = signed
        self._waiting = waiting
        self._digest = ContentDigest(signed.name)

    def update(self, piece: bytes) -> None:
        """Take the next piece of the content."""
        self._digest.update(piece)

    def finish(self) -> None:
        """End the content.

        Raises:
            EntryChangedError: It is not what was signed.
            NestedArchiveError: It can be opened as a zip archive.
        """
        if self._digest.finish() != self._signed.sha256:
            raise EntryChangedError(name=self._signed.name)
        self._waiting.discard(self._signed.name)


class PackageVerification:
    """Verifies one package by the numbered rules of this module.

    Every refusal is a `PackageRefusedError`. A step out of turn is a mistake of the caller and a
    `RuntimeError`.
    """

    def __init__(self, public_keys: Iterable[PublicKey], limits: PackageLimits) -> None:
        """Begin with the keys that are trusted for this package."""
        self._keys = {key.key_id: key for key in public_keys}
        self._limits = limits
        self._manifest_entry: Entry | None = None
        self._entries: tuple[Entry, ...] = ()
        self._manifest: Manifest | None = None
        self._envelope = b""
        self._image: Entry | None = None
        self._signed: dict[str, ManifestEntry] = {}
        self._waiting: set[str] = set()

    @property
    def manifest_entry(self) -> Entry:
        """The entry whose content `read_manifest` needs."""
        return _reached(self._manifest_entry)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries whose contents are to be checked."""
        _reached(self._manifest)
        return self._entries

    @property
    def image(self) -> Entry:
        """The entry that is the image; its content is not verified before `finish`."""
        return _reached(self._image)

    def read_directory(self, entries: Sequence[Entry]) -> None:
        """Apply rules 2 and 3 to the entries of the archive's directory."""
        check_entries(entries, self._limits)
        found = [entry for entry in entries if entry.name == MANIFEST_NAME]
        if not found:
            raise UnsignedError
        self._entries = tuple(entry for entry in entries if entry is not found[0])
        self._manifest_entry = found[0]

    def read_manifest(self, envelope: bytes) -> None:
        """Apply rules 4 to 9 to the content of the manifest's entry."""
        _reached(self._manifest_entry)
        sealed = unseal(envelope)
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise UnknownKeyError(key_id=sealed.key_id[:64])
        if key.algorithm.is_twin(sealed.signature):
            raise MalleableSignatureError(key_id=key.key_id)
        if not key.verifies(sealed.signature, pre_authentication_encoding(sealed.payload_type, sealed.payload)):
            raise WrongSignatureError(key_id=key.key_id)
        manifest = parse_manifest(sealed)
        if manifest.key_id != key.key_id:
            raise BadManifestError(detail="it names another key than the one that signed it")
        if manifest.algorithm != key.algorithm.name:
            raise WrongAlgorithmError(claimed=manifest.algorithm, expected=key.algorithm.name)
        self._signed = {entry.name: entry for entry in manifest.entries}
        self._compare_lists()
        self._image = find_image(self._entries)
        self._waiting = set(self._signed)
        self._envelope = envelope
        self._manifest = manifest

    def open_entry(self, entry: Entry) -> EntryCheck:
        """Begin rule 10 for one of `entries`."""
        _reached(self._manifest)
        return EntryCheck(self._signed[entry.name], self._waiting)

    def finish(self) -> VerifiedPackage:
        """Return the result after every entry has passed rule 10."""
        manifest = _reached(self._manifest)
        if self._waiting:
            raise RuntimeError("contents have not been checked")
        image = self._signed[self.image.name]
        return VerifiedPackage(
            image_name=image.name,
            image_size=image.size,
            image_sha256=image.sha256,
            key_id=manifest.key_id,
            algorithm=manifest.algorithm,
            signed_at=manifest.signed_at,
            release=manifest.release,
            envelope=self._envelope,
        )

    def _compare_lists(self) -> None:
        for entry in self._entries:
            signed = self._signed.get(entry.name)
            if signed is None:
                raise EntryAddedError(name=entry.name)
            if signed.size != entry.size:
                raise EntryChangedError(name=entry.name)
        present = {entry.name for entry in self._entries}
        for name in self._signed:
            if name not in present:
                raise EntryMissingError(name=name)


def _reached(value: _T | None) -> _T:
    """Return what an earlier step has set."""
    if value is None:
        raise RuntimeError("verification steps out of turn")
    return value
