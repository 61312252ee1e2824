"""Writes the offline tool as a release of its own: ``./sluice signtool --out FOLDER``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sluice_signing.release import write_release


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `signtool.zip` and its digest; the digest is the one in docs/signed-package.md."""
    parser = argparse.ArgumentParser(prog="./sluice signtool", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where to; here, if left out")
    digest, path = write_release(parser.parse_args(arguments).out)
    sys.stdout.write(f"{digest}  {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
