"""`python -m sluice_simulator`, the same as `./sluice simulate`."""

import sys

from sluice_simulator.cli import main

if __name__ == "__main__":
    sys.exit(main())
