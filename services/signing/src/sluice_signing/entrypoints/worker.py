"""The verifying process: one package, then it ends.

Untrusted archives are opened here and nowhere else in the platform. The process gets two open files and its request on
standard input, binds itself to limits of memory and CPU before it reads the first byte of the package, and writes its
verdict to standard output. The service starts it with an empty environment, so that no access data can slip into a
verdict or a log. That is no sandbox: it runs as the same user as the service, whose environment code in this process
could read.
"""

import os
import resource
import sys
from collections.abc import Iterable

import msgspec

from sluice_signing.application.verdicts import reach_verdict
from sluice_signing.domain.keys import PublicKey
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.verdict import VerificationRequest
from sluice_signing.domain.verification import VerifiedPackage
from sluice_signing.library import verify


def main() -> None:
    """Read the request, verify, write the verdict."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=VerificationRequest)
    limits = PackageLimits()
    _bind(request, limits)

    def verify_files(keys: Iterable[PublicKey]) -> VerifiedPackage:
        with os.fdopen(request.package_fd, "rb") as package, os.fdopen(request.image_fd, "wb") as image:
            return verify(package, keys, limits=limits, image_to=image)

    def complain(ref: str) -> None:
        sys.stderr.write(f"unusable public key {ref}\n")

    verdict = reach_verdict(request.public_keys, verify_files, complain)
    sys.stdout.buffer.write(msgspec.json.encode(verdict))


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


if __name__ == "__main__":
    main()
