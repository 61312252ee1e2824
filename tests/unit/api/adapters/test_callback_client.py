"""Whatever strangers give as a URL, a post fails in the end and no more."""

import msgspec
import pytest

from sluice_api.adapters.callback_client import HttpCallbackClient
from sluice_api.application.notifier.records import Delivery
from sluice_common.messages.base import now
from sluice_common.sealing import Sealer


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://a..b/", "no name"),
        ("http://[1.2.3.4]/", "not a URL"),
        ("http://①27.0.0.1:9/", "private"),
        ("http://localhost.:9/", "private"),
    ],
)
async def test_what_cannot_or_must_not_be_called_is_a_failed_delivery(url: str, why: str) -> None:
    async with HttpCallbackClient(2.0, 1, Sealer([]), allow_private=False) as client:
        assert why in str(await client.post(to(url)))


class NoSealer(Sealer):
    """Fails as nobody has foreseen."""

    def open(self, sealed: str) -> bytes:
        raise ArithmeticError(sealed)


async def test_what_nobody_has_foreseen_is_a_failed_delivery() -> None:
    async with HttpCallbackClient(2.0, 1, NoSealer([]), allow_private=True) as client:
        delivery = msgspec.structs.replace(to("http://127.0.0.1:9/"), secret="x")
        assert await client.post(delivery) == "ArithmeticError: x"


def to(url: str) -> Delivery:
    return Delivery(key="s:d", delivery_id="d", target="t", url=url, body=b"{}", secret=None, created_at=now())
