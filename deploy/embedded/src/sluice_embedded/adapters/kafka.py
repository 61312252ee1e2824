"""Apache Kafka in KRaft mode: one node, from Maven Central."""

import os
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from sluice_embedded import install
from sluice_embedded.adapters import java
from sluice_embedded.adapters.processes import Program
from sluice_embedded.domain.ports import CLIENT_HOST, Ports
from sluice_embedded.domain.services import KAFKA
from sluice_embedded.settings import EmbeddedSettings

POM = install.ROOT / "deploy" / "embedded" / "kafka" / "pom.xml"
JARS = POM.with_name("jars.sha256")

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{own}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{own}:{controller}
advertised.listeners=PLAINTEXT://{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
num.network.threads=2
num.io.threads=4
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
"""


def ensure(parts: Path) -> Path:
    """Bring Kafka's jars unless they are there; return their folder.

    Raises:
        InstallError: Maven failed, or a jar is not the one that was pinned.
    """
    return java.ensure_jars(parts, KAFKA, "Apache Kafka", POM, JARS)


class Kafka:
    """The broker of one state folder."""

    def __init__(self, settings: EmbeddedSettings, ports: Ports) -> None:
        self._settings = settings
        self._ports = ports
        self._folder = settings.data / KAFKA
        self._libs = ensure(settings.parts_dir)
        self.archive = java.ClassArchive(self._libs)

    def program(self) -> Program:
        """Prepare the data folder and say how the broker is started."""
        properties = self._write_properties()
        if not (self._folder / "logs" / "meta.properties").exists():
            self._format(properties)
        return Program(
            name=KAFKA,
            argv=self._java("kafka.Kafka", properties, self.archive.options()),
            env=install.without_secrets(os.environ),
            cwd=self._folder,
            log=self._settings.logs / f"{KAFKA}.log",
            port=self._ports.kafka,
            host=self._ports.parts_host,
            last=True,
        )

    def _write_properties(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                own=CLIENT_HOST,
                host=self._ports.parts_host,
                port=self._ports.kafka,
                advertised=self._settings.kafka_advertised or self._ports.kafka_address(),
                controller=self._ports.kafka_controller,
                logs=self._folder / "logs",
            )
        )
        return properties

    def _format(self, properties: Path) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        command = self._java("kafka.tools.StorageTool", "format", [])
        # One word: an id may begin with a hyphen.
        install.run_quietly([*command, f"--cluster-id={cluster}", "-c", properties])

    def _java(self, main: str, argument: Path | str, options: list[str]) -> list[str]:
        return [
            "java",
            f"-Xmx{self._settings.kafka_heap}m",
            "-XX:+UseSerialGC",
            # Compiles quickly and never again: in the minutes that a system on one machine runs, this costs least.
            "-XX:TieredStopAtLevel=1",
            *options,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
            "-cp",
            f"{self._libs}/*",
            main,
            str(argument),
        ]
