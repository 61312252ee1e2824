"""Commands of `mqtt-commands` to the broker: one replica of the group publishes each.

A command that the broker does not acknowledge in time is dropped: when its deadline passes, the scheduler sends
another. One that has expired is not sent, nor an offer of an attempt that is closed, nor one that the broker has
acknowledged before. Commands for one device go one after the other; they do not wait in its mailbox, where a lost
connection would hold up what is said of its presence.
"""

import asyncio
import math
import re
from collections.abc import Callable, Container, Sequence

import structlog

from sluice_common.bus import Received
from sluice_common.messages.mqtt_commands import OfferFirmware, QueryVersion
from sluice_common.supervision import Backoff, persist
from sluice_common.tokens import TokenSigner
from sluice_common.tracing import record
from sluice_mqtt.application.device_locks import DeviceLocks
from sluice_mqtt.application.open_downloads import OpenDownloads
from sluice_mqtt.application.ports import Broker
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.downlinks import FirmwareOffer, firmware_upgrade, version_query
from sluice_mqtt.domain.permissions import DownloadPermissions, token_of
from sluice_mqtt.domain.topics import down_topic

_log = structlog.get_logger()
_BACKOFF = Backoff(first=0.1, longest=1.0)
_UNSAFE = re.compile(r"[^0-9A-Za-z._-]", re.ASCII)
_MAX_NAME = 64


class CommandPublisher:
    """Turns commands into messages for devices."""

    def __init__(
        self,
        broker: Broker,
        permissions: DownloadPermissions,
        open_downloads: OpenDownloads,
        signer: TokenSigner,
        *,
        revoked: Container[str],
        download_url: str,
        timeout: float,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            broker: Where commands are published.
            permissions: Which attempts may download.
            open_downloads: Take each command.
            signer: Signs the tokens of offers.
            revoked: Ids of images that must not be served.
            download_url: What comes before `/downloads` in URLs.
            timeout: Seconds after which a command that the broker has not acknowledged is dropped.
            counters: Count commands.
            clock: Seconds since 1970.
        """
        self._broker = broker
        self._permissions = permissions
        self._open_downloads = open_downloads
        self._signer = signer
        self._revoked = revoked
        self._download_url = download_url
        self._timeout = timeout
        self._locks = DeviceLocks()
        self._counters = counters
        self._clock = clock

    async def handle(self, batch: Sequence[Received]) -> None:
        """Publish the commands of a batch; return when the broker has acknowledged each, or it was dropped."""
        for received in batch:
            self._open_downloads.apply(received.message)
        commands = [r.message for r in batch if isinstance(r.message, QueryVersion | OfferFirmware)]
        await asyncio.gather(*(self._publish(command) for command in commands))

    async def _publish(self, command: QueryVersion | OfferFirmware) -> None:
        try:
            async with asyncio.timeout(self._timeout), self._locks.of(command.device_id):
                await persist(
                    "command_not_taken",
                    lambda: self._try_publish(command),
                    backoff=_BACKOFF,
                    device_id=command.device_id,
                )
        except TimeoutError:
            self._counters[Counted.UNPUBLISHED] += 1
            _log.warning("command_not_published", device_id=command.device_id, command_id=command.command_id)

    async def _try_publish(self, command: QueryVersion | OfferFirmware) -> None:
        """Publish a command unless it is of no use any more.

        Raises:
            ConnectionLostError: The connection was lost meanwhile.
        """
        now = self._clock()
        left = command.expires_at.timestamp() - now
        if left <= 0:
            self._counters[Counted.EXPIRED] += 1
            return
        payload = self._payload(command, now)
        if payload is None:
            return
        await self._broker.publish(down_topic(command.device_id), payload, math.ceil(left))
        record("mqtt command", command.traceparent, now, command_id=command.command_id)
        if isinstance(command, OfferFirmware):
            self._permissions.note_published(command)
        self._counters[Counted.OFFERS if isinstance(command, OfferFirmware) else Counted.QUERIES] += 1

    def _payload(self, command: QueryVersion | OfferFirmware, now: float) -> bytes | None:
        if isinstance(command, QueryVersion):
            return version_query(command.device_id, now)
        if not self._permissions.is_wanted(command) or command.package.image_id in self._revoked:
            self._counters[Counted.OUTDATED] += 1
            return None
        try:
            return firmware_upgrade(command.device_id, self._offer(command, now), now)
        except ValueError as error:
            self._counters[Counted.UNPUBLISHED] += 1
            _log.error("offer_not_signed", device_id=command.device_id, reason=str(error))
            return None

    def _offer(self, command: OfferFirmware, now: float) -> FirmwareOffer:
        token, package = token_of(command), command.package
        file_name = f"{_UNSAFE.sub('_', package.version)[:_MAX_NAME]}.bin"
        return FirmwareOffer(
            version=package.version,
            url=f"{self._download_url}/downloads/{command.device_id}/{token.task_id}/{command.attempt}/{file_name}",
            access_token=self._signer.sign(token),
            expires=max(0, int(token.not_after - now)),
            file_name=file_name,
            file_size=package.image_size,
            sign=package.image_sha256,
            task_id=token.task_id,
        )
