"""Runs the verifying process for one package and waits for its verdict, not longer than allowed."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import BinaryIO

import msgspec
import structlog

from sluice_signing.domain.errors import PackageRefusedError, TimeLimitError, VerifierFailedError
from sluice_signing.domain.verdict import TrustedKey, Verdict, VerificationRequest, refused

_log = structlog.get_logger()
_WORKER = ("-I", "-m", "sluice_signing.entrypoints.worker")
_LOGGED_STDERR_BYTES = 2_000


class ProcessVerifier:
    """Verifies packages in a process of their own each, bound in memory and time; it is no sandbox otherwise."""

    def __init__(self, *, memory_bytes: int, time_limit: float) -> None:
        """Set the limits of each package.

        Args:
            memory_bytes: Most address space in bytes.
            time_limit: Most time in seconds, of CPU as of the wall clock.
        """
        self._memory_bytes = memory_bytes
        self._time_limit = time_limit

    async def verify(self, package: BinaryIO, image: BinaryIO, keys: Sequence[TrustedKey]) -> Verdict:
        """Return the verdict; after an `Accepted` the image is in its file.

        Args:
            package: The zip, a real file.
            image: Where the image goes, a real file.
            keys: The public keys that are trusted.
        """
        request = VerificationRequest(
            package_fd=package.fileno(),
            image_fd=image.fileno(),
            public_keys=tuple(keys),
            memory_bytes=self._memory_bytes,
            cpu_seconds=max(1, round(self._time_limit)),
        )
        try:
            return await self._run(request)
        except PackageRefusedError as error:
            return refused(error)

    async def _run(self, request: VerificationRequest) -> Verdict:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(request.package_fd, request.image_fd),
            env={},
        )
        try:
            async with asyncio.timeout(self._time_limit):
                answer, complaints = await process.communicate(msgspec.json.encode(request))
        except TimeoutError as error:
            raise TimeLimitError(seconds=self._time_limit) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if complaints:
            shown = complaints[-_LOGGED_STDERR_BYTES:].decode(errors="replace")
            _log.warning("verifier_complained", status=process.returncode, stderr=shown)
        return self._read(process.returncode, answer)

    def _read(self, status: int | None, answer: bytes) -> Verdict:
        if status == -signal.SIGXCPU:
            raise TimeLimitError(seconds=self._time_limit)
        if status:
            raise VerifierFailedError(detail=f"its process ended with status {status}")
        try:
            verdict: Verdict = msgspec.json.decode(answer, type=Verdict)
        except msgspec.DecodeError as error:
            raise VerifierFailedError(detail="its process gave no verdict") from error
        return verdict
