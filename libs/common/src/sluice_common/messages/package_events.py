"""`package-events`, key package_id: uploads and what the signing service found."""

from sluice_common.messages.base import Message, Value


class PublicKeyRef(Value, frozen=True, kw_only=True):
    """A public key that may have signed the package.

    Attributes:
        key_id: Its id at the platform.
        pem: SubjectPublicKeyInfo, PEM.
    """

    key_id: str
    pem: str


class PackageUploaded(Message, frozen=True, kw_only=True):
    """A zip lies in GridFS (bucket `packages`, file id = package_id) and waits for verification.

    Attributes:
        public_keys: The active keys of the package's manufacturer (R053).
    """

    package_id: str
    file_size: int
    public_keys: tuple[PublicKeyRef, ...]


class SignedRelease(Value, frozen=True, kw_only=True):
    """What a package is, by the word of who signed it (manifest v2).

    Attributes:
        manufacturer: Whose it is.
        models: The models that it is for.
        version: Its version.
        sequence: Number of the release, None without one.
    """

    manufacturer: str
    models: tuple[str, ...]
    version: str
    sequence: int | None = None


class PackageVerified(Message, frozen=True, kw_only=True):
    """The signature holds; the inner `.bin` lies in GridFS (bucket `images`, file id = image_id).

    Attributes:
        release: What is signed of manufacturer, models and version; None if the manifest says nothing of it (v1).
    """

    package_id: str
    image_id: str
    image_name: str
    image_size: int
    image_sha256: str
    key_id: str
    algorithm: str
    release: SignedRelease | None = None


class PackageRejected(Message, frozen=True, kw_only=True):
    """The package must not be used.

    Attributes:
        code: Stable code, for example `wrong_signature`.
        message: What is wrong and what to do, for people.
    """

    package_id: str
    code: str
    message: str


class PackageRevoked(Message, frozen=True, kw_only=True):
    """The key that verified the package was revoked: its image must not be handed out any more.

    Attributes:
        package_id: The package.
        image_id: Its image.
        key_id: The key.
    """

    package_id: str
    image_id: str
    key_id: str


PackageEvent = PackageUploaded | PackageVerified | PackageRejected | PackageRevoked
