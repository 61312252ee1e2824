"""The rules do no I/O, hence need no library for it: whoever simulates with them loads nothing of the kind."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["sluice_rules.devices.decide", "sluice_rules.cells.admit"])
def test_the_rules_load_neither_kafka_nor_mongodb_nor_web_libraries(module: str) -> None:
    script = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "sluice_rules" in loaded
    assert not {"aiokafka", "faust", "fastapi", "pydantic", "pymongo", "rocksdict", "structlog"} & set(loaded)
