"""What OpenSSL's command knows on this machine."""

import shutil
import subprocess
from functools import cache

import pytest


def need_openssl(algorithm: str) -> None:
    """Skip a test unless OpenSSL's command knows an algorithm; ML-DSA came with OpenSSL 3.5."""
    if not algorithm.startswith(tuple(_known().split()) or ("?",)):
        pytest.skip(f"OpenSSL's command is not installed or does not know {algorithm}")


@cache
def _known() -> str:
    if shutil.which("openssl") is None:
        return ""
    command = ["openssl", "list", "-public-key-algorithms"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - no input
    return "ECDSA RSA ED25519" + (" ML-DSA" if "ML-DSA-65" in listed else "")
