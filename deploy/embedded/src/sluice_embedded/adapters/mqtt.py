"""HiveMQ Community Edition from Maven Central with Sluice's extension: the MQTT broker for one machine."""

import os
import shutil
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

from sluice_embedded import install
from sluice_embedded.adapters import certificate, java
from sluice_embedded.adapters.certificate import KeyStore
from sluice_embedded.adapters.processes import Program
from sluice_embedded.domain.ports import CLIENT_HOST, Ports
from sluice_embedded.domain.services import MQTT
from sluice_embedded.settings import EmbeddedSettings

POM = install.ROOT / "deploy" / "embedded" / "hivemq-extension" / "pom.xml"
JARS = POM.with_name("jars.sha256")
_SOURCES = POM.parent / "src" / "main"
_MAIN = "sluice.broker.Main"
_RELEASE = 17

_CONFIG = """\
<?xml version="1.0"?>
<hivemq>
  <listeners>
    <tcp-listener>
      <port>{port}</port>
      <bind-address>{host}</bind-address>
    </tcp-listener>
    <tls-tcp-listener>
      <port>{tls_port}</port>
      <bind-address>{host}</bind-address>
      <tls>
        <keystore>
          <path>{store}</path>
          <password>{password}</password>
          <private-key-password>{password}</private-key-password>
        </keystore>
        <protocols>
          <protocol>TLSv1.3</protocol>
          <protocol>TLSv1.2</protocol>
        </protocols>
      </tls>
    </tls-tcp-listener>
  </listeners>
  <mqtt>
    <!-- What devices say waits here while the mqtt-gateway is away; the extension gives devices shorter queues. -->
    <queued-messages>
      <max-queue-size>100000</max-queue-size>
      <strategy>discard</strategy>
    </queued-messages>
    <session-expiry>
      <max-interval>86400</max-interval>
    </session-expiry>
    <packets>
      <max-packet-size>{max_packet}</max-packet-size>
    </packets>
    <receive-maximum>
      <server-receive-maximum>1000</server-receive-maximum>
    </receive-maximum>
  </mqtt>
  <restrictions>
    <max-client-id-length>512</max-client-id-length>
    <max-topic-length>1024</max-topic-length>
    <no-connect-idle-timeout>10000</no-connect-idle-timeout>
  </restrictions>
  <security>
    <allow-empty-client-id>
      <enabled>false</enabled>
    </allow-empty-client-id>
  </security>
  <anonymous-usage-statistics>
    <enabled>false</enabled>
  </anonymous-usage-statistics>
  <persistence>
    <mode>{persistence}</mode>
  </persistence>
</hivemq>
"""


def ensure(parts: Path) -> Path:
    """Bring HiveMQ's jars and compile the extension unless both are there; return the extension's jar.

    Raises:
        InstallError: Maven or the compiler failed, or a jar is not the one that was pinned.
    """
    libs = java.ensure_jars(parts, MQTT, "HiveMQ Community Edition, an MQTT broker", POM, JARS)
    jar = libs.with_name(f"{libs.name}-{java.digest_of(*_source_files())}.jar")
    if not jar.exists():
        with install.only_one(parts / f"{MQTT}.lock"):
            if not jar.exists():
                with install.step("Compiling the extension of the MQTT broker"):
                    _compile(libs, jar)
    return jar


def _source_files() -> list[Path]:
    return sorted(path for path in _SOURCES.rglob("*") if path.is_file())


def _compile(libs: Path, jar: Path) -> None:
    classes = libs.with_name("classes")
    shutil.rmtree(classes, ignore_errors=True)
    sources = [path for path in _source_files() if path.suffix == ".java"]
    options = ["--release", str(_RELEASE), "-encoding", "UTF-8", "-proc:none", "-cp", f"{libs}/*", "-d", str(classes)]
    install.run_quietly(["javac", *options, *sources])
    partial = jar.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as archive:
        for root in (classes, _SOURCES / "resources"):
            for path in sorted(root.rglob("*")):
                archive.write(path, path.relative_to(root))
    partial.rename(jar)
    shutil.rmtree(classes)


class Mqtt:
    """The broker of one state folder."""

    def __init__(self, settings: EmbeddedSettings, ports: Ports, hook_secret: str) -> None:
        self._settings = settings
        self._ports = ports
        self._hook_secret = hook_secret
        self._folder = settings.data / MQTT
        self._jar = ensure(settings.parts_dir)
        self.archive = java.ClassArchive(self._jar.with_suffix(""))

    def program(self) -> Program:
        """Write the configuration and say how the broker is started.

        Raises:
            CertificateError: The certificate that was given for its TLS listener cannot be used.
        """
        given = self._settings.mqtt_certificate, self._settings.mqtt_private_key
        self._write_config(certificate.key_store(self._folder / "tls", *given))
        return Program(
            name=MQTT,
            argv=self._java(),
            env={
                **install.without_secrets(os.environ),
                "SLUICE_BROKER_HOME": str(self._folder),
                "SLUICE_BROKER_HOOK_URL": self._hook_url(),
                "SLUICE_MQTT_HOOK_SECRET": self._hook_secret,
            },
            cwd=self._folder,
            log=self._settings.logs / f"{MQTT}.log",
            port=self._ports.mqtts,
            host=client_host(self._settings),
            last=True,
        )

    def _hook_url(self) -> str:
        return self._settings.broker_hook_url or f"http://{CLIENT_HOST}:{self._ports.hooks()}/mqtt"

    def _write_config(self, store: KeyStore) -> None:
        config = self._folder / "conf" / "config.xml"
        for folder in (config.parent, self._folder / "data", self._folder / "extensions"):
            folder.mkdir(parents=True, exist_ok=True)
        config.touch(mode=0o600)
        config.write_text(
            _CONFIG.format(
                port=self._ports.mqtt,
                tls_port=self._ports.mqtts,
                host=self._settings.listen,
                store=escape(str(store.path)),
                password=escape(store.password),
                max_packet=self._settings.mqtt_max_packet,
                persistence=self._settings.mqtt_persistence,
            )
        )

    def _java(self) -> list[str]:
        libs = self._jar.with_name(self._jar.name.split("-")[0])
        return [
            "java",
            f"-Xmx{self._settings.mqtt_heap}m",
            "-XX:+UseSerialGC",
            # The quick compiler alone: less to compile at the start, 10 % less memory.
            "-XX:TieredStopAtLevel=1",
            *self.archive.options(),
            "-Dlogback.configurationFile=sluice-logback.xml",
            "-cp",
            f"{self._jar}:{libs}/*",
            _MAIN,
        ]


def certificate_file(settings: EmbeddedSettings) -> Path:
    """Return the certificate that clients of the TLS listener may trust."""
    return settings.mqtt_certificate or settings.data / MQTT / "tls" / "certificate.pem"


def client_host(settings: EmbeddedSettings) -> str:
    """Return the address at which clients on this machine reach what listens on `listen`."""
    return CLIENT_HOST if settings.listen.is_unspecified else str(settings.listen)
