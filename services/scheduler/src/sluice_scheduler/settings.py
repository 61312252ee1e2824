"""Settings of the scheduler's stages, each an environment variable `SLUICE_<NAME>`."""

from pathlib import Path

from pydantic import Field

from sluice_common.messages.slots import CoverageClass
from sluice_common.settings import CommonSettings
from sluice_common.topics import RETENTION_DAYS
from sluice_rules.cells.coverage import Bounds, CoverageRules
from sluice_rules.cells.window import WindowRules
from sluice_rules.devices.rules import Rules


class CellsSettings(CommonSettings):
    """Settings of the stage `cells`: how many slots a cell or an MQTT task has, and how the stage runs (D01)."""

    window_limit_level_0: int = Field(50, ge=1, description="Devices that upgrade at once per cell in level 0 (R067).")
    window_limit_level_1: int = Field(10, ge=1, description="Devices that upgrade at once per cell in level 1 (R068).")
    window_limit_level_2: int = Field(1, ge=1, description="Devices that upgrade at once per cell in level 2 (R069).")
    window_limit_cell_only: int = Field(
        10, ge=1, description="Devices that upgrade at once per cell whose coverage is unreadable (R076)."
    )
    window_limit_task: int = Field(
        200, ge=1, description="MQTT devices of one task that download at once; they know no cells (R102)."
    )
    begin_margin: float = Field(
        2.0, ge=0, description="Seconds that a device must stay awake to be given a slot; less would waste it."
    )
    probe_interval: float = Field(
        300.0, gt=0, description="Seconds of silence after which a holder is asked whether it still needs its slot."
    )
    probe_check: float = Field(1.0, gt=0, description="Seconds between two looks for holders to probe.")
    cell_shards: int = Field(
        1, ge=1, description="Most processes that share the work, others stand by; fixed like the partitions."
    )
    batch: int = Field(500, ge=1, description="Most requests of one round.")
    round_interval: float = Field(
        0.05, ge=0, description="Seconds between two rounds under load: larger batches cost less CPU per request."
    )
    transaction_timeout: float = Field(
        10.0, gt=0, description="Seconds after which Kafka aborts a transaction that was left open."
    )
    commit_deadline: float = Field(30.0, gt=0, description="Seconds until a transaction must be committed.")
    restore_deadline: float = Field(120.0, gt=0, description="Seconds until newly assigned shards must be restored.")
    session_timeout: float = Field(
        10.0, gt=0, description="Seconds after which a silent process loses its shards to others."
    )
    rebalance_timeout: float = Field(30.0, gt=0, description="Seconds that a rebalance waits for each process.")

    def rules_of(self, coverage_class: CoverageClass) -> WindowRules:
        """Return the figures of the windows of a class; of one that a newer version made, the strictest."""
        limits = {
            CoverageClass.LEVEL_0: self.window_limit_level_0,
            CoverageClass.LEVEL_1: self.window_limit_level_1,
            CoverageClass.LEVEL_2: self.window_limit_level_2,
            CoverageClass.CELL_ONLY: self.window_limit_cell_only,
            CoverageClass.TASK: self.window_limit_task,
        }
        return WindowRules(limits.get(coverage_class, min(limits.values())), self.begin_margin, self.probe_interval)


class DevicesSettings(CommonSettings):
    """Settings of the stage `devices`: coverage bounds (D01), figures of the rules, and how the stage runs."""

    devices_data_dir: Path = Field(Path(".sluice/data/devices"), description="Folder of the records (RocksDB).")
    rsrp_level_0: float = Field(-105.0, description="Least RSRP of level 0, dBm.")
    rsrp_level_1: float = Field(-115.0, description="Least RSRP of level 1, dBm.")
    rsrp_level_2: float = Field(-125.0, description="Least RSRP of level 2, dBm.")
    rsrp_highest: float = Field(-44.0, description="Highest plausible RSRP, dBm.")
    sinr_level_0: float = Field(7.0, description="Least SINR of level 0, dB.")
    sinr_level_1: float = Field(-3.0, description="Least SINR of level 1, dB.")
    sinr_level_2: float = Field(-8.0, description="Least SINR of level 2, dB.")
    sinr_highest: float = Field(40.0, description="Highest plausible SINR, dB.")
    redrives: int = Field(1, ge=0, description="How often a deadline drives its step again before it fails it.")
    slot_reask: float = Field(300.0, gt=0, description="Seconds after which an awake waiter asks its window again.")
    coverage_valid: float = Field(
        3_600.0, gt=0, description="Seconds after which a device that waits for a slot is asked anew for its coverage."
    )
    max_slot_yields: int = Field(10, ge=1, description="Slots returned for a silent device until it gets no more.")
    clock_skew: float = Field(2.0, ge=0, description="Seconds that clocks of gateways and scheduler may differ.")
    download_token_lifetime: float = Field(
        86_400.0, gt=0, le=86_400, description="Most seconds that the download token of an MQTT device lives (R099)."
    )
    download_idle: float = Field(
        300.0, gt=0, description="Seconds without a byte or a word until an MQTT device gives its slot to another."
    )
    offer_again: float = Field(
        30.0, gt=0, description="Seconds until an MQTT device that has connected anew is offered the image again."
    )
    version_queries: int = Field(2, ge=0, description="Version queries that an MQTT device may leave unanswered.")
    version_again: float = Field(60.0, gt=0, description="Seconds until a silent MQTT device is asked again.")
    online_after_message: float = Field(
        60.0, gt=0, description="Seconds that an MQTT device counts as online after a message."
    )
    least_wait: float = Field(
        2.0,
        gt=0,
        description="Least seconds until a busy device (5.03, 4.29) is asked again, whatever Max-Age it names.",
    )
    cancel_observe: float = Field(
        5.0, gt=0, description="Most seconds that an upgrade, whose result is known, waits to cancel its observation."
    )
    command_answer: float = Field(180.0, gt=0, description="Seconds that a device command may stay unanswered.")
    max_commands: int = Field(50, ge=1, description="Unfinished device commands per device.")
    max_ended: int = Field(200, ge=1, description="Ended device commands remembered per device.")
    max_history: int = Field(200, ge=20, description="Entries of an execution's history.")
    devices_batch: int = Field(500, ge=1, description="Most events of one batch.")
    devices_gather: float = Field(
        0.06, ge=0, description="Least seconds from the begin of a batch to the next: more is cheaper and later."
    )
    linger: float = Field(0.0, ge=0, description="Seconds a producer waits to fill a batch; here batches come whole.")
    deadline_check: float = Field(0.25, gt=0, description="Seconds between two looks for deadlines that have passed.")
    devices_session_timeout: float = Field(10.0, gt=0, description="Seconds until a silent process loses partitions.")
    devices_stall: float = Field(60.0, gt=0, description="Seconds a batch may take; more ends the process.")
    devices_counters_interval: float = Field(60.0, gt=0, description="How often ignored events are logged, seconds.")
    devices_standbys: int = Field(1, ge=0, description="Workers that keep a copy of each partition's records.")

    def rules(self) -> Rules:
        """Return the figures of `decide`."""
        return Rules(
            coverage=CoverageRules(
                rsrp=Bounds(self.rsrp_level_0, self.rsrp_level_1, self.rsrp_level_2, self.rsrp_highest),
                sinr=Bounds(self.sinr_level_0, self.sinr_level_1, self.sinr_level_2, self.sinr_highest),
            ),
            redrives=self.redrives,
            slot_reask=self.slot_reask,
            coverage_valid=self.coverage_valid,
            max_slot_yields=self.max_slot_yields,
            clock_skew=self.clock_skew,
            token_lifetime=self.download_token_lifetime,
            download_idle=self.download_idle,
            offer_again=self.offer_again,
            version_queries=self.version_queries,
            version_again=self.version_again,
            online_after_message=self.online_after_message,
            least_wait=self.least_wait,
            cancel_observe=self.cancel_observe,
            command_answer=self.command_answer,
            max_commands=self.max_commands,
            max_ended=self.max_ended,
            ended_kept=(RETENTION_DAYS + 1) * 86_400.0,
            max_history=self.max_history,
        )
