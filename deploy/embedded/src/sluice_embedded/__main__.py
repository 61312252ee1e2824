"""`python -m sluice_embedded`: what `./sluice` hands over to."""

import sys

from sluice_embedded.entrypoints.cli import main

sys.exit(main(sys.argv[1:]))
