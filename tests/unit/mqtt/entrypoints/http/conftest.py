"""A server of downloads with one offered image, and its token."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.unit.mqtt.conftest import MakeOffer
from tests.unit.mqtt.entrypoints.http.download_site import DATA, Site
from tests.unit.mqtt.fakes import FakeEvents

from sluice_common.tokens import ImageToken
from sluice_mqtt.domain.permissions import token_of


@pytest_asyncio.fixture
async def site(events: FakeEvents, make_offer: MakeOffer) -> AsyncIterator[Site]:
    """A server of downloads that has read an offer of attempt 1."""
    site = Site(events)
    site.open.apply(make_offer(size=len(DATA)))
    async with site.client:
        yield site


@pytest.fixture
def token(make_offer: MakeOffer) -> ImageToken:
    """The token of attempt 1."""
    return token_of(make_offer())
