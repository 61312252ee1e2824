"""How an app server looks after its callbacks: signed, tried, listed, posted again; with a real notifier."""

import json
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from tests.integration.api.api_client import Json, made, refused
from tests.integration.api.service_process import Documents, NewProcess
from tests.integration.api.waiting import eventually

from sluice_api.domain.callbacks.signatures import signature_of
from sluice_common.messages.base import now
from sluice_common.sealing import Sealer

OLD, NEW = "an old secret of a receiver", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_KEY = OLD.encode()
NEW_KEY = bytes.fromhex("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0")


@pytest.fixture(scope="module")
def _notifier(new_process: NewProcess) -> Iterator[None]:
    process = new_process(
        "notifier", callback_retry_first=0.2, callback_scan=0.2, callback_give_up=5, notifier_gather=0
    )
    yield
    process.stop()  # it would share the events of other tests' notifiers


class Receiver(ThreadingHTTPServer):
    """An app server: answers with the given status codes in turn, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = [200]
        self.posts: list[tuple[Message, bytes]] = []

    @property
    def url(self) -> str:
        """Where it takes callbacks."""
        return f"http://127.0.0.1:{self.server_port}/callback"

    def wait_for(self, count: int) -> None:
        """Wait until so many callbacks have come."""
        eventually(lambda: len(self.posts) >= count)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Note a callback and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.posts.append((self.headers, body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(_notifier: None) -> Iterator[Receiver]:
    """An app server."""
    with Receiver() as receiver:
        thread = Thread(target=receiver.serve_forever, args=(0.05,))
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def is_signed(post: tuple[Message, bytes], *keys: bytes) -> bool:
    """Return whether a post carries the signatures of these keys."""
    headers, body = post
    timestamp = int(headers["webhook-timestamp"])
    assert abs(timestamp - now().timestamp()) < 60
    return str(headers["webhook-signature"]) == signature_of(keys, headers["webhook-id"], timestamp, body)


def subscribed(app: httpx.Client, receiver: Receiver, secret: str | None = OLD) -> str:
    """Subscribe an app server to results; return the path of the subscription."""
    body = {"event": "execution_result", "callback_url": receiver.url, "secret": secret}
    return f"/subscriptions/{made(app.post('/subscriptions', json=body))['subscription_id']}"


def ended(app: httpx.Client, subscription: str, delivery_id: str) -> Json:
    """Wait for the end of a delivery; return it."""

    def look() -> Json | None:
        found = made(app.get(f"{subscription}/deliveries/{delivery_id}"))
        return found if found["status"] != "PENDING" else None

    return eventually(look) or {}


@pytest.mark.requirement("R086")
def test_a_test_of_a_subscription_is_posted_and_signed_and_its_end_is_shown(
    app: httpx.Client, receiver: Receiver
) -> None:
    subscription = subscribed(app, receiver)
    waiting = made(app.post(f"{subscription}/test"))
    found = ended(app, subscription, waiting["delivery_id"])
    assert (found["status"], found["attempts"], found["failure"], found["next_at"]) == ("DELIVERED", 0, None, None)
    assert found["body"] == json.loads(receiver.posts[0][1])
    assert found["body"]["event"] == "test"
    assert receiver.posts[0][0]["webhook-id"] == waiting["delivery_id"]
    assert is_signed(receiver.posts[0], OLD_KEY)


def test_while_one_secret_takes_over_from_another_both_sign_also_what_waits_already(
    app: httpx.Client, receiver: Receiver
) -> None:
    receiver.statuses = [500, 500, 200]
    subscription = subscribed(app, receiver)
    made(app.post(f"{subscription}/test"))
    receiver.wait_for(1)
    changed, repeated = (
        made(app.post(f"{subscription}/secret", json={"secret": NEW, "previous_valid_for": 60})) for _ in range(2)
    )
    assert repeated["previous_until"] == changed["previous_until"] is not None
    receiver.wait_for(3)
    assert is_signed(receiver.posts[2], NEW_KEY, OLD_KEY)
    made(app.post(f"{subscription}/secret", json={"secret": OLD, "previous_valid_for": 0}))
    made(app.post(f"{subscription}/test"))
    receiver.wait_for(4)
    assert is_signed(receiver.posts[3], OLD_KEY)


def test_what_was_given_up_is_listed_with_its_reason_and_posted_again_when_asked_for(
    app: httpx.Client, receiver: Receiver
) -> None:
    receiver.statuses = [503]
    subscription = subscribed(app, receiver)
    tests = [made(app.post(f"{subscription}/test"))["delivery_id"] for _ in range(3)]
    for test in tests:
        assert ended(app, subscription, test)["failure"] == "status 503"
    given_up = made(app.get(f"{subscription}/deliveries", params={"status": "GIVEN_UP", "limit": 2}))
    rest = made(app.get(f"{subscription}/deliveries", params={"status": "GIVEN_UP", "after": given_up["next"]}))
    assert sorted(d["delivery_id"] for d in given_up["items"] + rest["items"]) == sorted(tests)
    receiver.statuses = [200]
    assert made(app.post(f"{subscription}/deliveries/{tests[0]}/redeliver"))["status"] == "PENDING"
    assert ended(app, subscription, tests[0])["status"] == "DELIVERED"
    assert made(app.post(f"{subscription}/redeliver")) == {"count": 2}
    assert {ended(app, subscription, test)["status"] for test in tests} == {"DELIVERED"}
    assert made(app.post(f"{subscription}/redeliver")) == {"count": 0}


def test_the_time_of_the_secret_before_can_be_ended_by_repeating_the_new_one(
    app: httpx.Client, receiver: Receiver
) -> None:
    subscription = subscribed(app, receiver)
    made(app.post(f"{subscription}/secret", json={"secret": NEW}))
    assert (
        made(app.post(f"{subscription}/secret", json={"secret": NEW, "previous_valid_for": 0}))["previous_until"]
        is None
    )
    made(app.post(f"{subscription}/test"))
    receiver.wait_for(1)
    assert is_signed(receiver.posts[0], NEW_KEY)


def test_a_secret_that_no_key_opens_any_more_can_be_renewed(
    app: httpx.Client, receiver: Receiver, database: Documents
) -> None:
    subscription = subscribed(app, receiver)
    lost = Sealer(["l" * 40]).seal(b"lost")
    database["subscriptions"].update_one({"_id": subscription.rpartition("/")[2]}, {"$set": {"secret": lost}})
    assert made(app.post(f"{subscription}/secret", json={"secret": NEW}))["previous_until"] is None
    made(app.post(f"{subscription}/test"))
    receiver.wait_for(1)
    assert is_signed(receiver.posts[0], NEW_KEY)


def test_callbacks_of_another_app_are_not_found(app: httpx.Client, stranger: httpx.Client, receiver: Receiver) -> None:
    subscription = subscribed(app, receiver)
    delivery = f"{subscription}/deliveries/{made(app.post(f'{subscription}/test'))['delivery_id']}"
    for path in (f"{subscription}/deliveries", delivery):
        refused(stranger.get(path), 404, "not_found")
    for path in (f"{subscription}/test", f"{subscription}/redeliver", f"{delivery}/redeliver"):
        refused(stranger.post(path), 404, "not_found")
    refused(stranger.post(f"{subscription}/secret", json={"secret": NEW}), 404, "not_found")
    refused(app.get(f"{subscription}/deliveries/unknown"), 404, "not_found")


def test_a_subscription_that_has_ended_is_not_called_again(app: httpx.Client, database: Documents) -> None:
    body = {"event": "execution_result", "callback_url": "http://127.0.0.1:9/"}
    subscription = made(app.post("/subscriptions", json=body))["subscription_id"]
    database["subscriptions"].update_one({"_id": subscription}, {"$set": {"ended_at": now()}})
    refused(app.post(f"/subscriptions/{subscription}/test"), 409, "subscription_ended")
    refused(app.post(f"/subscriptions/{subscription}/redeliver"), 409, "subscription_ended")


@pytest.mark.parametrize("secret", ["", "too short", "whsec_dG9vIHNob3J0", "whsec_no base64 at all, long enough"])
def test_a_secret_that_can_be_guessed_or_is_none_is_refused(app: httpx.Client, secret: str) -> None:
    body = {"event": "execution_result", "callback_url": "http://127.0.0.1:9/", "secret": secret}
    refused(app.post("/subscriptions", json=body), 422, "validation_failed")
