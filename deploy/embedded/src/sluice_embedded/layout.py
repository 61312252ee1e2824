"""What a system is made of: which parts and services, at which addresses, with which environment."""

import os
import socket
import sys
from collections.abc import Collection, Mapping, Sequence

from sluice_common.settings import CommonSettings
from sluice_embedded.adapters import mqtt, sockets
from sluice_embedded.adapters.processes import Program
from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.adapters.state import Endpoints, ServiceState
from sluice_embedded.domain.ports import CLIENT_HOST
from sluice_embedded.domain.services import (
    KAFKA,
    MONGODB,
    MQTT,
    MQTT_GATEWAY,
    PARTS,
    Service,
    all_services,
)
from sluice_embedded.install import secrets_among, without_secrets
from sluice_embedded.settings import EmbeddedSettings

_ADMIN = "admin"
_OWN_BROKER = {
    "SLUICE_MQTT_BROKER_LISTS": "true",
    # What waits belongs to all gateways, and is kept as long as one of their sessions.
    "SLUICE_MQTT_SESSION_EXPIRY": "3600",
}
"""What the embedded broker does better than any other must."""


class UnknownServiceError(Exception):
    """There is no service of that name; the text lists them."""


class Layout:
    """A system as it shall be.

    Args:
        settings: State folder, ports, parts that somebody else operates.
        wanted: Names of the parts and services that it has, all replicas or one; None for all.
        env: Environment of all services; it wins over this process's own.

    Raises:
        UnknownServiceError: A name is not one of a part or service.
    """

    def __init__(self, settings: EmbeddedSettings, wanted: Collection[str] | None, env: Mapping[str, str]) -> None:
        self.settings = settings
        self.ports = settings.ports
        self.env = dict(env)
        self._wanted = self._known(wanted)

    def _known(self, services: Collection[str] | None) -> Collection[str] | None:
        found = all_services(self.ports, str(self.settings.listen))
        known = [*PARTS, *dict.fromkeys(s.kind for s in found)]
        for name in services or ():
            if name not in {*known, *(s.name for s in found)}:
                raise UnknownServiceError(f"there is no service {name}; there are: {', '.join(known)}")
        return services

    def owns(self, part: str) -> bool:
        """Return whether the system runs a part itself: it is wanted, and nobody else operates it."""
        settings = self.settings
        real = {KAFKA: settings.kafka_bootstrap, MONGODB: settings.mongodb_uri, MQTT: settings.mqtt_url}
        return self.is_wanted(part) and real[part] is None

    def services(self) -> list[Service]:
        """Return its services in the order in which they start."""
        found = all_services(self.ports, str(self.settings.listen))
        return [s for s in found if self.is_wanted(s.name) or self.is_wanted(s.kind)]

    def names(self) -> list[str]:
        """Return the names of its parts and processes in the order in which they start."""
        return [*(part for part in PARTS if self.owns(part)), *(service.name for service in self.services())]

    def is_wanted(self, name: str) -> bool:
        """Return whether the system has a part or service."""
        return self._wanted is None or name in self._wanted

    def require_ports(self) -> None:
        """Check that every port is free.

        Raises:
            PortTakenError: Names port and owner.
        """
        if (port := self.ports.shared()) is not None:
            raise sockets.PortTakenError(f"TCP port {port} is wanted by two listeners: choose another for MQTT.")
        if self.owns(KAFKA):
            sockets.require_free(self.ports.kafka, KAFKA, host=self.ports.parts_host)
            sockets.require_free(self.ports.kafka_controller, KAFKA)
        if self.owns(MONGODB):
            sockets.require_free(self.ports.mongodb, MONGODB, host=self.ports.parts_host)
        if self.owns(MQTT):
            for port in (self.ports.mqtt, self.ports.mqtts):
                sockets.require_free(port, MQTT, host=str(self.settings.listen))
        for service in self.services():
            if service.hooks is not None:
                sockets.require_free(service.hooks, service.name)
            if service.port is not None:
                sockets.require_free(service.port, service.name, udp=service.udp, host=str(self.settings.listen))
            sockets.require_free(service.metrics, service.name)

    def program(self, service: Service, python: str = sys.executable) -> Program:
        """Return how a service is run, and by which Python: another checkout's has another version of it."""
        ready_file = self.settings.run / "ready" / service.name
        return Program(
            name=service.name,
            argv=[python, "-m", service.module],
            env={
                **self._environment(service.secrets),
                **self._identity(service),
                **service.env,
                "SLUICE_METRICS_PORT": str(service.metrics),
                "SLUICE_READY_FILE": str(ready_file),
            },
            cwd=self.settings.data / service.name,
            log=self.settings.logs / f"{service.name}.log",
            ready_file=ready_file,
        )

    def _identity(self, service: Service) -> dict[str, str]:
        """Return what tells a process from its replicas here and elsewhere; one alone has what its machine gives it."""
        if service.identity is None or self.ports.replicas == 1:
            return {}
        return {service.identity: f"sluice-{socket.gethostname()}-{self.ports.base}-{service.name}"}

    def _environment(self, secrets: Collection[str]) -> dict[str, str]:
        """Return what a service gets: this process's settings, then the stack's, then where the parts are.

        Args:
            secrets: Settings that are secrets, of those that it may know.
        """
        common = self.common()
        return {
            **(_OWN_BROKER if self.owns(MQTT) else {}),
            **_defaults(is_loopback=self.settings.listen.is_loopback),
            **without_secrets({**os.environ, **self.env}),
            "SLUICE_KAFKA_BOOTSTRAP": common.kafka_bootstrap,
            "SLUICE_MONGODB_DATABASE": common.mongodb_database,
            "SLUICE_BOOTSTRAP_APP_ID": secrets_of(self.settings).app_id,
            "SLUICE_MQTT_URL": self._mqtt_url(),
            "SLUICE_REUSE_PORT": str(self.ports.replicas > 1 and self.ports.shares).lower(),
            **{name: value for name, value in self.secret_settings().items() if name in secrets},
        }

    def secret_settings(self) -> dict[str, str]:
        """Return the secrets by setting: those that this process has been given, and made ones for the others."""
        keys, given = secrets_of(self.settings), {**os.environ, **self.env}
        made = {
            "SLUICE_SEALING_KEYS": keys.sealing_key,
            "SLUICE_ACCESS_TOKEN_KEYS": keys.access_token_key,
            "SLUICE_IMAGE_TOKEN_KEYS": keys.image_token_key,
            "SLUICE_DOWNLOAD_TOKEN_KEYS": keys.download_token_key,
            "SLUICE_ADMIN_PASSWORD": keys.admin_password,
            "SLUICE_BOOTSTRAP_APP_SECRET": keys.app_secret,
            "SLUICE_MQTT_PASSWORD": keys.mqtt_password,
            "SLUICE_MQTT_HOOK_SECRET": keys.hook_secret,
        }
        if given.get("SLUICE_SEALING_KEYS_FILE"):
            del made["SLUICE_SEALING_KEYS"]  # it would win
        own = {name: given[name] for name in secrets_among(given) if given[name]}
        return {**made, **own, "SLUICE_MONGODB_URI": self.common().mongodb_uri}

    def _mqtt_url(self) -> str:
        return self.settings.mqtt_url or f"mqtt://{mqtt.client_host(self.settings)}:{self.ports.mqtt}"

    def common(self) -> CommonSettings:
        """Return where Kafka and MongoDB are."""
        return CommonSettings(
            kafka_bootstrap=(
                self.settings.kafka_bootstrap or self.settings.kafka_advertised or self.ports.kafka_address()
            ),
            mongodb_uri=self.settings.mongodb_uri or self.ports.mongodb_address(),
            mongodb_database=self.settings.mongodb_database,
        )

    def endpoints(self, services: Sequence[ServiceState]) -> Endpoints:
        """Return where the system is reached while these processes run."""
        common, secrets = self.common(), self.secret_settings()
        host = mqtt.client_host(self.settings)
        return Endpoints(
            api=f"http://{host}:{self.ports.api()}",
            coap=[f"coap://{host}:{self.ports.coap(n)}" for n in range(self.ports.gateways)],
            mqtt=self._mqtt_url() if self.is_wanted(MQTT) else None,
            mqtts=f"mqtts://{host}:{self.ports.mqtts}" if self.owns(MQTT) else None,
            mqtt_certificate=str(mqtt.certificate_file(self.settings)) if self.owns(MQTT) else None,
            downloads=self._downloads(host) if any(s.kind == MQTT_GATEWAY for s in self.services()) else None,
            kafka_bootstrap=common.kafka_bootstrap,
            mongodb_uri=common.mongodb_uri,
            mongodb_database=common.mongodb_database,
            app_id=secrets_of(self.settings).app_id,
            app_secret=secrets["SLUICE_BOOTSTRAP_APP_SECRET"],
            admin_user=_ADMIN,
            admin_password=secrets["SLUICE_ADMIN_PASSWORD"],
            replicas=self.ports.replicas,
            metrics={s.name: f"http://{CLIENT_HOST}:{s.metrics}/metrics" for s in self.services()},
            pids={s.name: s.pid for s in services if s.pid is not None},
        )

    def _downloads(self, host: str) -> str:
        given = {**os.environ, **self.env}.get("SLUICE_DOWNLOAD_PUBLIC_URL")
        return given or f"http://{host}:{self.ports.downloads()}"


def _defaults(*, is_loopback: bool) -> dict[str, str]:
    """Return what differs from a service's defaults where nobody but this machine can reach it.

    It has no strangers for apps, and receivers of callbacks on it.
    """
    if not is_loopback:
        return {"SLUICE_CALLBACK_ALLOW_PRIVATE": "false"}
    return {"SLUICE_CALLBACK_ALLOW_PRIVATE": "true", "SLUICE_LWM2M_UNBOUND_NAMES": "first_device"}
