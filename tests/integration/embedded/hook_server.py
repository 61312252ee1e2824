"""A small HTTP server in the place of the mqtt-gateway's hooks."""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.embedded.mqtt_client import PASSWORD

from sluice_embedded.domain.ports import CLIENT_HOST

PLATFORM = "sluice-gateway"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_args: object) -> None:
        """Say nothing of connections that break: tests break them."""


class HookServer:
    """What a broker asks and tells, answered as the tests want.

    Attributes:
        answer: Turns a login into the body of the answer; may take its time.
        status: HTTP status of answers to logins.
        unwanted: Client ids that are to be disconnected, as the answer to a list says.
        logins: Bodies of the logins so far.
        posts: Bodies of the presence posts so far.
        tokens: Every `Authorization` header so far.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self.connections: set[socket.socket] = set()
        self.logins: list[dict[str, Any]] = []
        self.posts: list[Any] = []
        self.tokens: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Answer as the mqtt-gateway would, to devices that all have one password."""
        self.status = 200
        self.answer: Callable[[dict[str, Any]], str] = self.judge
        self.unwanted: list[str] = []

    @staticmethod
    def judge(login: dict[str, Any]) -> str:
        """Let in whoever has the right password; the platform's own user is a superuser."""
        allowed = login["password"] == PASSWORD
        return json.dumps({"result": "allow" if allowed else "deny", "is_superuser": login["username"] == PLATFORM})

    def start(self) -> None:
        """Serve; harmless if it does."""
        if self._server is None:
            self._server = _Server((CLIENT_HOST, self._port), _handler_of(self))
            threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Be away, with the port and all connections closed."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def events(self, device_id: str) -> list[dict[str, Any]]:
        """Return the changes of one device so far, in order."""
        changes = [event for post in self.posts if isinstance(post, list) for event in post]
        return [event for event in changes if event["username"] == device_id]

    def counted(self, name: str) -> int:
        """Return how many of something the broker has counted so far."""
        return sum(post.get("counts", {}).get(name, 0) for post in self.lists())

    def lists(self) -> list[dict[str, Any]]:
        """Return the full lists so far."""
        return [post for post in self.posts if isinstance(post, dict) and post["event"] == "clients.connected"]


def _handler_of(hooks: HookServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            hooks.connections.add(self.connection)

        def finish(self) -> None:
            hooks.connections.discard(self.connection)
            with suppress(OSError):
                super().finish()

        def do_POST(self) -> None:
            hooks.tokens.add(self.headers["Authorization"])
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/mqtt/presence":
                hooks.posts.append(content)
                is_answered = bool(hooks.unwanted) and isinstance(content, dict)
                self._respond(*((200, json.dumps({"disconnect": hooks.unwanted})) if is_answered else (204, "")))
            else:
                hooks.logins.append(content)
                self._respond(hooks.status, hooks.answer(content))

        def _respond(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            with suppress(OSError):  # who asked may have gone
                self.wfile.write(body.encode())

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    return Handler
