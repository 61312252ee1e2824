"""``python -m sluice_signing``: the offline tool."""

import sys

from sluice_signing.entrypoints.cli import main

if __name__ == "__main__":
    sys.exit(main())
