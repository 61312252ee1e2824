"""Who may fetch an image, and what a request says of its device."""

import asyncio
import dataclasses

import pytest
from tests.unit.lwm2m.application.images.server import ATTEMPT, IMAGE, SIGNER, TOKEN, Server
from tests.unit.lwm2m.builders import T0, registration

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceUplink
from sluice_common.messages.registrations import AttemptRef
from sluice_common.tokens import TokenSigner
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block
from sluice_lwm2m.domain.coap.peer import Peer


@pytest.mark.requirement("D15")
async def test_an_image_revoked_during_its_download_is_no_longer_served() -> None:
    server = Server()
    assert server.get().code == coap.CONTENT
    server.revoked.add(IMAGE)
    assert server.get(Block(1, more=False, exponent=6).to_bytes()).code == coap.NOT_FOUND


async def test_a_block_request_extends_the_awake_window() -> None:
    server = Server()
    server.now = T0 + 50
    server.get()
    assert server.session.awake_until == T0 + 60


@pytest.mark.parametrize("current", [ATTEMPT, None])
async def test_a_block_request_of_a_device_taken_for_asleep_is_reported_once(current: AttemptRef | None) -> None:
    server = Server()
    server.change(current_attempt=current)
    server.session.clear_reported()
    server.get()
    server.get()
    await asyncio.sleep(0)
    assert [uplink.awake_until for uplink in server.publisher.of(DeviceUplink)] == [utc(T0 + 10)]


async def test_block_requests_are_not_reported_while_a_window_is_known() -> None:
    server = Server()
    server.session.mark_reported(T0, T0 + 1)
    server.now = T0 + 50
    server.get()
    await asyncio.sleep(0)
    assert server.publisher.messages == []


async def test_a_device_that_has_come_to_the_address_is_not_served_the_image_of_the_one_before() -> None:
    server = Server()
    server.register(registration("other", address="10.0.0.1:5683"))
    assert server.get().code == coap.NOT_FOUND
    server.sessions.owners.heard_from(server.session, Peer(("10.0.0.2", 1)), T0)
    assert server.get().code == coap.NOT_FOUND
    server.sessions.owners.heard_from(server.session, Peer(("10.0.0.1", 5683)), T0)
    assert server.get().code == coap.CONTENT


def registered_elsewhere() -> Server:
    """Return a server whose device fetches from another address than that of its registration."""
    server = Server()
    server.change(current_attempt=None)
    server.sessions.owners.heard_from(server.session, Peer(("10.0.0.2", 1)), T0)
    server.change(current_attempt=ATTEMPT)
    return server


async def test_an_image_may_be_fetched_from_another_socket_than_that_of_the_registration() -> None:
    server = registered_elsewhere()
    server.register(registration("other", address="10.0.0.1:5683"))
    assert server.get().code == coap.CONTENT


async def test_block_requests_of_a_device_without_an_address_are_served_and_do_not_make_it_reachable() -> None:
    server = registered_elsewhere()
    server.register(registration("other", address="10.0.0.2:1"))
    assert server.get().code == coap.CONTENT
    await asyncio.sleep(0)
    assert not server.session.is_reachable(server.now)
    assert server.publisher.messages == []


@pytest.mark.parametrize(
    "current",
    [None, AttemptRef(execution_id=ATTEMPT.execution_id, attempt=2), AttemptRef(execution_id="x:y", attempt=1)],
)
async def test_the_token_of_an_attempt_that_is_not_the_current_one_is_not_found(current: AttemptRef | None) -> None:
    server = Server()
    assert server.get().code == coap.CONTENT
    server.change(current_attempt=current)
    assert server.get().code == coap.NOT_FOUND


async def test_an_attempt_that_was_closed_is_served_while_it_is_current_again() -> None:
    """Its earlier token counts too, to its own end: whoever holds it holds the slot."""
    server = Server()
    later = dataclasses.replace(TOKEN, not_after=TOKEN.not_after + 50)
    codes = []
    for current in (ATTEMPT, None, ATTEMPT, None):
        server.change(current_attempt=current)
        codes.append({server.get(token=token).code for token in (TOKEN, later)})
    assert codes == [{coap.CONTENT}, {coap.NOT_FOUND}, {coap.CONTENT}, {coap.NOT_FOUND}]
    server.change(current_attempt=ATTEMPT)
    server.now = T0 + 120
    assert [server.get(token=token).code for token in (TOKEN, later)] == [coap.NOT_FOUND, coap.CONTENT]


async def test_a_token_is_not_found_from_its_end_on() -> None:
    server = Server()
    server.now = T0 + 99.9
    assert server.get().code == coap.CONTENT
    server.now = T0 + 100
    assert server.get().code == coap.NOT_FOUND


async def test_the_token_of_a_device_of_another_gateway_is_not_found() -> None:
    server = Server()
    server.change(gateway=1)
    assert server.get().code == coap.NOT_FOUND


@pytest.mark.parametrize(
    "path",
    [
        (b"fw",),
        (b"fw", b""),
        (b"fw", b"x" * 80),
        (b"fw", b"\xff" * 80),
        (b"fw", TokenSigner(b"e" * 32).sign(TOKEN).encode()),
        (b"fw", SIGNER.sign(TOKEN).encode(), b"x"),
        (b"FW", SIGNER.sign(TOKEN).encode()),
    ],
)
async def test_a_path_without_a_valid_token_is_not_found(path: tuple[bytes, ...]) -> None:
    assert Server().get(path=path).code == coap.NOT_FOUND


async def test_a_block_request_shows_which_attempt_a_device_fetches() -> None:
    server = Server()
    assert server.session.fetching is None
    server.get()
    assert server.session.fetching == ATTEMPT


async def test_the_envelope_that_signs_an_image_is_served_beside_it_and_is_no_block_of_it() -> None:
    server = Server()
    server.images.images[f"{IMAGE}.dsse"] = b"{envelope}"
    beside = (b"fw", f"{SIGNER.sign(TOKEN)}.dsse".encode())
    answer = server.get(path=beside)
    assert (answer.code, answer.payload) == (coap.CONTENT, b"{envelope}")
    before = server.session.fetching
    server.get()
    assert (before, server.session.fetching) == (None, ATTEMPT)
    server.revoked.add(IMAGE)
    assert server.get(path=beside).code == coap.NOT_FOUND


@pytest.mark.parametrize("name", ["{token}.dsse.dsse", "{token}.ds", ".dsse", "{token}dsse"])
async def test_nothing_else_is_served_beside_an_image(name: str) -> None:
    server = Server()
    server.images.images[f"{IMAGE}.dsse"] = b"{envelope}"
    path = (b"fw", name.format(token=SIGNER.sign(TOKEN)).encode())
    assert server.get(path=path).code == coap.NOT_FOUND
