"""What an execution carries of its product, package and policy, frozen when the task is expanded.

A later change of product, package or task therefore never changes an upgrade that has begun.
"""

from datetime import datetime

from sluice_common.messages.base import Value


class ProductSnapshot(Value, frozen=True, kw_only=True):
    """The product model of the device (R010–R015, D01–D03).

    Attributes:
        product_id: Its id.
        protocol: `LWM2M` or `MQTT`.
        firmware_upgrade: Whether the maintenance capability says that firmware upgrade is supported.
        upgrade_protocol: The capability's protocol; must be `LWM2M` for LwM2M products (R012).
        network: First part of the cell's key (D02); never read from the device.
        rsrp_scale: Factor from the reported RSRP to dBm (1 or 0.1).
        sinr_scale: Factor from the reported SINR to dB (1 or 0.1).
        sinr_path: Resource that holds the SINR.
        one_based_ranges: The device counts the bytes of an HTTP `Range` from 1 (D13; MQTT only).
    """

    product_id: str
    protocol: str = "LWM2M"
    firmware_upgrade: bool = True
    upgrade_protocol: str = "LWM2M"
    network: str = "default"
    rsrp_scale: float = 1.0
    sinr_scale: float = 1.0
    sinr_path: str = "/4/0/11"
    one_based_ranges: bool = False


class PackageSnapshot(Value, frozen=True, kw_only=True):
    """The verified package.

    Attributes:
        package_id: Its id.
        version: The target version.
        image_id: Id of the image (the inner `.bin`) in the image store.
        image_size: Bytes.
        image_sha256: Hex digest of the image.
        source_versions: Supported source versions with `*` and `?` (D04); empty means any.
    """

    package_id: str
    version: str
    image_id: str
    image_size: int
    image_sha256: str
    source_versions: tuple[str, ...] = ()


class Timeouts(Value, frozen=True, kw_only=True):
    """Deadlines of the steps, in seconds (D07; where the defaults come from: `docs/upgrade.md`).

    Attributes:
        online: Wait for an uplink (R061).
        version: Answer to the version query.
        coverage: Answer to the coverage and the cell query, each.
        observe: Answer to Observe and to the write of the Package URI.
        download_start: From the accepted Package URI to Firmware State 1.
        download: From the Package URI to Firmware State 2; the image token ends with it.
        mqtt_download: The same for an MQTT device, from the offer on; its token lives a day at most (R099).
        update_start: From the accepted Execute to Firmware State 3 or to silence.
        update: From Execute to the result.
        result: Answer to the result query.
        cancel_observe: Answer to Cancel Observe; its failure is no failure of the upgrade, and 5 s are waited at most.
        slot_response: A grantee that answers nothing for this long returns the slot.
        close: Answer of the gateway to a close of the download.
    """

    online: float = 86_400.0
    version: float = 180.0
    coverage: float = 180.0
    observe: float = 180.0
    download_start: float = 300.0
    download: float = 3_600.0
    mqtt_download: float = 86_400.0
    update_start: float = 300.0
    update: float = 1_800.0
    result: float = 180.0
    cancel_observe: float = 60.0
    slot_response: float = 30.0
    close: float = 30.0


class UpgradePolicy(Value, frozen=True, kw_only=True):
    """How a task treats each device.

    Attributes:
        waiting: Seconds in WAITING (R117).
        max_retries: Further attempts after a failed one (R134); 0 means none.
        retry_interval: Seconds from a failure to the next attempt (R135).
        end_at: The task's end time; executions that still wait then fail.
        timeouts: Deadlines of the steps.
    """

    waiting: float = 10.0
    max_retries: int = 0
    retry_interval: float = 120.0
    end_at: datetime | None = None
    timeouts: Timeouts = Timeouts()
