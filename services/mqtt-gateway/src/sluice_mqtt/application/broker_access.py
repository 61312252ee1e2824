"""Who may connect to the broker, and which topics a client may use: asked by the broker's hooks (ADR 0016)."""

import hmac
from collections.abc import Callable, Sequence

import structlog

from sluice_common.observability import Rarely
from sluice_mqtt.application.ports import Devices
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.login import ClientId, Denial, DeniedError, check, parse_client_id
from sluice_mqtt.domain.superuser import FailedLogins, Network, is_inside
from sluice_mqtt.domain.topics import may_use

_log = structlog.get_logger()
_ACTIONS = frozenset({"publish", "subscribe"})


class BrokerAccess:
    """Checks log-ins and topics; a device that is not surely allowed is denied."""

    def __init__(
        self,
        devices: Devices,
        *,
        own_username: str,
        own_password: str,
        own_networks: Sequence[Network],
        tolerance: float,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            devices: With their secrets.
            own_username: User name of the platform at the broker; it may use all topics.
            own_password: Its password.
            own_networks: Where it may come from.
            tolerance: Seconds that the hour of a log-in may lie before or after now.
            counters: Count log-ins and denials.
            clock: Seconds since 1970.
        """
        self._devices = devices
        self._own_username = own_username
        self._own_password = own_password.encode()
        self._own_networks = own_networks
        self._failed = FailedLogins()
        self._tolerance = tolerance
        self._counters = counters
        self._clock = clock
        self._denied_logins, self._denied_topics = Rarely(), Rarely()

    async def authenticate(
        self, client_id: str, username: str | None, password: str, peer: str | None = None
    ) -> str | None:
        """Check a log-in; return the device that logs in, or None if it is the platform itself.

        Args:
            client_id: As sent.
            username: As sent.
            password: As sent.
            peer: The client's address; None for a broker that does not tell it.

        Raises:
            DeniedError: It may not connect.
            StoreUnavailableError: Its secret cannot be read.
        """
        try:
            if username == self._own_username:
                self._check_own(password, peer)
                device_id = None
            else:
                device_id = await self._check_device(client_id, username, password)
        except DeniedError as denied:
            self._counters[Counted.LOGINS_DENIED] += 1
            if more := self._denied_logins.count():
                _log.info("login_denied", client_id=client_id[:300], reason=denied.denial.value, count=more)
            raise
        self._counters[Counted.LOGINS] += 1
        return device_id

    def authorize(self, username: str, topic: str, action: str) -> bool:
        """Return whether a client may publish to a topic or subscribe to it."""
        is_allowed = username == self._own_username or (action in _ACTIONS and may_use(username, topic))
        if not is_allowed:
            self._counters[Counted.TOPICS_DENIED] += 1
            if more := self._denied_topics.count():
                _log.info("topic_denied", device_id=username[:256], topic=topic[:256], action=action[:16], count=more)
        return is_allowed

    def _check_own(self, password: str, peer: str | None) -> None:
        if peer is not None and not is_inside(peer, self._own_networks):
            raise DeniedError(Denial.ADDRESS)
        now, address = self._clock(), peer or ""
        if self._failed.must_wait(address, now):
            raise DeniedError(Denial.TOO_OFTEN)
        if not hmac.compare_digest(password.encode(errors="replace"), self._own_password):
            self._failed.note(address, now)
            _log.warning("platform_login_denied", peer=peer)
            raise DeniedError(Denial.PASSWORD)

    async def _check_device(self, client_id: str, username: str | None, password: str) -> str:
        client = parse_client_id(client_id)
        if username != client.device_id:
            raise DeniedError(Denial.USER_NAME)
        try:
            self._check_secret(client, password, await self._devices.find_secret(client.device_id))
        except DeniedError as denied:
            if denied.denial not in {Denial.PASSWORD, Denial.UNKNOWN_DEVICE}:
                raise
            self._check_secret(client, password, await self._devices.find_secret_anew(client.device_id))
        return client.device_id

    def _check_secret(self, client: ClientId, password: str, secret: bytes | None) -> None:
        check(client, password, secret, self._clock(), self._tolerance)
