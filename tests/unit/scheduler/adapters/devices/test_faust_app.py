"""A process that failed ends, whatever Faust does."""

import subprocess
import sys


def test_a_failed_process_that_cannot_stop_in_good_order_is_ended_with_1() -> None:
    module = "sluice_scheduler.adapters.devices.faust_app"
    script = f"import time; from {module} import end_within; end_within(0.1); time.sleep(9)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 1
