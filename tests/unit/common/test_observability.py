"""What a service's log looks like to whoever collects it."""

import json
import subprocess
import sys

from sluice_common.observability import Rarely

PROGRAM = """
import logging, threading
import structlog
from sluice_common.observability import configure_logging
from sluice_common.settings import CommonSettings

configure_logging("test", CommonSettings(log_json=True))
structlog.get_logger().info("service_ready", port=1)
logging.getLogger("aiokafka.producer").warning("Got error produce response: %s", "NotLeader")
try:
    raise OSError("away")
except OSError:
    thread = threading.Thread(target=logging.getLogger("pymongo").exception, args=("failed",))
    logging.getLogger("pymongo").exception("failed")
thread.start()
thread.join()
logging.getLogger("aiokafka.producer").info("not worth a line")
"""


def test_each_line_of_a_log_also_of_a_library_is_json_with_time_level_and_service() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stderr

    lines = [json.loads(line) for line in said.splitlines()]
    assert [(line["event"], line["level"], line["service"], line.get("logger")) for line in lines] == [
        ("service_ready", "info", "test", None),
        ("Got error produce response: NotLeader", "warning", "test", "aiokafka.producer"),
        ("failed", "error", "test", "pymongo"),
        ("failed", "error", "test", "pymongo"),
    ]
    assert all(line["timestamp"] for line in lines)
    assert "OSError: away" in lines[2]["exception"]


def test_a_line_that_thousands_cause_is_written_once_a_second_with_their_number() -> None:
    now = [0.0]
    rarely = Rarely(lambda: now[0])
    assert [rarely.count() for _ in range(4)] == [1, 0, 0, 0]
    now[0] = 0.9
    assert rarely.count() == 0
    now[0] = 1.0
    assert rarely.count() == 5
    now[0] = 5.0
    assert rarely.count() == 1
