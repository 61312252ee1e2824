"""Kafka, MongoDB and the MQTT broker are away in mid-campaign; everything goes on by itself when they answer again."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from tests.campaigns import last_words, lives, patient_campaign
from tests.outages.outage import Form, Outage

from sluice_demo.judgement import judge
from sluice_demo.run import Place, run
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.domain.services import KAFKA, MONGODB, MQTT, PARTS

_LWM2M_DEVICES, _MQTT_DEVICES = 250, 50
_LONGER = 240.0
"""Seconds by which the campaign's timeouts are longer than the outage; all devices have ended before, as none waits for
its step's time to be over."""
_EVERYTHING, _STAGES = 15.0, 40.0
"""Seconds within which everything, and the stages, must go on."""
_DEVICES_PAUSE = 48.0
"""Seconds after which an MQTT device that has failed for long tries again."""
_ENDED_IN_GOOD_ORDER = (0, -signal.SIGTERM)
"""The second is that of a process that the launcher told once more when all that was left of it was Python's own."""
_MAY_END = frozenset({"scheduler-devices", "scheduler-cells"})


@pytest.mark.requirement("R067", "R099", "R143")
@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize(
    "parts",
    [(KAFKA,), (MONGODB,), (MQTT,), pytest.param((KAFKA, MONGODB, MQTT), marks=pytest.mark.short)],
    ids="+".join,
)
async def test_a_campaign_ends_as_without_the_outage(
    parts: Sequence[str],
    form: Form,
    seconds: float,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    outage = Outage(parts, form, seconds)
    place = Place(port_base=free_base(), state_dir=tmp_path)
    campaign = patient_campaign(devices=_LWM2M_DEVICES, mqtt_devices=_MQTT_DEVICES, cells=2, seconds=seconds + _LONGER)
    judgement = judge(await run(campaign, place, Console(), meanwhile=outage, longer=seconds))
    report, recovered = judgement.report, outage.recovery.seconds
    record_property("table", f"{'+'.join(parts)} {form} for {seconds:g} s: on again after (s) {recovered}")

    assert report.violations == 0, judgement.differences
    assert report.succeeded == report.devices, judgement.differences
    assert report.callbacks.received == report.devices
    assert not judgement.differences
    assert report.makespan_s < seconds + _LONGER, "a device has waited until the time of its step was over"
    starts, statuses = lives(tmp_path)
    others = set(starts) - set(PARTS) - _MAY_END
    restarted = {name: starts[name] for name in others if starts[name] > 1}
    assert not restarted, last_words(tmp_path, restarted)
    failed = {name: statuses[name] for name in others if statuses[name] not in _ENDED_IN_GOOD_ORDER}
    assert not failed, last_words(tmp_path, failed)
    kafka = recovered.pop(KAFKA, 0.0)
    assert set(recovered) == {"API", "LwM2M gateway", "MQTT log-in", "all MQTT devices", "stages"}
    if form is Form.GONE:  # it mends its logs first, and takes nothing before
        recovered["LwM2M gateway"] -= kafka
    assert recovered["stages"] <= _STAGES
    assert recovered["all MQTT devices"] <= _EVERYTHING + _DEVICES_PAUSE
    assert max(recovered[name] for name in ("API", "LwM2M gateway", "MQTT log-in")) <= _EVERYTHING, recovered
