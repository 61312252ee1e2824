"""Commands of operators, run as they are from a shell."""

import os
import subprocess
import sys

_DEADLINE = 120.0


def run_command(environment: dict[str, str], module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run an entry point of the API to its end, with nobody at its terminal."""
    return subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", f"sluice_api.entrypoints.{module}", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
