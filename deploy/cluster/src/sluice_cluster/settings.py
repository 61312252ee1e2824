"""Settings of `./sluice cluster`, each an environment variable `SLUICE_CLUSTER_<NAME>`."""

from ipaddress import IPv4Address
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from sluice_embedded.domain.ports import HIGHEST_BASE, LOWEST_BASE
from sluice_embedded.install import HOME


class ClusterSettings(BaseSettings):
    """Which cluster is KUBECONFIG's to say; this is how it is used."""

    model_config = SettingsConfigDict(env_prefix="SLUICE_CLUSTER_", extra="ignore", populate_by_name=True)

    namespace: str = Field(
        "sluice", pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="Namespace; made if missing."
    )
    release: str = Field("sluice", pattern=r"^[a-z][-a-z0-9]*$", description="Name of Helm's release.")
    node: IPv4Address | None = Field(
        None, description="Address at which devices and clients reach node ports; a node's internal one by default."
    )
    parts_host: IPv4Address | None = Field(
        None,
        description="Address of this machine as pods reach it, for Kafka, SecantusDB and broker; by default the one "
        "from which this machine reaches the node.",
    )
    load: str | None = Field(
        None,
        description="Command that loads an image into the cluster; the archive's path is appended. By default what "
        "fits the kind of cluster: kind, k3d, minikube or k3s.",
    )
    image: str = Field("localhost/sluice", description="Name of the image, without tag.")
    replicas: int = Field(2, ge=1, le=8, description="Pods of each service.")
    port_base: int = Field(20_000, ge=LOWEST_BASE, le=HIGHEST_BASE, description="Lowest port of the parts.")
    state_dir: Path = Field(HOME / "cluster", description="Folder of the parts' state, the secrets and the image.")
    wait: float = Field(600.0, gt=0, description="Seconds until all pods must be ready.")
