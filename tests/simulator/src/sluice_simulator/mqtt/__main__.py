"""`python -m sluice_simulator.mqtt`, the same as `./sluice simulate-mqtt`."""

import sys

from sluice_simulator.mqtt.cli import main

if __name__ == "__main__":
    sys.exit(main())
