"""What the settings of the stage `devices` make of the rules' figures."""

from sluice_common.topics import RETENTION_DAYS
from sluice_rules.devices.rules import Rules
from sluice_scheduler.settings import DevicesSettings


def test_tombstones_outlive_the_records_of_the_input_topics() -> None:
    assert DevicesSettings().rules().ended_kept > RETENTION_DAYS * 86_400.0


def test_the_defaults_of_the_settings_are_those_of_the_rules() -> None:
    assert DevicesSettings().rules() == Rules()
