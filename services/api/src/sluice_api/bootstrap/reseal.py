"""Wires the rotation of sealing keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sluice_api.adapters.mongo.resealing import secret_stores
from sluice_api.application.resealing import Resealing
from sluice_api.settings import ResealSettings
from sluice_common.mongo import connect
from sluice_common.sealing import NoSealingKeyError, Sealer


@asynccontextmanager
async def opened_resealing(settings: ResealSettings) -> AsyncIterator[Resealing]:
    """Give a resealing until the end of the block.

    Raises:
        SealingError: There is no key, or one is too short.
    """
    sealer = Sealer(settings.all_sealing_keys())
    if not sealer.has_key:
        raise NoSealingKeyError
    async with connect(settings) as database:
        yield Resealing(secret_stores(database), sealer, settings.reseal_page)
