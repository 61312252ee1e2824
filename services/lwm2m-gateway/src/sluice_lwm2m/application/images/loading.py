"""Requests that wait for a part of an image to be loaded: once, however many devices need it."""

from collections.abc import Callable

import structlog

from sluice_common.background import BackgroundTasks
from sluice_lwm2m.application.ports import ImageStore
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer

_log = structlog.get_logger()
_MAX_WAITING = 10_000
"""Requests that wait for one load; a device repeats one that is dropped."""

_Needed = tuple[str, int | None]
"""A chunk of an image; None for what must be known of the image itself."""


class ImageLoading:
    """Loads images and chunks, and answers who waits for them."""

    def __init__(
        self,
        store: ImageStore,
        tasks: BackgroundTasks,
        *,
        on_loaded: Callable[[Message, Peer], None],
        on_failed: Callable[[Message, Peer, int], None],
    ) -> None:
        """Prepare.

        Args:
            store: Where images are.
            tasks: Owns what is being loaded.
            on_loaded: Takes a request when what it needs is in memory.
            on_failed: Takes a request that cannot be served, and the response code that says why.
        """
        self._store = store
        self._on_loaded = on_loaded
        self._on_failed = on_failed
        self._waiting: dict[_Needed, dict[Peer, Message]] = {}
        self._tasks = tasks

    def wait(self, image_id: str, chunk: int | None, request: Message, remote: Peer) -> None:
        """Keep the newest request of each device until a chunk, or what is known of the image, has been loaded."""
        needed = image_id, chunk
        if (waiting := self._waiting.get(needed)) is not None:
            if len(waiting) < _MAX_WAITING:
                waiting[remote] = request
            return
        self._waiting[needed] = {remote: request}
        self._tasks.run("image_not_answered", self._load(image_id, chunk), image_id=image_id)

    async def _load(self, image_id: str, chunk: int | None) -> None:
        loaded, code = False, coap.NOT_FOUND
        try:
            loaded = await (
                self._store.load_image(image_id) if chunk is None else self._store.load_chunk(image_id, chunk)
            )
        except Exception:  # noqa: BLE001 - whatever is wrong with the store, the devices get an answer
            _log.warning("image_not_loaded", image_id=image_id, chunk=chunk, exc_info=True)
            code = coap.SERVICE_UNAVAILABLE
        for remote, request in self._waiting.pop((image_id, chunk)).items():
            if loaded:
                self._on_loaded(request, remote)
            else:
                self._on_failed(request, remote, code)
