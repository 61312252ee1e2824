import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sluice_common import healthcheck
from sluice_common.operations.server import operations
from sluice_common.settings import CommonSettings


class _Operations(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(type(self).status if self.path == "/live" else 404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Operations) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_service_that_says_that_it_is_alive_is_healthy(port: int) -> None:
    assert healthcheck.main({"SLUICE_METRICS_PORT": str(port), "SLUICE_METRICS_HOST": "0.0.0.0"}) == 0  # noqa: S104 - asked at 127.0.0.1


def test_a_service_that_says_that_it_is_not_alive_is_not_healthy(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Operations, "status", 503)

    assert healthcheck.main({"SLUICE_METRICS_PORT": str(port)}) == 1


def test_a_service_that_does_not_answer_is_not_healthy(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main({"SLUICE_METRICS_PORT": str(port), "SLUICE_METRICS_HOST": "127.0.0.2"}) == 1
    assert "no answer" in capsys.readouterr().err


def test_where_nothing_can_be_asked_nobody_is_called_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main({}) == 1
    assert "SLUICE_METRICS_PORT is 0" in capsys.readouterr().err


async def test_what_every_service_serves_to_operators_is_what_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])

    async with operations(CommonSettings(metrics_port=port)):
        answer = await asyncio.to_thread(healthcheck.main, {"SLUICE_METRICS_PORT": str(port)})

    assert answer == 0
