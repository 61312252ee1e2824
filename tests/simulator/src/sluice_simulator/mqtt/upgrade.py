"""How one MQTT device goes through one attempt: offer, download, update, report, with the fate of its plan.

An attempt is a coroutine that lives no longer than the attempt; what the device as a whole must do (report, vanish,
restart) goes out through `Body`.
"""

import asyncio
import hashlib
import math
import ssl
import time
from collections import Counter
from contextlib import aclosing
from typing import Final, Protocol

from sluice_simulator.fleet import Stage
from sluice_simulator.mqtt.fleet import Behaviour, Fate, MqttSpec
from sluice_simulator.mqtt.http import DownloadError, Source, download
from sluice_simulator.mqtt.ota import Offer, ResultCode
from sluice_simulator.timeline import Timeline, What

_REFUSED: Final = range(400, 500)
_PERCENT_STEP: Final = 10
_TRIES: Final = 3
"""Of a download that breaks; each goes on where the one before ended."""
_LATE_SECONDS: Final = 1.0
"""After the end of a token by the offer, which names whole seconds."""


class Body(Protocol):
    """What an upgrade needs of the device that it happens in."""

    def report(self, result: ResultCode, progress: int, version: str, *, final: bool = False) -> None:
        """Send an `upgrade_progress_report`; a final one until the broker has it."""

    def reconnect(self) -> None:
        """Break the connection and make a new one after a while."""

    def block(self, *, blocked: bool) -> None:
        """Leave the connection alone, or take care of it again."""

    def die(self) -> None:
        """Fall silent for ever."""

    async def reboot(self) -> None:
        """Be silent for a while, then connect anew; returns before it is connected."""


class Upgrade:
    """The upgrades of one device, one after the other.

    Args:
        spec: Traits and fates.
        body: The device.
        timeline: Keeps what happens.
        tls: For `https`; None for the system's trust.
        image_sha256: Of the only image that it accepts; None trusts the offer.

    Attributes:
        version: What the device runs.
        attempt: Offers received so far.
        downloading: Whether bytes are fetched now.
        results: Attempts so far by what was reported in the end.
    """

    __slots__ = (
        "_body",
        "_image_sha256",
        "_offer",
        "_old",
        "_spec",
        "_timeline",
        "_tls",
        "_work",
        "attempt",
        "downloading",
        "results",
        "version",
    )

    def __init__(
        self,
        spec: MqttSpec,
        body: Body,
        timeline: Timeline,
        tls: ssl.SSLContext | None,
        image_sha256: str | None = None,
    ) -> None:
        self._spec = spec
        self._image_sha256 = image_sha256
        self._body = body
        self._timeline = timeline
        self._tls = tls
        self._offer: Offer | None = None
        self._old: Offer | None = None
        self._work: asyncio.Task[None] | None = None
        self.version = spec.version
        self.attempt = 0
        self.downloading = False
        self.results: Counter[ResultCode] | None = None

    def offered(self, offer: Offer) -> None:
        """A `firmware_upgrade` came: a new attempt begins, unless its token is known (`expires` may differ then)."""
        if self._offer is not None and offer.token == self._offer.token:
            return
        self.halt()
        self._offer = offer
        self.attempt += 1
        self.note(What.URI_RECEIVED)
        self._work = asyncio.get_running_loop().create_task(self._run(offer, self._spec.fate(self.attempt)))

    def halt(self) -> None:
        """Stop what is under way: the power is gone, or another offer came."""
        if self._work is not None and self._work is not asyncio.current_task():
            self._work.cancel()
        self._work = None
        self.downloading = False

    def forget(self) -> None:
        """Lose all memory of the offer, as without power."""
        self._offer = None

    def note(self, what: What) -> None:
        """Record an event."""
        self._timeline.add(time.monotonic(), what, self.attempt)

    async def _run(self, offer: Offer, fate: Fate) -> None:
        if fate.stage is Stage.OFFER and await self._meets(fate, offer):
            return
        if self._old is not None:
            await self._try_old_token(self._old, offer)
        try:
            digest = await self._fetch(offer, fate)
        except DownloadError:
            self._fail(ResultCode.DOWNLOAD_TIMEOUT)
            return
        finally:
            self.downloading = False
            self._body.block(blocked=False)
        if digest is None:
            return
        if digest != offer.sign or digest != (self._image_sha256 or digest):
            self._fail(ResultCode.VERIFICATION_FAILED)
            return
        self.note(What.DOWNLOADED)
        await self._install(offer, fate)

    async def _fetch(self, offer: Offer, fate: Fate) -> str | None:
        """The image's SHA-256; None if the attempt has met its fate on the way."""
        digest, fetched, reported = hashlib.sha256(), 0, 0
        fateful = int(offer.file_size * fate.after) if fate.stage is Stage.DOWNLOAD else None
        self.downloading = True
        for tries in range(1, _TRIES + 1):
            try:
                async with aclosing(download(self._source(offer), fetched)) as parts:
                    async for data, at in parts:
                        digest.update(data)
                        fetched += len(data)
                        self._timeline.block(at, self.attempt)
                        reported = self._tell(reported, 100 * fetched // (offer.file_size + 1))
                        if fateful is not None and fetched >= fateful:
                            fateful = None
                            if await self._meets(fate, offer):
                                return None
                            if fate.behaviour is Behaviour.RECONNECT:
                                break
                if fetched >= offer.file_size:
                    return digest.hexdigest()
            except DownloadError as error:
                if tries == _TRIES or error.status in _REFUSED:
                    raise
            await asyncio.sleep(self._spec.pace.reconnect_seconds)
        raise DownloadError("broke too often")

    def _tell(self, reported: int, percent: int) -> int:
        """Report progress if there is enough of it since last reported; returns what has been reported now."""
        if percent < reported + _PERCENT_STEP:
            return reported
        self._body.report(ResultCode.SUCCESS, percent, self.version)
        return percent

    async def _meets(self, fate: Fate, offer: Offer) -> bool:
        """Do what fate wants here; whether the attempt is over with it."""
        body = self._body
        if fate.behaviour is Behaviour.FAIL:
            self._fail(fate.result)
        elif fate.behaviour is Behaviour.DIE:
            body.die()
        elif fate.behaviour is Behaviour.POWER_CUT:
            self.forget()
            self._timeline.add(time.monotonic(), What.ABORTED, self.attempt)
            self.downloading = False
            await body.reboot()
        elif fate.behaviour is Behaviour.KEEP_TOKEN:
            self._old = offer
        elif fate.behaviour is Behaviour.TOO_LATE:
            await self._outlast(offer)
        elif fate.behaviour is Behaviour.RECONNECT:
            body.reconnect()
        elif fate.behaviour is Behaviour.BLOCK:
            body.block(blocked=True)
        elif fate.behaviour is Behaviour.STALL:
            await asyncio.Event().wait()
        return fate.behaviour not in {Behaviour.SUCCEED, Behaviour.RECONNECT, Behaviour.BLOCK}

    async def _try_old_token(self, old: Offer, offer: Offer) -> None:
        """Ask with the token of an attempt that is over, at its own place and at the new one's: none may be served."""
        self._old = None
        for url in (old.url, offer.url):
            await self._try_token(url, old)

    async def _outlast(self, offer: Offer) -> None:
        """Be deaf until the token has ended, so that no word of the device ends the attempt first, and try it."""
        self._body.block(blocked=True)
        try:
            await asyncio.sleep((offer.expires or 0) + _LATE_SECONDS)
            await self._try_token(offer.url, offer)
        finally:
            self._body.block(blocked=False)

    async def _try_token(self, url: str, offer: Offer) -> None:
        """Ask for an image with a token that must not serve any more, and note what comes."""
        try:
            async with aclosing(download(Source(url, offer.token, offer.file_size, tls=self._tls))) as parts:
                await anext(parts)
        except DownloadError as error:
            refused = error.status in _REFUSED
            self.note(What.OLD_TOKEN_REFUSED if refused else What.OLD_TOKEN_FAILED)
        else:
            self.note(What.OLD_TOKEN_SERVED)

    async def _install(self, offer: Offer, fate: Fate) -> None:
        behaviour = fate.behaviour if fate.stage is Stage.UPDATE else Behaviour.SUCCEED
        if behaviour is Behaviour.DIE:
            self._body.die()
            return
        if behaviour is Behaviour.OLD_VERSION_FIRST:
            self._body.report(ResultCode.SUCCESS, 100, self.version, final=True)
        await asyncio.sleep(self._spec.pace.update_seconds)
        if behaviour is Behaviour.FAIL:
            self._fail(fate.result)
            return
        await self._body.reboot()
        if behaviour is not Behaviour.KEEP_OLD_VERSION:
            self.version = offer.version
            self.note(What.UPDATED)
        self._end(ResultCode.SUCCESS, 100)

    def _fail(self, result: ResultCode) -> None:
        self.note(What.FAILED)
        self._end(result, 0)

    def _end(self, result: ResultCode, progress: int) -> None:
        self.results = self.results or Counter()
        self.results[result] += 1
        self.downloading = False
        self._body.report(result, progress, self.version, final=True)

    def _source(self, offer: Offer) -> Source:
        parts = self._spec.manner.parts
        return Source(
            offer.url,
            offer.token,
            offer.file_size,
            part_bytes=math.ceil(offer.file_size / parts) if parts else 0,
            pause=self._spec.pace.download_seconds / parts if parts else 0.0,
            one_based=self._spec.manner.one_based,
            tls=self._tls,
        )
