"""The verdict on an upload, as the verifying process reaches it."""

from collections.abc import Callable, Iterable, Sequence

from sluice_signing.domain.errors import BadKeyError, MemoryLimitError, PackageRefusedError, VerifierFailedError
from sluice_signing.domain.keys import PublicKey, load_public_key
from sluice_signing.domain.verdict import Accepted, TrustedKey, Verdict, refused
from sluice_signing.domain.verification import VerifiedPackage


def reach_verdict(
    trusted: Sequence[TrustedKey],
    verify: Callable[[Iterable[PublicKey]], VerifiedPackage],
    on_unusable: Callable[[str], None],
) -> Verdict:
    """Return the verdict on a package, whatever goes wrong with it.

    Args:
        trusted: The keys that are trusted for it.
        verify: Verifies it with such keys.
        on_unusable: Called with the reference of each key that cannot be read; it does not block the others.
    """
    try:
        keys = _usable(trusted, on_unusable)
        verified = verify(keys.values())
    except PackageRefusedError as error:
        return refused(error)
    except MemoryError:
        return refused(MemoryLimitError())
    except OSError as error:
        return refused(VerifierFailedError(detail=error.strerror or "a file failed"))
    return Accepted(
        image_name=verified.image_name,
        image_size=verified.image_size,
        image_sha256=verified.image_sha256,
        key_ref=next(ref for ref, key in keys.items() if key.key_id == verified.key_id),
        algorithm=verified.algorithm,
        release=verified.release,
        envelope=verified.envelope,
    )


def _usable(trusted: Sequence[TrustedKey], on_unusable: Callable[[str], None]) -> dict[str, PublicKey]:
    """Return the keys that can be read, by reference."""
    keys = {}
    for key in trusted:
        try:
            keys[key.ref] = load_public_key(key.pem.encode())
        except BadKeyError:
            on_unusable(key.ref)
    return keys
