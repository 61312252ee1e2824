"""The verifying process: one package, then it ends.

Untrusted archives are opened here and nowhere else in the platform. The process gets two open
files and its request on standard input, binds itself to limits of memory and CPU before it reads
the first byte of the package, and writes its verdict to standard output. The service starts it with
an empty environment, so that no access data can slip into a verdict or a log. That is no sandbox:
it runs as the same user as the service, whose environment code in this process could read.
"""

import os
import resource
import sys

import msgspec

from sluice_signing.domain.errors import (
    BadKeyError,
    MemoryLimitError,
    PackageRefusedError,
    VerifierFailedError,
)
from sluice_signing.domain.keys import PublicKey, load_public_key
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.verdict import Accepted, Refused, TrustedKey, Verdict, VerificationRequest
from sluice_signing.library import verify


def main() -> None:
    """Read the request, verify, write the verdict."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=VerificationRequest)
    limits = PackageLimits()
    _bind(request, limits)
    sys.stdout.buffer.write(msgspec.json.encode(_verdict(request, limits)))


def _bind(request: VerificationRequest, limits: PackageLimits) -> None:
    for kind, limit in (
        (resource.RLIMIT_AS, request.memory_bytes),
        (resource.RLIMIT_CPU, request.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.max_content_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lowest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lowest, lowest))


def _verdict(request: VerificationRequest, limits: PackageLimits) -> Verdict:
    try:
        return _verify(request, limits)
    except PackageRefusedError as error:
        return _refused(error)
    except MemoryError:
        return _refused(MemoryLimitError())
    except OSError as error:
        return _refused(VerifierFailedError(detail=error.strerror or "a file failed"))


def _refused(error: PackageRefusedError) -> Refused:
    return Refused(code=error.code, message=error.diagnostics())


def _verify(request: VerificationRequest, limits: PackageLimits) -> Accepted:
    keys = _usable(request.public_keys)
    with os.fdopen(request.package_fd, "rb") as package, os.fdopen(request.image_fd, "wb") as image:
        verified = verify(package, keys.values(), limits=limits, image_to=image)
    return Accepted(
        image_name=verified.image_name,
        image_size=verified.image_size,
        image_sha256=verified.image_sha256,
        key_ref=next(ref for ref, key in keys.items() if key.key_id == verified.key_id),
        algorithm=verified.algorithm,
    )


def _usable(trusted: tuple[TrustedKey, ...]) -> dict[str, PublicKey]:
    """Return the keys that can be read, by reference: a bad one must not block the others."""
    keys = {}
    for key in trusted:
        try:
            keys[key.ref] = load_public_key(key.pem.encode())
        except BadKeyError:
            sys.stderr.write(f"unusable public key {key.ref}\n")
    return keys


if __name__ == "__main__":
    main()
